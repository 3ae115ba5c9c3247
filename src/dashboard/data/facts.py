"""Keep the facts beside each store up to date while the dashboard runs, and put questions to them within limits."""

from __future__ import annotations

import logging
import sqlite3
import threading
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from src.dashboard.data.limits import NobodyWaits
from src.dashboard.view.filters import ANY_CATEGORY, FilterError
from src.insight.facts.filters import BILLED, Filter
from src.insight.facts.job import FactsError, refresh
from src.insight.facts.opening import store_identity
from src.insight.facts.reader import FactsReader
from src.observability.store.schema import SpoolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from src.dashboard.data.limits import Limits
    from src.dashboard.data.stores import Store
    from src.dashboard.view.filters import Filters

_T = TypeVar("_T")
_STEPS: Final = 20_000  # of SQLite's machine between two looks at the limits
_EVERY_S: Final = 5.0
_TURN_S: Final = 3.0  # for which one store is read before the next one has its turn
_log = logging.getLogger("moondev.dashboard")

# What pages on calls are filtered by, and the fields of the facts' own filter.
FILTERS: Final = (
    "since", "until", "agent", "model", "provider", "symbol", "environment", "prompt", "session", "user", "status",
    "category", "min_ms", "min_usd",
)  # fmt: skip
_RENAMED: Final = {"prompt": "prompt_name"}
_OFFERED: Final = ("agent", "model", "provider", "symbol", "environment", "prompt_name", "category")
_MOST_OFFERED: Final = 200


class Refresher:
    """A thread that brings the facts of stores up to date, in turns, until it is stopped.

    Args:
        stores: The stores.
        stopping: Ends the thread.
        problems: Gets what keeps figures from being up to date, by store.
        read_more: Reads what else is read of a store in turns, and tells whether nothing is left.

    The store itself is only read: one of an older format, which would have to be brought forward first, is left alone.
    """

    def __init__(
        self,
        stores: Iterable[Store],
        stopping: threading.Event,
        problems: dict[str, str],
        read_more: Callable[[Store], bool],
    ) -> None:
        self._stores = tuple(stores)
        self._stopping = stopping
        self._read_more = read_more
        self.problems = problems
        self._lesser_problems: dict[str, str] = {}
        self._thread = threading.Thread(target=self._run, name="moondev-dashboard-facts", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def look(self, store: Store, seconds: float | None = _TURN_S) -> bool:
        """Read what is new in one store, for about so many seconds; tell whether nothing is left."""
        is_current = self._tried(store, partial(self._refreshed, store, seconds), self.problems, "Figures of calls")
        # By itself: where the index of texts cannot be written, figures of calls can all the same.
        is_read = self._tried(store, partial(self._read_more, store), self._lesser_problems, "Lists and searches")
        return is_current and is_read

    def _refreshed(self, store: Store, seconds: float | None) -> bool:
        if store_identity(store.path) is not None:
            return refresh(store.path, budget_s=seconds).is_current
        if store.reader.exists:
            raise FactsError(
                "this store is of an older format: its figures come once a traced call has brought it forward."
            )
        return True

    def _tried(self, store: Store, work: Callable[[], bool], problems: dict[str, str], what: str) -> bool:
        """Do a part of the work; where it cannot be done, say so once, and tell that nothing is left to do now."""
        try:
            is_done = work()
        except (FactsError, SpoolError, sqlite3.Error) as error:
            if problems.get(store.name) != str(error):
                _log.warning("%s are not up to date: %s", what, error)
            problems[store.name] = str(error)
            return True
        problems.pop(store.name, None)
        return is_done

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                is_done = all(list(map(self.look, self._stores)))
            except NobodyWaits:
                return
            self._stopping.wait(_EVERY_S if is_done else 0.05)


def ask(store: Store, question: Callable[[FactsReader], _T], limits: Limits) -> _T:
    """Return the answer to a question that is put to a store's facts.

    Raises:
        SpoolError: the store cannot be read, or its facts cannot.
        TookTooLong: it took too long.
        NobodyWaits: nobody waits for the answer any more.
    """
    limits.check()
    with FactsReader(store.path) as reader:
        reader.stop_when(limits.is_over, _STEPS)
        try:
            return question(reader)
        except sqlite3.Error as error:
            limits.check()  # it was interrupted, where the error is that
            raise SpoolError(f"the facts beside {store.path} cannot be read ({error}): try again.") from error


def facts_filter(filters: Filters, now_ns: int, *, type_: str | tuple[str, ...] | None = BILLED) -> Filter:
    """Return the facts' filter for the filters of an address; model calls alone where no type is named."""
    since, until = filters.times(now_ns)
    is_any_error = filters.category == ANY_CATEGORY
    if is_any_error and filters.status == "ok":
        raise FilterError("Error category asks for calls that failed, Status for those that did not: give one of them.")
    values = {
        _RENAMED.get(name, name): getattr(filters, name)
        for name in ("agent", "model", "provider", "symbol", "environment", "prompt", "session", "user", "category")
        if not (name == "category" and is_any_error)
    }
    return Filter(
        **values,
        status="error" if is_any_error else filters.status,  # type: ignore[arg-type] # one of its choices
        since_ns=since,
        until_ns=until,
        min_latency_ms=filters.number("min_ms"),
        min_cost_usd=filters.number("min_usd"),
        type=type_,
    )


def offered(reader: FactsReader) -> dict[str, list[str]]:
    """Return the values that filters are offered."""
    back = {new: old for old, new in _RENAMED.items()}
    return {back.get(name, name): reader.values(name)[:_MOST_OFFERED] for name in _OFFERED}

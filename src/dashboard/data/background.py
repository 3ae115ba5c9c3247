"""Compute in the background what takes longer than a page should, and keep the last result meanwhile."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from src.dashboard.data.limits import NobodyWaits

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

    from src.dashboard.data.limits import Limits

_T = TypeVar("_T")
_MOST: Final = 32  # results that are kept
_WAIT_S: Final = 0.02
_FRESH_S: Final = 300.0  # for which a result is not computed again, where nothing new was recorded
_log = logging.getLogger("moondev.dashboard")


class Progress:
    """How far a computation is, in words."""

    def __init__(self) -> None:
        self.text = "it waits for another one to end"

    def each(self, items: Iterable[_T], what: str, limits: Limits) -> Iterator[_T]:
        """Yield items and count them; raise between them where the work must end."""
        self.text = f"0 {what} are gone through"
        for count, item in enumerate(limits.each(items), 1):
            yield item
            if count % 256 == 0 or count < 256:
                self.text = f"{count:,} {what} are gone through"


@dataclass(slots=True)
class Result(Generic[_T]):
    """What is known of a computation.

    Attributes:
        value: What was computed last; None where nothing was yet.
        began_ns: When that was begun, in nanoseconds since 1970: it counts what was recorded until then.
        is_newest: Whether nothing was recorded since.
        progress: How far the next one is, in words; None where none is under way.
    """

    value: _T | None
    began_ns: int
    is_newest: bool
    progress: str | None


@dataclass(slots=True)
class _Item:
    value: Any = None
    version: Any = None
    began_ns: int = 0
    ended_s: float = 0.0
    error: Exception | None = None
    progress: Progress | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Background:
    """Results that threads compute, one at a time, by what they are of; those that were asked for longest ago go."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._items: OrderedDict[Hashable, _Item] = OrderedDict()

    def ask(
        self, key: Hashable, version: Any, compute: Callable[[Limits, Progress], _T], limits: Limits, *, waits: bool
    ) -> Result[_T]:
        """Return what is known at once, and begin to compute what is new.

        Args:
            key: What the result is of.
            version: Differs when something was recorded on which the result depends.
            compute: Computes it, within limits of its own.
            limits: Those of the question.
            waits: Whether to wait for the newest result.

        Raises:
            Exception: what the last computation of this version ended with; the next question begins it again.
            TookTooLong: the newest result was waited for, for too long.
        """
        item = self._item(key)
        self._begin(item, version, compute, limits.unhurried())
        while waits and item.progress is not None:
            time.sleep(_WAIT_S)
            limits.check()
        with item.lock:
            error, item.error = item.error, None
            if error is not None:
                raise error
            progress = None if item.progress is None else item.progress.text
            return Result(item.value, item.began_ns, item.version == version, progress)

    def _item(self, key: Hashable) -> _Item:
        with self._lock:
            item = self._items.setdefault(key, _Item())
            self._items.move_to_end(key)
            while len(self._items) > _MOST:
                self._items.popitem(last=False)
            return item

    def _begin(self, item: _Item, version: Any, compute: Callable[[Limits, Progress], Any], limits: Limits) -> None:
        with item.lock:
            is_fresh = item.version == version and time.monotonic() < item.ended_s + _FRESH_S
            if item.progress is not None or item.error is not None or (is_fresh and item.value is not None):
                return
            item.progress = Progress()
        arguments = (item, version, compute, limits)
        threading.Thread(target=self._compute, args=arguments, name="moondev-dashboard-work", daemon=True).start()

    def _compute(self, item: _Item, version: Any, compute: Callable[[Limits, Progress], Any], limits: Limits) -> None:
        value, error, began_ns = None, None, 0
        try:
            with self._turn:
                began_ns = time.time_ns()
                value = compute(limits, item.progress or Progress())
        except NobodyWaits:
            pass  # the server ends
        except Exception as problem:  # noqa: BLE001 - who asks for the result gets this error
            _log.debug("A result could not be computed:", exc_info=problem)
            error = problem
        with item.lock:
            item.error, item.progress = error, None
            if value is not None:
                item.value, item.version, item.began_ns, item.ended_s = value, version, began_ns, time.monotonic()

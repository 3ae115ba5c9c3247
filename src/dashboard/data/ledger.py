"""Keep the ledger's entries in memory, and read them anew when the file has others."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from src.judging.grouping import hash_of_prompt, model_of, outcome_of
from src.observability.ledger import Entry, LedgerReader, read_votes
from src.observability.ledger.reader import _page as read_page
from src.observability.store.ledger_queries import has_ledger

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from src.dashboard.data.limits import Limits
    from src.dashboard.data.stores import Store
    from src.dashboard.view.filters import Filters
    from src.observability.ledger import MemberVote

_FRESH_S: Final = 30.0  # for how long costs that are not known yet are not looked for again
_SETTLES_NS: Final = 3_600_000_000_000
_MARKS: Final = (
    "SELECT (SELECT count(*) FROM decisions), (SELECT coalesce(max(seq), 0) FROM decisions), "
    "(SELECT count(*) FROM outcomes), (SELECT coalesce(max(seq), 0) FROM outcomes), "
    "(SELECT count(*) FROM results), (SELECT coalesce(max(seq), 0) FROM results)"
)


@dataclass(frozen=True, slots=True)
class ReadEntry(Entry):
    """An entry whose votes are read already: pages go through them again and again."""

    members: tuple[MemberVote, ...] = ()

    @property
    @override
    def votes(self) -> tuple[MemberVote, ...]:
        """Return the members' votes."""
        return self.members


@dataclass(frozen=True, slots=True)
class Loaded:
    """The entries of a store, oldest first, and a version that another one has when they change."""

    entries: tuple[Entry, ...] = ()
    version: tuple[object, ...] = ()


class Ledger:
    """The entries of stores, each read once for as long as nothing changes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: dict[str, tuple[Loaded, float]] = {}

    def of(self, store: Store, limits: Limits) -> Loaded:
        """Return a store's entries."""
        marks = store.ask(_marks, (), limits)
        with self._lock:
            loaded, until = self._loaded.get(store.name, (None, 0.0))
            if loaded is None or loaded.version[:-1] != marks or time.monotonic() > until:
                loaded = self._read(store, marks, limits, loaded)
        return loaded

    @staticmethod
    def _longer(store: Store, marks: tuple[Any, ...], limits: Limits, before: Loaded) -> tuple[Entry, ...] | None:
        """Return the entries with the decisions that have come; None where anything else has changed, or too much."""
        known: tuple[Any, ...] = before.version[:-1]
        if not marks or len(known) != len(marks) or marks[2:] != known[2:] or marks[:2] == known[:2]:
            return None
        fresh = store.ask(partial(_page, seq=known[1]), [], limits)
        if len(before.entries) + len(fresh) != marks[0]:
            return None
        return (*before.entries, *map(_read_votes, fresh))

    def _read(self, store: Store, marks: tuple[object, ...], limits: Limits, before: Loaded | None) -> Loaded:
        entries = self._longer(store, marks, limits, before) if before is not None else None
        if entries is None:
            entries = tuple(map(_read_votes, limits.each(LedgerReader(store.reader).entries()))) if marks else ()
        # What a trace cost may become known a little later than its decision.
        recent_ns = time.time_ns() - _SETTLES_NS
        is_settled = not any(
            entry.decision.cost_usd is None and entry.decision.trace_id and entry.decision.time_ns > recent_ns
            for entry in entries
        )
        costs = sum(entry.decision.cost_usd or 0.0 for entry in entries)
        loaded = Loaded(entries=entries, version=(*marks, costs))
        if before is not None and before.version == loaded.version:
            loaded = before
        until = float("inf") if is_settled else time.monotonic() + _FRESH_S
        self._loaded[store.name] = (loaded, until)
        return loaded


def _page(connection: sqlite3.Connection, seq: int) -> list[Entry]:
    return list(read_page(connection, seq, None).entries)


def _read_votes(entry: Entry) -> Entry:
    return ReadEntry(
        decision=entry.decision,
        outcomes=entry.outcomes,
        results=entry.results,
        members=read_votes(entry.decision.votes),
    )


def _marks(connection: sqlite3.Connection) -> tuple[object, ...]:
    return tuple(connection.execute(_MARKS).fetchone()) if has_ledger(connection) else ()


def chosen(entries: Iterable[Entry], filters: Filters, now_ns: int) -> list[Entry]:
    """Return the entries that the filters leave; times are those of the newest data that a decision saw."""
    since, until = filters.times(now_ns)
    wanted = [
        (name, getattr(filters, attribute))
        for name, attribute in (
            ("agent", "agent"), ("symbol", "symbol"), ("environment", "environment"), ("session_id", "session"),
            ("book", "book"), ("action", "action"),
        )
        if getattr(filters, attribute) is not None
    ]  # fmt: skip
    result = []
    for entry in entries:
        decision = entry.decision
        if since is not None and decision.as_of_ns < since:
            continue
        if until is not None and decision.as_of_ns >= until:
            continue
        if any(getattr(decision, name) != value for name, value in wanted):
            continue
        if _has_parts(entry, filters):
            result.append(entry)
    return result


def _has_parts(entry: Entry, filters: Filters) -> bool:
    if filters.prompt is not None and filters.prompt != prompt_of(entry):
        return False
    if filters.model is not None and filters.model not in models_of(entry):
        return False
    if filters.member is not None and all(vote.member != filters.member for vote in entry.votes):
        return False
    return filters.outcome is None or filters.outcome == result_of(entry, filters.horizon)


def prompt_of(entry: Entry) -> str:
    """Return the name and version of a decision's prompt, or the digits of its text; empty where none is known."""
    decision = entry.decision
    return " ".join(filter(None, (decision.prompt_name, decision.prompt_version, hash_of_prompt(decision))))


def models_of(entry: Entry) -> set[str]:
    """Return the models of a decision: those that answered, or that were asked."""
    import json

    models = {model_of(vote) for vote in entry.votes}
    return models or set(json.loads(entry.decision.models) if entry.decision.models else ())


def result_of(entry: Entry, horizon: str | None) -> str | None:
    """Return right or wrong for a BUY or SELL that is judged, open for what is not; None for NOTHING."""
    outcome = outcome_of(entry, horizon)
    if entry.decision.status != "decided":
        return None
    if outcome is None:
        return "open"
    return None if outcome.correct is None else "right" if outcome.correct else "wrong"

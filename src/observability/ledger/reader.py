"""Read decisions with their outcomes and results, without writing."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from src.observability.ledger.votes import MemberVote, read_votes
from src.observability.store import ledger_queries

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence

    from src.observability.store.ledger_records import DecisionRecord, OutcomeRecord, ReplyRecord, ResultRecord
    from src.observability.store.reader import StoreReader

_STEP: Final = 5_000
_EVER: Final = 2**62


@dataclass(frozen=True, slots=True)
class Entry:
    """A decision with its outcomes by horizon, and what it really earned by source."""

    decision: DecisionRecord
    outcomes: Mapping[str, OutcomeRecord] = field(default_factory=dict)
    results: Mapping[str, ResultRecord] = field(default_factory=dict)
    _votes: tuple[MemberVote, ...] | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def votes(self) -> tuple[MemberVote, ...]:
        """Return the members' votes."""
        votes = self._votes
        if votes is None:
            votes = read_votes(self.decision.votes)
            object.__setattr__(self, "_votes", votes)
        return votes

    @property
    def horizons(self) -> tuple[str, ...]:
        """Return the names of the horizons by which it is judged, the main one first."""
        return tuple(self.decision.horizons.split(","))

    @property
    def status(self) -> str:
        """Return `abstained`, `failed`, `resolved` (each horizon has an outcome) or `open`."""
        if self.decision.status != "decided":
            return self.decision.status
        return "resolved" if all(name in self.outcomes for name in self.horizons) else "open"


class LedgerReader:
    """The questions that commands ask the ledger of a store."""

    def __init__(self, store: StoreReader) -> None:
        self._store = store

    def entries(
        self, run_id: str | None = None, *, since_ns: int | None = None, until_ns: int | None = None
    ) -> Iterator[Entry]:
        """Yield all decisions, oldest first, or those of one back-test, or of a range of time."""
        seq, times = 0, (since_ns if since_ns is not None else -_EVER, until_ns if until_ns is not None else _EVER)
        while True:
            page = self._store.ask(partial(_page, seq=seq, run_id=run_id, times=times), _Page())
            yield from page.entries
            if len(page.entries) < _STEP:
                return
            seq = page.last

    def reply(self, key: str) -> ReplyRecord | None:
        """Return the vote on an exact request, None where there is none."""
        return self._store.ask(lambda db: ledger_queries.reply(db, key), None)

    def newest(self, limit: int) -> list[Entry]:
        """Return the newest decisions, newest first."""
        return self._store.ask(lambda db: _with_outcomes(db, ledger_queries.newest_decisions(db, limit)), [])

    def with_ids(self, ids: Sequence[str]) -> list[DecisionRecord]:
        """Return the decisions of some ids, as far as there are any; their outcomes are not read."""
        return self._store.ask(lambda db: ledger_queries.decisions_with_ids(db, ids), [])

    def starting_with(self, beginning: str) -> list[Entry]:
        """Return the decisions whose id has this beginning; at most three."""
        return self._store.ask(lambda db: _with_outcomes(db, ledger_queries.decisions_by_id(db, beginning)), [])

    def of_trace(self, trace_id: str) -> list[Entry]:
        """Return the decisions that were made in a trace, oldest first."""
        return self._store.ask(lambda db: _with_outcomes(db, ledger_queries.decisions_of_trace(db, trace_id)), [])


@dataclass(frozen=True, slots=True)
class _Page:
    """Some decisions in their order, and the number of the last one."""

    entries: Sequence[Entry] = ()
    last: int = 0


def _page(connection: sqlite3.Connection, seq: int, run_id: str | None, times: tuple[int, int]) -> _Page:
    rows = ledger_queries.decisions_after(connection, seq, _STEP, run_id=run_id, times=times)
    entries = _with_outcomes(connection, [record for _, record in rows])
    return _Page(entries=entries, last=rows[-1][0] if rows else seq)


def read_numbered(connection: sqlite3.Connection, numbers: Sequence[int]) -> dict[int, Entry]:
    """Return the decisions of some numbers with what came of them, by their numbers."""
    rows = ledger_queries.numbered_decisions(connection, numbers)
    entries = _with_outcomes(connection, [record for _, record in rows])
    return {number: entry for (number, _), entry in zip(rows, entries, strict=True)}


def _with_outcomes(connection: sqlite3.Connection, decisions: Sequence[DecisionRecord]) -> list[Entry]:
    """Return decisions with what came of them; the cost of one that states none is that of its trace."""
    ids = [record.id for record in decisions]
    outcomes: defaultdict[str, dict[str, OutcomeRecord]] = defaultdict(dict)
    for outcome in ledger_queries.outcomes_of(connection, ids):
        outcomes[outcome.decision_id][outcome.horizon] = outcome
    results: defaultdict[str, dict[str, ResultRecord]] = defaultdict(dict)
    for result in ledger_queries.results_of(connection, ids):
        results[result.decision_id][result.source] = result
    without_cost = [record.trace_id for record in decisions if record.cost_unknown and record.trace_id]
    costs = ledger_queries.trace_costs(connection, without_cost)
    return [
        Entry(
            decision=_with_cost(record, costs),
            outcomes=outcomes.get(record.id, {}),
            results=results.get(record.id, {}),
        )
        for record in decisions
    ]


def _with_cost(record: DecisionRecord, costs: Mapping[str, tuple[float | None, bool]]) -> DecisionRecord:
    if record.cost_usd is not None or record.trace_id is None or record.trace_id not in costs:
        return record
    known, is_unknown = costs[record.trace_id]
    return replace(record, cost_usd=known if is_unknown else known or 0.0, cost_unknown=is_unknown)

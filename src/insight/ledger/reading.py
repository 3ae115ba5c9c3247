"""Read the ledger of a store into columns: what is new since they were read, in steps that a deadline can end."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy

from src.insight.ledger.columns import ACTIONS, NO_VOTE, Decisions, LedgerColumns, Outcomes, Votes
from src.judging.accuracy import round_trip_of
from src.judging.grouping import model_of, prompt_digits
from src.judging.judged_columns import STATUS
from src.observability.ledger import read_votes
from src.observability.store.ledger_queries import has_ledger, trace_costs

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeVar

    _T = TypeVar("_T")
    Ask = Callable[[Callable[[sqlite3.Connection], _T], _T], _T]

_STEP: Final = 5_000
_SETTLES_NS: Final = 3_600_000_000_000  # for how long what a trace cost may become known after its decision
_DECISIONS: Final = (
    "SELECT seq, time_ns, as_of_ns, symbol, action, status, confidence, price, agent, environment, session_id, book, "
    "prompt_name, prompt_version, prompt_hash, models, horizons, cost_usd, cost_unknown, trace_id, votes "
    "FROM decisions WHERE seq > ? ORDER BY seq LIMIT ?"
)
_OUTCOMES: Final = (
    "SELECT outcomes.seq, decisions.seq, horizon, entry_ns, entry, exit_ns, exit, exit_reason, net, correct, costs "
    "FROM outcomes JOIN decisions ON decisions.id = decision_id "
    "WHERE outcomes.seq > ? AND decisions.seq <= ? ORDER BY outcomes.seq LIMIT ?"
)
_COUNTS: Final = (
    "SELECT (SELECT count(*) FROM decisions), (SELECT coalesce(max(seq), 0) FROM decisions), "
    "(SELECT count(*) FROM outcomes), (SELECT coalesce(max(seq), 0) FROM outcomes)"
)


def brought_up(columns: LedgerColumns, ask: Ask[Any], *, seconds: float | None = None) -> LedgerColumns:
    """Return columns with what the store has beyond them.

    Args:
        columns: Those that were read before, of the same file; empty ones to begin with.
        ask: Puts a question to a connection to the store; its second argument is the answer where there are no tables.
        seconds: After how long to stop between two steps; `is_behind` of the result then holds.
    """
    counts = ask(_counts, None)
    if counts is None:
        return LedgerColumns()
    deadline = None if seconds is None else time.monotonic() + seconds
    total, newest, outcomes_n, outcomes_newest = counts
    if not _continues(columns, counts):
        columns = LedgerColumns()
    columns = replace(columns, total=total, outcomes_newest=outcomes_newest)
    if columns.upto < newest:
        columns = _with_decisions(columns, ask, newest, deadline)
    if columns.upto == newest and columns.outcomes_upto < outcomes_newest:
        columns = _with_outcomes(columns, ask, deadline)
    if not columns.is_behind:
        columns = replace(columns, outcomes_n=outcomes_n)
    return _with_late_costs(columns, ask)


def _counts(connection: sqlite3.Connection) -> tuple[int, ...] | None:
    return tuple(connection.execute(_COUNTS).fetchone()) if has_ledger(connection) else None


def _continues(columns: LedgerColumns, counts: tuple[int, ...]) -> bool:
    """Tell whether the store has what was read, with no row less: another file begins its numbers anew."""
    total, newest, outcomes_n, outcomes_newest = counts
    return (
        len(columns) <= total
        and columns.upto <= newest
        and columns.outcomes_n <= outcomes_n
        and columns.outcomes_upto <= outcomes_newest
    )


def _is_over(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() > deadline


class _Texts:
    """Numbers texts: the same text has the same number."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.numbers = {text: number for number, text in enumerate(texts)}

    def number(self, text: str | None) -> int:
        return -1 if text is None else self.numbers.setdefault(text, len(self.numbers))


def _with_decisions(columns: LedgerColumns, ask: Ask[Any], newest: int, deadline: float | None) -> LedgerColumns:
    texts, upto, count = _Texts(columns.texts), columns.upto, len(columns)
    decisions, votes = [columns.decisions], [columns.votes]
    while upto < newest:
        rows, costs = ask(partial(_decisions, after=upto), ([], {}))
        if not rows:
            break
        decisions.append(Decisions.made_of([_decision(row, texts, costs) for row in rows]))
        cast = [vote for place, row in enumerate(rows, count) for vote in _votes(row, place, texts)]
        votes.append(Votes.made_of(cast))
        upto, count = rows[-1][0], count + len(rows)
        if _is_over(deadline):
            break
    fresh = count - len(columns)
    outcomes = {name: Outcomes.joined([rows, Outcomes.of_none(fresh)]) for name, rows in columns.outcomes.items()}
    return replace(
        columns,
        texts=tuple(texts.numbers),
        decisions=Decisions.joined(decisions),
        votes=Votes.joined(votes),
        outcomes=outcomes,
    )


def _decisions(connection: sqlite3.Connection, after: int) -> tuple[list[tuple[Any, ...]], dict[str, Any]]:
    """Return the next decisions, and what the traces of those without a cost cost."""
    rows = connection.execute(_DECISIONS, (after, _STEP)).fetchall()
    return rows, trace_costs(connection, [row[19] for row in rows if row[17] is None and row[19] is not None])


def _decision(row: tuple[Any, ...], texts: _Texts, costs: dict[str, tuple[float | None, bool]]) -> tuple[Any, ...]:
    (seq, time_ns, as_of_ns, symbol, action, status, confidence, price, agent, environment, session, book, *prompt,
     models, horizons, cost, cost_unknown, trace_id, _) = row  # fmt: skip
    if cost is None and trace_id in costs:
        known, is_unknown = costs[trace_id]
        cost, cost_unknown = (known if is_unknown else known or 0.0), is_unknown
    name, version, digits = prompt
    number = texts.number
    number(horizons.split(",")[0])
    return (
        seq, time_ns, as_of_ns, number(symbol), ACTIONS.get(action, 0), STATUS.get(status, 0), confidence, price,
        number(agent), number(environment), number(session), number(book),
        number(" ".join(filter(None, (name, version, prompt_digits(version, digits))))), number(models),
        number(horizons), cost, bool(cost_unknown), trace_id is not None and row[17] is None,
    )  # fmt: skip


def _votes(row: tuple[Any, ...], place: int, texts: _Texts) -> list[tuple[Any, ...]]:
    return [
        (
            place, texts.number(vote.member), texts.number(model_of(vote)),
            NO_VOTE if vote.action is None else ACTIONS.get(vote.action, 0), vote.error is not None, vote.confidence,
            vote.weight, vote.latency_ms, vote.cost_usd,
        )
        for vote in read_votes(row[20])
    ]  # fmt: skip


def _with_outcomes(columns: LedgerColumns, ask: Ask[Any], deadline: float | None) -> LedgerColumns:
    upto, newest = columns.outcomes_upto, columns.outcomes_newest
    by_horizon: defaultdict[str, dict[int, tuple[Any, ...]]] = defaultdict(dict)
    while upto < newest:
        rows = ask(partial(_outcomes, after=upto, newest=newest), [])
        for _, seq, horizon, entry_ns, entry, exit_ns, exit_, reason, net, correct, costs in rows:
            by_horizon[horizon][seq] = (
                entry_ns, entry, exit_ns, exit_, reason == "horizon", net, correct, round_trip_of(costs),
            )  # fmt: skip
        upto = rows[-1][0] if len(rows) == _STEP else newest
        if _is_over(deadline):
            break
    outcomes = dict(columns.outcomes)
    for horizon, by_seq in by_horizon.items():
        before = outcomes.get(horizon)
        places = numpy.searchsorted(columns.decisions.seq, numpy.array(list(by_seq), dtype="int64"))
        outcomes[horizon] = (before if before is not None else Outcomes.of_none(len(columns))).with_rows(
            places, Outcomes.made_of(by_seq.values())
        )
    return replace(columns, outcomes=outcomes, outcomes_upto=upto)


def _outcomes(connection: sqlite3.Connection, after: int, newest: int) -> list[tuple[Any, ...]]:
    return connection.execute(_OUTCOMES, (after, newest, _STEP)).fetchall()


def _with_late_costs(columns: LedgerColumns, ask: Ask[Any]) -> LedgerColumns:
    """Return columns with what the newest traces cost by now: their calls may end after their decisions are written."""
    rows, now_ns = columns.decisions, time.time_ns()
    since_ns = min(columns.costed_ns or now_ns, now_ns) - _SETTLES_NS
    recent = numpy.flatnonzero(rows.is_costed_by_trace & (rows.time_ns > since_ns))
    columns = replace(columns, costed_ns=now_ns)
    if not len(recent):
        return columns
    by_seq = ask(partial(_costs_by_number, numbers=[int(number) for number in rows.seq[recent]]), {})
    places = [place for place in recent if int(rows.seq[place]) in by_seq]
    known = [by_seq[int(rows.seq[place])] for place in places]
    return columns.with_costs(places, [item[0] for item in known], [item[1] for item in known])


def _costs_by_number(connection: sqlite3.Connection, numbers: Sequence[int]) -> dict[int, tuple[float, bool]]:
    marks = ", ".join(map(str, numbers))
    rows = connection.execute(f"SELECT seq, trace_id FROM decisions WHERE seq IN ({marks})").fetchall()
    costs = trace_costs(connection, [trace_id for _, trace_id in rows])
    result = {}
    for seq, trace_id in rows:
        if trace_id in costs:
            known, is_unknown = costs[trace_id]
            result[seq] = (numpy.nan if known is None and is_unknown else known or 0.0, is_unknown)
    return result

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
from src.judging.grouping import answering_model, prompt_digits
from src.judging.judged_columns import STATUS
from src.observability.ledger import read_vote_columns
from src.observability.store.ledger_queries import has_ledger, trace_costs

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import TypeVar

    _T = TypeVar("_T")
    Ask = Callable[[Callable[[sqlite3.Connection], _T], _T], _T]

_STEP: Final = 5_000
_SETTLES_NS: Final = 3_600_000_000_000  # for how long what a trace cost may become known after its decision
_NAMES: Final = (
    "seq", "time_ns", "as_of_ns", "symbol", "action", "status", "confidence", "price", "agent", "environment",
    "session_id", "book", "prompt_name", "prompt_version", "prompt_hash", "models", "horizons", "cost_usd",
    "cost_unknown", "trace_id", "votes",
)  # fmt: skip
_FIRST, _LAST = _NAMES.index("cost_usd"), _NAMES.index("trace_id") + 1
_TRACE: Final = _LAST - 1
_DECISIONS: Final = f"SELECT {', '.join(_NAMES)} FROM decisions WHERE seq > ? ORDER BY seq LIMIT ?"
_NO_COST: Final[tuple[float | None, bool]] = (None, True)  # stands where no trace says what a decision cost
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


class _Texts(dict[str | None, int]):
    """Numbers texts, by subscription: the same text has the same number, None is -1."""

    def __init__(self, texts: Iterable[str]) -> None:
        super().__init__({text: number for number, text in enumerate(texts)})
        self[None] = -1

    def __missing__(self, text: str | None) -> int:
        """Give a new text the next number."""
        number = self[text] = len(self) - 1
        return number

    @property
    def texts(self) -> tuple[str, ...]:
        """Return the texts in the order of their numbers."""
        return tuple(text for text in self if text is not None)


def _with_decisions(columns: LedgerColumns, ask: Ask[Any], newest: int, deadline: float | None) -> LedgerColumns:
    texts, upto, count = _Texts(columns.texts), columns.upto, len(columns)
    decisions, votes = [columns.decisions], [columns.votes]
    while upto < newest:
        rows, costs = ask(partial(_decisions, after=upto), ([], {}))
        if not rows:
            break
        column = dict(zip(_NAMES, zip(*rows, strict=True), strict=True))
        decisions.append(_decision_columns(column, texts, costs))
        votes.append(_vote_columns(column["votes"], count, texts))
        upto, count = rows[-1][0], count + len(rows)
        if _is_over(deadline):
            break
    fresh = count - len(columns)
    outcomes = {name: Outcomes.joined([rows, Outcomes.of_none(fresh)]) for name, rows in columns.outcomes.items()}
    return replace(
        columns,
        texts=texts.texts,
        decisions=Decisions.joined(decisions),
        votes=Votes.joined(votes),
        outcomes=outcomes,
    )


def _decisions(connection: sqlite3.Connection, after: int) -> tuple[list[tuple[Any, ...]], dict[str, Any]]:
    """Return the next decisions, and what the traces of those without a cost cost."""
    rows = connection.execute(_DECISIONS, (after, _STEP)).fetchall()
    return rows, trace_costs(connection, [row[_TRACE] for row in rows if _is_costed_by_trace(*row[_FIRST:_LAST])])


def _decision_columns(
    column: Mapping[str, Sequence[Any]], texts: _Texts, costs: Mapping[str, tuple[float | None, bool]]
) -> Decisions:
    """Return decisions as columns: as values of each name, since a loop over rows takes several times as long."""
    horizons = column["horizons"]
    prompts = list(zip(column["prompt_name"], column["prompt_version"], column["prompt_hash"], strict=True))
    labels = {prompt: _prompt_label(*prompt) for prompt in set(prompts)}
    for text in dict.fromkeys(horizons):
        texts[text.split(",")[0]]  # a number for each main horizon, whether any outcome names it or not
    states = list(zip(column["cost_usd"], column["cost_unknown"], column["trace_id"], strict=True))
    is_costed = [_is_costed_by_trace(*state) for state in states]
    by_trace = [
        costs.get(state[2], _NO_COST) if own else _NO_COST for state, own in zip(states, is_costed, strict=True)
    ]
    named = {
        "symbol": column["symbol"], "agent": column["agent"], "environment": column["environment"],
        "session": column["session_id"], "book": column["book"], "prompt": map(labels.__getitem__, prompts),
        "models": column["models"], "horizons": horizons,
    }  # fmt: skip
    return Decisions.of_columns({
        **{name: column[name] for name in ("seq", "time_ns", "as_of_ns", "confidence", "price")},
        **{name: list(map(texts.__getitem__, values)) for name, values in named.items()},
        "action": [ACTIONS.get(action, 0) for action in column["action"]],
        "status": [STATUS.get(status, 0) for status in column["status"]],
        "cost_usd": [
            state[0] if own is _NO_COST else _known_usd(*own) for state, own in zip(states, by_trace, strict=True)
        ],
        "cost_unknown": [
            bool(state[1] if own is _NO_COST else own[1]) for state, own in zip(states, by_trace, strict=True)
        ],
        "is_costed_by_trace": is_costed,
    })  # fmt: skip


def _is_costed_by_trace(cost_usd: float | None, cost_unknown: int, trace_id: str | None) -> bool:
    """Tell whether a decision's trace says what it cost: as `LedgerReader` has it."""
    return cost_usd is None and bool(cost_unknown) and trace_id is not None


def _known_usd(known: float | None, is_unknown: bool) -> float | None:
    return known if is_unknown else known or 0.0


def _prompt_label(name: str | None, version: str | None, digest: str | None) -> str:
    return " ".join(filter(None, (name, version, prompt_digits(version, digest))))


def _vote_columns(votes: Sequence[str | None], first: int, texts: _Texts) -> Votes:
    """Return the votes of decisions, the first of which has a place, as columns."""
    counts, column = read_vote_columns(votes)
    labels = list(zip(column["model"], column["member"], strict=True))
    models = {label: answering_model(*label) for label in set(labels)}
    actions: dict[str | None, int] = {None: NO_VOTE}
    actions.update(ACTIONS)
    return Votes.of_columns({
        "decision": numpy.repeat(numpy.arange(first, first + len(counts)), counts).tolist(),
        "member": list(map(texts.__getitem__, column["member"])),
        "model": [texts[models[label]] for label in labels],
        "action": [actions.get(action, 0) for action in column["action"]],
        "has_failed": [error is not None for error in column["error"]],
        **{name: column[name] for name in ("confidence", "weight", "latency_ms", "cost_usd")},
    })  # fmt: skip


def _with_outcomes(columns: LedgerColumns, ask: Ask[Any], deadline: float | None) -> LedgerColumns:
    upto, newest = columns.outcomes_upto, columns.outcomes_newest
    outcomes = dict(columns.outcomes)
    while upto < newest:
        rows = ask(partial(_outcomes, after=upto, last_decision=columns.upto), [])
        by_horizon: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
        for row in rows:
            by_horizon[row[2]].append(row)
        for horizon, own in by_horizon.items():
            before = outcomes.get(horizon)
            outcomes[horizon] = before if before is not None else Outcomes.of_none(len(columns))
            _, seq, _, entry_ns, entry, exit_ns, exit_, reason, net, correct, costs = zip(*own, strict=True)
            places = numpy.searchsorted(columns.decisions.seq, numpy.array(seq, dtype="int64"))
            fresh = Outcomes.of_columns({
                "entry_ns": entry_ns, "entry": entry, "exit_ns": exit_ns, "exit": exit_,
                "is_whole": [name == "horizon" for name in reason], "net": net, "correct": correct,
                "round_trip": list(map(round_trip_of, costs)),
            })  # fmt: skip
            outcomes[horizon] = outcomes[horizon].with_rows(places, fresh)
        upto = rows[-1][0] if len(rows) == _STEP else newest
        if _is_over(deadline):
            break
    return replace(columns, outcomes=outcomes, outcomes_upto=upto)


def _outcomes(connection: sqlite3.Connection, after: int, last_decision: int) -> list[tuple[Any, ...]]:
    return connection.execute(_OUTCOMES, (after, last_decision, _STEP)).fetchall()


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

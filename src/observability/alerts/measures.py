"""Measure what a rule is about, in the store's own tables: nothing else has to be up to date.

Rows are stored when calls end, so that the newest have the highest numbers: a window is read from the end
backwards, until some thousand rows in a row ended before it. What is read grows with the window, never with the store.
"""

from __future__ import annotations

from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from src.observability.alerts import budgets
from src.observability.alerts.fields import shown_amount
from src.observability.alerts.readings import Reading, mean_interval, rank_interval, wilson
from src.observability.store.ledger_queries import has_ledger
from src.observability.store.records import BILLED_TYPES
from src.observability.store.schema import FACTS_SINCE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from src.observability.alerts.rules import Rule
    from src.observability.store.reader import StoreReader

    Question = Callable[[sqlite3.Connection, Rule, int], Reading]

_NS: Final = 1_000_000_000
_STEP: Final = 2_000  # rows that all ended before a window: then the window begins after them
_MOST_NAMED: Final = 3  # categories of errors that a message names
_BILLED: Final = ", ".join(f"'{name}'" for name in BILLED_TYPES)
_UNPRICED: Final = "CASE WHEN cost_unknown IS NULL THEN cost_usd IS NULL ELSE cost_unknown END"
_OLD_STORE: Final = "the store is of an older format, which has no such column: any traced call brings it forward"
_NOTHING: Final = "there is no store yet"


def measure(rule: Rule, store: StoreReader, now_s: float, watched_since_s: float | None) -> Reading:
    """Return what a rule measures now.

    Args:
        rule: The rule.
        store: The store.
        now_s: The time in seconds since 1970.
        watched_since_s: Since when the rule is checked, None where it never was: silence is counted from there in a
            store that has nothing to count it from.

    Raises:
        SpoolError: the store cannot be read.
    """
    if rule.kind == "budget":
        return _budget(rule, store, now_s)
    if rule.kind in ("no_decision", "no_call"):
        question = _last_decision if rule.kind == "no_decision" else _last_call
        last_ns = store.ask(partial(question, rule=rule), None)
        return _silence(rule, last_ns, now_s, watched_since_s)
    since_ns = int((now_s - (rule.window_s or 0)) * _NS)
    window: Question = {"cost": _cost, "error_rate": _errors, "latency": _latency, "agreement": _agreement}[rule.kind]
    return store.ask(lambda db: window(db, rule, since_ns), Reading(problem=_NOTHING))


def _silence(rule: Rule, last_ns: int | None, now_s: float, watched_since_s: float | None) -> Reading:
    if last_ns is not None:
        return Reading(value=max(now_s - last_ns / _NS, 0.0), n=1)
    never = f"the store has {rule.subject} of this kind at all"
    if watched_since_s is None:
        return Reading(problem=f"{never}, and the rule was never checked before, so that its silence has no beginning")
    return Reading(value=max(now_s - watched_since_s, 0.0), detail=f"{never}, and the rule is checked since then")


def _last_decision(connection: sqlite3.Connection, rule: Rule) -> int | None:
    """Return when a program last wrote a decision; those of back-tests count where the rule names their environment."""
    if not has_ledger(connection):
        return None
    where, values = _conditions(rule, {})
    statement = f"SELECT time_ns FROM decisions WHERE NOT derived {_live(rule)} {where} ORDER BY seq DESC LIMIT 1"  # noqa: S608 - our own names
    row = connection.execute(statement, values).fetchone()
    return None if row is None else int(row[0])


def _last_call(connection: sqlite3.Connection, rule: Rule) -> int | None:
    if not _has_columns(connection):
        return None
    where, values = _conditions(rule, _CALL_COLUMNS)
    statement = f"SELECT end_ns FROM observations WHERE type IN ({_BILLED}) {where} ORDER BY seq DESC LIMIT 1"  # noqa: S608 - our own names
    row = connection.execute(statement, values).fetchone()
    return None if row is None else int(row[0])


def _cost(connection: sqlite3.Connection, rule: Rule, since_ns: int) -> Reading:
    if not _has_columns(connection):
        return Reading(problem=_OLD_STORE)
    columns = f"count(*), coalesce(sum(cost_usd), 0), coalesce(sum({_UNPRICED}), 0)"
    n, usd, unpriced = _calls(connection, rule, since_ns, columns)[0]
    detail = f"{unpriced:,} {'call' if unpriced == 1 else 'calls'} without a known price" if unpriced else ""
    return Reading(value=float(usd), n=n, at_least=unpriced > 0, detail=detail)


def _errors(connection: sqlite3.Connection, rule: Rule, since_ns: int) -> Reading:
    if not _has_columns(connection):
        return Reading(problem=_OLD_STORE)
    category = "CASE WHEN level = 'ERROR' THEN coalesce(error_category, 'other') END"
    groups = _calls(connection, rule, since_ns, f"{category}, count(*)", f"GROUP BY {category}")
    n = sum(count for _, count in groups)
    failed = sorted(((count, str(name)) for name, count in groups if name is not None), reverse=True)
    hits = sum(count for count, _ in failed)
    if not n:
        return Reading(problem="no call ended in the window")
    named = ", ".join(f"{name} {count:,}" for count, name in failed[:_MOST_NAMED])
    return Reading(value=hits / n, n=n, interval=wilson(hits, n), detail=named)


def _latency(connection: sqlite3.Connection, rule: Rule, since_ns: int) -> Reading:
    """Measure calls that succeeded, and those that were given up for their time; other failures are no latency."""
    if not _has_columns(connection):
        return Reading(problem=_OLD_STORE)
    condition = "AND (level != 'ERROR' OR error_category = 'timeout') ORDER BY 1"
    ordered = [row[0] / _NS for row in _calls(connection, rule, since_ns, "end_ns - start_ns", condition)]
    if not ordered:
        return Reading(problem="no call succeeded or timed out in the window")
    share = rule.percentile / 100
    value = ordered[max(ceil(share * len(ordered)) - 1, 0)]
    return Reading(value=value, n=len(ordered), interval=rank_interval(ordered, share))


def _agreement(connection: sqlite3.Connection, rule: Rule, since_ns: int) -> Reading:
    """Measure decisions that two or more voted on: the score that the swarm wrote on each."""
    if not has_ledger(connection):
        return Reading(problem=_OLD_STORE)
    where, values = _conditions(rule, {})
    begin = _first_of_window(connection, "decisions", "time_ns", since_ns)
    statement = (
        "SELECT (SELECT avg(s.value) FROM scores s WHERE s.trace_id = d.trace_id AND s.name = 'agreement') "  # noqa: S608 - our own names
        f"FROM decisions d WHERE d.seq >= :begin AND d.time_ns >= :since {_live(rule)} {where} "
        "AND d.trace_id IS NOT NULL AND json_array_length(d.votes) >= 2"
    )
    rows = connection.execute(statement, {**values, "begin": begin, "since": since_ns})
    scores = [float(value) for (value,) in rows if value is not None]
    if not scores:
        return Reading(problem="no decision of two or more votes in the window")
    return Reading(value=sum(scores) / len(scores), n=len(scores), interval=mean_interval(scores))


def _budget(rule: Rule, store: StoreReader, now_s: float) -> Reading:
    states = budgets.states(store.path, now_s)
    if states is None:
        return Reading(problem="this process has made no call that budgets count, and so has not read them")
    chosen = [
        item
        for item in states
        if (rule.budget_window in (None, item.window))
        and all(item.match.get(name) == value for name, value in rule.where.items())
    ]
    if not chosen:
        return Reading(problem="no such budget is set (MOONDEV_BUDGET_..., MOONDEV_BUDGETS)")
    fullest = max(chosen, key=lambda item: item.share)
    match = ", ".join(f"{name} {value}" for name, value in sorted(fullest.match.items())) or "everything"
    detail = (
        f"the {fullest.window}'s budget of {shown_amount(fullest.limit_usd)} ({match}): "
        f"{shown_amount(fullest.spent_usd)} spent, {shown_amount(fullest.reserved_usd)} reserved"
    )
    return Reading(value=fullest.share, n=len(chosen), detail=detail)


# How rows are chosen.

_CALL_COLUMNS: Final = {"model": "(model = :model OR requested_model = :model)"}


def _calls(connection: sqlite3.Connection, rule: Rule, since_ns: int, columns: str, rest: str = "") -> list[Any]:
    """Return columns of the calls that ended in a rule's window."""
    where, values = _conditions(rule, _CALL_COLUMNS)
    begin = _first_of_window(connection, "observations", "end_ns", since_ns)
    statement = (
        f"SELECT {columns} FROM observations WHERE seq >= :begin AND end_ns >= :since "  # noqa: S608 - our own names
        f"AND type IN ({_BILLED}) {where} {rest}"
    )
    return connection.execute(statement, {**values, "begin": begin, "since": since_ns}).fetchall()


def _first_of_window(connection: sqlite3.Connection, table: str, column: str, since_ns: int) -> int:
    """Return a number before which no row is of a window, as far as rows were stored about when they ended."""
    statement = (
        f"SELECT min(seq), max(moment), count(*) FROM (SELECT seq, {column} AS moment FROM {table} "  # noqa: S608 - our own names
        f"WHERE seq < ? ORDER BY seq DESC LIMIT ?)"
    )
    begin = 2**63 - 1
    while True:
        lowest, newest_ns, count = connection.execute(statement, (begin, _STEP)).fetchone()
        if not count or newest_ns < since_ns:
            return begin
        begin = int(lowest)


def _conditions(rule: Rule, special: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """Return a rule's filters as SQL that begins with AND, and its parameters."""
    parts = [f" AND {special.get(name, f'{name} = :{name}')}" for name in rule.where]
    return "".join(parts), dict(rule.where)


def _live(rule: Rule) -> str:
    """Leave back-tests out, which decide nothing, unless the rule names an environment."""
    return "" if "environment" in rule.where else "AND environment != 'backtest'"


def _has_columns(connection: sqlite3.Connection) -> bool:
    """Tell whether the file has all columns that calls are chosen by."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0]) >= FACTS_SINCE

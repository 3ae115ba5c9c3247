"""Read single facts, whole traces and scores from the facts file."""

from __future__ import annotations

from itertools import takewhile
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from src.insight.facts.day_columns import Cover, cover, one_moment, span_number
from src.insight.facts.extremes import MOST_MARKS, outermost
from src.insight.facts.filters import conditions
from src.insight.facts.ranges import within
from src.insight.facts.records import Fact, ScoreFact, ScoreTotals, TraceFacts
from src.insight.facts.schema import NAMED, first_key

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from src.insight.facts.extremes import Mark
    from src.insight.facts.filters import Filter
    from src.insight.facts.names import NamesById

# Fields of facts that stand in other columns, or in another form: ids as bytes, flags as 0 and 1, texts as numbers.
_IDS: Final = {"trace_id": "trace", "span_id": "span", "parent_span_id": "parent"}
_FLAGS: Final = frozenset(("error", "unpriced", "repaired"))
_TEXTS: Final = frozenset(NAMED)


# The last column is the key.
_SELECT: Final = f"SELECT {', '.join(_IDS.get(name, name) for name in Fact._fields)}, key FROM facts WHERE 1"
_ORDERS: Final = {"start": "key", "cost": "cost_nano", "duration": "duration_us"}
_SPAN_PLACE: Final = Fact._fields.index("span_id")
_NEVER_NONE: Final = ("name", "type")
_MOST_AT_ONCE: Final = 10_000  # rows that are asked for at once
_LONGEST_TRACE_S: Final = 86_400  # around a fact, where its trace's others are looked for before there is an index


class Place(NamedTuple):
    """Where an observation stands in the store: its number, by which it is read, and its own id and its trace's."""

    seq: int
    span_id: str
    trace_id: str


class Rows:
    """The questions about single rows."""

    def __init__(self, connection: sqlite3.Connection, names: NamesById) -> None:
        self._connection = connection
        self._names = names

    def rows(
        self, filter_: Filter, order: Literal["start", "cost", "duration"], limit: int, *, ascending: bool
    ) -> list[Fact]:
        """Return single facts in an order; of equal starts or amounts in any."""
        if order not in _ORDERS:
            raise ValueError(f"{order!r} is no order of observations: use {', '.join(_ORDERS)}.")
        where, values = conditions(self._connection, filter_)
        if order != "start":
            with one_moment(self._connection):
                return self._outermost(filter_, order, limit, ascending=ascending)
        # Keys are in the order of whole seconds: the last one is read to its end, and all are sorted.
        where += within(filter_.since_ns, filter_.until_ns)
        rows = self._whole_seconds(f"{_SELECT} {where} ORDER BY key {'ASC' if ascending else 'DESC'}", values, limit)
        facts = self._facts(rows)
        facts.sort(key=attrgetter("start_ns"), reverse=not ascending)
        return facts[:limit]

    def _outermost(
        self, filter_: Filter, order: Literal["cost", "duration"], limit: int, *, ascending: bool
    ) -> list[Fact]:
        """Return the facts with the greatest or the least amounts: by columns of days, and all facts of the rest."""
        column = _ORDERS[order]
        where, values = conditions(self._connection, filter_)
        whole = Cover((), ((filter_.since_ns, filter_.until_ns),))
        days, rest = cover(self._connection, filter_) if limit <= MOST_MARKS else whole
        rows: list[tuple[Any, ...]] = []
        for since, until in rest:
            condition = f"{where} {within(since, until)} AND {column} IS NOT NULL"
            statement = f"{_SELECT} {condition} ORDER BY {column} {'ASC' if ascending else 'DESC'} LIMIT {int(limit)}"
            rows += self._connection.execute(statement, values).fetchall()
        for mark in outermost(self._connection, days, filter_, column, limit, ascending=ascending):
            at = self._connection.execute(f"{_SELECT} {within(mark.start_ns, mark.start_ns + 1)}")
            rows += [row for row in at if span_number(row[_SPAN_PLACE]) == mark.span][:1]
        place = Fact._fields.index("cost_nano" if order == "cost" else "duration_us")
        rows.sort(key=lambda row: row[place], reverse=not ascending)
        return self._facts(rows[:limit])

    def located(self, marks: Iterable[Mark]) -> list[Place]:
        """Return where observations stand, in the order of their marks; those that are gone lack."""
        places = []
        for mark in marks:
            statement = f"SELECT seq, span, trace FROM facts WHERE 1 {within(mark.start_ns, mark.start_ns + 1)}"
            rows = self._connection.execute(statement)
            row = next((row for row in rows if span_number(row[1]) == mark.span), None)
            if row is not None:
                places.append(Place(row[0], text_id(row[1]) or "", text_id(row[2]) or ""))
        return places

    def traces(self, filter_: Filter, limit: int) -> list[TraceFacts]:
        """Return whole traces that have an observation of the filter, the newest first."""
        where, values = conditions(self._connection, filter_)
        where += within(filter_.since_ns, filter_.until_ns)
        cursor = self._connection.execute(
            f"SELECT trace, start_ns FROM facts WHERE 1 {where} ORDER BY key DESC", values
        )
        newest: dict[bytes | str, int] = {}
        for trace, start_ns in cursor:
            if trace not in newest:
                if len(newest) == limit:
                    break
                newest[trace] = start_ns
        cursor.close()
        traces = [self._trace(trace, start_ns) for trace, start_ns in newest.items()]
        return sorted(traces, key=lambda item: item.facts[0].start_ns, reverse=True)

    def trace(self, trace_id: str) -> TraceFacts | None:
        """Return one trace by its whole id."""
        trace = binary_id(trace_id)
        row = self._connection.execute("SELECT start_ns FROM facts WHERE trace = ? LIMIT 1", (trace,)).fetchone()
        return None if row is None else self._trace(trace, row[0])

    def _trace(self, trace: bytes | str | None, start_ns: int) -> TraceFacts:
        first = first_key(start_ns) - (_LONGEST_TRACE_S << 32)
        last = first_key(start_ns) + (_LONGEST_TRACE_S << 32)
        indexed = "" if self._has_index() else f" AND key BETWEEN {first} AND {last}"
        rows = self._connection.execute(f"{_SELECT} AND trace = ? {indexed}", (trace,)).fetchall()
        facts = sorted(self._facts(rows), key=attrgetter("start_ns", "seq"))
        return TraceFacts(trace_id=text_id(trace) or "", facts=tuple(facts))

    def _has_index(self) -> bool:
        return bool(self._connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'facts_trace'").fetchone())

    def _whole_seconds(self, statement: str, values: dict[str, object], limit: int) -> list[tuple[Any, ...]]:
        """Return so many rows, and those of the same second as the last of them."""
        cursor = self._connection.execute(statement, values)
        rows = cursor.fetchmany(min(limit, _MOST_AT_ONCE))
        while len(rows) < limit and (more := cursor.fetchmany(min(limit - len(rows), _MOST_AT_ONCE))):
            rows += more
        if rows and len(rows) == limit:
            second = rows[-1][-1] >> 32
            rows += takewhile(lambda row: row[-1] >> 32 == second, cursor)
        cursor.close()
        return rows

    def _facts(self, rows: Sequence[Sequence[Any]]) -> list[Fact]:
        """Return rows of the SELECT as facts: made column by column, since there may be a hundred thousand."""
        if not rows:
            return []
        columns = zip(*rows, strict=True)  # the last one is the key
        values = [self._values(name, column) for name, column in zip(Fact._fields, columns, strict=False)]
        return list(map(Fact._make, zip(*values, strict=True)))

    def _values(self, name: str, column: Sequence[Any]) -> Iterable[Any]:
        """Return the values of a field from those of its column."""
        if name in _TEXTS:
            texts: dict[int, str | None] = {number: self._names.text(number) for number in set(column)}
            if name in _NEVER_NONE:
                texts = {number: text or "" for number, text in texts.items()}
            return map(texts.__getitem__, column)
        if name in _FLAGS:
            return map(bool, column)
        if name in _IDS:
            return [value.hex() if isinstance(value, bytes) else value for value in column]  # as `text_id`
        return column

    def scores(
        self, *, name: str | None, trace_id: str | None, since_ns: int | None, until_ns: int | None, limit: int
    ) -> list[ScoreFact]:
        """Return scores, the newest first."""
        parts, values = ["1"], []
        for condition, value in (
            ("name = (SELECT id FROM names WHERE text = ?)", name),
            ("trace = ?", None if trace_id is None else binary_id(trace_id)),
            ("timestamp_ns >= ?", since_ns),
            ("timestamp_ns < ?", until_ns),
        ):
            if value is not None:
                parts.append(condition)
                values.append(value)
        rows = self._connection.execute(
            "SELECT id, name, type, trace, span, session, environment, timestamp_ns, value, text FROM scores "
            f"WHERE {' AND '.join(parts)} ORDER BY timestamp_ns DESC LIMIT {int(limit)}",
            values,
        )
        text = self._names.text
        return [
            ScoreFact(
                id=row[0], name=text(row[1]) or "", type=text(row[2]) or "", trace_id=text_id(row[3]),
                span_id=text_id(row[4]), session=text(row[5]), environment=text(row[6]), timestamp_ns=row[7],
                value=row[8], text=text(row[9]),
            )
            for row in rows
        ]  # fmt: skip

    def score_days(self, name: str | None) -> list[ScoreTotals]:
        """Return the sums of scores by day."""
        condition = "" if name is None else "WHERE name = (SELECT id FROM names WHERE text = ?)"
        rows = self._connection.execute(
            f"SELECT day, name, type, environment, text, n, total FROM score_daily {condition} ORDER BY day, name",
            () if name is None else (name,),
        )
        text = self._names.text
        return [
            ScoreTotals(
                day=row[0], name=text(row[1]) or "", type=text(row[2]) or "", environment=text(row[3]),
                text=text(row[4]), n=row[5], total=row[6],
            )
            for row in rows
        ]  # fmt: skip


def binary_id(text: str | None) -> bytes | str | None:
    """Return an id as the facts file holds it: the bytes that its hex digits stand for; another text as it is."""
    if text is None:
        return None
    try:
        binary = bytes.fromhex(text)
    except ValueError:
        return text
    return binary if binary.hex() == text else text


def number_of_id(text: str) -> int:
    """Return the number under which columns have an id."""
    binary = binary_id(text) or ""
    if type(binary) is bytes and len(binary) == 8:  # as nearly all are: a hundred thousand are asked for at once
        return int.from_bytes(binary, "big", signed=True)
    return span_number(binary)


def text_id(binary: bytes | str | None) -> str | None:
    """Return an id as the trace store holds it."""
    return binary.hex() if isinstance(binary, bytes) else binary

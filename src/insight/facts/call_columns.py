"""Read facts as columns in the order of their starts, from the columns of whole days where these are there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from src.insight.facts.day_columns import NONE, cover, days_of, groups_of, one_moment, span_number
from src.insight.facts.filters import conditions
from src.insight.facts.ranges import within
from src.insight.facts.schema import NAMED

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence

    from src.insight.facts.filters import Filter
    from src.insight.facts.names import NamesById

# What advice goes through, by the million.
CALL_COLUMNS: Final = (
    "start_ns", "span", "duration_us", "error", "category", "agent", "model", "provider", "environment", "prompt_name",
    "finish_reason", "retried", "vote", "input_tokens", "output_tokens", "cached_tokens", "written_tokens",
    "reasoning_tokens", "cost_nano", "unpriced", "attempts", "repaired",
)  # fmt: skip
RUN_COLUMNS: Final = ("start_ns", "span", "duration_us", "environment")


class Calls:
    """Facts as arrays of one length, in the order of their starts.

    Names are numbers, 0 for none; other numbers are NONE where they are not known. `span` has the numbers of
    `day_columns.span_number`; with the start one says which fact it is (`FactsReader.located`).

    Args:
        columns: The arrays by their names.
        names: What numbers of names stand for.
    """

    def __init__(self, columns: Mapping[str, Any], names: NamesById) -> None:
        self._columns = columns
        self._names = names

    def __len__(self) -> int:
        """Return how many facts there are."""
        return len(self._columns["start_ns"])

    def __getitem__(self, name: str) -> Any:
        """Return a column."""
        return self._columns[name]

    def text(self, number: int) -> str | None:
        """Return what the number of a name stands for."""
        return self._names.text(number)

    def are(self, name: str, texts: Sequence[str]) -> Any:
        """Return for each fact whether the name in a column is one of some texts; the empty one stands for none."""
        import numpy

        column = self._columns[name]
        numbers = [int(number) for number in numpy.unique(column) if (self.text(int(number)) or "") in texts]
        return numpy.isin(column, numbers)

    def take(self, rows: Any) -> Calls:
        """Return the facts at some places, or where a mask holds."""
        return Calls({name: column[rows] for name, column in self._columns.items()}, self._names)

    def groups(self, keys: Sequence[str], rows: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:
        """Yield the groups of some facts by columns, names as texts, with the places of each group's facts in order.

        Args:
            keys: The columns.
            rows: The places of the facts, in their order.
        """
        import numpy

        if not len(rows):
            return
        groups, places = groups_of([self._columns[name][rows] for name in keys], len(rows))
        order = numpy.argsort(places, kind="stable")
        ends = numpy.cumsum(numpy.bincount(places)).tolist()
        for group, start, end in zip(groups, [0, *ends], ends, strict=False):
            key = tuple(self.text(value) if name in NAMED else value for name, value in zip(keys, group, strict=True))
            yield key, rows[order[start:end]]


def read_calls(connection: sqlite3.Connection, names: NamesById, filter_: Filter, columns: Sequence[str]) -> Calls:
    """Return some columns of the facts of a filter; of no more than some days, since all are in memory."""
    import numpy

    with one_moment(connection):
        days, rest = cover(connection, filter_)
        parts = [{name: _column(day, name) for name in columns} for day in days_of(connection, days, filter_)]
        where, values = conditions(connection, filter_)
        for since, until in rest:
            statement = f"SELECT {', '.join(columns)} FROM facts WHERE 1 {where} {within(since, until)} ORDER BY key"
            rows = connection.execute(statement, values).fetchall()
            parts.append(
                {name: _array(name, column) for name, column in zip(columns, zip(*rows, strict=True), strict=False)}
            )
    whole = {name: [part[name] for part in parts if part] for name in columns}
    joined = {name: numpy.concatenate([numpy.zeros(0, "int64"), *arrays]) for name, arrays in whole.items()}
    order = numpy.argsort(joined["start_ns"], kind="stable")
    return Calls({name: column[order] for name, column in joined.items()}, names)


def _column(day: Any, name: str) -> Any:
    return day.narrow(name) if name == "span" else day[name]  # any number is an id


def _array(name: str, column: Sequence[Any]) -> Any:
    import numpy

    if name == "span":
        return numpy.array([span_number(span) for span in column], "int64")
    return numpy.array([NONE if value is None else value for value in column], "int64")

"""Sum single facts up once by all that several questions about them group by.

A filter that daily totals do not know, such as a user or a least duration, has each question read all facts of its
period: of ten million that takes seconds each time.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from src.insight.facts.filters import conditions, fits
from src.insight.facts.ranges import within
from src.insight.facts.schema import DAY_NS, MEASURES

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from src.insight.facts.filters import Filter


class Cubes:
    """Temporary tables of sums, one for each set of facts that is asked about.

    Args:
        connection: To the facts file; the tables are its own and go with it.
        measures: SQL that makes the measures of one fact.
        columns: What is grouped by, besides days and whether an observation failed.
    """

    def __init__(self, connection: sqlite3.Connection, measures: str, columns: Sequence[str]) -> None:
        self._connection = connection
        self._measures = measures
        self._columns = tuple(dict.fromkeys(["error", *columns]))
        self._tables: dict[Filter, str] = {}

    def source(self, filter_: Filter, columns: Sequence[str], keys: str, moment: str) -> str | None:
        """Return a SELECT of the sums over a filter's facts; None where it asks for what sums are not kept by.

        Args:
            filter_: Which observations.
            columns: What is grouped by.
            keys: The same as SQL.
            moment: SQL of the time that is grouped by, of the beginning of a day.
        """
        if not fits(columns, self._columns):
            return None
        names = ", ".join(self._columns)
        everything = replace(filter_, status=None)
        table = self._tables.get(everything)
        if table is None:
            table = f"cube_{len(self._tables)}"
            where, values = conditions(self._connection, everything)
            where += within(filter_.since_ns, filter_.until_ns)
            sums = ", ".join(f"sum({name}) AS {name}" for name in MEASURES)
            self._connection.execute(
                f"CREATE TEMP TABLE {table} AS SELECT day, {names}, {sums} FROM (SELECT "
                f"start_ns - start_ns % {DAY_NS} AS day, {names}, {self._measures} FROM facts WHERE 1 {where}) "
                f"GROUP BY day, {names}",
                values,
            )
            self._tables[everything] = table
        status = "" if filter_.status is None else f" WHERE error = {int(filter_.status == 'error')}"
        return f"SELECT {moment} AS moment, {keys} {', '.join(MEASURES)} FROM {table}{status}"

"""Put questions to the facts file: totals, groups, percentiles, series, single facts; nothing is written.

    with FactsReader(store_path) as facts:
        facts.freshness()
        facts.totals(Filter(agent="momentum", since_ns=...))
        facts.grouped(Filter(), by=("model",))

Daily totals answer whole days, single facts the rest; what single facts alone can answer lacks observations that the
store has deleted (`expired_in` says how many).
"""

from __future__ import annotations

from operator import add
from typing import TYPE_CHECKING, Any, Final, Literal

from src.insight.facts import day_columns, filters, headroom, quantiles, retries
from src.insight.facts.call_columns import CALL_COLUMNS, read_calls
from src.insight.facts.filters import Filter, column_of, conditions, is_daily
from src.insight.facts.names import NamesById
from src.insight.facts.opening import open_facts
from src.insight.facts.ranges import split, within
from src.insight.facts.records import Freshness, Percentiles, Point, Row, Totals
from src.insight.facts.rows import Rows
from src.insight.facts.schema import CUT, DAILY_KEYS, DAY_NS, MEASURES, NANO
from src.insight.facts.sums_of_filters import Question, SumsOfFilters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from src.insight.facts.call_columns import Calls
    from src.insight.facts.extremes import Mark
    from src.insight.facts.filters import Dimension
    from src.insight.facts.headroom import HeadroomFigures
    from src.insight.facts.records import Fact, ScoreFact, ScoreTotals, TraceFacts
    from src.insight.facts.rows import Place
    from src.insight.facts.sums_of_filters import Cells

Step = Literal["day", "hour"]
_STEP_NS: Final = {"day": DAY_NS, "hour": 3_600 * NANO}
_SUMS: Final = ", ".join(f"sum({name})" for name in MEASURES)


class FactsReader:
    """The questions that can be put to the facts of one store. One object serves one thread, for one request or report.

    Where there is no facts file of this store all answers are empty, and `freshness().exists` is False: call
    `refresh(store, budget_s=...)` of `src.insight.facts.job` first.

    Args:
        store: The trace store's file.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._connection = open_facts(store)
        self._names = NamesById(self._connection)
        self._sums_of_facts = self._facts_as_sums()
        self._rows = Rows(self._connection, self._names)
        self._sums = SumsOfFilters()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def stop_when(self, is_over: Callable[[], bool], steps: int) -> None:
        """Have questions looked at while they are answered, and stopped, which raises sqlite3.OperationalError.

        Args:
            is_over: Tells whether nobody waits for the answer any more.
            steps: How many steps of SQLite's machine lie between two looks.
        """
        self._connection.set_progress_handler(is_over, steps)

    # How far.

    def freshness(self) -> Freshness:
        """Return how far the facts file has read its store."""
        from src.insight.facts.status import freshness

        return freshness(self._store, self._connection)

    def effective_range(self, filter_: Filter) -> tuple[int | None, int | None]:
        """Return the times that totals of a filter really cover, from and until.

        They are wider than the filter's where it begins or ends inside a day of which facts were deleted.
        """
        parts = split(self._connection, filter_)
        return parts.since_ns, parts.until_ns

    def expired_in(self, filter_: Filter) -> int:
        """Return how many observations of the filter's days daily totals alone still know, of whatever kind."""
        parts = split(self._connection, filter_)
        since = "" if parts.since_ns is None else f" AND day >= {parts.since_ns // DAY_NS}"
        until = "" if parts.until_ns is None else f" AND day * {DAY_NS} < {parts.until_ns}"
        statement = f"SELECT coalesce(sum(n), 0) FROM expired WHERE 1 {since} {until}"
        return int(self._connection.execute(statement).fetchone()[0])

    # Totals.

    def totals(self, filter_: Filter) -> Totals:
        """Return the sums over a filter's observations."""
        rows = self.grouped(filter_, by=())
        return rows[0].totals if rows else NOTHING

    def grouped(self, filter_: Filter, by: Sequence[Dimension]) -> list[Row]:
        """Return the sums of each group, the largest cost first, then the most observations."""
        points = self._points(filter_, by, None)
        rows = [Row(point.key, point.totals) for point in points]
        return sorted(rows, key=lambda row: (-row.totals.cost_nano, -row.totals.n, tuple(map(str, row.key))))

    def series(self, filter_: Filter, step: Step = "day", by: Sequence[Dimension] = ()) -> list[Point]:
        """Return the sums of each day or hour of each group, in the order of time; those without observations lack.

        Raises:
            ValueError: hours are asked for of days of which the store has deleted observations.
        """
        if step not in _STEP_NS:
            raise ValueError(f"{step!r} is no step of a series: use day or hour.")
        if step == "hour" and self.expired_in(filter_):
            raise ValueError("Hours are not known of days of which old observations were deleted: ask for days.")
        return sorted(self._points(filter_, by, step), key=lambda point: (point.start_ns, tuple(map(str, point.key))))

    def percentiles(
        self,
        filter_: Filter,
        by: Sequence[Dimension] = (),
        shares: Sequence[float] = (0.5, 0.95, 0.99),
        measure: quantiles.Measure = "duration",
    ) -> dict[tuple[str | None, ...], Percentiles]:
        """Return quantiles of durations, or of times to the first token, for each group.

        Args:
            filter_: Which observations.
            by: What to group by.
            shares: The quantiles, as shares from 0 to 1.
            measure: `duration` or `first_token`.
        """
        return self.percentiles_and_all(filter_, by, shares, measure)[0]

    def percentiles_and_all(
        self,
        filter_: Filter,
        by: Sequence[Dimension],
        shares: Sequence[float] = (0.5, 0.95, 0.99),
        measure: quantiles.Measure = "duration",
    ) -> tuple[dict[tuple[str | None, ...], Percentiles], Percentiles | None]:
        """Return quantiles for each group, as `percentiles`, and those of all groups together; None for nothing."""
        groups, all_ = quantiles.percentiles(self._connection, filter_, by, shares, measure)
        return {self._key(by, ids): group for ids, group in groups.items()}, all_

    def retries(self, filter_: Filter, by: Sequence[Dimension] = ()) -> dict[tuple[str | None, ...], int]:
        """Return how many attempts failed and were tried again, for each group; `category` is the attempt's.

        As totals are, they are known of deleted observations where the question is about agent, model, provider,
        environment and category alone.
        """
        groups = retries.retries(self._connection, filter_, by)
        return {self._key(by, ids): n for ids, n in groups.items()}

    def headroom(self, filter_: Filter) -> HeadroomFigures:
        """Return how much of providers' rate limits was left: of the newest days, without a beginning."""
        return headroom.figures(self._connection, self._names, filter_)

    def values(self, dimension: Dimension) -> list[str]:
        """Return the names that occur in a dimension of daily totals or of single facts, sorted."""
        column = column_of(dimension)
        table = "daily" if filters.fits((column,), DAILY_KEYS) else "facts"
        ids = self._connection.execute(f"SELECT DISTINCT {column} FROM {table}")
        texts = (self._name(dimension, row[0]) for row in ids)
        return sorted(text for text in texts if text is not None)

    def spellings(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Return the names in the file that are some texts but for the case of their letters; texts are lower case."""
        wanted = tuple(texts)
        marks = ", ".join("?" * len(wanted))
        rows = self._connection.execute(f"SELECT text FROM names WHERE lower(text) IN ({marks})", wanted)
        return tuple(row[0] for row in rows)

    # Single facts.

    def rows(
        self,
        filter_: Filter,
        order: Literal["start", "cost", "duration"] = "start",
        limit: int = 100,
        *,
        ascending: bool = False,
    ) -> list[Fact]:
        """Return single observations: the newest, dearest or longest first, or the other way round."""
        return self._rows.rows(filter_, order, limit, ascending=ascending)

    def calls(self, filter_: Filter, columns: Sequence[str] = CALL_COLUMNS) -> Calls:
        """Return columns of the observations of a filter, in the order of their starts; a day is a good portion."""
        return read_calls(self._connection, self._names, filter_, columns)

    def located(self, marks: Iterable[Mark]) -> list[Place]:
        """Return where observations stand in the store, in the order of their marks; those that are gone lack."""
        return self._rows.located(marks)

    def traces(self, filter_: Filter, limit: int = 20) -> list[TraceFacts]:
        """Return whole traces that have an observation of the filter, the newest first."""
        return self._rows.traces(filter_, limit)

    def trace(self, trace_id: str) -> TraceFacts | None:
        """Return one trace by its whole id."""
        return self._rows.trace(trace_id)

    def scores(
        self, *, name: str | None = None, trace_id: str | None = None, since_ns: int | None = None,
        until_ns: int | None = None, limit: int = 1_000,
    ) -> list[ScoreFact]:  # fmt: skip
        """Return scores, the newest first."""
        return self._rows.scores(name=name, trace_id=trace_id, since_ns=since_ns, until_ns=until_ns, limit=limit)

    def score_days(self, name: str | None = None) -> list[ScoreTotals]:
        """Return the sums of scores by day, those included that the store has deleted."""
        return self._rows.score_days(name)

    # How.

    def _points(self, filter_: Filter, by: Sequence[Dimension], step: Step | None) -> list[Point]:
        columns = [column_of(name) for name in by]
        with day_columns.one_moment(self._connection):
            cells = self._cells(filter_, columns, step)
        return [
            Point(moment, self._key(by, ids), Totals(errors=cell[0], **_by_measure(cell[1:])))
            for (moment, *ids), cell in cells.items()
        ]

    def _cells(self, filter_: Filter, columns: Sequence[str], step: Step | None) -> Cells:
        """Return errors and measures of each moment and group; out of finer ones, where they are here."""
        version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        from_daily = step != "hour" and is_daily(filter_, columns)
        question = Question(filter=filter_, columns=tuple(columns), step=step, is_daily=from_daily)
        cells = self._sums.coarser(version, question)
        if cells is None:
            cells = self._read_cells(filter_, columns, step)
            self._sums.keep(version, question, cells)
        return cells

    def _read_cells(self, filter_: Filter, columns: Sequence[str], step: Step | None) -> Cells:
        """Return errors and measures of each moment and group; of single facts by the columns of their days."""
        cells: Cells = {}
        where, values = conditions(self._connection, filter_)
        if step == "hour" or not is_daily(filter_, columns):
            days, rest = day_columns.cover(self._connection, filter_)
            cells = day_columns.sums(self._connection, days, filter_, columns, step)
            facts = self._facts_source(columns, where, step)
            source = " UNION ALL ".join(facts + within(since, until) for since, until in rest)
        else:
            source = self._source(filter_, columns, where, step)
        keys = ", ".join(["moment", *columns])
        statement = f"SELECT {keys}, sum(n * error), {_SUMS} FROM ({source}) GROUP BY {keys}"
        for row in self._connection.execute(statement, values) if source else ():
            key, cell = row[: len(columns) + 1], row[len(columns) + 1 :]
            cells[key] = list(map(add, cells[key], cell)) if key in cells else list(cell)
        return cells

    def _facts_source(self, columns: Sequence[str], where: str, step: Step | None) -> str:
        """Return the SELECT of single facts in the form of daily totals."""
        keys = "".join(f"{name}, " for name in dict.fromkeys(["error", *columns]))
        moment = "0" if step is None else f"start_ns - start_ns % {_STEP_NS[step]}"
        return f"SELECT {moment} AS moment, {keys} {self._sums_of_facts} FROM facts WHERE 1 {where}"

    def _source(self, filter_: Filter, columns: Sequence[str], where: str, step: Step | None) -> str:
        """Return the SELECT of what is summed up: daily totals, and single facts of parts of days in one form."""
        keys = "".join(f"{name}, " for name in dict.fromkeys(["error", *columns]))
        facts = self._facts_source(columns, where, step)
        parts = split(self._connection, filter_)
        day = "0" if step is None else f"day * {DAY_NS}"
        daily = f"SELECT {day} AS moment, {keys} {', '.join(MEASURES)} FROM daily WHERE 1 {where} {parts.days}"
        return " UNION ALL ".join([daily, *(facts + within(since, until) for since, until in parts.edges)])

    def _facts_as_sums(self) -> str:
        """Return the measures of one fact."""
        billed = ", ".join(map(str, filters.ids_of(self._connection, filters.BILLED))) or "-1"
        cut = ", ".join(map(str, filters.ids_of(self._connection, CUT))) or "-1"
        expressions = {
            "n": "1",
            "unmeasured": f"(type IN ({billed}) AND input_tokens IS NULL AND output_tokens IS NULL)",
            "first_tokens": "(first_token_us IS NOT NULL)",
            "retried": "(coalesce(attempts, 1) > 1)",
            "cut": f"(finish_reason IN ({cut}))",
            "unpriced": "unpriced",
            "repaired": "repaired",
        }
        return ", ".join(f"{expressions.get(name, f'coalesce({name}, 0)')} AS {name}" for name in MEASURES)

    def _key(self, by: Sequence[str], ids: Sequence[int]) -> tuple[str | None, ...]:
        return tuple(self._name(name, number) for name, number in zip(by, ids, strict=True))

    def _name(self, dimension: str, number: int) -> str | None:
        if dimension == "status":
            return "error" if number else "ok"
        return self._names.text(number)


def _by_measure(values: Sequence[Any]) -> dict[str, int]:
    return dict(zip(MEASURES, values, strict=True))


NOTHING: Final = Totals(errors=0, **dict.fromkeys(MEASURES, 0))

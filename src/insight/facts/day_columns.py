"""Keep the facts of whole days as columns too, and sum them up: what no daily total answers takes a tenth of the time.

A day's columns go when one of its facts changes, in the same transaction, and are written anew by the job. Numbers are
held in the smallest type that has room for the day's; the least number of that type stands for none. Shares of rate
limits, which are no whole numbers, are 64-bit floats, and NaN stands for none. Ids are the numbers of `span_number`.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from src.insight.facts.filters import BILLED, choices, ids_of, is_among
from src.insight.facts.ranges import within
from src.insight.facts.schema import BASE, CUT, DAY_NS, MEASURES, NAMED, NANO

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterator, Sequence

    from src.insight.facts.filters import Filter

# So many facts there must be: fewer are summed up by SQLite soon enough.
LEAST_FACTS: Final = 100_000
NONE: Final = -(2**63)
_NUMBERS: Final = (
    "error", "unpriced", "repaired", "bucket", "duration_us", "input_tokens", "output_tokens", "cached_tokens",
    "written_tokens", "reasoning_tokens", "cost_nano", "first_token_us", "attempts", "start_ns",
)  # fmt: skip
_HOUR: Final = "start_ns % 86400000000000 / 3600000000000"
_SHARE: Final = "headroom"
_LAST: Final = "span"
_COLUMNS: Final = {"hour": _HOUR, **{name: name for name in (*NAMED, *_NUMBERS, _SHARE, _LAST)}}
_TYPES: Final = ("int8", "int16", "int32", "int64", "float64")
_INT64, _FLOAT = 3, 4
# Days that have all columns: an earlier program wrote fewer.
_WITH_COLUMNS: Final = f"FROM day_columns WHERE name = '{_LAST}'"
_HOUR_NS: Final = 3_600 * NANO
_MOST_GAPS: Final = 100  # between days with columns, each of which is one part of a statement
_EXACT: Final = 2**53  # up to which sums of floats are exact


# Writing.


def forget_days(connection: sqlite3.Connection, days: Collection[int]) -> None:
    """Delete the columns of days whose facts change, inside a transaction."""
    connection.execute(f"DELETE FROM day_columns WHERE day IN ({', '.join(map(str, sorted(days)))})")


def days_without(connection: sqlite3.Connection) -> list[int]:
    """Return the days that have facts and no columns, the newest of all left out, on which facts still come."""
    rows = connection.execute(
        "SELECT DISTINCT day FROM daily WHERE day >= 0 AND day < (SELECT max(day) FROM daily) "
        f"AND day NOT IN (SELECT day {_WITH_COLUMNS}) ORDER BY day"
    )
    return [row[0] for row in rows]


def keep_day(connection: sqlite3.Connection, day: int) -> None:
    """Write the columns of a day, inside a transaction."""
    times = within(day * DAY_NS, (day + 1) * DAY_NS)
    rows = connection.execute(f"SELECT {', '.join(_COLUMNS.values())} FROM facts WHERE 1 {times}").fetchall()
    bodies = [("hour", b""), (_LAST, b"")]
    if rows:
        *numbers, shares, spans = zip(*rows, strict=True)
        bodies = [*zip(_COLUMNS, map(_packed, numbers), strict=False), (_SHARE, _packed_floats(shares)),
                  (_LAST, _packed_ids(spans))]  # fmt: skip
    items = ((day, name, body) for name, body in bodies)
    connection.executemany("INSERT OR REPLACE INTO day_columns VALUES (?, ?, ?)", items)


def _packed(values: Sequence[int | None]) -> bytes:
    """Return numbers as bytes: the first one says in which type."""
    import numpy

    column = numpy.array([NONE if value is None else value for value in values] if None in values else values, "int64")
    is_none = column == NONE
    known = column[~is_none]
    low, high = (int(known.min()), int(known.max())) if len(known) else (0, 0)
    place = next(
        place for place, name in enumerate(_TYPES) if numpy.iinfo(name).min < low and high <= numpy.iinfo(name).max
    )
    kind = numpy.dtype(_TYPES[place])
    column[is_none] = numpy.iinfo(kind).min
    return bytes([place]) + column.astype(kind).tobytes()


def _packed_floats(values: Sequence[float | None]) -> bytes:
    import numpy

    return bytes([_FLOAT]) + numpy.array(values, "float64").tobytes()


def _packed_ids(spans: Sequence[bytes | str]) -> bytes:
    import numpy

    if all(type(span) is bytes and len(span) == 8 for span in spans):
        numbers = numpy.frombuffer(b"".join(spans), ">i8").astype("int64")  # type: ignore[arg-type] # bytes, as looked at
    else:
        numbers = numpy.array([span_number(span) for span in spans], "int64")
    return bytes([_INT64]) + numbers.tobytes()


def span_number(span: bytes | str) -> int:
    """Return an observation's id, as the facts file holds it, as a signed number of 64 bits: its digits, or a hash."""
    if isinstance(span, str) or len(span) != 8:
        whole = span.encode(errors="surrogatepass") if isinstance(span, str) else span
        span = hashlib.blake2b(whole, digest_size=8).digest()
    return int.from_bytes(span, "big", signed=True)


def _widened(column: Any) -> Any:
    """Return a column as 64-bit numbers, with NONE where nothing is known."""
    import numpy

    none = numpy.iinfo(column.dtype).min
    wide = column.astype("int64")
    if none != NONE and len(column) and column.min() == none:
        wide[column == none] = NONE
    return wide


# Reading.


class Cover(NamedTuple):
    """A range of time: the whole days that have columns, and the ranges between them, as times from and until."""

    days: Sequence[int]
    rest: Sequence[tuple[int | None, int | None]]


@contextmanager
def one_moment(connection: sqlite3.Connection) -> Iterator[None]:
    """Have the statements of the block see the file as it is at one moment."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.rollback()


def cover(connection: sqlite3.Connection, filter_: Filter) -> Cover:
    """Return which days of a filter's range have columns; none for a session, which an index has."""
    since, until = filter_.since_ns, filter_.until_ns
    if filter_.session is not None:
        return Cover((), ((since, until),))
    parts = "" if since is None else f" AND day >= {-(-since // DAY_NS)}"
    parts += "" if until is None else f" AND day < {until // DAY_NS}"
    rows = connection.execute(f"SELECT DISTINCT day {_WITH_COLUMNS} {parts} ORDER BY day")
    days = [row[0] for row in rows]
    rest: list[tuple[int | None, int | None]] = []
    begin = since
    for day in days:
        if begin is None or begin < day * DAY_NS:
            rest.append((begin, day * DAY_NS))
        begin = (day + 1) * DAY_NS
    if begin is None or until is None or begin < until:
        rest.append((begin, until))
    return Cover(days, rest) if len(rest) <= _MOST_GAPS else Cover((), ((since, until),))


class _Day:
    """The columns of one day, as far as they are asked for, of the facts that a filter leaves."""

    def __init__(
        self, connection: sqlite3.Connection, day: int, tests: Sequence[tuple[str, Callable[[Any], Any]]]
    ) -> None:
        self._connection = connection
        self.day = day
        self._mask: Any = None
        self.n = 0
        size = connection.execute("SELECT length(body) FROM day_columns WHERE day = ? AND name = 'hour'", (day,))
        if not size.fetchone()[0]:
            return
        for name, test in tests:
            own = test(_widened(self._whole(name)))
            self._mask = own if self._mask is None else self._mask & own
            if not self._mask.any():
                return
        self.n = rows = len(self._whole("hour"))
        if self._mask is not None:
            self.n = int(self._mask.sum())
            self._mask = None if self.n == rows else self._mask

    def _whole(self, name: str) -> Any:
        import numpy

        query = "SELECT body FROM day_columns WHERE day = ? AND name = ?"
        body = self._connection.execute(query, (self.day, name)).fetchone()[0]
        return numpy.frombuffer(body, _TYPES[body[0]], offset=1)

    def narrow(self, name: str) -> Any:
        """Return a column as it is held: the least number of its type stands for none."""
        return self._whole(name) if self._mask is None else self._whole(name)[self._mask]

    def __getitem__(self, name: str) -> Any:
        """Return a column, with NONE where nothing is known."""
        return _widened(self.narrow(name))


def days_of(connection: sqlite3.Connection, days: Sequence[int], filter_: Filter) -> Iterator[_Day]:
    """Yield the columns of days that have facts of a filter."""
    tests = choices(connection, filter_)
    for day in days:
        columns = _Day(connection, day, tests)
        if columns.n:
            yield columns


def sums(
    connection: sqlite3.Connection, days: Sequence[int], filter_: Filter, keys: Sequence[str], step: str | None
) -> dict[tuple[int, ...], list[int]]:
    """Return errors and the sums of `MEASURES` over the facts of days, by moment and keys."""
    kinds = _Kinds(billed=ids_of(connection, BILLED), cut=ids_of(connection, CUT))
    totals: defaultdict[tuple[int, ...], list[int]] = defaultdict(lambda: [0] * (1 + len(MEASURES)))
    for columns in days_of(connection, days, filter_):
        names = ["hour", *keys] if step == "hour" else list(keys)
        groups, places = groups_of([columns[name] for name in names], columns.n)
        counts = _added(None, places, len(groups))
        added = [_sums_of(columns, name, places, counts, kinds) for name in ("error", *MEASURES)]
        base = 0 if step is None else columns.day * DAY_NS
        for place, group in enumerate(groups):
            key = (base + group[0] * _HOUR_NS, *group[1:]) if step == "hour" else (base, *group)
            cell = totals[key]
            for number, column in enumerate(added):
                cell[number] += column[place]
    return totals


class _Kinds(NamedTuple):
    """The numbers of names that measures need: types that are billed, and finish reasons of replies that were cut."""

    billed: Sequence[int]
    cut: Sequence[int]


def _sums_of(columns: _Day, name: str, places: Any, counts: list[int], kinds: _Kinds) -> list[int]:
    """Return the sums of one measure, or of errors, by group."""
    import numpy

    if name == "n":
        return counts
    if name == "unmeasured":
        fits = (columns["input_tokens"] == NONE) & (columns["output_tokens"] == NONE)
        fits = fits & is_among(columns.narrow("type"), kinds.billed) if fits.any() else fits
    elif name == "first_tokens":
        fits = columns["first_token_us"] != NONE
    elif name == "retried":
        fits = columns["attempts"] > 1
    elif name == "cut":
        fits = is_among(columns.narrow("finish_reason"), kinds.cut)
    else:
        values = columns.narrow(name)
        low, high, none = int(values.min()), int(values.max()), numpy.iinfo(values.dtype).min
        if low == high:  # such as nothing at all
            return [0 if low == none else low * count for count in counts]
        return _added(numpy.where(values == none, 0, values) if low == none else values, places, len(counts))
    return _added(fits, places, len(counts)) if fits.any() else [0] * len(counts)


def _added(values: Any, places: Any, count: int) -> list[int]:
    """Return the sum of the values at each place, exactly; None stands for ones."""
    import numpy

    if values is None:
        result: list[int] = numpy.bincount(places, minlength=count).tolist()
        return result
    largest = max(int(values.max(initial=0)), -int(values.min(initial=0)))
    if largest * len(values) < _EXACT:
        return [int(total) for total in numpy.bincount(places, weights=values, minlength=count).tolist()]
    totals = numpy.zeros(count, dtype="int64")
    numpy.add.at(totals, places, values)
    return [int(total) for total in totals.tolist()]


def groups_of(columns: Sequence[Any], n: int) -> tuple[list[tuple[int, ...]], Any]:
    """Return the groups that columns have values of, and the place of each row's group among them."""
    import numpy

    if not columns:
        return [()], numpy.zeros(n, dtype="int64")
    code, known = numpy.zeros(n, dtype="int64"), 1
    for column in columns:
        values, ranks = _ranked(column)
        if known * len(values) >= 2**62:
            values_before, code = _ranked(code)
            known = len(values_before)
        code, known = code * len(values) + ranks, known * len(values)
    _, places = _ranked(code)
    first = numpy.zeros(int(places.max()) + 1, dtype="int64")
    first[places[::-1]] = numpy.arange(n)[::-1]
    return list(zip(*(column[first].tolist() for column in columns), strict=True)), places


def _ranked(column: Any) -> tuple[Any, Any]:
    """Return the values of a column in their order, and the rank of each row's; by a table where they are small."""
    import numpy

    low, high = int(column.min()), int(column.max())
    if high - low > 4 * len(column) + 1_000:
        return numpy.unique(column, return_inverse=True)
    offset = column - low
    has = numpy.zeros(high - low + 1, dtype=bool)
    has[offset] = True
    ranks = numpy.cumsum(has) - 1
    return numpy.flatnonzero(has) + low, ranks[offset]


def histograms(
    connection: sqlite3.Connection, days: Sequence[int], filter_: Filter, keys: Sequence[str], column: str
) -> dict[tuple[int, ...], dict[int, int]]:
    """Return how many facts of days fall into each bucket of a time, by keys."""
    import numpy

    result: defaultdict[tuple[int, ...], defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))
    for columns in days_of(connection, days, filter_):
        times = columns[column]
        is_known = times != NONE
        if not is_known.any():
            continue
        if column == "duration_us":
            buckets = columns["bucket"]
        else:  # as `schema.bucket_of` has it
            passed = numpy.maximum(times, 1) / 1_000
            buckets = numpy.ceil(numpy.log(passed) / numpy.log(BASE) - 1e-9).astype("int64")
        rows = [columns[name][is_known] for name in keys] + [buckets[is_known]]
        groups, places = groups_of(rows, int(is_known.sum()))
        for (*key, bucket), n in zip(groups, _added(None, places, len(groups)), strict=True):
            result[tuple(key)][bucket] += n
    return {key: dict(buckets) for key, buckets in result.items()}


def counts(
    connection: sqlite3.Connection, days: Sequence[int], filter_: Filter, keys: Sequence[str], known: str
) -> Counter[tuple[int, ...]]:
    """Return how many facts of days have a name in the column `known`, by keys."""
    result: Counter[tuple[int, ...]] = Counter()
    for columns in days_of(connection, days, filter_):
        has_name = columns.narrow(known) != 0
        n = int(has_name.sum())
        if n:
            groups, places = groups_of([columns[name][has_name] for name in keys], n)
            result.update(dict(zip(groups, _added(None, places, len(groups)), strict=True)))
    return result


def least_and_sums(
    connection: sqlite3.Connection, days: Sequence[int], filter_: Filter, keys: Sequence[str]
) -> dict[tuple[int, ...], tuple[int, float, float]]:
    """Return how many facts know what was left of a rate limit, the least share and the sum, by day and keys."""
    import numpy

    result: dict[tuple[int, ...], tuple[int, float, float]] = {}
    for columns in days_of(connection, days, filter_):
        shares = columns.narrow(_SHARE)
        is_known = ~numpy.isnan(shares)
        n = int(is_known.sum())
        if not n:
            continue
        known = shares[is_known]
        groups, places = groups_of([columns[name][is_known] for name in keys], n)
        counts = _added(None, places, len(groups))
        totals = numpy.bincount(places, weights=known, minlength=len(groups)).tolist()
        least = numpy.full(len(groups), numpy.inf)
        numpy.minimum.at(least, places, known)
        for group, *cell in zip(groups, counts, least.tolist(), totals, strict=True):
            result[columns.day, *group] = (cell[0], cell[1], cell[2])
    return result


def times_of(
    connection: sqlite3.Connection, days: Sequence[int], filter_: Filter, keys: Sequence[str], column: str
) -> dict[tuple[int, ...], list[int]]:
    """Return the known times of the facts of days, in microseconds, by keys."""
    result: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    for columns in days_of(connection, days, filter_):
        times = columns[column]
        is_known = times != NONE
        rows = [columns[name][is_known].tolist() for name in keys]
        for *key, passed in zip(*rows, times[is_known].tolist(), strict=True):
            result[tuple(key)].append(passed)
    return result

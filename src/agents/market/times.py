"""Read a column of times in any usual spelling: what each cell says, before zone and order of day and month."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from src.agents.market.cells import cast, shape_groups, text_array, to_numpy, trimmed
from src.agents.market.zones import OFFSETS_MIN

if TYPE_CHECKING:
    from src.agents.market.cells import ShapeGroup

BAD, INSTANT, LOCAL, UNORDERED = 0, 1, 2, 3
US: Final = 1_000_000
_DAY_US: Final = 86_400 * US
_MONTHS: Final = {name: number for number, name in enumerate(
    ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1)}  # fmt: skip
# The grammar of shapes: a cell's text with 0 for each digit.
_DATE: Final = (
    r"(?:(?P<Y>0000)(?P<s>[-/.])(?P<m>0{1,2})(?P=s)(?P<d>0{1,2})"
    r"|(?P<a>0{1,2})(?P<u>[-/.])(?P<b>0{1,2})(?P=u)(?P<c>0000|00)"
    r"|(?P<d2>0{1,2})[-/ .]{1,2}(?P<mon>[A-Za-z]{3,9})\.?[-/ ,]{1,2}(?P<y2>0000|00)"
    r"|(?P<mon2>[A-Za-z]{3,9})\.? (?P<d3>0{1,2}),? (?P<y3>0000)"
    r"|(?P<Y4>0000)(?P<m4>00)(?P<d4>00))"
)
_CLOCK: Final = (
    r"(?:(?P<H>0{1,2}):(?P<M>00)(?::(?P<S>00)(?:[.,](?P<f>0{1,9}))?)?"
    r"|(?P<H2>00)(?P<M2>00)(?:(?P<S2>00)(?P<f2>000)?)?"
    r"|(?P<H3>0{1,2})(?=[ -]?[AaPp]\.?[Mm]))"
)
_NOON: Final = r"(?:[ -]?(?P<noon>[AaPp])\.?[Mm]\.?)?"
_ZONE: Final = r"(?: ?(?P<z>(?:UTC|GMT)?[+-]0{1,2}:?(?:00)?|[A-Z]{1,5})(?:\[[\w/+-]+\]| ?\([\w /+-]+\))?)?"
_WEEKDAY: Final = r"(?:[A-Z][a-z]{2,8},? )?"
_STAMP: Final = re.compile(rf"{_WEEKDAY}{_DATE}(?:(?P<sep>,? ?T? ?|-){_CLOCK}{_NOON}{_ZONE})?")
_EPOCH: Final = re.compile(r"(?P<whole>0{8,20})(?:\.(?P<part>0*))?")
# 1980 to 2200: by its size a number tells whether it counts seconds, milli-, micro- or nanoseconds.
_FIRST_COMPACT_YEAR: Final = 1900
_FIRST_S, _LAST_S = 315_532_800, 7_258_118_400
_FIRST_DATE_HOUR: Final = 1_980_010_100
# .NET counts 100 ns since the year 1: its times from 1970 to 2100 are nanoseconds of 1989 and 1990, too.
_FIRST_TICK, _LAST_TICK = 621_355_968 * 10**9, 662_380_416 * 10**9
_TICKS_IN_US: Final = 10
_UNITS: Final = ((1, "seconds"), (1_000, "milliseconds"), (1_000_000, "microseconds"), (1_000_000_000, "nanoseconds"))


@dataclass(frozen=True, slots=True)
class Times:
    """What the cells of a time column say.

    `state` tells for each row whether it is BAD, an INSTANT (`value_us` is in UTC), LOCAL (`value_us` is the time on a
    wall), or UNORDERED: a date of which `parts` (n, 3) are the numbers in their order, with `value_us` the time of
    day. `is_date` marks rows without a time of day, `is_zoned` those unordered ones that state a zone, `units` counts
    the units of Unix times. `tick_us` is the first time by another reading, as .NET counts, where the numbers fit that;
    `has_24` says that some times of day are 24:00.
    """

    state: Any
    value_us: Any
    parts: Any
    is_date: Any
    is_zoned: Any
    is_dotted: bool
    has_short_years: bool
    units: dict[str, int]
    tick_us: int | None = None
    has_24: bool = False


def looks_like_time(text: str) -> bool:
    """Tell whether a cell is a time in a known spelling."""
    return bool(times_of(text_array([text])).state[0])


def states_instant(text: str) -> bool:
    """Tell whether a cell is a time in every zone: a Unix time, or one that states its zone."""
    return bool(times_of(text_array([text])).state[0] == INSTANT)


def times_of(cells: Any) -> Times:
    """Return what a pyarrow array of strings says about time."""
    import numpy
    import pyarrow

    for zone, state in ((None, LOCAL), ("UTC", INSTANT)):
        instants = cast(cells, pyarrow.timestamp("us", zone))
        if instants is None:
            continue
        value_us = to_numpy(instants)
        is_date = numpy.zeros(len(cells), dtype=bool) if zone else (_lengths(cells) == 10)
        return Times(
            state=numpy.full(len(cells), state, dtype="uint8"),
            value_us=value_us,
            parts=None,
            is_date=is_date,
            is_zoned=None,
            is_dotted=False,
            has_short_years=False,
            units={},
        )
    return _by_shape(trimmed(cells))


def _lengths(cells: Any) -> Any:
    import numpy

    return numpy.diff(numpy.frombuffer(cells.buffers()[1], "int32")[cells.offset : cells.offset + len(cells) + 1])


class _Reader:
    """Fills the arrays of `Times` shape by shape."""

    def __init__(self, count: int) -> None:
        import numpy

        self.state = numpy.zeros(count, dtype="uint8")
        self.value_us = numpy.zeros(count, dtype="int64")
        self.parts: Any = None
        self.is_date = numpy.zeros(count, dtype=bool)
        self.is_zoned = numpy.zeros(count, dtype=bool)
        self.units: dict[str, int] = {}
        self.marks: set[str] = set()
        self.has_short_years = False
        self.tick_us: int | None = None
        self.has_24 = False

    def read(self, group: ShapeGroup) -> None:
        """Read the cells of one shape."""
        match = _STAMP.fullmatch(group.shape)
        if match is not None and self._stamp(group, match):
            return
        match = _EPOCH.fullmatch(group.shape)
        if match is not None:
            self._epoch(group, match)

    def _stamp(self, group: ShapeGroup, match: re.Match[str]) -> bool:
        """Read dates with or without a time of day; False where most of them are none, as Unix times may be."""
        span = _Spans(group, match)
        clock_us, is_clock = _clock(span)
        self.has_24 |= bool((is_clock & (clock_us == _DAY_US)).any())
        offset_min, is_zone = _offset(span)
        if offset_min is None:
            return True  # an abbreviation that means nothing, or several zones
        if span.has("a"):
            return self._unordered(group, span, clock_us, is_clock, is_zone, offset_min)
        year, month, day = _date(span)
        date_us, is_date = day_us(year, month, day)
        is_good = is_date & is_clock
        if group.shape.isdigit() and not (is_good & (year >= _FIRST_COMPACT_YEAR)).mean() > 0.5:
            return False  # Unix times
        rows = group.rows[is_good]
        self.state[rows] = INSTANT if is_zone else LOCAL
        self.value_us[rows] = (date_us + clock_us - offset_min * 60 * US)[is_good]
        self.is_date[rows] = not span.has_clock
        return True

    def _unordered(
        self, group: ShapeGroup, span: _Spans, clock_us: Any, is_clock: Any, is_zone: bool, offset_min: Any
    ) -> bool:
        import numpy

        if self.parts is None:
            self.parts = numpy.zeros((len(self.state), 3), dtype="int64")
        rows = group.rows[is_clock]
        for place, name in enumerate("abc"):
            self.parts[rows, place] = span.number(name)[is_clock]
        if span.width("c") == 2:
            self.has_short_years = True
        self.marks.add(span.text("u"))
        self.state[rows] = UNORDERED
        self.value_us[rows] = (clock_us - offset_min * 60 * US)[is_clock]
        self.is_date[rows] = not span.has_clock
        self.is_zoned[rows] = is_zone
        return True

    def _epoch(self, group: ShapeGroup, match: re.Match[str]) -> None:
        start, end = match.span("whole")
        if end - start > 19:
            return
        whole = group.number(start, end)
        if end - start == 10 and self._date_hours(group, whole):
            return
        part_start, part_end = match.span("part")
        part_end = min(part_end, part_start + 6)
        fraction = group.number(part_start, part_end) if part_end > part_start else None
        for unit, name in _UNITS:
            is_unit = (whole >= _FIRST_S * unit) & (whole < _LAST_S * unit) & (self.state[group.rows] == BAD)
            if not is_unit.any():
                continue
            rows = group.rows[is_unit]
            value = whole[is_unit] * (US // unit) if unit <= US else whole[is_unit] // (unit // US)
            if fraction is not None and unit < US:
                value = value + fraction[is_unit] * (US // unit) // 10 ** (part_end - part_start)
            self.value_us[rows] = value
            self.state[rows] = INSTANT
            self.units[name] = self.units.get(name, 0) + len(rows)
            if ((whole >= _FIRST_TICK) & (whole < _LAST_TICK)).all():
                self.tick_us = int(whole[0] - _FIRST_TICK) // _TICKS_IN_US

    def _date_hours(self, group: ShapeGroup, whole: Any) -> bool:
        """Read 2024010209 as a date with its hour, where all cells are such: as Unix times they lie beyond 2032."""
        hour = whole % 100
        date_us, is_date = day_us(whole // 1_000_000, whole // 10_000 % 100, whole // 100 % 100)
        is_hour = is_date & (hour < 24) & (whole >= _FIRST_DATE_HOUR)
        if not is_hour.all():
            return False
        self.state[group.rows] = LOCAL
        self.value_us[group.rows] = date_us + hour * 3600 * US
        return True


def _by_shape(cells: Any) -> Times:
    reader = _Reader(len(cells))
    for group in shape_groups(cells):
        reader.read(group)
    return Times(
        state=reader.state,
        value_us=reader.value_us,
        parts=reader.parts,
        is_date=reader.is_date,
        is_zoned=reader.is_zoned,
        is_dotted=reader.marks == {"."},
        has_short_years=reader.has_short_years,
        units=reader.units,
        tick_us=reader.tick_us,
        has_24=reader.has_24,
    )


class _Spans:
    """The parts of a shape by the names of the grammar."""

    def __init__(self, group: ShapeGroup, match: re.Match[str]) -> None:
        self.group, self.match = group, match
        self.has_clock = any(self.has(name) for name in ("H", "H2", "H3"))

    def has(self, name: str) -> bool:
        return self.match[name] is not None

    def text(self, name: str) -> str:
        return self.match[name] or ""

    def width(self, name: str) -> int:
        return len(self.text(name))

    def number(self, *names: str) -> Any:
        """Return the number of the first of these parts that is there, else zeros."""
        import numpy

        for name in names:
            if self.has(name):
                return self.group.number(*self.match.span(name))
        return numpy.zeros(len(self.group.matrix), dtype="int64")


def _date(span: _Spans) -> tuple[Any, Any, Any]:
    year = span.number("Y", "Y4", "y2", "y3")
    if span.width("y2") == 2:
        year = whole_years(year)
    month_name = (span.text("mon") or span.text("mon2")).lower()[:3]
    if month_name:
        return year, _MONTHS.get(month_name, 0) + 0 * year, span.number("d2", "d3")
    return year, span.number("m", "m4"), span.number("d", "d4")


def whole_years(years: Any) -> Any:
    """Return years of two digits as those from 1970 to 2069."""
    import numpy

    return numpy.where(years < 70, years + 2000, years + 1900)


def day_us(year: Any, month: Any, day: Any) -> tuple[Any, Any]:
    """Return dates as microseconds since 1970, and which of them exist."""
    import numpy

    is_month = (month >= 1) & (month <= 12) & (year >= 1700) & (year <= 2262)
    months = numpy.where(is_month, (year - 1970) * 12 + month - 1, 0)
    earliest, latest = (months.min(), months.max()) if len(months) else (0, 0)
    begins = numpy.arange(earliest, latest + 2).astype("datetime64[M]").astype("datetime64[D]").astype("int64")
    first, following = begins[months - earliest], begins[months - earliest + 1]
    length = following - first
    exists = is_month & (day >= 1) & (day <= length)
    return (first + numpy.where(exists, day, 1) - 1) * _DAY_US, exists


def _clock(span: _Spans) -> tuple[Any, Any]:
    import numpy

    hour = span.number("H", "H2", "H3")
    minute, second = span.number("M", "M2"), span.number("S", "S2")
    is_clock = (minute < 60) & (second < 60)
    noon = span.text("noon").lower()
    if noon:
        is_clock = is_clock & (hour >= 1) & (hour <= 12)
        hour = hour % 12 + (12 if noon == "p" else 0)
    fraction = numpy.zeros(len(hour), dtype="int64")
    for name in ("f", "f2"):
        if span.has(name):
            start, end = span.match.span(name)
            end = min(end, start + 6)
            fraction = span.group.number(start, end) * 10 ** (6 - (end - start))
    value = (hour * 3600 + minute * 60 + second) * US + fraction
    return value, is_clock & ((hour < 24) | (value == _DAY_US))


def _offset(span: _Spans) -> tuple[Any, bool]:
    """Return the offset in minutes and whether a zone is stated; None for one that is not known."""
    import numpy

    zeros = numpy.zeros(len(span.group.matrix), dtype="int64")
    if not span.has("z"):
        return zeros, False
    text = span.text("z")
    sign = re.search(r"[+-]", text)
    if sign is None:
        minute = OFFSETS_MIN.get(text.upper())
        return (None, True) if minute is None else (zeros + minute, True)
    start = span.match.start("z") + sign.end()
    digits = [place for place in range(start, span.match.end("z")) if span.group.shape[place] == "0"]
    hours = span.group.number(start, start + (2 if len(digits) in (2, 4) else 1))
    minutes = span.group.number(digits[-2], digits[-1] + 1) if len(digits) > 2 else zeros
    value = hours * 60 + minutes
    return (-value if sign[0] == "-" else value), True

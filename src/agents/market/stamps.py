"""Turn what a time column says into UTC: the order of day and month, the zone, stamps at a bar's end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from src.agents.market.candles import MarketDataError
from src.agents.market.cells import holds, joined, repeated, text_array, trimmed, whole_numbers
from src.agents.market.doubtful_times import refuse_half_days, refuse_ticks
from src.agents.market.times import BAD, INSTANT, LOCAL, UNORDERED, US, Times, day_us, times_of, whole_years
from src.agents.market.zones import is_zone, to_utc, zone_of

if TYPE_CHECKING:
    from src.agents.market.candles import Issues

_ORDERS: Final = {"day-first": (2, 1, 0), "month-first": (2, 0, 1), "year-first": (0, 1, 2)}
_DAY_US: Final = 86_400 * US
# So many days in no order run one way under a wrong reading once in 360 times; three of them, once in three.
_FEWEST_DAYS: Final = 6
# A step of more than this many usual ones is a jump.
_JUMP: Final = 20


@dataclass(frozen=True, slots=True)
class Stamps:
    """Times in UTC, and which of them are no times; `reasons` tells why for rows that have a reason of their own."""

    time_us: Any
    is_bad: Any
    reasons: dict[str, Any]
    zone: str
    zone_source: str
    is_date: Any


@dataclass(frozen=True, slots=True)
class ZoneRule:
    """The zone of stamps that state none: the caller's, else what the file states, else what the platform documents."""

    asked: str | None = None
    stated: str | None = None
    documented: str | None = None
    platform: str = ""

    def choice(self) -> tuple[str, str]:
        """Return the zone and who says so."""
        if self.asked:
            return self.asked, "as asked for"
        if self.stated:
            return self.stated, "as the file states"
        if self.documented:
            return self.documented, f"as {self.platform} documents"
        return "UTC", "assumed: the file states none"


@dataclass(frozen=True, slots=True)
class DateOrder:
    """Whether a date has its day or its month first: as the caller says, or as the platform documents."""

    asked: str | None = None
    documented: str | None = None


class TimeColumn:
    """The cells of a time column, and those of a time of day beside it."""

    def __init__(self) -> None:
        self.text: list[Any] = []
        self.instants: list[Any] = []
        self.is_zoned = False
        self.zone: str | None = None

    def add_text(self, cells: Any) -> None:
        """Take cells as a pyarrow array of strings."""
        self.text.append(cells)

    def add_values(self, values: Any) -> None:
        """Take numbers: Unix times, or dates such as 20240102."""
        self.text.append(_number_text(values))

    def add_times(self, time_us: Any, *, zone: str | None) -> None:
        """Take times that are such already; a zone that is not known by its name is UTC's."""
        self.instants.append(time_us)
        self.is_zoned = zone is not None
        self.zone = zone if zone is not None and is_zone(zone) else None

    def cells(self) -> Any:
        """Return the cells as text."""
        return joined(self.text) if self.text else text_array(self.instants[0].tolist())

    def text_of(self, row: int) -> str:
        """Return the text of one cell."""
        import numpy

        if self.text:
            return str(self.cells()[row].as_py())
        return str(numpy.concatenate(self.instants)[row].astype("datetime64[us]").astype("datetime64[s]"))

    def times(self) -> Times:
        """Return what the cells say."""
        import numpy

        if not self.instants:
            return times_of(joined(self.text))
        value_us = numpy.concatenate(self.instants)
        missing = value_us == numpy.iinfo("int64").min
        state = numpy.where(missing, BAD, INSTANT if self.is_zoned else LOCAL).astype("uint8")
        is_date = numpy.full(len(state), not (value_us[~missing] % _DAY_US).any() and not self.is_zoned)
        return Times(
            state=state,
            value_us=value_us,
            parts=None,
            is_date=is_date,
            is_zoned=None,
            is_dotted=False,
            has_short_years=False,
            units={},
        )


def _number_text(values: Any) -> Any:
    import numpy
    import pyarrow

    if values.dtype.kind != "f":
        return whole_numbers(values).cast(pyarrow.string())
    known = numpy.isfinite(values)
    whole = numpy.where(known, values, 0)
    if known.all() and (whole == numpy.floor(whole)).all() and (numpy.abs(whole) < 2**63).all():
        return whole_numbers(whole.astype("int64")).cast(pyarrow.string())
    texts = [str(int(value)) if value.is_integer() else f"{value:.6f}" for value in whole.tolist()]
    return text_array(text if is_known else "" for text, is_known in zip(texts, known.tolist(), strict=True))


def with_clock(dates: Any, clocks: Any) -> Any:
    """Return dates and times of day as one column of text; `930` is 9:30, and 00:09:30 where others have six digits."""
    from pyarrow import compute

    clocks = trimmed(clocks)
    if not holds(clocks, ":") and compute.all(compute.match_substring_regex(clocks, r"^\d*$")).as_py():
        longest = compute.max(compute.utf8_length(clocks)).as_py() or 0
        empty = repeated("", len(clocks))
        width = 6 if longest > 4 else 4 if longest > 2 else 2
        clocks = compute.utf8_lpad(clocks, width, "0")
        clocks = compute.binary_join_element_wise(clocks, repeated("00", len(clocks)), empty) if width == 2 else clocks
    dates = trimmed(dates)
    return compute.binary_join_element_wise(dates, clocks, repeated(" ", len(dates)))


def resolved(times: Times, zone_rule: ZoneRule, date_order: DateOrder, source: str, issues: Issues) -> Stamps:
    """Return the times of a column in UTC.

    Raises:
        MarketDataError: dates leave two readings, or some rows state a zone and others none.
    """
    import numpy

    state, value_us = times.state.copy(), times.value_us.copy()
    refuse_ticks(times, source)
    if times.parts is not None:
        _order_dates(times, state, value_us, date_order, source, issues)
    _report_units(times, issues)
    is_local = state == LOCAL
    has_instants = bool((state == INSTANT).any())
    zone, zone_source = zone_rule.choice()
    if has_instants and is_local.any() and not zone_rule.asked:
        raise MarketDataError(
            f"{source} states a zone in some rows (row {_first(state == INSTANT)}) and none in others (row "
            f"{_first(is_local)}): say which zone the others are in, with --zone (zone=)."
        )
    reasons: dict[str, Any] = {}
    time_us = value_us
    is_bad = state == BAD
    if is_local.any():
        rows = numpy.flatnonzero(is_local)
        refuse_half_days(value_us[rows], source)
        local = to_utc(value_us[rows], zone_of(zone), dates_only=bool(times.is_date[rows].all()))
        time_us[rows] = local.time_us
        is_bad = is_bad.copy()
        is_bad[rows[local.ambiguous | local.missing]] = True
        reasons = {"ambiguous_time": rows[local.ambiguous], "missing_time": rows[local.missing]}
        if not zone_rule.stated and not zone_rule.asked:
            issues.add("zone", f"times without a zone are read as {zone} ({zone_source})", "kept")
    else:
        zone, zone_source = "UTC", "as each row states" if not times.units else "Unix times"
    return Stamps(
        time_us=time_us, is_bad=is_bad, reasons=reasons, zone=zone, zone_source=zone_source, is_date=times.is_date
    )


def _first(mask: Any) -> int:
    return int(mask.argmax()) + 1


def _report_units(times: Times, issues: Issues) -> None:
    if len(times.units) > 1:
        listed = ", ".join(f"{count} in {name}" for name, count in times.units.items())
        issues.add("mixed_units", f"the times are Unix times of several units: {listed}", "each read by its size")


def _order_dates(times: Times, state: Any, value_us: Any, date_order: DateOrder, source: str, issues: Issues) -> None:
    """Write the dates whose numbers have no order of their own, by the order that fits all of them."""
    import numpy

    rows = numpy.flatnonzero(state == UNORDERED)
    parts, clocks = times.parts[rows], value_us[rows]
    names = ["day-first", "month-first"] + (["year-first"] if times.has_short_years else [])
    readings = {name: _read(parts, name) for name in names}
    order = date_order.asked
    if order not in readings:
        order = _chosen(readings, parts, clocks, times, date_order.documented, source, issues)
    moments, exists = readings[order]
    value_us[rows] = moments + clocks
    state[rows] = numpy.where(exists, numpy.where(times.is_zoned[rows], INSTANT, LOCAL), BAD)


def _read(parts: Any, order: str) -> tuple[Any, Any]:
    year, month, day = (parts[:, place] for place in _ORDERS[order])
    import numpy

    years = numpy.where(year < 100, whole_years(year), year)
    return day_us(years, month, day)


def _chosen(
    readings: dict[str, tuple[Any, Any]],
    parts: Any,
    clocks: Any,
    times: Times,
    documented: str | None,
    source: str,
    issues: Issues,
) -> str:
    import numpy

    some = numpy.any([exists for _, exists in readings.values()], axis=0)
    fitting = [name for name, (_, exists) in readings.items() if exists[some].all() and some.any()]
    if not fitting and some.any():
        rows = {name: int(numpy.flatnonzero(some & ~exists)[0]) for name, (_, exists) in readings.items()}
        listed = ", ".join(f"{name} does not fit {_shown(parts[row])}" for name, row in rows.items())
        raise MarketDataError(f"{source} writes dates in two ways: {listed}. Write them in one way.")
    if not fitting:
        return next(iter(readings))
    distinct = [fitting[0]]
    for name in fitting[1:]:
        if not any((readings[name][0][some] == readings[other][0][some]).all() for other in distinct):
            distinct.append(name)
    if len(distinct) == 1:
        return distinct[0]
    if documented in distinct:
        return documented
    choice: str | None
    if times.is_dotted and not times.has_short_years:
        choice, why = "day-first", "as dates with dots are written"
    else:
        choice, why = _by_course(distinct, readings, clocks, some), "the only order in which the rows run one way"
    if choice is None:
        first = int(numpy.flatnonzero(some)[0])
        meanings = " or ".join(f"{_day(readings[name][0][first])} ({name})" for name in distinct)
        raise MarketDataError(
            f"{source}: {_shown(parts[first])} may be {meanings}, and no other date of the file tells. "
            f"Say which: --dates {' or --dates '.join(distinct)} (dates=)."
        )
    issues.add("date_order", f"dates such as {_shown(parts[0])} are read {choice} ({why})", "kept")
    return choice


def _by_course(names: list[str], readings: dict[str, tuple[Any, Any]], clocks: Any, some: Any) -> str | None:
    """Return the one order in which the rows run one way, or run without jumps; None where that does not decide."""
    import numpy

    steps = {name: numpy.diff((readings[name][0] + clocks)[some]) for name in names}
    one_way = [name for name, step in steps.items() if (step >= 0).all() or (step <= 0).all()]
    distinct_days = len(numpy.unique(readings[names[0]][0][some]))
    if len(one_way) == 1 and distinct_days >= _FEWEST_DAYS:
        return one_way[0]
    even = [name for name in one_way if _is_even(numpy.abs(steps[name]))]
    intraday = bool(clocks[some].any())
    return even[0] if len(even) == 1 and intraday and distinct_days > 1 else None


def _is_even(steps: Any) -> bool:
    import numpy

    positive = steps[steps > 0]
    usual = numpy.median(positive) if len(positive) > 1 else _DAY_US
    return bool(usual < _DAY_US and positive.max() <= _JUMP * usual)


def _shown(parts: Any) -> str:
    return "/".join(f"{int(part):02d}" for part in parts)


def _day(moment_us: Any) -> str:
    import numpy

    return str(numpy.datetime64(int(moment_us) // _DAY_US, "D"))

"""Apply the one rule by which rows from any source become candles in order."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from src.agents.market.bars import Bars, Columns, columns_of, moment
from src.agents.market.candles import Candle, Candles, Issues, MarketDataError
from src.agents.market.nested_frames import refuse_frames_of_one_time, refuse_lonely_sums
from src.agents.market.timeframes import DAY_S, Timeframe, timeframe_of

if TYPE_CHECKING:
    from collections.abc import Iterable

# Sources round prices: an open or close may lie outside [low, high] by this share.
_TOLERANCE: Final = 1e-6
# A distance above this many intervals is a gap.
_GAP: Final = 1.5
# An open this many times the close before it, or as small a part of it, is told.
_JUMP: Final = 2.0
# More of the times than this share that come again with other prices are no accident.
_MOST_CONFLICTS: Final = 0.1
# As many distances of one other length in a row, and this share of all, are another timeframe.
_RUN: Final = 10
_MIXED: Final = 0.05
_US: Final = 1_000_000
_PRICES: Final = ("open", "high", "low", "close")


def problem_of(bar: Candle) -> tuple[str, str] | None:
    """Return what makes a bar unusable as (kind, detail), or None."""
    prices = {"open": bar.open, "high": bar.high, "low": bar.low, "close": bar.close}
    for name, price in prices.items():
        if not math.isfinite(price):
            return "not_a_number", f"{name} is {'missing' if math.isnan(price) else price}"
        if price <= 0:
            return "not_positive", f"{name} is {price:.12g}"
    slack = bar.high * _TOLERANCE
    if bar.high < bar.low - slack:
        return "high_below_low", f"high {bar.high:.12g} is below low {bar.low:.12g}"
    for name in ("open", "close"):
        if not bar.low - slack <= prices[name] <= bar.high + slack:
            return "outside_range", f"{name} {prices[name]:.12g} lies outside {bar.low:.12g} to {bar.high:.12g}"
    return None


def is_usable(columns: Columns) -> Any:
    """Return which rows have prices that agree: `problem_of` tells what is wrong with the others."""
    import numpy

    with numpy.errstate(invalid="ignore"):
        usable = numpy.ones(len(columns), dtype=bool)
        for name in _PRICES:
            prices = getattr(columns, name)
            usable &= numpy.isfinite(prices) & (prices > 0)
        slack = columns.high * _TOLERANCE
        low, high = columns.low - slack, columns.high + slack
        usable &= columns.high >= low
        for prices in (columns.open, columns.close):
            usable &= (prices >= low) & (prices <= high)
    return usable


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows as they came, with the texts of cells that are no number, by row: the column and the text."""

    columns: Columns
    unreadable: dict[int, tuple[str, str]]
    bad_volumes: dict[int, tuple[str, str]] = field(default_factory=dict)


def in_order(
    rows: Iterable[tuple[int | None, Candle]],
    issues: Issues,
    *,
    symbol: str | None,
    source: str,
    total: int | None = None,
) -> Candles:
    """Return the usable ones of candles in order of time; see `ordered`."""
    import numpy

    pairs = list(rows)
    columns = columns_of(bar for _, bar in pairs)
    lines = numpy.array([line or 0 for line, _ in pairs], dtype="int64")
    columns = columns.taken(slice(None))
    numbered = Columns(
        time_us=columns.time_us,
        open=columns.open,
        high=columns.high,
        low=columns.low,
        close=columns.close,
        volume=columns.volume,
        lines=lines,
    )
    return ordered(
        Rows(columns=numbered, unreadable={}), issues, symbol=symbol, source=source, total=total or len(pairs)
    )


def ordered(rows: Rows, issues: Issues, *, symbol: str | None, source: str, total: int) -> Candles:
    """Return the usable rows in order of time, by this rule.

    A row with a price that is missing, not finite, zero or negative, or whose prices contradict one another, is
    dropped. Rows out of order are sorted. Of rows with the same time the last one wins; where that is the rule rather
    than the exception, the rows are of several markets and are refused, as are rows of two timeframes. Gaps stay
    gaps: nothing is filled in. Each of these is reported with its line.

    Raises:
        MarketDataError: nothing usable remains, more than half of the rows are bad, or several series are mixed.
    """
    columns = rows.columns
    usable = is_usable(columns)
    for row, (_, text) in rows.bad_volumes.items():
        if usable[row]:
            issues.add("bad_volume", f"volume is {text[:20]!r}", "kept without", int(columns.lines[row]) or None)
    if not usable.all():
        _report_bad(rows, usable, issues)
        columns = columns.taken(usable)
    _require_usable(len(columns), total, issues, source)
    columns = _without_bad_volumes(columns, issues)
    columns = _once(_sorted(columns, issues), issues, source)
    frame = timeframe_of(columns.time_us)
    if frame is not None:
        _refuse_mixed_frames(columns, frame, source)
        refuse_lonely_sums(columns, frame.seconds * _US, source)
        _report_gaps(columns, frame, issues)
    _report_jumps(columns, issues)
    return Candles(
        bars=Bars(columns),
        symbol=symbol,
        source=source,
        interval_s=None if frame is None else frame.seconds,
        issues=tuple(issues.items),
        issue_counts=dict(issues.counts),
        timeframe=None if frame is None else frame.name,
    )


def _report_bad(rows: Rows, usable: Any, issues: Issues) -> None:
    import numpy

    bars = Bars(rows.columns)
    for row in numpy.flatnonzero(~usable).tolist():
        line = int(rows.columns.lines[row]) or None
        if row in rows.unreadable:
            name, text = rows.unreadable[row]
            issues.add("not_a_number", f"{name} is {text[:20]!r}", "dropped", line)
            continue
        problem = problem_of(bars[row])
        if problem is not None:
            issues.add(problem[0], problem[1], "dropped", line)


def _require_usable(usable: int, total: int, issues: Issues, source: str) -> None:
    if usable and usable * 2 >= total:
        return
    first = next((issue for issue in issues.items if issue.action == "dropped"), None)
    where = ""
    if first is not None:
        where = f" The first problem: {'' if first.line is None else f'line {first.line}, '}{first.detail}."
    raise MarketDataError(
        f"{source}: only {usable} of {total} rows hold usable prices.{where} Give a file with one candle a row: "
        "time, open, high, low, close and, where known, volume."
    )


def _without_bad_volumes(columns: Columns, issues: Issues) -> Columns:
    import numpy

    with numpy.errstate(invalid="ignore"):
        is_bad = (columns.volume < 0) | numpy.isinf(columns.volume)
    missing = numpy.isnan(columns.volume)
    if missing.any() and not missing.all():
        first = int(columns.lines[missing.argmax()]) or None
        count = int(missing.sum()) - issues.counts["bad_volume"]
        if count > 0:
            issues.add("no_volume", f"{count} rows have no volume, the first here", "kept without", first, times=count)
    if not is_bad.any():
        return columns
    for row in numpy.flatnonzero(is_bad)[:100].tolist():
        detail = f"volume is {columns.volume[row]:g}"
        issues.add("bad_volume", detail, "kept without", int(columns.lines[row]) or None)
    volume = numpy.where(is_bad, numpy.nan, columns.volume)
    return Columns(
        time_us=columns.time_us,
        open=columns.open,
        high=columns.high,
        low=columns.low,
        close=columns.close,
        volume=volume,
        lines=columns.lines,
    )


def _sorted(columns: Columns, issues: Issues) -> Columns:
    import numpy

    steps = numpy.diff(columns.time_us)
    late = numpy.flatnonzero(steps < 0) + 1
    if not len(late):
        return columns
    if (steps <= 0).all():
        issues.add("newest_first", "the rows run from the newest to the oldest", "reversed")
    else:
        detail = f"{len(late)} rows come after later ones, the first here"
        issues.add("unsorted", detail, "sorted", int(columns.lines[late[0]]) or None, times=len(late))
    return columns.taken(numpy.argsort(columns.time_us, kind="stable"))  # of equal times the later row stays later


def _once(columns: Columns, issues: Issues, source: str) -> Columns:
    import numpy

    repeated = numpy.flatnonzero(numpy.diff(columns.time_us) == 0)
    if not len(repeated):
        return columns
    differs = numpy.zeros(len(repeated), dtype=bool)
    for name in _PRICES:
        prices = getattr(columns, name)
        differs |= prices[repeated] != prices[repeated + 1]
    conflicts = int(differs.sum())
    if conflicts > 2 and conflicts > _MOST_CONFLICTS * (len(columns) - len(repeated)):
        row = int(repeated[differs][0])
        raise MarketDataError(
            f"{source}: {conflicts} times come again with other prices, the first {moment(int(columns.time_us[row]))} "
            f"(lines {columns.lines[row]} and {columns.lines[row + 1]}). These are rows of several markets or "
            "timeframes: give those of one."
        )
    refuse_frames_of_one_time(columns, repeated[differs], source)
    for row, other in zip(repeated[:100].tolist(), differs[:100].tolist(), strict=True):
        detail = f"{moment(int(columns.time_us[row])):%Y-%m-%d %H:%M:%S} comes again"
        if columns.lines[row + 1]:
            detail += f" in line {columns.lines[row + 1]}"
        issues.add(
            "duplicate_time",
            detail + (", with other prices" if other else ""),
            "dropped",
            int(columns.lines[row]) or None,
        )
    if len(repeated) > 100:
        issues.counts["duplicate_time"] += len(repeated) - 100
    wanted = numpy.ones(len(columns), dtype=bool)
    wanted[repeated] = False
    return columns.taken(wanted)


def _refuse_mixed_frames(columns: Columns, frame: Timeframe, source: str) -> None:
    """Refuse a series of which a part has bars of another length.

    Missing bars only lengthen distances, so shorter ones than the usual come from shorter bars; longer ones come from
    longer bars where many of one length follow one another.
    """
    import numpy

    steps = numpy.diff(columns.time_us) // _US
    if len(steps) < 2 * _RUN or frame.months:
        return
    usual = steps == frame.seconds
    if usual.mean() < 0.5:
        return  # bars of no fixed length
    shorter = steps < frame.seconds - 3600 if frame.seconds >= DAY_S else steps < frame.seconds
    odd = numpy.flatnonzero(shorter) if shorter.sum() > max(_RUN / 2, _MIXED * len(steps)) else _long_run(steps, frame)
    if len(odd):
        raise MarketDataError(
            f"{source}: most bars are {_span(frame.seconds)} apart, but from "
            f"{moment(int(columns.time_us[odd[0]])):%Y-%m-%d %H:%M} on {len(odd)} are {_span(int(steps[odd[0]]))} "
            "apart. These are two timeframes: give the rows of one."
        )


def _long_run(steps: Any, frame: Timeframe) -> Any:
    """Return the places of a run of equal distances that are a multiple of the usual one."""
    import numpy

    bounds = numpy.concatenate(([0], numpy.flatnonzero(numpy.diff(steps)) + 1, [len(steps)]))
    lengths = numpy.diff(bounds)
    for run in numpy.flatnonzero(lengths >= _RUN).tolist():
        step, share = int(steps[bounds[run]]), lengths[run] / len(steps)
        is_multiple = step > frame.seconds and step % frame.seconds == 0
        if is_multiple and (share >= _MIXED or step >= DAY_S or lengths[run] >= 4 * _RUN):
            return numpy.arange(bounds[run], bounds[run + 1])
    return numpy.zeros(0, dtype="int64")


def _span(seconds: int) -> str:
    return Timeframe(seconds=seconds).name


def _report_jumps(columns: Columns, issues: Issues) -> None:
    """Say where a bar opens at twice the close before it or more, or at half of it or less."""
    import numpy

    ratios = columns.open[1:] / columns.close[:-1]
    jumps = numpy.flatnonzero((ratios >= _JUMP) | (ratios <= 1 / _JUMP))
    if len(jumps):
        first = int(jumps[0])
        at = moment(int(columns.time_us[first + 1]))
        more = f", and {len(jumps) - 1} more" if len(jumps) > 1 else ""
        detail = (
            f"{columns.open[first + 1]:.12g} follows {columns.close[first]:.12g} at {at:%Y-%m-%d %H:%M}{more}: a split "
            "that is not adjusted, or another unit?"
        )
        issues.add("jump", detail, "kept", int(columns.lines[first + 1]) or None, times=len(jumps))


def _report_gaps(columns: Columns, frame: Timeframe, issues: Issues) -> None:
    import numpy

    steps = numpy.diff(columns.time_us) / _US
    gaps = numpy.flatnonzero(steps > _GAP * frame.seconds)
    if len(gaps):
        widest = int(gaps[steps[gaps].argmax()])
        detail = (
            f"{len(gaps)} gap{'s' if len(gaps) > 1 else ''}, the longest {steps[widest] / 3600:g} hours after "
            f"{moment(int(columns.time_us[widest])):%Y-%m-%d %H:%M}"
        )
        issues.add("gaps", detail, "kept, nothing filled in", times=len(gaps))

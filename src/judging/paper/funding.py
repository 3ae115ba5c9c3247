"""Read funding rates of a perpetual contract from a CSV file with a time and a rate in each row."""

from __future__ import annotations

import csv
import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from src.judging.prices import FundingSeries

if TYPE_CHECKING:
    from pathlib import Path

_TIMES: Final = ("timestamp", "time", "datetime", "date", "fundingtime", "funding_time", "calctime", "calc_time")
_RATES: Final = ("funding_rate", "fundingrate", "rate", "last_funding_rate")
_PERCENT: Final = re.compile(r"_?\(%\)|_pct|_percent|_?%")  # behind the rates' name
_SYMBOLS: Final = ("symbol", "coin", "contracts", "contract")
_MARKETS: Final = (*_SYMBOLS, "venue", "exchange")
_MINUTE_NS: Final = 60_000_000_000
# Binance's stamps are up to tens of milliseconds behind the hour: 1600156800010.
_LATEST_NS: Final = 1_000_000_000
_YEAR_NS: Final = 365 * 86_400 * 1_000_000_000
_USUAL_NS: Final = 8 * 3600 * 1_000_000_000  # between two settlements, where one rate alone does not tell
# Rates of which half are higher, as a fraction of a year, may be percent, and few of them even sooner; so may a series
# with a higher one. What exchanges charge where nothing moves tells both apart: 0.01% in eight hours, which is written
# 0.0001 or 0.01. Of real series of Binance, Bybit, OKX and Hyperliquid in pieces of ten rates and more, no piece in
# percent passed, and one in 170 in fractions was refused.
_HIGHEST_A_YEAR: Final = 0.5
_HIGHEST_OF_FEW: Final = 0.1
_HIGHEST_WITH_USUAL: Final = 1.0
_HIGHEST_SINGLE: Final = 20.0
_FEW: Final = 10
_USUAL_RATE: Final = 0.0001
_USUAL_SHARE: Final = 0.02


class FundingError(ValueError):
    """Funding rates cannot be read; the message names the file, the line and the remedy."""


def read_funding(path: Path) -> FundingSeries:
    """Return the rates of a file: longs pay a positive one, as a fraction of the position's value (0.0001 is 0.01%).

    They are percent where each has the sign, or where their column's name says so.

    Raises:
        FundingError: a row makes no sense, there are rates of several markets, or they may be fractions or percent.
        OSError: the file cannot be read.
    """
    import numpy

    rates: dict[int, float] = {}
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, skipinitialspace=True)
        names = {"_".join(name.lower().split()): name for name in reader.fieldnames or () if name.strip()}
        rated = {_PERCENT.sub("", name): name for name in names if _PERCENT.search(name)}
        unit = 100 if not any(item in names for item in _RATES) and any(item in rated for item in _RATES) else 1
        time_name = next((names[item] for item in _TIMES if item in names), None)
        rate_name = next((names.get(item) or names[rated[item]] for item in _RATES if item in {*names, *rated}), None)
        if time_name is None or rate_name is None:
            raise FundingError(
                f"{path} needs a header with timestamp and funding_rate; it has {', '.join(names) or 'none'}."
            )
        stated = [item for item in _MARKETS if item in names]
        markets: set[tuple[str | None, ...]] = set()
        signs: set[bool] = set()
        for line, row in enumerate(reader, start=2):
            markets.add(tuple(row.get(names[item]) for item in stated))
            if len(markets) > 1:
                raise FundingError(f"{path}, line {line}: the rates are of several markets: give a file with one.")
            time_ns = _settled(_nanoseconds(row.get(time_name) or "", f"{path}, line {line}"))
            if time_ns in rates:
                raise FundingError(f"{path}, line {line}: its time stands in the file twice.")
            text = (row.get(rate_name) or "").strip()
            signs.add(text.endswith("%"))
            if len(signs) > 1:
                raise FundingError(f"{path}, line {line}: some rates are in percent, others are not: write all alike.")
            rates[time_ns] = _rate(text, 100 if text.endswith("%") else unit, f"{path}, line {line}")
    if not rates:
        raise FundingError(f"{path} has no rates.")
    times = sorted(rates)
    if unit == 1 and signs == {False}:
        _refuse_doubtful(path, times, list(rates.values()))
    symbol = next((value for item, value in zip(stated, markets.pop(), strict=True) if item in _SYMBOLS), None)
    return FundingSeries(
        time_ns=numpy.array(times, dtype="int64"),
        rate=numpy.array([rates[time_ns] for time_ns in times]),
        symbol=(symbol or "").strip() or None,
    )


def _refuse_doubtful(path: Path, times: list[int], rates: list[float]) -> None:
    """Refuse rates that may be fractions as well as percent, which differ by a hundred."""
    import numpy

    sizes = sorted(abs(rate) for rate in rates if rate)
    every_ns = float(numpy.median(numpy.diff(times))) if len(times) > 1 else _USUAL_NS
    usual = sizes[len(sizes) // 2] if sizes else 0.0
    quiet = _USUAL_RATE * every_ns / _USUAL_NS
    as_fraction, as_percent = (_share_of(rates, rate) >= _USUAL_SHARE for rate in (quiet, 100 * quiet))
    highest = _HIGHEST_WITH_USUAL if as_fraction else _HIGHEST_A_YEAR if len(rates) >= _FEW else _HIGHEST_OF_FEW
    is_high = usual * _YEAR_NS / every_ns > highest
    has_higher = not as_fraction and bool(sizes) and sizes[-1] * _YEAR_NS / every_ns > _HIGHEST_SINGLE
    if is_high or has_higher or (as_percent and not as_fraction):
        raise FundingError(
            f"{path}: its rates, such as {usual:g}, may be fractions ({usual:.6g} is {usual * 100:.6g}%) or percent "
            f"({usual:g}%): write percent with the sign, or name the column funding_rate_pct, and fractions of so high "
            f"a rate as percent too: {usual * 100:.6g}%."
        )


def _share_of(rates: list[float], rate: float) -> float:
    return sum(math.isclose(abs(item), rate, rel_tol=1e-6) for item in rates) / len(rates)


def _rate(text: str, unit: int, where: str) -> float:
    try:
        rate = float(text.removesuffix("%").strip()) / unit
    except ValueError:
        rate = math.nan
    if not (math.isfinite(rate) and abs(rate) < 0.5):
        raise FundingError(f"{where}: the rate {text!r:.40} is none: give a fraction such as 0.0001, which is 0.01%.")
    return rate


def _settled(time_ns: int) -> int:
    """Return the minute at which funding was settled; exchanges state when they computed it, milliseconds later."""
    after_ns = time_ns % _MINUTE_NS
    return time_ns - after_ns if after_ns < _LATEST_NS else time_ns


def _nanoseconds(text: str, where: str) -> int:
    """Return a time in nanoseconds: ISO 8601, in UTC where it names no zone, or seconds or milliseconds since 1970."""
    text = text.strip()
    if text.isdecimal() and len(text) in (10, 13):
        return int(text) * (1_000_000_000 if len(text) == 10 else 1_000_000)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise FundingError(f"{where}: {text!r:.40} is no time: give one such as 2024-05-01T08:00:00Z.") from error
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return int((aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000) * 1_000_000

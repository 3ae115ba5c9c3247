"""Read funding rates of a perpetual contract from a CSV file with a time and a rate in each row."""

from __future__ import annotations

import csv
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from src.judging.prices import FundingSeries

if TYPE_CHECKING:
    from pathlib import Path

_TIMES: Final = ("timestamp", "time", "datetime", "date", "fundingtime", "funding_time", "calctime", "calc_time")
_RATES: Final = ("funding_rate", "fundingrate", "rate", "last_funding_rate")
_SYMBOLS: Final = ("symbol", "coin")
_MARKETS: Final = (*_SYMBOLS, "venue", "exchange")
_MINUTE_NS: Final = 60_000_000_000
# Binance's stamps are up to tens of milliseconds behind the hour: 1600156800010.
_LATEST_NS: Final = 1_000_000_000


class FundingError(ValueError):
    """Funding rates cannot be read; the message names the file, the line and the remedy."""


def read_funding(path: Path) -> FundingSeries:
    """Return the rates of a file: longs pay a positive one, as a fraction of the position's value (0.0001 is 0.01%).

    Raises:
        FundingError: a row makes no sense, or there are rates of several markets.
        OSError: the file cannot be read.
    """
    import numpy

    rates: dict[int, float] = {}
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, skipinitialspace=True)
        names = {name.strip().lower(): name for name in reader.fieldnames or () if name}
        time_name, rate_name = (
            next((names[item] for item in wanted if item in names), None) for wanted in (_TIMES, _RATES)
        )
        if time_name is None or rate_name is None:
            raise FundingError(
                f"{path} needs a header with timestamp and funding_rate; it has {', '.join(names) or 'none'}."
            )
        stated = [item for item in _MARKETS if item in names]
        markets: set[tuple[str | None, ...]] = set()
        for line, row in enumerate(reader, start=2):
            markets.add(tuple(row.get(names[item]) for item in stated))
            if len(markets) > 1:
                raise FundingError(f"{path}, line {line}: the rates are of several markets: give a file with one.")
            time_ns = _settled(_nanoseconds(row.get(time_name) or "", f"{path}, line {line}"))
            if time_ns in rates:
                raise FundingError(f"{path}, line {line}: its time stands in the file twice.")
            rates[time_ns] = _rate(row.get(rate_name) or "", f"{path}, line {line}")
    if not rates:
        raise FundingError(f"{path} has no rates.")
    times = sorted(rates)
    symbol = next((value for item, value in zip(stated, markets.pop(), strict=True) if item in _SYMBOLS), None)
    return FundingSeries(
        time_ns=numpy.array(times, dtype="int64"),
        rate=numpy.array([rates[time_ns] for time_ns in times]),
        symbol=(symbol or "").strip() or None,
    )


def _rate(text: str, where: str) -> float:
    try:
        rate = float(text)
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

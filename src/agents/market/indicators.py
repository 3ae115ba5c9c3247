"""Summarise a market for a prompt: price, changes and indicators by their usual formulas (those of TA-Lib)."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from src.agents.market.candles import Candle, Candles


@dataclass(frozen=True, slots=True)
class MarketSnapshot:
    """A market at its last bar; a value is None where there are too few bars for it.

    Changes and volatility are in percent, ATR in units of price, RSI 0 to 100, `bollinger` 0 at the lower band
    and 1 at the upper (20 bars, 2 deviations), `volume_ratio` to the mean of 20 bars.
    """

    symbol: str | None
    time: datetime
    price: float
    bars: int
    interval_s: int | None
    change_1: float | None = None
    change_24: float | None = None
    change_all: float | None = None
    high: float | None = None
    low: float | None = None
    sma_20: float | None = None
    sma_50: float | None = None
    ema_12: float | None = None
    ema_26: float | None = None
    rsi_14: float | None = None
    atr_14: float | None = None
    macd: float | None = None
    macd_signal: float | None = None
    macd_histogram: float | None = None
    bollinger: float | None = None
    volatility: float | None = None
    volume_ratio: float | None = None
    last_closes: tuple[float, ...] = ()
    timeframe: str | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """Return what cannot be told: from so few bars, with the number that it needs, or from bars like these."""
        return tuple(
            f"{label}: needs {needed} bars, {self.bars} given"
            if self.bars < needed
            else f"{label}: {_UNKNOWN.get(label, 'cannot be computed')}"
            for (label, text), needed in zip(_lines(self), _NEEDED_BARS, strict=True)
            if text is None
        )

    def to_prompt(self) -> str:
        """Return the snapshot as text, with what is missing; the same prices give the same bytes."""
        lines = [f"Last bar: {self.time:%Y-%m-%d %H:%M} UTC, {self.bars} bars{_every(self)}"]
        lines.append(f"Price: {number(self.price)}")
        lines.extend(f"{label}: {text}" for label, text in _lines(self) if text is not None)
        lines.extend(self.missing)
        lines.append(f"Last closes: {', '.join(number(close) for close in self.last_closes)}")
        return "\n".join(lines)

    def as_metadata(self) -> dict[str, float | str]:
        """Return the known values as flat data, with eight significant digits."""
        metadata: dict[str, float | str] = {"time": self.time.isoformat()}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, int | float):
                metadata[item.name] = float(f"{value:.8g}")
        return metadata


def snapshot(candles: Candles, *, lookback: int = 200) -> MarketSnapshot:
    """Return the snapshot of a market at its last bar.

    Raises:
        ValueError: there are no candles.
    """
    bars = candles.last(max(lookback, 60))
    if not bars:
        raise ValueError("A market snapshot needs at least one candle.")
    closes = [bar.close for bar in bars]
    return MarketSnapshot(
        symbol=candles.symbol,
        time=bars[-1].time,
        price=closes[-1],
        bars=len(bars),
        interval_s=candles.interval_s,
        change_1=_change(closes, 1),
        change_24=_change(closes, 24),
        change_all=_change(closes, len(closes) - 1),
        high=max(bar.high for bar in bars),
        low=min(bar.low for bar in bars),
        volatility=_volatility(closes),
        volume_ratio=_volume_ratio(bars),
        last_closes=tuple(closes[-5:]),
        timeframe=candles.timeframe,
        **_indicators(bars),
    )


def _indicators(bars: Sequence[Candle]) -> dict[str, float | None]:
    closes = [bar.close for bar in bars]
    macd, signal = _macd(closes)
    top, bottom = _bands(closes)
    width = None if top is None or bottom is None else top - bottom
    return {
        "sma_20": _sma(closes, 20),
        "sma_50": _sma(closes, 50),
        "ema_12": _last(_ema(closes, 12)),
        "ema_26": _last(_ema(closes, 26)),
        "rsi_14": _rsi(closes, 14),
        "atr_14": _atr(bars, 14),
        "macd": macd,
        "macd_signal": signal,
        "macd_histogram": None if macd is None or signal is None else macd - signal,
        "bollinger": (closes[-1] - bottom) / width if width and bottom is not None else None,
    }


def _last(values: Sequence[float]) -> float | None:
    return values[-1] if values else None


def _sma(values: Sequence[float], period: int) -> float | None:
    return math.fsum(values[-period:]) / period if len(values) >= period else None


def _smoothed(values: Sequence[float], period: int, share: float) -> list[float]:
    """Return a moving average that takes a share of each new value; it begins with the mean of the first ones."""
    if len(values) < period:
        return []
    averages = [math.fsum(values[:period]) / period]
    for value in values[period:]:
        averages.append(averages[-1] + share * (value - averages[-1]))
    return averages


def _ema(values: Sequence[float], period: int) -> list[float]:
    return _smoothed(values, period, 2 / (period + 1))


def _macd(closes: Sequence[float]) -> tuple[float | None, float | None]:
    """Return MACD (12, 26) and its signal (9); the quick average begins where the slow one does, as in TA-Lib."""
    slow, quick = _ema(closes, 26), _ema(closes[26 - 12 :], 12)
    values = [quick_value - slow_value for quick_value, slow_value in zip(quick, slow, strict=False)]
    signal = _ema(values, 9)
    return (values[-1], signal[-1]) if signal else (None, None)


def _bands(closes: Sequence[float]) -> tuple[float | None, float | None]:
    """Return Bollinger's bands: the mean of 20 closes, and two of their standard deviations above and below."""
    mean = _sma(closes, 20)
    if mean is None:
        return None, None
    deviation = math.sqrt(math.fsum((close - mean) ** 2 for close in closes[-20:]) / 20)
    return mean + 2 * deviation, mean - 2 * deviation


def _rsi(closes: Sequence[float], period: int) -> float | None:
    """Return Wilder's relative strength; None for too few closes, and where the last ones do not move."""
    if len(set(closes[-period - 1 :])) < 2:
        return None
    moves = [close - previous for previous, close in pairwise(closes)]
    gain = _last(_smoothed([max(move, 0.0) for move in moves], period, 1 / period))
    loss = _last(_smoothed([max(-move, 0.0) for move in moves], period, 1 / period))
    return None if gain is None or loss is None else 100 * gain / (gain + loss)


def _atr(bars: Sequence[Candle], period: int) -> float | None:
    """Return Wilder's average true range."""
    ranges = [max(bar.high, last.close) - min(bar.low, last.close) for last, bar in pairwise(bars)]
    return _last(_smoothed(ranges, period, 1 / period))


def _change(closes: Sequence[float], back: int) -> float | None:
    return (closes[-1] / closes[-1 - back] - 1) * 100 if 0 < back < len(closes) else None


def _volatility(closes: Sequence[float]) -> float | None:
    """Return the standard deviation of the returns from bar to bar, in percent."""
    import statistics

    returns = [(close / previous - 1) * 100 for previous, close in pairwise(closes)]
    return statistics.stdev(returns) if len(returns) > 1 else None


def _volume_ratio(bars: Sequence[Candle]) -> float | None:
    volumes = [bar.volume for bar in bars[-20:] if bar.volume is not None]
    mean = sum(volumes) / len(volumes) if len(volumes) == 20 else 0.0
    last = bars[-1].volume
    return last / mean if last is not None and mean > 0 and math.isfinite(mean) else None


_MOST_DECIMALS = 40


def number(value: float) -> str:
    """Return a price with six significant digits, and no exponent: 16531.8, 1.05236, 0.00000123."""
    if value == 0 or not math.isfinite(value):
        return str(value)
    digits = max(5 - math.floor(math.log10(abs(value))), 0)
    text = f"{value:.{min(digits, _MOST_DECIMALS)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _percent(value: float | None) -> str | None:
    return None if value is None else f"{value:+.2f}%"


def _plain(value: float | None, digits: int = 1) -> str | None:
    return None if value is None else f"{value:.{digits}f}"


def _price(value: float | None) -> str | None:
    return None if value is None else number(value)


def _lines(market: MarketSnapshot) -> list[tuple[str, str | None]]:
    return [
        ("Change over 1 bar", _percent(market.change_1)),
        ("Change over 24 bars", _percent(market.change_24)),
        ("Change over all bars", _percent(market.change_all)),
        ("Highest", _price(market.high)),
        ("Lowest", _price(market.low)),
        ("SMA 20", _price(market.sma_20)),
        ("SMA 50", _price(market.sma_50)),
        ("EMA 12", _price(market.ema_12)),
        ("EMA 26", _price(market.ema_26)),
        ("RSI 14", _plain(market.rsi_14)),
        ("ATR 14", _price(market.atr_14)),
        ("MACD histogram", _price(market.macd_histogram)),
        ("Bollinger position (0 lower band, 1 upper)", _plain(market.bollinger, 2)),
        ("Volatility per bar", _percent(market.volatility)),
        ("Volume to its mean", _plain(market.volume_ratio, 2)),
    ]


# How many bars each line of the prompt needs, in the order of `_lines`.
_NEEDED_BARS = (2, 25, 2, 1, 1, 20, 50, 12, 26, 15, 15, 34, 20, 3, 20)
# Why a line cannot be told though there are enough bars.
_UNKNOWN = {
    "RSI 14": "the last closes are all the same",
    "Bollinger position (0 lower band, 1 upper)": "the last closes are all the same",
    "Volume to its mean": "the volume of a bar is not known, or all are 0",
}
_CALENDAR = {"M": "month", "y": "year"}


def _every(market: MarketSnapshot) -> str:
    interval_s, name = market.interval_s, market.timeframe or ""
    if not interval_s:
        return ""
    if name[-1:] in _CALENDAR:
        return f" of {name[:-1]} {_CALENDAR[name[-1]]}{'s' if name[:-1] != '1' else ''}"
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if interval_s % size == 0:
            count = interval_s // size
            return f" of {count} {unit}{'s' if count > 1 else ''}"
    return f" of {interval_s} s"

"""Market data: candles from files, frames, exchanges and the installed sample, and indicators on them."""

from src.agents.market.candles import Candle, Candles, MarketDataError, Reading, RowIssue
from src.agents.market.indicators import MarketSnapshot, snapshot
from src.agents.market.live import live_candles
from src.agents.market.reading import load_candles
from src.agents.market.sample import SAMPLE_SYMBOLS, sample_candles
from src.agents.market.timeframes import closed_bars

__all__ = [
    "SAMPLE_SYMBOLS",
    "Candle",
    "Candles",
    "MarketDataError",
    "MarketSnapshot",
    "Reading",
    "RowIssue",
    "closed_bars",
    "live_candles",
    "load_candles",
    "sample_candles",
    "snapshot",
]

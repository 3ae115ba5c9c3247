"""Market data: candles from files, exchanges and the installed sample, and indicators on them."""

from src.agents.market.candles import Candle, Candles, MarketDataError, RowIssue
from src.agents.market.csv_file import load_candles
from src.agents.market.indicators import MarketSnapshot, snapshot
from src.agents.market.live import live_candles
from src.agents.market.sample import SAMPLE_SYMBOLS, sample_candles

__all__ = [
    "SAMPLE_SYMBOLS",
    "Candle",
    "Candles",
    "MarketDataError",
    "MarketSnapshot",
    "RowIssue",
    "live_candles",
    "load_candles",
    "sample_candles",
    "snapshot",
]

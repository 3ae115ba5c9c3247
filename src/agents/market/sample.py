"""Read the sample prices that are installed with the project, which work without a network."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from src.agents.market.candles import MarketDataError
from src.agents.market.reading import load_candles

if TYPE_CHECKING:
    from src.agents.market.candles import Candles

# The files of the distribution gym-anytrading (MIT): hourly EURUSD, daily GOOGL.
_FILES = {"EURUSD": "FOREX_EURUSD_1H_ASK.csv", "GOOGL": "STOCKS_GOOGL.csv"}
SAMPLE_SYMBOLS = tuple(_FILES)


def sample_candles(symbol: str) -> Candles:
    """Return the sample prices of EURUSD (hourly) or GOOGL (daily); EUR/USD and eur-usd are accepted too.

    Raises:
        MarketDataError: there is no sample of this symbol, or it is not installed.
    """
    name = re.sub(r"[^A-Z0-9]", "", symbol.upper())
    file = _FILES.get(name)
    if file is None:
        raise MarketDataError(
            f"There are no sample prices for {symbol}, only for {' and '.join(SAMPLE_SYMBOLS)}. "
            "Give prices with --csv FILE, or --live EXCHANGE."
        )
    path = _folder() / file
    if not path.is_file():
        raise MarketDataError(f"The sample prices of {symbol} are not installed. Run: make .venv")
    return replace(load_candles(path, symbol=symbol, zone="UTC"), source=f"the installed sample ({file})")


def _folder() -> Path:
    """Return the folder, found without importing the package: its own dependencies are not installed."""
    spec = importlib.util.find_spec("gym_anytrading")
    folders = list(spec.submodule_search_locations or []) if spec else []
    return Path(folders[0]) / "datasets" / "data" if folders else Path("not-installed")

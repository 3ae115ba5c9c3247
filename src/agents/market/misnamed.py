"""Notice files that are not what they seem: of another platform with the same form, or named by another symbol."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from src.agents.market.candles import MarketDataError
from src.agents.market.dialects import HISTDATA
from src.agents.market.symbols import same_symbol

if TYPE_CHECKING:
    from src.agents.market.candles import Issues
    from src.agents.market.layout import Layout

# A file's name that begins with a pair: BTCUSDT-1h-2024-12.csv, BTC-USD-15m.csv, ETH_EUR.json.
_PAIR: Final = re.compile(
    r"(?P<base>[A-Z0-9]{2,10}?)[-_]?(?P<quote>USDT|USDC|FDUSD|BUSD|USD|EUR|GBP|BTC)(?![A-Za-z0-9])"
)
_DOLLARS: Final = re.compile(r"(?:USDT|USDC|FDUSD|BUSD)$")


def refuse_other_platform(layout: Layout, source: str, volumes: Any, zone: str | None) -> None:
    """Refuse rows in HistData's form with volumes, which HistData has none of: NinjaTrader writes the same form.

    Raises:
        MarketDataError: they are such, and the caller does not say their zone.
    """
    if layout.dialect is HISTDATA and zone is None and "DAT_" not in source.upper() and (volumes > 0).any():
        raise MarketDataError(
            f"{source} has the form of HistData's files, whose times are New York's winter time and whose volumes are "
            "all 0, and its volumes are not: other programs, such as NinjaTrader, write the same form with times of "
            "another zone, at the end of bars. Say which zone it is, --zone (zone=), and what its stamps mean, "
            "--stamps (stamps=)."
        )


def report_other_name(source: str, asked: str | None, stated: str | None, issues: Issues) -> None:
    """Say that a file whose rows name no symbol has a name that begins with another one than was asked for."""
    match = _PAIR.match(source)
    if match is None or not asked or stated is not None:
        return
    name = _DOLLARS.sub("USD", match["base"] + match["quote"])
    if not same_symbol(name, _DOLLARS.sub("USD", asked.upper())):
        issues.add("symbol", f"the file's name begins with {match[0]}, and {asked} was asked for", "read as asked for")

"""Say how prices were understood, wherever a command reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from src.observability.commands.console import note

if TYPE_CHECKING:
    from src.agents.market import Candles

_SHOWN: Final = 5


def print_remarks(candles: Candles) -> None:
    """Print the first remarks on prices, such as which zone their times are taken for."""
    from src.agents.market.candles import first_of_each_kind

    for issue in first_of_each_kind(candles.issues, _SHOWN):
        line = f" line {issue.line}" if issue.line is not None else ""
        note(f"prices:{line} {issue.kind}: {issue.detail} ({issue.action})")
    if len(candles.issues) > _SHOWN:
        note(f"prices: {len(candles.issues) - _SHOWN} more remarks: `moondev candles FILE` shows them")

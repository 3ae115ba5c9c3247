"""Refuse prices of bonds in points and 32nds (`110'165` is 110 and 16.5/32) where they may be thousands as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from src.agents.market.candles import MarketDataError
from src.agents.market.cells import bytes_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from src.agents.market.numbers import NumberColumn

_MARKED: Final = r"['\x{2019}]\d{3}$"
# Points, 32nds from 00 to 31, and quarters of one: 0, 2 (a quarter), 5 (a half), 7 (three quarters).
_POINTS: Final = r"^[+-]?\d{2,3}['\x{2019}](?:[0-2]\d|3[01])[0257]$"


def refuse_points_and_32nds(columns: Mapping[str, NumberColumn], source: str) -> None:
    """Refuse prices of which all with an apostrophe may be such.

    Raises:
        MarketDataError: they may; the message has both readings.
    """
    from pyarrow import compute

    example: tuple[str, str] | None = None
    for name, column in columns.items():
        for cells in column.texts():
            marked = cells.filter(compute.match_substring_regex(cells, _MARKED)) if _holds_mark(cells) else cells[:0]
            if len(marked) and not compute.all(compute.match_substring_regex(marked, _POINTS)).as_py():
                return
            example = example or ((name, str(marked[0].as_py())) if len(marked) else None)
    if example is None:
        return
    name, text = example
    points, part = int(text[:-4]), int(text[-3:-1]) + {"0": 0.0, "2": 0.25, "5": 0.5, "7": 0.75}[text[-1]]
    raise MarketDataError(
        f"{source}: {name} has {text}, which may be {text[:-4]}{text[-3:]}, or {points} and {part:g}/32 as bonds are "
        f"priced ({points + part / 32:.12g}). Write plain numbers, without apostrophes."
    )


def _holds_mark(cells: Any) -> bool:
    data = memoryview(bytes_of(cells)[0]).tobytes()
    return b"'" in data or "\u2019".encode() in data

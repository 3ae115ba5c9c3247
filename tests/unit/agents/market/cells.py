"""Price files of tests, written cell by cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src.agents.market import Candles, load_candles

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "date,open,high,low,close,volume"


def write(folder: Path, text: str, name: str = "prices.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def read(folder: Path, text: str, **options: str) -> Candles:
    return load_candles(write(folder, text), **options)


def prices(*rows: str, delimiter: str = ";", header: str = HEADER) -> str:
    """Return a file with a date for each row of prices."""
    lines = [f"2024-01-{day:02d}{delimiter}{row}" for day, row in enumerate(rows, start=1)]
    return "\n".join([header.replace(",", delimiter), *lines]) + "\n"


def times(*stamps: str, header: str = HEADER) -> str:
    """Return a file with a row of prices for each time."""
    return "\n".join([header, *(f"{stamp},1,2,0.5,1.5,{place}" for place, stamp in enumerate(stamps, start=1))]) + "\n"


def shown(candles: Candles) -> list[str]:
    return [bar.time.isoformat().replace("+00:00", "") for bar in candles]

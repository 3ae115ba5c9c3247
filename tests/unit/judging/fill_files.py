"""Write exports of fills as exchanges do, and match them with decisions."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from src.judging.fills.matching import Matched, match
from src.judging.fills.reading import read_fills
from src.observability.ledger import Entry
from src.observability.store.ledger_records import DecisionRecord

if TYPE_CHECKING:
    from pathlib import Path
START = datetime(2024, 5, 1, tzinfo=UTC)
BINANCE = ["Date(UTC)", "Pair", "Side", "Price", "Executed", "Amount", "Fee"]
FUTURES = [
    "Time(UTC)",
    "Symbol",
    "Side",
    "Price",
    "Quantity",
    "Amount",
    "Fee",
    "Realized Profit",
    "Trade ID",
    "Order ID",
]


def binance(tmp_path: Path, *rows: tuple[float, str, float, float, str], name: str = "spot.csv") -> Path:
    """Write spot fills: minutes after the start, side, price, amount, fee."""
    return written(tmp_path / name, BINANCE, [
        [stamp(minute), "BTCUSDT", side, price, f"{amount}BTC", f"{price * amount}USDT", fee]
        for minute, side, price, amount, fee in rows
    ])  # fmt: skip


def futures(tmp_path: Path, *rows: tuple[float, str, float, float, str, float], name: str = "futures.csv") -> Path:
    """Write futures fills: minutes after the start, side, price, amount, fee, realized profit; each its own order."""
    return written(tmp_path / name, FUTURES, [
        [stamp(minute), "BTCUSDT", side, price, amount, price * amount, fee, realized, place, place]
        for place, (minute, side, price, amount, fee, realized) in enumerate(rows)
    ])  # fmt: skip


def stamp(minute: float) -> str:
    return f"{START + timedelta(minutes=minute):%Y-%m-%d %H:%M:%S}"


def written(path: Path, header: list[str], rows: list[list[Any]]) -> Path:
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return path


def decided(name: str, minute: float, action: str = "BUY", symbol: str = "BTC-USD", **fields: Any) -> Entry:
    time_ns = int((START + timedelta(minutes=minute)).timestamp() * 1e9)
    record = DecisionRecord(id=name, time_ns=time_ns, as_of_ns=time_ns, symbol=symbol, action=action, **fields)
    return Entry(decision=record)


def matched(paths: Path | list[Path], *entries: Entry, **options: Any) -> Matched:
    files = paths if isinstance(paths, list) else [paths]
    data = read_fills(files)
    return match(data.fills, entries, window_s=options.pop("window_s", 900), **options)

"""What interfaces answer beside plain trades: orders, options, further fees, markets of a builder's own exchange."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from src.judging.fills.reading import read_fills
from src.judging.fills.records import FillsError
from src.judging.fills.rows import OPTION
from tests.unit.judging.fill_files import START, decided, matched

if TYPE_CHECKING:
    from pathlib import Path

START_MS = int(START.timestamp() * 1000)
CCXT = {
    "id": "1", "order": "2", "timestamp": 1_700_137_473_000, "symbol": "LTC/USDT", "side": "buy", "price": 72.8,
    "amount": 2, "cost": 145.6, "fee": {"cost": 0.1, "currency": "USDT"}, "fees": [], "info": {},
}  # fmt: skip
OKX = {
    "instType": "SPOT", "instId": "BTC-USDT", "tradeId": "123", "ordId": "3", "fillPx": "999", "fillSz": "1",
    "side": "buy", "feeCcy": "BTC", "fee": "-0.001", "fillTime": "1597026383085",
}  # fmt: skip


def saved(folder: Path, answer: Any) -> Path:
    path = folder / "answer.json"
    path.write_text(json.dumps(answer))
    return path


@pytest.mark.parametrize(
    "answer",
    [
        [{**CCXT, "filled": 0, "remaining": 2, "status": "open", "trades": []}],
        {"code": "0", "data": [{**OKX, "accFillSz": "9", "avgPx": "998", "state": "canceled"}]},
    ],
    ids=["ccxt", "okx"],
)
def test_orders_are_no_trades(tmp_path: Path, answer: Any) -> None:
    with pytest.raises(
        FillsError, match=r"holds orders, of which all, a part or nothing may be filled.*fetch_my_trades"
    ):
        read_fills([saved(tmp_path, answer)])


@pytest.mark.parametrize("symbol", ["BTC/USDT:USDT-241227-100000-C", "BTC-27DEC24-100000-P", "BTC-27DEC24-9.5-C-USDT"])
def test_options_are_no_fills_of_what_they_are_on(tmp_path: Path, symbol: str) -> None:
    data = read_fills([saved(tmp_path, [{**CCXT, "symbol": symbol, "price": 0.05}])])
    assert (data.fills, dict(data.skipped)) == ([], {OPTION: 1})


def bybit(side: str, minute: int, price: str, more: Any) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT", "execFee": "0.5", "execId": f"{side}{minute}", "execPrice": price, "execQty": "1",
        "execType": "Trade", "side": side, "execTime": str(START_MS + minute * 60_000), "orderId": side,
        "closedSize": "", "feeCurrency": "USDT", "extraFees": more,
    }  # fmt: skip


def test_fees_beside_bybits_fee_are_taken_from_what_was_earned(tmp_path: Path) -> None:
    tax = [{"feeCoin": "USDT", "feeType": "GST", "fee": "0.09"}]
    answer = {"result": {"category": "spot", "list": [bybit("Buy", 1, "100", tax), bybit("Sell", 9, "110", "")]}}
    (item,) = matched(saved(tmp_path, answer), decided("d", 0)).earned
    assert item.pnl_usd == pytest.approx(10 - 0.5 - 0.09 - 0.5)
    answer["result"]["list"][1]["extraFees"] = "?"  # type: ignore[index]
    assert matched(saved(tmp_path, answer), decided("d", 0)).earned[0].pnl_usd is None


def test_markets_of_builders_exchanges_on_hyperliquid_are_apart(tmp_path: Path) -> None:
    """As in an answer of `userFills` among ccxt's fixtures: fees are in the money of the market."""
    row = {"px": "70.0", "sz": "0.14", "side": "B", "time": 1_769_178_808_067, "dir": "Open Long", "closedPnl": "0.0"}
    rows = [
        {**row, "coin": "flx:CRCL", "oid": 1, "fee": "0.000282", "tid": 1, "feeToken": "USDH"},
        {**row, "coin": "xyz:CRCL", "oid": 2, "fee": "0.000282", "tid": 2, "feeToken": "USDC"},
        {**row, "coin": "HYPE", "oid": 3, "fee": "0.012896", "tid": 3, "feeToken": "USDC", "builderFee": "0.002424"},
    ]
    fills = read_fills([saved(tmp_path, rows)]).fills
    assert [(fill.market.name, fill.expiry) for fill in fills] == [
        ("CRCL-USDH", "flx"), ("CRCL-USDC", "xyz"), ("HYPE-USDC", None),
    ]  # fmt: skip

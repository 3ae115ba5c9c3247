"""Which position a fill opens or closes: long and short ones beside each other, contracts, liquidations."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from src.judging.fills.matching import UNCLEAR, match
from src.judging.fills.reading import read_fills
from tests.unit.judging.exports import EXPORTS, KRAKEN_API

if TYPE_CHECKING:
    from pathlib import Path
from tests.unit.judging.fill_files import START, decided, futures, matched, stamp, written


def test_a_short_position_earns_where_the_price_falls_and_funding_is_named(tmp_path: Path) -> None:
    path = futures(
        tmp_path,
        (1, "SELL", 100, 2, "0.1USDT", 0),
        (60, "BUY", 90, 1, "0.05 USDT", 10),
        (61, "BUY", 95, 1, "0.05USDT", 5),
    )
    (item,) = matched(path, decided("d", 0, "SELL")).earned
    assert item.pnl_usd == pytest.approx(10 + 5 - 0.2)
    assert item.net_return == pytest.approx(14.8 / 200)
    assert item.details["excludes"] == ["funding"]


def test_positions_of_both_sides_stand_beside_each_other_where_the_exchange_realized_nothing(tmp_path: Path) -> None:
    path = futures(
        tmp_path,
        (1, "BUY", 100, 1, "0USDT", 0),
        (20, "SELL", 110, 1, "0USDT", 0),  # a short beside the long
        (40, "SELL", 130, 1, "0USDT", 30),  # closes the long
        (60, "BUY", 105, 1, "0USDT", 5),  # closes the short
    )
    earned = matched(path, decided("long", 0.5), decided("short", 19.5, "SELL")).earned
    assert {item.decision.id: item.pnl_usd for item in earned} == {"long": 30, "short": 5}


@pytest.mark.parametrize("name", ["positionSide", "posSide"])
def test_ccxt_s_position_tells_which_side_a_fill_belongs_to(name: str, tmp_path: Path) -> None:
    trades = [
        (1, "buy", 100, "long"), (20, "sell", 110, "short"), (40, "sell", 130, "LONG"), (60, "buy", 105, "SHORT")
    ]  # fmt: skip
    path = tmp_path / "trades.json"
    path.write_text(json.dumps([
        {"id": str(minute), "timestamp": int((START.timestamp() + minute * 60) * 1000), "symbol": "BTC/USDT:USDT",
         "side": side, "price": price, "amount": 1, "cost": price, "fee": {"cost": 0, "currency": "USDT"},
         "info": {name: position}}
        for minute, side, price, position in trades
    ]))  # fmt: skip
    earned = matched(path, decided("long", 0.5), decided("short", 19.5, "SELL")).earned
    assert {item.decision.id: item.pnl_usd for item in earned} == {"long": 30, "short": 5}


def test_kraken_s_trades_by_id_are_read(tmp_path: Path) -> None:
    path = tmp_path / "trades.json"
    path.write_text(KRAKEN_API)
    data = read_fills([path])
    (fill,) = data.fills
    assert (data.formats, fill.trade_id, fill.market.name) == (
        ["trades.json: kraken trades"], "THVRQM-33VKH-UCI7BS", "BTC-USD",
    )  # fmt: skip
    assert (fill.price, fill.amount, fill.time_ns) == (Decimal(30010), Decimal("0.02"), 1_616_667_796_880_200_000)


def user_trades(path: Path, *rows: tuple[float, str, float, float, str | None, float | None]) -> Path:
    """Write Binance's userTrades: minutes after the start, side, price, amount, position side, realized profit."""
    path.write_text(json.dumps([
        {"symbol": "BTCUSDT", "id": place, "orderId": place, "side": side, "price": str(price), "qty": str(amount),
         "realizedPnl": None if realized is None else str(realized), "commission": "0", "commissionAsset": "USDT",
         "time": int((START + timedelta(minutes=minute)).timestamp() * 1000), "positionSide": position}
        for place, (minute, side, price, amount, position, realized) in enumerate(rows)
    ]))  # fmt: skip
    return path


HEDGED: list[tuple[float, str, float, float, str | None, float | None]] = [
    (1, "BUY", 100, 1, "LONG", 0),
    (30, "SELL", 110, 1, "SHORT", 0),
]


@pytest.mark.parametrize(
    ("closes", "results"),
    [
        ([(60, "SELL", 120, 1, "LONG", 20), (61, "BUY", 105, 1, "SHORT", 5)], {"long": 20.0, "short": 5.0}),
        ([(60, "SELL", 120, 1, None, 20), (61, "BUY", 105, 1, None, 5)], {"long": 20.0, "short": 5.0}),
        ([(60, "SELL", 120, 1, None, None), (61, "BUY", 105, 1, None, None)], {"long": None, "short": None}),
        ([(60, "SELL", 120, 1, "BOTH", 20), (61, "BUY", 105, 1, "BOTH", 5)], {"long": None, "short": None}),
    ],
)
def test_a_fill_that_may_be_of_either_of_two_positions_counts_for_neither(
    closes: list[Any], results: dict[str, float | None], tmp_path: Path
) -> None:
    path = user_trades(tmp_path / "trades.json", *HEDGED, *closes)
    result = matched(path, decided("long", 0), decided("short", 29, "SELL"))
    assert {item.decision.id: item.pnl_usd for item in result.earned} == results
    assert [item.reason for item in result.earned] == [None if all(results.values()) else UNCLEAR] * 2


def test_what_closes_more_than_the_file_opened_beside_another_position_opens_nothing(tmp_path: Path) -> None:
    closes: list[Any] = [(60, "SELL", 120, 2, None, 40), (61, "BUY", 105, 1, None, 5)]
    path = user_trades(tmp_path / "trades.json", *HEDGED, *closes)
    result = matched(path, decided("long", 0), decided("short", 29, "SELL"))
    assert (result.from_before, result.unmatched) == (1, 0)
    assert {item.decision.id: item.pnl_usd for item in result.earned} == {"long": 20.0, "short": 5.0}


def test_what_bybit_says_of_the_closed_size_tells_a_position_s_side(tmp_path: Path) -> None:
    def execution(number: int, minute: int, side: str, price: float, amount: float, closed: float) -> dict[str, Any]:
        return {
            "symbol": "BTCUSDT", "side": side, "execPrice": str(price), "execQty": str(amount), "execFee": "0.1",
            "closedSize": str(closed), "execType": "Trade", "execId": str(number), "orderId": str(number),
            "execTime": str(int((START + timedelta(minutes=minute)).timestamp() * 1000)), "feeCurrency": "",
        }  # fmt: skip

    path = tmp_path / "executions.json"
    fills = [
        execution(1, 1, "Buy", 100, 1, 0),
        execution(2, 30, "Sell", 110, 1, 0),  # opens a short one beside it
        execution(3, 60, "Sell", 120, 1, 1),
        execution(4, 61, "Buy", 105, 3, 1),  # closes the short one, and opens two
    ]
    path.write_text(json.dumps({"result": {"category": "linear", "list": fills}}))
    result = matched(path, decided("long", 0), decided("short", 29, "SELL"), decided("again", 60.5))
    assert {item.decision.id: item.pnl_usd for item in result.earned} == {
        "long": pytest.approx(19.8), "short": pytest.approx(5 - 0.1 - 0.1 / 3), "again": None,
    }  # fmt: skip


def test_a_dated_future_does_not_close_a_perpetual_contract(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = json.loads(
        user_trades(
            tmp_path / "trades.json",
            (1, "BUY", 100, 1, "BOTH", 0), (30, "SELL", 110, 1, "BOTH", 0), (60, "SELL", 130, 1, "BOTH", 30),
        ).read_text()
    )  # fmt: skip
    rows[1]["symbol"] = "BTCUSDT_240628"
    (tmp_path / "trades.json").write_text(json.dumps(rows))
    (item,) = matched(tmp_path / "trades.json", decided("long", 0)).earned
    assert item.pnl_usd == 30


def test_what_an_interface_leaves_open_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "trades.json"
    row = json.loads(user_trades(path, (1, "BUY", 100, 1, "BOTH", 0)).read_text())[0]
    execution = {
        "symbol": "BTCUSDH24", "side": "Buy", "execPrice": "1", "execQty": "1", "execFee": "0", "execId": "1",
        "execTime": "1700000000000", "execType": "Trade", "closedSize": "0",
    }  # fmt: skip
    coin = {
        "coin": "xyz:TSLA", "px": "100", "sz": "1", "side": "B", "time": 1700000000000, "dir": "Open Long",
        "closedPnl": "0", "oid": 1, "tid": 2, "fee": "0.1", "feeToken": "USDC",
    }  # fmt: skip
    for content, skipped, fees in (
        ([{**row, "time": 2082758400000}], {"its time lies in the future": 1}, None),
        ([{**row, "commission": "-0.05"}], {}, None),  # of a taker or of a maker: the row does not say
        ([{**row, "commission": "-0.05", "maker": False}], {}, [("0.05", "USDT")]),
        ({"result": {"category": "inverse", "list": [execution]}}, {"it is settled in the coin itself": 1}, None),
        ([coin], {}, [("0.1", "USDC")]),
        ([CCXT_TRADE], {}, [("0.1", "USDT"), ("0.001", "BNB")]),
    ):
        path.write_text(json.dumps(content))
        data = read_fills([path])
        assert dict(data.skipped) == skipped
        read = [fill.fees and [(str(fee.amount), fee.currency) for fee in fill.fees] for fill in data.fills]
        assert read == ([] if skipped else [fees])


CCXT_TRADE = {
    "id": "1", "timestamp": 1700000000000, "symbol": "BTC/USDT:USDT", "side": "buy", "price": 100, "amount": 5,
    "cost": 5, "fee": {"cost": 0.1, "currency": "USDT"},
    "fees": [{"cost": 0.1, "currency": "USDT"}, {"cost": 0.001, "currency": "BNB"}], "info": {},
}  # fmt: skip


def test_contracts_whose_export_names_no_position_are_read_in_one_way_mode_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "trades.csv"
    path.write_text(EXPORTS["bybit derivatives"].text)
    (remark,) = read_fills([path]).remarks
    assert "trades.csv does not say to which position a fill belongs" in remark


@pytest.mark.parametrize(
    ("header", "opened", "ended"),
    [
        (["time", "coin", "dir", "px", "sz", "ntl", "fee", "closedPnl"],
         ["BTC", "Open Long", 100, 1, 100, 0, 0], ["BTC", "Liquidated Cross Long", 50, 1, 50, 0, -50]),
        (["Transaction Time(UTC)", "Market", "Direction", "Filled Price", "Filled Quantity", "Trading Fee",
          "Filled Type"],
         ["BTCUSDT", "Buy", 100, 1, 0, "Trade"], ["BTCUSDT", "Sell", 50, 1, 0, "BustTrade"]),
    ],
    ids=["hyperliquid", "bybit"],
)  # fmt: skip
def test_a_liquidation_closes(header: list[str], opened: list[Any], ended: list[Any], tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", header, [[stamp(1), *opened], [stamp(30), *ended]])
    fills = read_fills([path], zone="UTC").fills
    assert [item.pnl_usd for item in match(fills, [decided("d", 0.5)], window_s=900).earned] == [-50]


def test_a_close_at_the_mean_price_realizes_nothing_and_closes(tmp_path: Path) -> None:
    path = futures(
        tmp_path, (1, "BUY", 100, 1, "0USDT", 0), (2, "BUY", 110, 1, "0USDT", 0), (30, "SELL", 105, 2, "0USDT", 0)
    )
    assert [item.pnl_usd for item in matched(path, decided("long", 0.5)).earned] == [0]

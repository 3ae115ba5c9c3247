"""Real fills: each export by its header, positions by hand, and what fits two decisions belongs to neither."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from src.judging.fills.markets import is_same_market, market_of
from src.judging.fills.matching import AMBIGUOUS, OPEN, UNCLEAR, UNKNOWN_FEES, Matched, match
from src.judging.fills.reading import read_fills
from src.judging.fills.records import FillsError
from src.observability.ledger import Entry
from src.observability.store.ledger_records import DecisionRecord, ResultRecord
from tests.unit.judging.exports import EXPORTS, KRAKEN_API, MINT

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


@pytest.mark.parametrize("name", EXPORTS)
def test_each_export_is_read_as_its_exchange_writes_it(tmp_path: Path, name: str) -> None:
    export = EXPORTS[name]
    path = tmp_path / ("trades.json" if export.text.startswith(("[", "{")) else "trades.csv")
    path.write_text(export.text, encoding="utf-8")
    data = read_fills([path], zone=export.zone, dates=export.dates)
    assert data.formats == [f"{path.name}: {name}"]
    read = [
        (
            fill.market.name, fill.side, str(fill.price), str(fill.amount),
            None if fill.fees is None else [(str(fee.amount), fee.currency) for fee in fill.fees],
            fill.effect, fill.is_spot, datetime.fromtimestamp(fill.time_ns / 1e9, UTC).isoformat(),
        )
        for fill in data.fills
    ]  # fmt: skip
    assert read == export.fills
    assert dict(data.skipped) == export.skipped


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


def test_partial_fills_are_summed_and_fees_in_the_coin_and_in_dollars_are_taken(tmp_path: Path) -> None:
    path = binance(
        tmp_path,
        (1, "BUY", 100, 1.0, "0.001BTC"),  # pays 100 for 0.999
        (1, "BUY", 102, 1.0, "0.001BTC"),  # pays 102 for 0.999
        (60, "SELL", 110, 1.0, "0.11USDT"),
        (70, "SELL", 120, 0.998, "0.12USDT"),
    )
    result = matched(path, decided("d", 0))
    (item,) = result.earned
    # By hand: in 202; out 110 + 0.998 x 120 = 229.76; fees out 0.23.
    assert item.pnl_usd == pytest.approx(229.76 - 202 - 0.23)
    assert item.net_return == pytest.approx((229.76 - 202 - 0.23) / 202)
    assert (item.reason, item.details["fills"], item.details["amount"]) == (None, 2, pytest.approx(1.998))
    assert (result.fills, result.matched, result.closing, result.unmatched) == (4, 2, 2, 0)


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


def test_what_closes_belongs_to_the_decision_that_opened(tmp_path: Path) -> None:
    path = binance(tmp_path, (1, "BUY", 100, 1, "0USDT"), (61, "SELL", 110, 1, "0USDT"))
    result = matched(path, decided("buy", 0), decided("sell", 60, "SELL"))
    (item,) = result.earned
    assert item.decision.id == "buy"
    assert item.pnl_usd == pytest.approx(10)
    assert result.without_fills == 0


def test_an_order_that_fits_two_decisions_belongs_to_neither(tmp_path: Path) -> None:
    path = binance(tmp_path, (6, "BUY", 100, 1, "0USDT"), (60, "SELL", 110, 1, "0USDT"))
    result = matched(path, decided("a", 0), decided("b", 5))
    assert result.earned == []
    assert result.ambiguous[0].decisions == ("a", "b")
    assert result.unmatched == 0
    assert matched(path, decided("a", 0), decided("b", 5), window_s=120).earned[0].decision.id == "b"
    both = binance(tmp_path, (1, "BUY", 99, 1, "0USDT"), (6, "BUY", 100, 1, "0USDT"), (60, "SELL", 110, 2, "0USDT"))
    (item,) = matched(both, decided("a", 0), decided("b", 5)).earned
    assert (item.decision.id, item.reason, item.pnl_usd) == ("a", AMBIGUOUS, None)


def test_all_fills_of_an_order_follow_its_first(tmp_path: Path) -> None:
    path = tmp_path / "trades.json"
    fills = [
        {"id": str(place), "order": "o", "timestamp": 1714521660000 + place * 600_000, "symbol": "BTC/USDT",
         "side": "buy", "price": 100, "amount": 1, "cost": 100, "fee": {"cost": 0, "currency": "USDT"}}
        for place in range(3)
    ]  # fmt: skip
    path.write_text(json.dumps(fills))
    result = matched(path, decided("a", 0), decided("b", 15))
    assert [(item.decision.id, item.details["fills"], item.reason) for item in result.earned] == [("a", 3, OPEN)]


def test_a_fee_in_another_currency_is_unknown_until_its_price_is_stated(tmp_path: Path) -> None:
    path = binance(tmp_path, (1, "BUY", 100, 1, "0.001BNB"), (60, "SELL", 110, 1, "0.1USDT"))
    (item,) = matched(path, decided("d", 0)).earned
    assert (item.reason, item.pnl_usd, item.net_return) == (UNKNOWN_FEES, None, None)
    assert item.details["unknown_fees"] == ["BNB"]
    (item,) = matched(path, decided("d", 0), fee_prices={"BNB": Decimal(600)}).earned
    assert item.pnl_usd == pytest.approx(10 - 0.1 - 0.6)


def test_what_was_held_before_the_file_is_nobody_s_result(tmp_path: Path) -> None:
    spot = binance(tmp_path, (1, "SELL", 100, 1, "0USDT"))
    assert matched(spot, decided("d", 0, "SELL")).from_before == 1
    closes = futures(tmp_path, (1, "SELL", 100, 1, "0USDT", 7.5), (2, "SELL", 100, 1, "0USDT", 0))
    result = matched(closes, decided("d", 0, "SELL"))
    assert (result.from_before, result.matched) == (1, 1)


def test_an_open_position_has_no_result_yet_and_crumbs_are_none(tmp_path: Path) -> None:
    half = binance(tmp_path, (1, "BUY", 100, 1, "0USDT"), (60, "SELL", 110, 0.5, "0USDT"))
    assert matched(half, decided("d", 0)).earned[0].reason == OPEN
    nearly = binance(tmp_path, (1, "BUY", 100, 1, "0USDT"), (60, "SELL", 110, 0.995, "0USDT"))
    assert matched(nearly, decided("d", 0)).earned[0].pnl_usd == pytest.approx(9.95)


def test_prices_in_another_currency_give_a_return_and_no_dollars(tmp_path: Path) -> None:
    rows = [
        [stamp(1), "BTCEUR", "BUY", 100, "1BTC", "100EUR", "0EUR"],
        [stamp(9), "BTCEUR", "SELL", 110, "1BTC", "110EUR", "0EUR"],
    ]
    path = written(tmp_path / "eur.csv", BINANCE, rows)
    assert matched(path, decided("d", 0)).earned == []  # dollars are not euros
    (item,) = matched(path, decided("d", 0, symbol="BTC/EUR")).earned
    assert item.pnl_usd is None
    assert item.net_return == pytest.approx(0.1)


def test_overlapping_files_count_each_fill_once(tmp_path: Path) -> None:
    rows = [(1, "BUY", 100, 1, "0USDT"), (1, "BUY", 100, 1, "0USDT"), (60, "SELL", 110, 2, "0USDT")]
    first, second = binance(tmp_path, *rows[:2], name="1.csv"), binance(tmp_path, *rows, name="2.csv")
    data = read_fills([first, second])
    assert (len(data.fills), data.duplicates) == (3, 2)  # two that are alike in one file are two
    futures(tmp_path, (1, "SELL", 100, 2, "0USDT", 0), name="a.csv")
    futures(tmp_path, (1, "SELL", 101, 2, "0USDT", 0), name="b.csv")
    with pytest.raises(FillsError, match=r"b\.csv:2 has the trade id 0 of a\.csv:2, with other values"):
        read_fills([tmp_path / "a.csv", tmp_path / "b.csv"])


def test_a_file_with_the_newest_first_keeps_the_order_of_one_moment(tmp_path: Path) -> None:
    rows = [(60, "SELL", 120, 1, "0USDT"), (1, "SELL", 90, 1, "0USDT"), (1, "BUY", 100, 2, "0USDT")]
    (item,) = matched(binance(tmp_path, *rows), decided("d", 0)).earned
    assert item.pnl_usd == pytest.approx(10)


def test_what_is_known_already_is_not_new(tmp_path: Path) -> None:
    path = binance(tmp_path, (1, "BUY", 100, 1, "0USDT"), (60, "SELL", 110, 1, "0USDT"))
    (item,) = matched(path, decided("d", 0)).earned
    assert item.is_new
    known = ResultRecord("d", item.source, item.pnl_usd, item.net_return, time_ns=1)
    entry = Entry(decision=decided("d", 0).decision, results={item.source: known})
    assert not matched(path, entry).earned[0].is_new


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty|has no header"),
        ("a,b\n1,2\n", "has no header of a known trade export; it begins with 'a,b'"),
        ("[]", "holds no list of trades"),
        ('[{"a": 1}]', "trades of an unknown form, with a"),
        ("[" * 100_000, "is no JSON"),
        (
            "Date(UTC);Pair;Side;Price;Executed;Amount;Fee\n2024-01-01;BTCUSDT;BUY;42,500;1BTC;42;0USDT\n",
            "2 has .42,500",
        ),
        ("time,coin,dir,px,sz,ntl,fee,closedPnl\n01/02/2025 - 10:00:00,BTC,Open Long,1,1,1,0,0\n", "in which zone"),
    ],
)
def test_what_is_no_export_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(FillsError, match=message):
        read_fills([path])


def test_dates_that_may_be_two_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("time,coin,dir,px,sz,ntl,fee,closedPnl\n01/02/2025 - 10:00:00,BTC,Open Long,1,1,1,0,0\n")
    with pytest.raises(FillsError, match="--dates"):
        read_fills([path], zone="UTC")
    assert read_fills([path], zone="UTC", dates="day-first").fills[0].time_ns == 1738404000 * 10**9


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("BTC-USD", "BTCUSDT", True), ("BTC", "BTC/USDC:USDC", True), ("XXBTZUSD", "BTC-USD", True),
        ("XBTUSD", "BTC/USD", True), ("BINANCE:BTCUSDT", "BTC-USDT", True), ("BTC-PERP", "BTCUSDT", True),
        ("BTC-USD", "BTCEUR", False), ("BTC-USDT", "BTC-USDC", True), ("ETH-USD", "BTCUSDT", False),
        ("BTCUSDT-PERP", "BTCUSDT", True), ("BTC-27DEC24", "BTCUSDT", True), ("BTCUSDT_240329", "BTC", True),
        ("BTC-EUR", "BTC-USD", False), (MINT, MINT, True), (MINT, MINT.lower(), False), ("WBTC-USD", "BTCUSDT", False),
    ],
)  # fmt: skip
def test_spellings_of_one_market(first: str, second: str, *, same: bool) -> None:
    assert is_same_market(market_of(first), market_of(second)) is same

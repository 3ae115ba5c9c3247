"""Real fills: each export by its header, positions by hand, and what fits two decisions belongs to neither."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from src.judging.fills.markets import is_same_market, market_of
from src.judging.fills.matching import AMBIGUOUS, OPEN, UNKNOWN_FEES
from src.judging.fills.reading import read_fills
from src.judging.fills.records import FillsError
from src.observability.ledger import Entry
from src.observability.store.ledger_records import ResultRecord
from tests.unit.judging.exports import EXPORTS, MINT

if TYPE_CHECKING:
    from pathlib import Path
from tests.unit.judging.fill_files import BINANCE, binance, decided, futures, matched, stamp, written


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

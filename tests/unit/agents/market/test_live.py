"""Live candles come through the real ccxt from servers that answer as the exchanges do."""

from __future__ import annotations

import functools
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from src.agents.market import MarketDataError, live_candles
from tests.servers import Received, Reply, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.xdist_group("exchanges")  # ccxt is large: loaded by one worker alone
RECORDED = Path(__file__).parents[5] / "shared" / "data" / "exchange"
NOW = datetime(2024, 1, 31, 19, 34, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


def reply(data: Any) -> Reply:
    return Reply(body=json.dumps(data).encode(), headers={"content-type": "application/json"})


def client_of(name: str, server: Server, **options: Any) -> Any:
    """Return ccxt's client of an exchange, at a server of ours and at a fixed time."""
    import ccxt

    client = getattr(ccxt, name)({"enableRateLimit": False, "timeout": 5000, "options": options})

    def moved(urls: Any) -> Any:
        return {key: moved(url) for key, url in urls.items()} if isinstance(urls, dict) else server.url

    client.urls["api"] = moved(client.urls["api"])
    client.milliseconds = lambda: NOW_MS
    return client


def hyperliquid(request: Received) -> Reply:
    question = request.json
    prices = {"markPx": "40", "midPx": "40", "oraclePx": "40", "prevDayPx": "40", "dayNtlVlm": "1"}
    perpetual = {**prices, "openInterest": "1", "funding": "0.0", "premium": "0"}
    if question["type"] == "perpDexs":
        return reply([None, {"name": "xyz", "fullName": "XYZ"}])
    if question["type"] == "metaAndAssetCtxs":
        names = ["xyz:TSLA"] if question.get("dex") == "xyz" else ["BTC"]
        universe = [{"name": name, "szDecimals": 3, "maxLeverage": 10} for name in names]
        return reply([{"universe": universe, "collateralToken": 0}, [perpetual]])
    if question["type"] == "spotMetaAndAssetCtxs":
        tokens = [
            {
                "name": name,
                "szDecimals": 2,
                "weiDecimals": 8,
                "index": index,
                "tokenId": f"0x{index}",
                "isCanonical": True,
            }
            for index, name in enumerate(("USDC", "PURR"))
        ]
        spot = [{"name": "PURR/USDC", "tokens": [1, 0], "index": 0, "isCanonical": True}]
        return reply([{"tokens": tokens, "universe": spot}, [{**prices, "coin": "PURR/USDC"}]])
    if question["type"] != "candleSnapshot":
        return reply({"tokens": [], "universe": []})
    start = NOW_MS // 900_000 * 900_000
    return reply(
        [
            {"t": start - 900_000 * n, "T": start - 900_000 * n + 899_999, "s": question["req"]["coin"], "i": "15m",
             "o": "400.1", "c": "400.5", "h": "401", "l": "399.5", "v": f"{n}.5", "n": 2}
            for n in range(4, -1, -1)
        ]
    )  # fmt: skip


OKX_COMMON = {
    "alias": "", "baseCcy": "", "category": "1", "ctMult": "1", "ctType": "inverse", "ctVal": "100", "ctValCcy": "USD",
    "expTime": "", "instFamily": "BTC-USD", "lever": "10", "listTime": "1700000000000", "lotSz": "1", "minSz": "1",
    "maxLmtSz": "100", "maxMktSz": "100", "optType": "", "quoteCcy": "", "settleCcy": "BTC", "state": "live", "stk": "",
    "tickSz": "0.1", "uly": "BTC-USD",
}  # fmt: skip
OKX = {
    "SPOT": {"instId": "BTC-USD", "baseCcy": "BTC", "quoteCcy": "USD", "settleCcy": "", "ctType": "", "uly": ""},
    "SWAP": {"instId": "BTC-USD-SWAP"},
    "FUTURES": {"instId": "BTC-USD-240329", "alias": "this_quarter", "expTime": "1711699200000"},
    "OPTION": {
        "instId": "BTC-USD-240329-60000-C",
        "expTime": "1711699200000",
        "optType": "C",
        "stk": "60000",
        "ctType": "",
    },
}


def okx(request: Received) -> Reply:
    address = urlsplit(request.path)
    query = {name: values[0] for name, values in parse_qs(address.query).items()}
    if address.path.endswith("/public/instruments"):
        kind = query["instType"]
        return reply({"code": "0", "msg": "", "data": [{**OKX_COMMON, "instType": kind, **OKX[kind]}]})
    if "candles" in address.path:
        start = NOW_MS // 900_000 * 900_000
        rows = [[str(start - 900_000 * n), "400.1", "401", "399.5", "400.5", f"{n}.5", "1", "1", "1"] for n in range(5)]
        return reply({"code": "0", "msg": "", "data": rows})
    return reply({"code": "0", "msg": "", "data": []})


def gate(request: Received) -> Reply:
    path = urlsplit(request.path).path
    if path.endswith("/currency_pairs"):
        pair = {"id": "LAB_USDT", "base": "LAB", "quote": "USDT", "fee": "0.2", "amount_precision": 3, "precision": 6,
                "trade_status": "tradable"}  # fmt: skip
        return reply([pair])
    if path.endswith("/contracts") and "usdt" in path:
        names = ["LAB_USDT_20240329"] if "delivery" in path else ["LAB_USDT"]
        return reply([{"name": name, "type": "direct", "quanto_multiplier": "1", "order_price_round": "0.1",
                       "mark_price_round": "0.1", "maker_fee_rate": "0", "taker_fee_rate": "0", "order_size_min": "1",
                       "order_size_max": "9", "leverage_min": "1", "leverage_max": "9",
                       "order_price_deviate": "0.5", "mark_price": "400", "funding_next_apply": 1,
                       "funding_interval": 1, "create_time": 1, "expire_time": 1711699200}
                      for name in names])  # fmt: skip
    if path.endswith("/candlesticks"):
        start = NOW_MS // 900_000 * 900
        if "/spot/" in path:
            rows: list[Any] = [
                [str(start - 900 * n), "9", "400.5", "401", "399.5", "400.1", f"{n}.5", "true"]
                for n in range(4, -1, -1)
            ]
        else:
            rows = [{"t": start - 900 * n, "v": n, "c": "400.5", "h": "401", "l": "399.5", "o": "400.1", "sum": "1"}
                    for n in range(4, -1, -1)]  # fmt: skip
        return reply(rows)
    return reply([])


EXCHANGES: dict[str, Callable[[Received], Reply]] = {"hyperliquid": hyperliquid, "okx": okx, "gate": gate}


@pytest.fixture(scope="module")
def clients() -> Iterator[dict[str, tuple[Any, Server]]]:
    servers = {name: Server(answer) for name, answer in EXCHANGES.items()}
    with servers["hyperliquid"], servers["okx"], servers["gate"]:
        yield {name: (client_of(name, server), server) for name, server in servers.items()}


@pytest.mark.parametrize(
    ("exchange", "symbol", "market", "asked"),
    [
        ("hyperliquid", "XYZ-TSLA/USDC:USDC", "XYZ-TSLA/USDC:USDC", "xyz:TSLA"),
        ("hyperliquid", "xyz-tsla/usdc:usdc", "XYZ-TSLA/USDC:USDC", "xyz:TSLA"),
        ("hyperliquid", "xyz:TSLA", "XYZ-TSLA/USDC:USDC", "xyz:TSLA"),
        ("hyperliquid", "BTC", "BTC/USDC:USDC", "BTC"),
        ("hyperliquid", "BTC/USDC:USDC", "BTC/USDC:USDC", "BTC"),
        ("hyperliquid", "PURR-USDC", "PURR/USDC", "PURR/USDC"),
        ("okx", "BTC-USD", "BTC/USD", "instId=BTC-USD&"),
        ("okx", "btc_usd", "BTC/USD", "instId=BTC-USD&"),
        ("okx", "BTC-USD-SWAP", "BTC/USD:BTC", "instId=BTC-USD-SWAP&"),
        ("okx", "BTC/USD:BTC", "BTC/USD:BTC", "instId=BTC-USD-SWAP&"),
        ("okx", "BTC-USD-240329", "BTC/USD:BTC-240329", "instId=BTC-USD-240329&"),
        ("okx", "BTC/USD:BTC-240329", "BTC/USD:BTC-240329", "instId=BTC-USD-240329&"),
        ("okx", "btc-usd-240329-60000-c", "BTC/USD:BTC-240329-60000-C", "instId=BTC-USD-240329-60000-C&"),
        ("okx", "BTC/USD:BTC-240329-60000-C", "BTC/USD:BTC-240329-60000-C", "instId=BTC-USD-240329-60000-C&"),
        ("gate", "LAB_USDT", "LAB/USDT", "/spot/candlesticks"),
        ("gate", "LAB/USDT:USDT", "LAB/USDT:USDT", "contract=LAB_USDT"),
        ("gate", "LAB_USDT_20240329", "LAB/USDT:USDT-240329", "contract=LAB_USDT_20240329"),
        ("gate", "LAB/USDT:USDT-240329", "LAB/USDT:USDT-240329", "contract=LAB_USDT_20240329"),
    ],
)
def test_a_market_is_known_by_the_exchanges_name_and_by_ccxts(
    clients: dict[str, tuple[Any, Server]], exchange: str, symbol: str, market: str, asked: str
) -> None:
    client, server = clients[exchange]
    candles = live_candles(symbol, exchange, client=client)
    assert candles.source == f"{exchange}, {market}, 15m"
    last = server.received[-1]
    assert asked in last.path + "&" + last.body.decode()
    assert [(bar.open, bar.high, bar.low, bar.close) for bar in candles] == [(400.1, 401, 399.5, 400.5)] * 4
    assert (candles[-1].time, candles.symbol) == (datetime(2024, 1, 31, 19, 15, tzinfo=UTC), symbol)
    assert (candles.issue_counts["open_candle"], candles.issue_counts["fewer_candles"]) == (1, 1)


def test_a_name_that_two_markets_share_is_the_spot_market_which_is_said(clients: dict[str, tuple[Any, Server]]) -> None:
    candles = live_candles("LAB_USDT", "gate", client=clients["gate"][0])
    assert "LAB/USDT:USDT" in next(issue.detail for issue in candles.issues if issue.kind == "market")


@pytest.mark.parametrize("timeframe", ["90m", "15M", "m", "0m", "1 day"])
def test_a_timeframe_that_the_exchange_does_not_have_is_refused_unasked(
    clients: dict[str, tuple[Any, Server]], timeframe: str
) -> None:
    client, server = clients["okx"]
    asked = len(server.received)
    with pytest.raises(MarketDataError, match="It knows: 1m, 3m"):
        live_candles("BTC-USD", "okx", timeframe=timeframe, client=client)
    assert len(server.received) == asked


@pytest.mark.parametrize(
    ("timeframe", "opened", "is_open"),
    [
        ("1M", "2024-01-01T00:00", True),
        ("1M", "2023-12-01T00:00", False),
        ("3M", "2024-01-01T00:00", True),
        ("1w", "2024-01-29T00:00", True),
        ("1w", "2024-01-22T00:00", False),
        ("1d", "2024-01-31T00:00", True),
        ("1d", "2024-01-30T00:00", False),
    ],
)
def test_a_month_is_open_until_its_last_day(timeframe: str, opened: str, is_open: bool) -> None:
    times = [datetime(2020, 1, 1, tzinfo=UTC), datetime.fromisoformat(opened).replace(tzinfo=UTC)]

    def answer(request: Received) -> Reply:
        if "candles" not in request.path:
            return okx(request)
        rows = [[str(int(time.timestamp() * 1000)), "4", "5", "3", "4.5", "1", "1", "1", "1"] for time in times]
        return reply({"code": "0", "msg": "", "data": rows})

    with Server(answer) as server:
        candles = live_candles("BTC-USD", "okx", timeframe=timeframe, client=client_of("okx", server))
    assert [bar.time for bar in candles] == times[: 1 if is_open else 2]
    assert candles.timeframe == timeframe


@pytest.mark.parametrize(("now", "closed"), [("2023-12-30T17:00", 1), ("2023-12-31T15:59", 1), ("2023-12-31T16:00", 2)])
def test_months_that_begin_at_midnight_in_singapore_end_there(now: str, closed: int) -> None:
    times = [datetime(2023, month, day, 16, tzinfo=UTC) for month, day in ((10, 31), (11, 30))]

    def answer(request: Received) -> Reply:
        if "candles" not in request.path:
            return okx(request)
        rows = [[str(int(time.timestamp() * 1000)), "4", "5", "3", "4.5", "1", "1", "1", "1"] for time in times]
        return reply({"code": "0", "msg": "", "data": rows})

    with Server(answer) as server:
        client = client_of("okx", server)
        client.milliseconds = lambda: int(datetime.fromisoformat(now).replace(tzinfo=UTC).timestamp() * 1000)
        candles = live_candles("BTC-USD", "okx", timeframe="1M", client=client)
    assert [bar.time for bar in candles] == times[:closed]


RECORDED_MARKETS = {
    ("bybit", "BTC/USD:BTC"): "BTCUSD", ("bybit", "BTC/USDT:USDT"): "BTCUSDT", ("okx", "BTC/USDT"): "BTC-USDT",
    ("deribit", "BTC/USD:BTC"): "BTC-PERPETUAL", ("hyperliquid", "HYPE/USDC"): "@107",
}  # fmt: skip


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded answers beside the project are not here")
def test_recorded_answers_of_exchanges_give_what_stands_in_them() -> None:
    tried = 0
    for path in sorted(RECORDED.glob("*.json")):
        data = json.loads(path.read_text())
        for case in data["cases"]:
            if case["method"] != "fetchOHLCV" or not case["parsedResponse"]:
                continue
            identity = RECORDED_MARKETS.get((data["exchange"], case["input"][0]))
            if identity is None:
                continue
            symbol, timeframe = case["input"]
            expected = {row[0]: row for row in case["parsedResponse"]}
            answer = reply(case["httpResponse"])
            with Server(functools.partial(_always, answer)) as server:
                client = client_of(data["exchange"], server)
                client.milliseconds = lambda: 4_000_000_000_000
                client.set_markets([_market(client, symbol, identity)])
                candles = live_candles(identity, data["exchange"], timeframe=timeframe, client=client)
            assert {int(bar.time.timestamp() * 1000) for bar in candles} == set(expected)
            for bar in candles:
                row = expected[int(bar.time.timestamp() * 1000)]
                assert [bar.open, bar.high, bar.low, bar.close, bar.volume] == row[1:]
            tried += 1
    assert tried >= 6


def _always(answer: Reply, _: Received) -> Reply:
    return answer


def _market(client: Any, symbol: str, identity: str) -> dict[str, Any]:
    is_swap = ":" in symbol
    base, _, rest = symbol.partition("/")
    quote, _, settle = rest.partition(":")
    return {
        **client.safe_market_structure(), "id": identity, "symbol": symbol, "base": base, "quote": quote,
        "baseId": base, "quoteId": quote, "settle": settle or None, "type": "swap" if is_swap else "spot",
        "spot": not is_swap, "swap": is_swap, "contract": is_swap, "linear": is_swap and settle == quote,
        "inverse": is_swap and settle == base, "active": True, "contractSize": 1.0, "info": {},
        "precision": {"amount": 0.001, "price": 0.1}, "limits": {},
    }  # fmt: skip

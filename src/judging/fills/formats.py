"""Know the trade exports of exchanges by their headers: which column says what.

A header is known by its columns, whatever their order and case; docs/decisions.md names where each was seen. A format
that is not listed is refused: a column that means something else would be silently wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

SideRule = Mapping[str, tuple[int, str | None]]

BUY: Final = (1, None)
SELL: Final = (-1, None)
_PLAIN: Final[SideRule] = {"buy": BUY, "sell": SELL}
_LONG_SHORT: Final[SideRule] = {"long": BUY, "short": SELL, "buy": BUY, "sell": SELL}
_POSITIONS: Final[SideRule] = {
    **_PLAIN,
    "open long": (1, "open"),
    "close long": (-1, "close"),
    "open short": (-1, "open"),
    "close short": (1, "close"),
    "long > short": SELL,
    "short > long": BUY,
    # A liquidation is Hyperliquid's close of a position, by its margin.
    **{f"liquidated {margin} long": (-1, "close") for margin in ("isolated", "cross")},
    **{f"liquidated {margin} short": (1, "close") for margin in ("isolated", "cross")},
}
_COINBASE: Final[SideRule] = {
    f"{prefix}{word}": side
    for prefix in ("", "advanced trade ", "advance trade ")
    for word, side in (("buy", BUY), ("sell", SELL))
}


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of export.

    Attributes:
        name: What it is called in reports.
        venue: The exchange.
        columns: The column of each meaning, in lower case: time, market, side, price, amount, fee and others.
        optional: Columns that later or earlier versions have.
        sides: What each word of the column `side` means: 1 for a buy, -1 for a sell, and whether it opens or closes.
        is_spot: Whether it holds spot trades; None where each row says so.
        zone: The zone of its times; None where it neither states nor documents one.
        fee_in: The currency of the fee where no column says so: the `quote`, what is `received`, or `unknown`.
        fee_sign: -1 where a fee that was paid is negative.
        only: Rows of other kinds: a column, and what it holds in rows of trades.
        excludes: What its results do not include.
    """

    name: str
    venue: str
    columns: Mapping[str, str]
    optional: Mapping[str, str] = field(default_factory=dict)
    sides: SideRule = field(default_factory=lambda: _PLAIN)
    is_spot: bool | None = True
    zone: str | None = None
    fee_in: Literal["quote", "received", "unknown"] = "unknown"
    fee_sign: int = 1
    only: tuple[str, tuple[str, ...]] | None = None
    excludes: tuple[str, ...] = ()


_FUNDING: Final = ("funding",)
FORMATS: Final = (
    Format(
        name="binance spot", venue="binance", zone="UTC",
        columns={"time": "date", "market": "pair", "side": "side", "price": "price", "amount": "executed",
                 "cost": "amount", "fee": "fee"},
        optional={"order": "orderno", "fee_currency": "fee coin"},
    ),
    Format(
        name="binance spot, before 2021", venue="binance", zone="UTC",
        columns={"time": "date", "market": "market", "side": "type", "price": "price", "amount": "amount",
                 "cost": "total", "fee": "fee", "fee_currency": "fee coin"},
    ),
    Format(
        name="binance futures", venue="binance", is_spot=False, excludes=_FUNDING,
        columns={"time": "time|date", "market": "symbol", "side": "side", "price": "price", "amount": "quantity",
                 "cost": "amount", "fee": "fee", "realized": "realized profit"},
        optional={"id": "trade id", "order": "order id"},
    ),
    Format(
        name="binance api", venue="binance", zone="UTC",
        columns={"time": "time", "market": "symbol", "side": "isbuyer", "price": "price", "amount": "qty",
                 "fee": "commission", "fee_currency": "commissionasset", "id": "id"},
        optional={"order": "orderid", "cost": "quoteqty"},
        sides={"true": BUY, "false": SELL, "1": BUY, "0": SELL},
    ),
    Format(  # developers.binance.com: GET /fapi/v1/userTrades, and /dapi/v1/userTrades
        name="binance futures api", venue="binance", zone="UTC", is_spot=False, excludes=_FUNDING,
        columns={"time": "time", "market": "symbol", "side": "side", "price": "price", "amount": "qty",
                 "fee": "commission", "fee_currency": "commissionasset", "id": "id", "realized": "realizedpnl"},
        optional={"order": "orderid", "cost": "quoteqty", "position": "positionside", "maker": "maker"},
    ),
    Format(  # docs.cdp.coinbase.com: GET /api/v3/brokerage/orders/historical/fills
        name="coinbase api", venue="coinbase", zone="UTC", is_spot=None, fee_in="quote",
        columns={"id": "trade_id", "order": "order_id", "time": "trade_time", "kind": "trade_type", "price": "price",
                 "amount": "size", "fee": "commission", "market": "product_id", "side": "side"},
        optional={"in_quote": "size_in_quote"},
    ),
    Format(  # docs.cdp.coinbase.com: GET /fills of Coinbase Exchange
        name="coinbase exchange api", venue="coinbase", zone="UTC", fee_in="quote",
        columns={"time": "created_at", "id": "trade_id", "market": "product_id", "order": "order_id",
                 "price": "price", "amount": "size", "fee": "fee", "side": "side"},
    ),
    Format(
        name="coinbase fills", venue="coinbase",
        columns={"time": "created at", "market": "product", "side": "side", "price": "price", "amount": "size",
                 "fee": "fee", "fee_currency": "price/fee/total unit", "id": "trade id"},
    ),
    Format(
        name="coinbase transactions", venue="coinbase", zone="UTC",
        columns={"time": "timestamp", "side": "transaction type", "base": "asset", "amount": "quantity transacted",
                 "quote": "price currency|spot price currency",
                 "price": "price at transaction|spot price at transaction",
                 "fee": "fees and/or spread"},
        optional={"id": "id", "cost": "subtotal"}, sides=_COINBASE, fee_in="quote",
    ),
    Format(
        name="kraken trades", venue="kraken", zone="UTC", is_spot=None, fee_in="quote", excludes=("margin interest",),
        columns={"id": "txid", "market": "pair", "time": "time", "side": "type", "price": "price", "cost": "cost",
                 "fee": "fee", "amount": "vol"},
        optional={"order": "ordertxid", "margin": "margin"},
    ),
    Format(
        name="bybit spot", venue="bybit",
        columns={"market": "spot pairs", "side": "direction", "cost": "filled value", "price": "filled price",
                 "amount": "filled quantity", "id": "transaction id", "time": "timestamp"},
        optional={"order": "order no.", "fee": "execfeev2|fees", "fee_currency": "feecoin"},
    ),
    Format(
        name="bybit derivatives", venue="bybit", is_spot=False, excludes=_FUNDING, sides=_LONG_SHORT,
        columns={"market": "market|contracts", "kind": "filled type", "amount": "filled quantity",
                 "price": "filled price", "fee": "trading fee|fee paid", "side": "direction",
                 "time": "transaction time"},
        optional={"id": "trasaction id|transaction id", "order": "order no.", "fee_currency": "feecoin"},
        # Its API's words too: bybit-exchange.github.io/docs/v5/enum#exectype
        only=("kind", ("trade", "liquidation", "adl", "adltrade", "busttrade", "blocktrade")),
    ),
    Format(  # bybit-exchange.github.io/docs/v5/order/execution
        name="bybit api", venue="bybit", zone="UTC", is_spot=None, excludes=_FUNDING, fee_in="received",
        columns={"market": "symbol", "kind": "exectype", "amount": "execqty", "price": "execprice", "fee": "execfee",
                 "side": "side", "time": "exectime", "id": "execid"},
        optional={"order": "orderid", "fee_currency": "feecurrency", "closed": "closedsize", "category": "category",
                  "position": "positionidx", "realized": "execpnl", "cost": "execvalue", "more_fees": "extrafees"},
        only=("kind", ("trade", "adltrade", "busttrade", "blocktrade")),
    ),
    Format(  # www.okx.com/docs-v5: GET /api/v5/trade/fills, fills-history
        name="okx api", venue="okx", zone="UTC", is_spot=None, fee_sign=-1, excludes=_FUNDING,
        columns={"id": "tradeid", "order": "ordid", "time": "filltime|ts", "kind": "insttype", "market": "instid",
                 "side": "side", "amount": "fillsz", "price": "fillpx", "fee": "fee", "fee_currency": "feeccy"},
        optional={"position": "posside", "realized": "fillpnl"},
    ),
    Format(
        name="okx trading history", venue="okx", is_spot=None, sides=_POSITIONS, fee_sign=-1, excludes=_FUNDING,
        columns={"id": "id", "order": "order id", "time": "time", "kind": "trade type", "market": "symbol",
                 "side": "action", "amount": "amount", "unit": "trading unit", "price": "filled price", "fee": "fee",
                 "fee_currency": "fee unit", "balance_unit": "balance unit"},
        optional={"realized": "pnl"},
    ),
    Format(
        name="kucoin fills", venue="kucoin",
        columns={"order": "order id", "market": "symbol", "side": "side", "price": "avg. filled price",
                 "amount": "filled amount", "cost": "filled volume", "time": "filled time", "fee": "fee",
                 "fee_currency": "fee currency"},
    ),
    Format(  # www.kucoin.com/docs: GET /api/v1/fills
        name="kucoin api", venue="kucoin", zone="UTC", is_spot=None, excludes=("margin interest",),
        columns={"time": "createdat", "id": "tradeid", "order": "orderid", "market": "symbol", "side": "side",
                 "price": "price", "amount": "size", "cost": "funds", "fee": "fee", "fee_currency": "feecurrency",
                 "kind": "tradetype"},
    ),
    Format(
        name="kucoin trades, before 2022", venue="kucoin",
        columns={"time": "tradecreatedat", "order": "orderid", "market": "symbol", "side": "side", "price": "price",
                 "amount": "size", "cost": "funds", "fee": "fee", "fee_currency": "feecurrency"},
    ),
    Format(
        name="hyperliquid api", venue="hyperliquid", is_spot=None, sides={"b": BUY, "a": SELL}, zone="UTC",
        columns={"time": "time", "market": "coin", "side": "side", "effect": "dir", "price": "px", "amount": "sz",
                 "fee": "fee", "realized": "closedpnl", "id": "tid", "fee_currency": "feetoken"},
        optional={"order": "oid"}, excludes=_FUNDING,
    ),
    Format(
        name="hyperliquid", venue="hyperliquid", is_spot=None, sides=_POSITIONS, fee_in="received", excludes=_FUNDING,
        columns={"time": "time", "market": "coin", "side": "dir", "price": "px", "amount": "sz", "cost": "ntl",
                 "fee": "fee", "realized": "closedpnl"},
        optional={"fee_currency": "feetoken", "hash": "hash"},
    ),
    Format(
        name="solscan defi activities", venue="solana", zone="UTC", excludes=("network fees",),
        columns={"hash": "signature", "time": "block time", "side": "action", "token1": "token1",
                 "amount1": "amount1", "decimals1": "tokendecimals1", "token2": "token2", "amount2": "amount2",
                 "decimals2": "tokendecimals2"},
    ),
    Format(
        name="ccxt", venue="ccxt", is_spot=None, zone="UTC", excludes=_FUNDING,
        columns={"time": "timestamp", "market": "symbol", "side": "side", "price": "price", "amount": "amount",
                 "id": "id"},
        optional={"order": "order", "cost": "cost", "fee": "fee.cost|fee_cost", "fees": "fee", "all_fees": "fees",
                  "fee_currency": "fee.currency|fee_currency", "info": "info",
                  "position": "info.positionside|info.posside"},
    ),
)  # fmt: skip

# A zone in a column's name, such as Filled Time(UTC+08:00) or Date(UTC).
_ZONE_IN_NAME: Final = re.compile(r"\s*\((?P<zone>UTC(?:[+-]\d{1,2}(?::?\d{2})?)?)\)\s*$", re.IGNORECASE)
# Of ccxt's and OKX's orders: how much is filled, and their state.
_WITH_ORDERS: Final = ("ccxt", "okx api")
_OF_ORDERS: Final = frozenset({"filled", "remaining", "accfillsz", "state"})
_UNIT_IN_NAME: Final = re.compile(r"\s*\([A-Za-z]{2,6}\)\s*$")


@dataclass(frozen=True, slots=True)
class Header:
    """A known header: its format, the place of each meaning in a row, and the zone that it states.

    `are_orders` says that the rows are orders, which have the names of trades and more: how much of them is filled.
    """

    format: Format
    places: Mapping[str, int]
    zone: str | None
    are_orders: bool = False


def known_header(cells: list[str]) -> Header | None:
    """Return what a row of names is, None where no format has them; of several formats the one with most columns."""
    names = [_plain(cell) for cell in cells]
    zones = [match["zone"].upper() for cell in cells if (match := _ZONE_IN_NAME.search(cell.strip()))]
    best: Header | None = None
    for candidate in FORMATS:
        places = _places(names, candidate.columns)
        if places is None:
            continue
        more = {key: place for key, name in candidate.optional.items() if (place := _place(names, name)) is not None}
        if best is None or len(places) > len(best.places):
            best = Header(
                format=candidate,
                places={**more, **places},
                zone=zones[0] if zones else None,
                are_orders=candidate.name in _WITH_ORDERS and not _OF_ORDERS.isdisjoint(names),
            )
    return best


def _places(names: list[str], columns: Mapping[str, str]) -> dict[str, int] | None:
    places = {key: _place(names, name) for key, name in columns.items()}
    return None if None in places.values() else {key: place for key, place in places.items() if place is not None}


def _place(names: list[str], alternatives: str) -> int | None:
    return next((names.index(name) for name in alternatives.split("|") if name in names), None)


def _plain(cell: str) -> str:
    text = _ZONE_IN_NAME.sub("", cell.strip("\ufeff\"' \t"))
    return " ".join(_UNIT_IN_NAME.sub("", text).lower().split())


def side_of(header: Header, cell: str) -> tuple[int, str | None] | None:
    """Return which side a word is, and whether it opens or closes; None for another kind of row."""
    return header.format.sides.get(" ".join(cell.lower().split()))

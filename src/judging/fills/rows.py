"""Turn one row of an export into a fill, by what its format says of the columns."""

from __future__ import annotations

import ast
import json
import re
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from src.judging.fills.formats import side_of
from src.judging.fills.markets import DOLLARS, MINTS, Market, expiry_of, market_of
from src.judging.fills.records import Fee, Fill, number, with_unit

if TYPE_CHECKING:
    from src.judging.fills.formats import Header

NO_TRADE: Final = "it is no trade"
NO_TIME: Final = "its time cannot be read"
FUTURE: Final = "its time lies in the future"
NO_NUMBER: Final = "its price or amount is no number above 0, with a decimal point"
CONTRACTS: Final = "its amount is in contracts of a size that the file does not say"
INVERSE: Final = "it is settled in the coin itself"
NO_MARKET: Final = "its market is only a number"
NO_CATEGORY: Final = "it does not say whether it is of the spot market: add the answer's `category`"
OPTION: Final = "it is an option"
CORRECTION: Final = "it reverses or corrects another trade"
SWAP_OF_OTHERS: Final = "neither token of the swap is USDC, USDT or SOL"
_LONGEST_NESTED: Final = 5_000  # characters of an object in a cell
# The position that a fill belongs to in an account with positions of both sides: Binance's name and OKX's.
# and Bybit's number; `both`, `net` and 0 are of accounts with one position of a market.
_POSITION: Final = ("positionSide", "posSide", "positionIdx")
_SIDES: Final = {"long": 1, "short": -1, "1": 1, "2": -1}
_ONE_WAY: Final = ("both", "net", "0")
_SKEW_NS: Final = 300_000_000_000  # clocks of different machines may differ by so much
# BTC-27DEC24-100000-C, BTC/USDT:USDT-241227-100000-C, BTC-27DEC24-100000-C-USDT.
_OPTION: Final = re.compile(r"-(?:\d{1,2}[A-Z]{3}\d{2}|\d{6,8})-[\d.]+-[CP](?:-USD[TC])?$", re.IGNORECASE)
_INVERSE_VENUES: Final = ("binance", "bybit", "okx")


class RowError(Exception):
    """A row is no fill; its text is the reason."""


class _Row:
    """One row by its meanings."""

    def __init__(self, cells: list[str], header: Header) -> None:
        self._cells, self._places = cells, header.places

    def __getitem__(self, meaning: str) -> str:
        place = self._places.get(meaning)
        return self._cells[place].strip() if place is not None and place < len(self._cells) else ""

    def has(self, meaning: str) -> bool:
        """Tell whether the file has such a column."""
        return meaning in self._places


@dataclass(frozen=True, slots=True)
class OrderFee:
    """A fee that a row of its own adds to the fills of an order, as where each half of a trade has one."""

    order_id: str
    market: Market
    fee: Fee


def as_fill(cells: list[str], header: Header, time_us: int | None, place: str) -> Fill | OrderFee:
    """Return the fill of a row, or the fee that it adds to others of its order.

    Raises:
        RowError: it is no fill, or cannot be read.
    """
    row = _Row(cells, header)
    if header.format.only is not None:
        meaning, kinds = header.format.only
        if row[meaning].lower() not in kinds:
            raise RowError(NO_TRADE)
    if row.has("token1"):
        return _swap(row, header, time_us, place)
    side = side_of(header, row["side"])
    if side is None:
        raise RowError(NO_TRADE)
    if time_us is None:
        raise RowError(NO_TIME)
    if header.format.name == "coinbase api" and row["kind"].lower() != "fill":
        raise RowError(CORRECTION)
    if time_us * 1_000 > time.time_ns() + _SKEW_NS:
        raise RowError(FUTURE)
    market, is_spot = _market(row, header)
    if row.has("balance_unit") and is_spot and row["balance_unit"].upper() != market.base:
        fee = Fee(
            amount=(number(row["fee"]) or Decimal(0)) * header.format.fee_sign + 0, currency=row["fee_currency"].upper()
        )
        return OrderFee(order_id=row["order"], market=market, fee=fee)
    price, amount = _price_and_amount(row, header, market, is_spot=is_spot)
    return Fill(
        venue=header.format.venue,
        market=market,
        side=side[0],
        price=price,
        amount=amount,
        time_ns=time_us * 1_000,
        fees=_fees(row, header, market, side[0], is_spot=is_spot),
        effect=_effect(row, *side),
        closed=_closed(row, amount),
        expiry=None if is_spot else expiry_of(row["market"]) or _exchange_of(row, header),
        is_spot=is_spot,
        trade_id=row["id"] or None,
        order_id=row["order"] or row["hash"] or None,
        realized=number(row["realized"]) if row["realized"] else None,
        place=place,
        excludes=() if is_spot and header.format.is_spot is None else header.format.excludes,
    )


def _effect(row: _Row, side: int, effect: str | None) -> str | None:
    """Return whether a fill opens or closes, where the exchange says so, or names the position that it belongs to."""
    words = row["effect"].lower()
    if words.startswith(("open ", "close ")):
        return words.partition(" ")[0]
    info = _nested(row["info"]) or {}
    position = row["position"] or next((info[name] for name in _POSITION if info.get(name)), "")
    if str(position).lower() in _ONE_WAY:
        return "net"
    direction = _SIDES.get(str(position).lower())
    return effect if direction is None else "open" if direction == side else "close"


def _closed(row: _Row, amount: Decimal) -> Decimal | None:
    """Return how much of an amount closed a position, in Bybit's words; None where nothing says it."""
    text = row["closed"] or str((_nested(row["info"]) or {}).get("closedSize") or "")
    closed, whole = number(text), number(row["amount"])  # both in contracts where ccxt's amounts are
    return amount * closed / whole if closed is not None and whole else None


def _market(row: _Row, header: Header) -> tuple[Market, bool]:
    """Return what a row trades, and whether on the spot market."""
    if row.has("base"):
        return Market(base=row["base"].upper(), quote=row["quote"].upper() or None), True
    symbol = row["market"]
    if not symbol:
        raise RowError(NO_TRADE)
    if symbol.lstrip("@").isdigit():
        raise RowError(NO_MARKET)
    market = market_of(symbol)
    is_spot = header.format.is_spot
    if is_spot is None:
        is_spot = _row_is_spot(row, header, symbol)
    if header.format.venue == "hyperliquid" and market.quote is None:
        own = row["fee_currency"].upper() if _exchange_of(row, header) else ""
        market = Market(base=market.base, quote=own or "USDC")  # its perpetuals are settled in that, but builders' own
    if header.format.name == "bybit api" and not is_spot:
        market = _bybit_market(market, row["category"].lower())
    if _OPTION.search(symbol):
        raise RowError(OPTION)
    settled = symbol.partition(":")[2].partition("-")[0].upper() if "/" in symbol else ""
    inverse_name = market.quote == "USD" and header.format.venue in _INVERSE_VENUES
    if not is_spot and (inverse_name or (settled and settled == market.base)):
        raise RowError(INVERSE)
    return market, is_spot


def _exchange_of(row: _Row, header: Header) -> str | None:
    """Return the builder's exchange on Hyperliquid that a market is of, as in flx:CRCL, whose positions are apart."""
    exchange, colon, _ = row["market"].rpartition(":")
    return exchange if header.format.venue == "hyperliquid" and colon and "/" not in exchange else None


def _row_is_spot(row: _Row, header: Header, symbol: str) -> bool:
    if header.format.name == "bybit api":
        category = row["category"].lower()
        if not category and not row["closed"]:
            raise RowError(NO_CATEGORY)
        return category == "spot"
    if header.format.name == "coinbase api":
        return symbol.count("-") == 1
    if header.format.name == "kucoin api":
        return row["kind"].lower() == "trade"
    if header.format.venue == "kraken":
        return not number(row["margin"] or "0")
    if header.format.venue == "okx":
        return row["kind"].lower() == "spot"
    if header.format.venue == "hyperliquid":
        return "/" in symbol
    return ":" not in symbol


def _bybit_market(market: Market, category: str) -> Market:
    """Return a contract's market: those whose names end in PERP are settled in USDC."""
    if category == "inverse":
        raise RowError(INVERSE)
    if category == "option":
        raise RowError(OPTION)
    if market.quote is None and market.base.endswith("PERP"):
        return Market(base=market.base.removesuffix("PERP"), quote="USDC")
    return market


def _price_and_amount(row: _Row, header: Header, market: Market, *, is_spot: bool) -> tuple[Decimal, Decimal]:
    price, _ = with_unit(row["price"])
    amount, unit = with_unit(row["amount"])
    unit = unit or row["unit"].upper() or None
    if unit is not None and unit != market.base:
        raise RowError(CONTRACTS)
    if price is None or amount is None or price <= 0 or not amount:
        raise RowError(NO_NUMBER)
    if row["in_quote"].lower() == "true":
        return price, abs(amount) / price
    if not is_spot and _counts_contracts(row, header):
        raise RowError(CONTRACTS)
    cost, _ = with_unit(row["cost"]) if row["cost"] else (None, None)
    if not is_spot and row.has("fees") and cost:  # ccxt's amounts are in contracts, its costs in money
        return price, abs(cost) / price
    if not is_spot and row.has("fees"):
        raise RowError(CONTRACTS)
    return price, abs(amount)


def _counts_contracts(row: _Row, header: Header) -> bool:
    """Tell whether an amount is in contracts, of interfaces that count so: OKX's, and Coinbase's futures."""
    if header.format.name == "okx api":
        return row["kind"].lower() != "margin"
    return header.format.name == "coinbase api" and not row["market"].upper().endswith("-PERP-INTX")


def _fees(row: _Row, header: Header, market: Market, side: int, *, is_spot: bool) -> tuple[Fee, ...] | None:
    """Return the fees of a row; None where nothing says what was paid."""
    if not row.has("fee"):
        return _nested_fees(row["fees"], row["all_fees"]) if row.has("fees") else None
    amount, unit = with_unit(row["fee"])
    if amount is None:
        return None
    if unit is None and row["fee_currency"]:
        unit = row["fee_currency"].upper()
    elif unit is None and header.format.fee_in == "quote":
        unit = market.quote
    elif unit is None and header.format.fee_in == "received":
        unit = market.base if is_spot and side > 0 else market.quote
    elif unit is None and header.format.name == "bybit derivatives":
        unit = market.quote
    more = _more_fees(row["more_fees"])
    if more is None:
        return None
    if row["maker"].lower() == "false":
        amount = abs(amount)  # Binance's documentation writes what takers pay below 0, its interface above
    elif header.format.name == "binance futures api" and amount < 0 and not row["maker"]:
        return None  # paid by a taker, or got back by a maker
    return (Fee(amount=amount * header.format.fee_sign + 0, currency=unit), *more)


def _more_fees(text: str) -> tuple[Fee, ...] | None:
    """Return what Bybit lists beside its fee, such as taxes; None where it cannot be read."""
    listed = _read(text)
    if not listed:
        return () if text in ("", "[]", '""') else None
    fees = []
    for item in listed if isinstance(listed, list) else [None]:
        if not isinstance(item, dict):
            return None
        amount = number(str(item.get("fee")))
        if amount is None:
            return None
        fees.append(Fee(amount=amount, currency=str(item.get("feeCoin") or "").upper() or None))
    return tuple(fees)


def _nested(text: str) -> dict[str, Any] | None:
    """Return an object of ccxt's in a cell."""
    value = _read(text)
    return value if isinstance(value, dict) else None


def _read(text: str) -> Any:
    """Return what a cell holds as JSON, or as Python writes it into a CSV; None where it is neither."""
    if not text or len(text) > _LONGEST_NESTED:
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return None


def _nested_fees(text: str, others: str) -> tuple[Fee, ...] | None:
    """Return the fees of ccxt's `fees`, where there are some, else of its `fee`."""
    several = _read(others)
    values = several if isinstance(several, list) and several else [_nested(text)]
    fees = []
    for value in values:
        if not isinstance(value, dict):
            return None
        cost = number(str(value.get("cost")))
        if cost is None:
            return None
        fees.append(Fee(amount=cost, currency=str(value.get("currency") or "").upper() or None))
    return tuple(fees)


def _swap(row: _Row, header: Header, time_us: int | None, place: str) -> Fill:
    """Return a swap of one token for another on a decentralised exchange: what is paid with is the quote."""
    if "swap" not in row["side"].lower():
        raise RowError(NO_TRADE)
    if time_us is None:
        raise RowError(NO_TIME)
    sold, bought = row["token1"], row["token2"]
    amounts = [_whole(row["amount1"], row["decimals1"]), _whole(row["amount2"], row["decimals2"])]
    quotes = [MINTS.get(sold), MINTS.get(bought)]
    if quotes[0] in DOLLARS or (quotes[0] and not quotes[1]):
        side, base, quote, paid, units = 1, bought, quotes[0], amounts[0], amounts[1]
    elif quotes[1]:
        side, base, quote, paid, units = -1, sold, quotes[1], amounts[1], amounts[0]
    else:
        raise RowError(SWAP_OF_OTHERS)
    return Fill(
        venue=header.format.venue,
        market=Market(base=MINTS.get(base, base), quote=quote),
        side=side,
        price=paid / units,
        amount=units,
        time_ns=time_us * 1_000,
        fees=(),
        effect=None,
        is_spot=True,
        trade_id=None,
        order_id=row["hash"] or None,
        realized=None,
        place=place,
        excludes=header.format.excludes,
    )


def _whole(amount: str, decimals: str) -> Decimal:
    units, places = number(amount), number(decimals)
    if units is None or places is None or units <= 0 or not 0 <= places <= 30 or places != int(places):
        raise RowError(NO_NUMBER)
    return units.scaleb(-int(places))

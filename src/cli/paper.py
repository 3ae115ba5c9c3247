"""Look at paper books, and settle what waits in them: `moondev paper`."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path  # noqa: TC003 - typer reads the annotation when it runs
from typing import TYPE_CHECKING, Annotated, Any

import typer

from src.cli.price_options import DatesOption, DecimalOption, StampsOption, ZoneOption  # noqa: TC001 - typer reads them when it runs
from src.cli.price_remarks import print_remarks
from src.observability.commands.console import note, print_json, problem
from src.observability.commands.size_note import print_size_note

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from src.agents.market import Candles
    from src.judging.paper.book import Contents, PaperBook, Settlement
    from src.judging.paper.markets import Market
    from src.observability.store.reader import StoreReader
    from src.observability.store.spool import Spool

_MOST_CANDLES = 1000  # that exchanges give at once
BOOK_HELP = "The book's name."
_OPTIONS = {
    "max_position_share": "--max-share", "max_gross_usd": "--max-gross", "max_long_usd": "--max-long",
    "max_short_usd": "--max-short", "max_loss_usd": "--max-loss", "min_equity_usd": "--min-equity",
}  # fmt: skip


def _amount(text: str) -> Any:
    # An amount is read as it is written, so it comes as a text.
    return typer.Option(help=text, metavar="USD", show_default=False)


def paper(
    book: Annotated[str | None, typer.Option(help=f"{BOOK_HELP} `paper` where not given.", show_default=False)] = None,
    symbol: Annotated[
        str | None, typer.Option(help="Show this symbol alone; it names prices too.", show_default=False)
    ] = None,
    csv: Annotated[
        list[Path] | None,
        typer.Option(help="Settle by the prices in this file, or SYMBOL=FILE; may be repeated.", show_default=False),
    ] = None,
    live: Annotated[
        str | None, typer.Option(help="Settle by this exchange, such as binance.", show_default=False)
    ] = None,
    timeframe: Annotated[str, typer.Option(help="Length of a live candle.")] = "15m",
    funding: Annotated[
        Path | None, typer.Option(help="Funding rates: CSV with timestamp and funding_rate.", show_default=False)
    ] = None,
    books: Annotated[bool, typer.Option("--books", help="List all books.")] = False,
    cash: Annotated[str | None, _amount("Begin a book with this cash; 10000 where not given.")] = None,
    fee_bps: Annotated[
        float | None, typer.Option(help="Begin a book with this fee of a fill; 10 is 0.1%.", show_default=False)
    ] = None,
    spread_bps: Annotated[
        float | None, typer.Option(help="Begin a book with this whole spread.", show_default=False)
    ] = None,
    slippage_bps: Annotated[
        float | None, typer.Option(help="Begin a book with this slippage of a fill.", show_default=False)
    ] = None,
    max_share: Annotated[
        str | None, typer.Option(help="Tighten: the largest share of equity in one market.", show_default=False)
    ] = None,
    max_gross: Annotated[str | None, _amount("Tighten: all positions together.")] = None,
    max_long: Annotated[str | None, _amount("Tighten: the long positions.")] = None,
    max_short: Annotated[str | None, _amount("Tighten: the short positions; 0 sells nothing short.")] = None,
    max_loss: Annotated[str | None, _amount("Tighten: the loss at which nothing is opened any more.")] = None,
    min_equity: Annotated[str | None, _amount("Tighten: the equity below which nothing is opened.")] = None,
    zone: ZoneOption = None,
    decimal: DecimalOption = None,
    dates: DatesOption = None,
    stamps: StampsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
) -> None:
    """Show a paper book: cash, positions, trades, and its value beside buying and holding.

    `moondev trade SYMBOL --paper` lets it follow a decision. A decision is filled at the open of the next bar, once
    that bar exists: --csv or --live brings it. A book begins with $10,000 and the risk agent's limits, which only
    tighten.
    """
    from src.judging.paper.terms import DEFAULT_BOOK

    name = book or DEFAULT_BOOK
    if books:
        _list_books(as_json=as_json)
        return
    _begin_or_tighten(
        name,
        {"cash": cash, "fee_bps": fee_bps, "spread_bps": spread_bps, "slippage_bps": slippage_bps},
        dict(zip(_OPTIONS, (max_share, max_gross, max_long, max_short, max_loss, min_equity), strict=True)),
    )
    reading = {"zone": zone, "decimal": decimal, "dates": dates, "stamps": stamps}
    settlement = _settled(name, csv or [], live, timeframe, symbol, funding, reading)
    contents = _contents(name, is_named=book is not None)
    _show(contents, settlement, symbol, as_json=as_json)


def _show(contents: Contents | None, settlement: Settlement | None, symbol: str | None, *, as_json: bool) -> None:
    from src.cli import paper_views
    from src.judging.paper.book import Contents
    from src.judging.paper.summary import summary_of
    from src.judging.paper.terms import DEFAULT_BOOK, Terms

    if contents is None and not as_json:
        note("There is no paper book yet: `moondev trade SYMBOL --paper` begins one.")
        return
    summary = summary_of(contents or Contents(terms=Terms(name=DEFAULT_BOOK)))
    if as_json:
        print_json(paper_views.data(summary, settlement, symbol))
    else:
        paper_views.show(summary, settlement, symbol)
    for market, currency in paper_views.not_in_dollars(summary).items():
        note(
            f"{market} is priced in {currency}, and the book counts those prices as dollars: its returns are those in "
            f"{currency}, its amounts no dollars."
        )


def _list_books(*, as_json: bool) -> None:
    from src.cli import paper_views
    from src.judging.paper.book import books_of, contents_of
    from src.judging.paper.summary import summary_of

    reader = _reader()
    print_size_note(reader)
    summaries = [summary_of(contents_of(reader, record.name)) for record in books_of(reader)]
    if as_json:
        print_json([paper_views.head(summary) for summary in summaries])
    elif summaries:
        paper_views.show_books(summaries)
    else:
        note("There is no paper book yet: `moondev trade SYMBOL --paper` begins one.")


def _begin_or_tighten(name: str, start: Mapping[str, Any], limits: Mapping[str, str | None]) -> None:
    """Make the book or tighten its limits, where options say so.

    Raises:
        ValueError: an option makes no sense, or the book exists already with other cash or costs.
    """
    from src.agents.risk import money
    from src.agents.risk_rules import RiskInputError
    from src.judging.paper.book import PaperBook, books_of
    from src.judging.paper.terms import BookError, Terms

    terms = {key: value for key, value in start.items() if value is not None}
    wanted = {key: text for key, text in limits.items() if text is not None}
    if not terms and not wanted:
        return
    if "cash" in terms:
        terms["start_usd"] = money.amount_from_zero(terms.pop("cash"), "--cash")
    present = {record.name: record for record in books_of(_reader())}.get(name)
    if present is not None and present.run_id is not None:
        raise BookError(f"The book {name} is a back-test's, and cannot be changed.")
    for key, value in terms.items():
        if (
            present is not None
            and (Decimal(present.start_usd) if key == "start_usd" else getattr(present, key)) != value
        ):
            raise BookError(
                f"The book {name} exists already, with other cash or costs, which never change: "
                "name another with --book."
            )
    try:
        PaperBook.open(_spool(), Terms(name=name, **terms), wanted)
    except RiskInputError as error:
        text = str(error)
        for field, option in _OPTIONS.items():
            text = text.replace(field, option)
        raise RiskInputError(text) from error


def _settled(
    name: str,
    csv: Sequence[Path],
    live: str | None,
    timeframe: str,
    symbol: str | None,
    funding: Path | None,
    reading: dict[str, str | None],
) -> Settlement | None:
    """Settle the book by the prices that are named; None where none are."""
    from src.agents.market import load_candles
    from src.judging.paper.book import PaperBook, needed_from
    from src.judging.paper.funding import read_funding
    from src.judging.paper.markets import market_of, markets_by_symbol

    if csv and live is not None:
        raise ValueError("--csv and --live exclude one another: name one source of prices.")
    if not csv and live is None:
        if funding is not None or any(reading.values()):
            raise ValueError(
                "--funding, --zone, --decimal, --dates and --stamps belong to prices: name them with --csv or --live."
            )
        return None
    book = PaperBook(_spool(), name)
    contents = book.contents()
    if not contents.decisions:
        note(f"The book {name} follows no decision yet: no prices were read.")
        return None
    needed = needed_from(contents)
    symbols = list(needed) or list(dict.fromkeys(decision.symbol for decision in contents.decisions))
    if funding is not None and (len(csv) > 1 or (live is not None and len(symbols) > 1)):
        raise ValueError("--funding has the rates of one market: settle by the prices of that one alone.")
    rates = read_funding(funding) if funding is not None else None
    loaded = [
        load_candles(path, symbol=name or (symbol if len(csv) == 1 else None), **reading)
        for name, path in map(_named, csv)
    ] or _live(live or "", needed, timeframe)
    for candles in loaded:
        print_remarks(candles)
    now = datetime.now(UTC)
    markets = [market_of(candles, now, funding=rates) for candles in loaded]
    names = [name or (symbol if len(csv) == 1 else None) for name, _ in map(_named, csv)] or [None] * len(markets)
    return book.settle(markets_by_symbol(markets, symbols, names))


def _named(path: Path) -> tuple[str | None, Path]:
    """Return the symbol and the file of BTC-USD=prices.csv; a file alone has no symbol."""
    from pathlib import Path

    name, equals, rest = str(path).partition("=")
    return (name, Path(rest)) if equals and name and rest and not path.exists() else (None, path)


def _live(exchange: str, needed: Mapping[str, int], timeframe: str) -> list[Candles]:
    """Return the candles of each symbol that a book needs; what cannot be had is reported and left out."""
    import time
    from dataclasses import replace

    import ccxt

    from src.agents.market import MarketDataError, live_candles

    try:
        candle_s = ccxt.Exchange.parse_timeframe(timeframe)
    except (ccxt.NotSupported, ValueError) as error:
        raise ValueError(f"--timeframe is {timeframe!r:.40}: give one such as 15m, 1h or 1d.") from error
    loaded = []
    for symbol, since_ns in needed.items():
        count = int((time.time() - since_ns / 1e9) / candle_s) + 5
        try:
            candles = live_candles(symbol, exchange, timeframe=timeframe, limit=min(max(count, 50), _MOST_CANDLES))
        except MarketDataError as error:
            problem(str(error))
            continue
        loaded.append(replace(candles, symbol=symbol))
    return loaded


def _contents(name: str, *, is_named: bool) -> Contents | None:
    """Return the book's contents; None where there is none, and no name was asked for."""
    from src.judging.paper.book import books_of, contents_of

    reader = _reader()
    print_size_note(reader)
    if not is_named and not any(record.name == name for record in books_of(reader)):
        return None
    return contents_of(reader, name)


def _reader() -> StoreReader:
    from src.observability.settings import Settings
    from src.observability.store.reader import StoreReader

    return StoreReader(Settings.read().trace_db)


def _spool() -> Spool:
    from src.observability import get_tracker

    spool = get_tracker().spool
    if spool is None:
        raise ValueError("Tracing is off (MOONDEV_TRACING): a paper book is kept in the trace store.")
    return spool


class BookSession:
    """A paper book during one decision of `moondev trade`.

    Args:
        name: The book's name; it is made where it is missing.

    Attributes:
        decision_id: The id that the decision will have: the book follows it before it is made.
    """

    def __init__(self, name: str) -> None:
        import uuid

        from src.judging.paper.book import PaperBook
        from src.judging.paper.terms import BookError, Terms

        self.name = name
        self._book: PaperBook = PaperBook.open(_spool(), Terms(name=name))
        if self._book.contents().terms.run_id is not None:
            raise BookError(f"The book {name} is a back-test's, and complete: name another with --book.")
        self.decision_id = uuid.uuid4().hex

    def follow(self) -> None:
        """Let the book follow the decision."""
        self._book.follow(self.decision_id)

    def settle(self, candles: Candles, symbol: str) -> Settlement:
        """Fill what the prices of the decision allow; the decision itself most often waits for the next bar."""
        from src.agents.market.symbols import plain_symbol
        from src.judging.paper.markets import market_of

        market: Market = market_of(candles, datetime.now(UTC))
        return self._book.settle({plain_symbol(symbol): market})

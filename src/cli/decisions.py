"""Show the ledger's decisions and judge them by later prices: `moondev decisions`."""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from src.cli.decision_views import COLUMNS, decision_cells, decision_data, show_decision, show_report
from src.cli.price_options import DatesOption, DecimalOption, StampsOption, ZoneOption  # noqa: TC001 - typer reads them when it runs
from src.cli.price_remarks import print_remarks
from src.observability.commands.console import err, note, out, print_json, problem
from src.observability.commands.counting import counted
from src.observability.commands.fast_start import FastCommand, FastGroup, FastTyper
from src.observability.commands.tables import print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.insight.ledger.chosen import Chosen
    from src.judging.prices import PriceSeries
    from src.judging.report import Report
    from src.observability.ledger import LedgerReader
    from src.observability.store.reader import StoreReader

app = FastTyper(cls=FastGroup, help="Look at decisions, and judge them by what happened.", invoke_without_command=True)

_NONE_YET = "There are no decisions yet: `moondev trade SYMBOL` makes one, and decision() in any agent"
_BOOKS = ("inside", "after", "live")
_Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")]
_Csv = Annotated[Path | None, typer.Option(help="Prices: CSV, JSON, Parquet or Arrow.", show_default=False)]
_Horizon = Annotated[
    str | None, typer.Option(help="90m, 24h, 7d; several with commas. The decisions' own where not given.")
]


@app.callback()
def decisions(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many, newest first.")] = 20,
    as_json: _Json = False,
) -> None:
    """Look at decisions, and judge them by what happened. Alone, it lists the newest decisions."""
    if context.invoked_subcommand is None:
        list_decisions(limit=limit, as_json=as_json)


@app.command("list", cls=FastCommand)
def list_decisions(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many, newest first.")] = 20,
    as_json: _Json = False,
) -> None:
    """List the newest decisions, with what came of them."""
    from src.observability.commands.size_note import print_size_note

    print_size_note(_store())
    entries = _reader().newest(limit)
    if as_json:
        print_json([decision_data(entry) for entry in entries])
    elif entries:
        print_table(COLUMNS, [decision_cells(entry) for entry in entries])
    else:
        note(f"{_NONE_YET}.")


@app.command(cls=FastCommand)
def show(
    decision: Annotated[str, typer.Argument(help="The beginning of a decision's id, or `last`.")],
    as_json: _Json = False,
) -> None:
    """Show one decision: who voted for what, and what came of it."""
    reader = _reader()
    entries = reader.newest(1) if decision == "last" else reader.starting_with(decision)
    if not entries:
        raise ValueError(f"No decision begins with {decision!r}: `moondev decisions list` shows their ids.")
    if len(entries) > 1:
        raise ValueError(f"Several decisions begin with {decision!r}: give more of the id.")
    if as_json:
        print_json(decision_data(entries[0], whole=True))
    else:
        show_decision(entries[0])


@app.command(cls=FastCommand)
def resolve(
    csv: _Csv = None,
    live: Annotated[str | None, typer.Option(help="Ask this exchange, such as binance.", show_default=False)] = None,
    symbol: Annotated[str | None, typer.Option(help="The symbol of the prices.", show_default=False)] = None,
    horizon: _Horizon = None,
    timeframe: Annotated[str, typer.Option(help="Length of a live candle.")] = "15m",
    fee_bps: Annotated[
        float | None, typer.Option(help="Fee of a fill; the venue's, or 10.", show_default=False)
    ] = None,
    spread_bps: Annotated[float, typer.Option(help="The whole spread.")] = 0.0,
    slippage_bps: Annotated[float, typer.Option(help="Slippage of a fill.")] = 0.0,
    zone: ZoneOption = None,
    decimal: DecimalOption = None,
    dates: DatesOption = None,
    stamps: StampsOption = None,
    as_json: _Json = False,
) -> None:
    """Judge decisions by the prices that followed them. Again with the same prices, it changes nothing.

    Entry is the next bar's open, exit the open at the horizon, or the target or stop that is reached before; costs are
    in basis points (10 is 0.1%).
    """
    from src.judging.resolving import Rules
    from src.observability.ledger import parse_horizons

    if (csv is None) == (live is None):
        raise ValueError("Name one source of prices: --csv FILE, or --live EXCHANGE.")
    rules = Rules(
        horizons=parse_horizons(horizon) if horizon else (),
        symbol=symbol,
        fee_bps=fee_bps,
        spread_bps=spread_bps,
        slippage_bps=slippage_bps,
    )
    if csv is not None:
        series = [_prices(csv, symbol, {"zone": zone, "decimal": decimal, "dates": dates, "stamps": stamps})]
    else:
        series = _live_prices(live or "", symbol, timeframe)
    _resolve(series, rules, as_json=as_json)


def _resolve(series: Sequence[PriceSeries], rules: Any, *, as_json: bool) -> None:
    from collections import Counter

    from src.judging.resolving import refuse_several_symbols
    from src.judging.resolving import resolve as resolve_entries
    from src.observability import flush, get_tracker, score

    spool = get_tracker().spool
    if spool is None:
        raise ValueError("Tracing is off (MOONDEV_TRACING): there is no ledger to judge.")
    resolved = changed = 0
    reasons: Counter[str] = Counter()
    for prices in series:
        refuse_several_symbols(_reader().entries(), prices, rules)
        result = resolve_entries(
            _reader().entries(), prices, spool, rules=rules, resolved_ns=time.time_ns(), score=score
        )
        resolved, changed = resolved + result.resolved, changed + result.changed
        reasons += result.reasons
    flush()
    if as_json:
        print_json({"resolved": resolved, "changed": changed, "open": sum(reasons.values()), "reasons": dict(reasons)})
        return
    out().print(
        f"{counted(resolved, 'outcomes are', 'outcome is')} known, {changed:,} of them new or corrected; "
        f"{sum(reasons.values()):,} are open."
    )
    for reason, count in reasons.most_common():
        note(f"{count:,} open: {reason}")
    if resolved:
        note("`moondev decisions report` shows how right they were.")


@app.command(cls=FastCommand)
def report(
    by: Annotated[
        str | None,
        typer.Option(help="agent, model, member, prompt, symbol, confidence, regime or day.", show_default=False),
    ] = None,
    horizon: _Horizon = None,
    environment: Annotated[str | None, typer.Option(help="backtest, paper or live.", show_default=False)] = None,
    book: Annotated[str | None, typer.Option(help="inside, after or live.", show_default=False)] = None,
    since: Annotated[str | None, typer.Option(help="The last 7d, 24h, ...", show_default=False)] = None,
    csv: Annotated[Path | None, typer.Option(help="Prices, for --by regime.", show_default=False)] = None,
    as_json: _Json = False,
    md: Annotated[Path | None, typer.Option("--md", help="Write Markdown into this file.", show_default=False)] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page into this file.", show_default=False)
    ] = None,
) -> None:
    """Report how right decisions were: hits, skill above chance, calibration, returns after costs.

    Under 50 resolved decisions there is no verdict.
    """
    from src.insight.ledger.report import make_report
    from src.judging.grouping import check_grouping
    from src.judging.regimes import Regimes
    from src.judging.report import as_data
    from src.observability.commands.size_note import print_size_note
    from src.observability.ledger import parse_horizon

    if horizon is not None:
        parse_horizon(horizon)
    if book not in (None, *_BOOKS):
        raise ValueError(f"--book is {book!r:.40}: give one of {', '.join(_BOOKS)}.")
    regimes = None if csv is None else Regimes(_prices(csv, None, {}))
    check_grouping(by, regimes)
    print_size_note(_store())
    with err().status("Reading the ledger") if err().is_terminal and not as_json else nullcontext():
        decisions = _matching_entries(horizon=horizon, environment=environment, book=book, since=since)
        result = make_report(decisions, by, regimes=regimes)
    _write_documents(result, md, html)
    if as_json:
        print_json(as_data(result))
    elif not result.total.decisions:
        is_chosen = any(item is not None for item in (environment, book, since))
        note("No decision fits these options." if is_chosen else f"{_NONE_YET}.")
    else:
        show_report(result)


def _matching_entries(*, horizon: str | None, environment: str | None, book: str | None, since: str | None) -> Chosen:
    """Return the decisions that the options leave."""
    import numpy

    from src.insight.ledger.chosen import Chosen
    from src.insight.ledger.columns import LedgerColumns
    from src.insight.ledger.reading import brought_up
    from src.observability.ledger import parse_horizon

    columns = brought_up(LedgerColumns(), _store().ask)
    rows = columns.decisions
    mask = numpy.ones(len(columns), dtype=bool)
    if environment is not None:
        mask &= rows.environment == columns.number(environment)
    if book is not None:
        mask &= rows.book == columns.number(book)
    if since is not None:
        mask &= rows.as_of_ns >= time.time_ns() - parse_horizon(since).seconds * 1_000_000_000
    return Chosen(columns, numpy.flatnonzero(mask), horizon)


def _write_documents(result: Report, md: Path | None, html: Path | None) -> None:
    from src.judging import documents
    from src.observability.commands.whole_files import write_whole

    for path, write in ((md, documents.markdown), (html, documents.page)):
        if path is not None:
            write_whole(path, write(result, "Decisions"))
            note(f"{path} written.")


def _reader() -> LedgerReader:
    from src.observability.ledger import LedgerReader

    return LedgerReader(_store())


def _store() -> StoreReader:
    from src.observability.settings import Settings
    from src.observability.store.reader import StoreReader

    return StoreReader(Settings.read().trace_db)


def _prices(csv: Path, symbol: str | None, reading: dict[str, str | None]) -> PriceSeries:
    from src.agents.market import load_candles
    from src.judging.prices import series_of

    candles = load_candles(csv, symbol=symbol, **reading)
    print_remarks(candles)
    return series_of(candles)


def _live_prices(exchange: str, symbol: str | None, timeframe: str) -> list[PriceSeries]:
    """Return the prices of each symbol that has open decisions, or of one."""
    from dataclasses import replace

    from src.agents.market import MarketDataError, live_candles
    from src.judging.prices import series_of

    entries = [entry for entry in _reader().entries() if entry.status == "open"]
    symbols = [symbol] if symbol else list(dict.fromkeys(entry.decision.symbol for entry in entries))
    series = []
    for name in symbols:
        try:
            candles = live_candles(name, exchange, timeframe=timeframe)
        except MarketDataError as error:
            problem(str(error))
            continue
        series.append(replace(series_of(candles), symbol=name))
    return series

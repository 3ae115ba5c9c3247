"""Take real fills into the ledger: `moondev decisions fills`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 - typer reads the annotation when it runs
from typing import TYPE_CHECKING, Annotated, Any

import typer

from src.cli.actions import styled_action
from src.cli.price_options import DatesOption, ZoneOption  # noqa: TC001 - typer reads them when it runs
from src.observability.commands.console import escape, note, out, print_json, problem
from src.observability.commands.tables import Column, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from src.judging.fills.matching import Earned, Matched
    from src.judging.fills.reading import FillFile

_COLUMNS = (
    Column("decision"),
    Column("made (UTC)", rank=2),
    Column("symbol", least=8),
    Column("action"),
    Column("fills", rank=3, right=True),
    Column("closed", rank=1, right=True),
    Column("net", right=True),
    Column("return", right=True),
    Column("result", least=12),
)
_AMBIGUOUS_COLUMNS = (
    Column("order", least=12),
    Column("market"),
    Column("side"),
    Column("fits the decisions", least=14),
)
_SHOWN = 40


def fills(
    files: Annotated[
        list[Path], typer.Argument(help="Trade exports: CSV or JSON, of one account.", show_default=False)
    ],
    window: Annotated[str, typer.Option(help="How long after a decision its orders begin.")] = "15m",
    agent: Annotated[str | None, typer.Option(help="Only this agent's decisions.", show_default=False)] = None,
    environment: Annotated[str | None, typer.Option(help="Only these: paper or live.", show_default=False)] = None,
    fee_price: Annotated[
        list[str] | None, typer.Option(help="What a fee's currency is worth: BNB=600.", show_default=False)
    ] = None,
    zone: ZoneOption = None,
    dates: DatesOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; tell what would be written.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
) -> None:
    """Match real fills to decisions by market, side and time, and write what each earned after fees.

    An order that fits several decisions is listed and counts for none. Again with the same files, it changes nothing.
    """
    from src.judging.fills.matching import match
    from src.judging.fills.reading import read_fills
    from src.observability.ledger import LedgerReader, parse_horizon
    from src.observability.settings import Settings
    from src.observability.store.reader import StoreReader

    window_s = parse_horizon(window).seconds
    prices = _prices(fee_price or ())
    data = read_fills(files, zone=zone, dates=dates)
    entries = (
        entry
        for entry in LedgerReader(StoreReader(Settings.read().trace_db)).entries()
        if (agent is None or entry.decision.agent == agent)
        and (environment is None or entry.decision.environment == environment)
    )
    matched = match(data.fills, entries, window_s=window_s, fee_prices=prices, files=[path.name for path in files])
    written = 0 if dry_run else _write(matched.earned)
    if as_json:
        print_json(_data(data, matched, written, dry_run=dry_run))
    else:
        _show(data, matched, written, dry_run=dry_run)


def _prices(texts: Sequence[str]) -> dict[str, Decimal]:
    """Return prices of currencies in dollars."""
    from src.judging.fills.records import number

    prices = {}
    for text in texts:
        currency, sign, price = text.partition("=")
        value = number(price) if sign else None
        if not currency.strip().isalnum() or value is None or value <= 0:
            raise ValueError(f"--fee-price is {text!r:.60}: give a currency and what one is worth in dollars: BNB=600.")
        prices[currency.strip().upper()] = value
    return prices


def _write(earned: Sequence[Earned]) -> int:
    """Write what is known and new; return how many."""
    from src.observability import flush, outcome

    written = 0
    for item in earned:
        if item.reason is None and item.is_new:
            is_stored = outcome(
                item.decision.id,
                pnl_usd=item.pnl_usd,
                net_return=item.net_return,
                time_s=item.time_ns / 1e9,
                source=item.source,
                details=dict(item.details),
            )
            written += is_stored
            if not is_stored:
                problem(f"the result of decision {item.decision.id} could not be written: the log says why.")
    flush()
    return written


def _data(data: FillFile, matched: Matched, written: int, *, dry_run: bool) -> dict[str, Any]:
    from src.judging.fills.matching import as_data

    return {
        "files": data.formats,
        "remarks": data.remarks,
        "dry_run": dry_run,
        "fills": matched.fills,
        "duplicates": data.duplicates,
        "skipped": dict(data.skipped),
        "matched": matched.matched,
        "closing": matched.closing,
        "from_before": matched.from_before,
        "unmatched": matched.unmatched,
        "without_fills": matched.without_fills,
        "written": written,
        "results": [as_data(item) for item in matched.earned],
        "ambiguous": [{**asdict(item), "time": _time(item.time_ns)} for item in matched.ambiguous],
    }


def _time(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat()


def _show(data: FillFile, matched: Matched, written: int, *, dry_run: bool) -> None:
    for text in (*data.formats, *data.remarks):
        note(text)
    for reason, count in data.skipped.most_common():
        note(f"{count:,} rows are left out: {reason}")
    if data.duplicates:
        note(f"{data.duplicates:,} fills occur twice, and count once.")
    out().print(
        f"{matched.fills:,} fills: {matched.matched:,} open a decision's position, {matched.closing:,} close one."
    )
    if matched.unmatched:
        note(f"{matched.unmatched:,} open positions that belong to no decision.")
    if matched.from_before:
        note(f"{matched.from_before:,} close what was opened before the files begin.")
    if matched.earned:
        out().print()
        print_table(_COLUMNS, [_cells(item) for item in matched.earned[-_SHOWN:]])
        if len(matched.earned) > _SHOWN:
            note(f"The newest {_SHOWN} of {len(matched.earned):,}; --json has all.")
    if matched.ambiguous:
        out().print(f"\n{len(matched.ambiguous):,} orders fit several decisions, and count for none:")
        rows = [
            (escape(item.place), escape(item.market), styled_action(item.side),
             escape(", ".join(name[:12] for name in item.decisions)))
            for item in matched.ambiguous[:_SHOWN]
        ]  # fmt: skip
        print_table(_AMBIGUOUS_COLUMNS, rows)
        note("A shorter --window, or --agent, leaves fewer to choose from.")
    _remarks(matched, written, dry_run=dry_run)


def _remarks(matched: Matched, written: int, *, dry_run: bool) -> None:
    currencies = sorted({name for item in matched.earned for name in item.details["unknown_fees"]})
    if currencies:
        note(
            f"Fees in {', '.join(currencies)} have no known price: --fee-price {currencies[0].split()[0]}=... says it."
        )
    excluded = sorted({name for item in matched.earned for name in item.details["excludes"]})
    if excluded:
        note(f"Not in these results, since the files do not have it: {', '.join(excluded)}.")
    if matched.without_fills:
        note(f"{matched.without_fills:,} decisions of that time have no fills.")
    known = sum(item.reason is None for item in matched.earned)
    if dry_run:
        new = sum(item.reason is None and item.is_new for item in matched.earned)
        note(f"{new:,} results would be written.")
    elif known:
        note(f"{written:,} results are written, {known - written:,} were known: `moondev decisions show ID`.")


def _cells(item: Earned) -> tuple[str, ...]:
    details = item.details
    net = details["gross"] - details["fees"]
    least = "before unknown fees " if details["unknown_fees"] else ""
    return (
        item.decision.id[:12],
        f"{datetime.fromtimestamp(item.decision.time_ns / 1e9, UTC):%Y-%m-%d %H:%M}",
        escape(item.decision.symbol),
        styled_action(item.decision.action),
        f"{details['fills']:,}",
        f"{details['closed_share']:.0%}",
        escape(f"{least}{net:+,.2f} {details['currency'] or ''}".strip()),
        "-" if item.net_return is None else f"{item.net_return:+.2%}",
        escape(item.reason or ("new" if item.is_new else "known")),
    )

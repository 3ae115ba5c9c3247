"""Show how a file of prices is understood: `moondev candles`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 - typer reads the annotation when it runs
from typing import TYPE_CHECKING, Annotated, Any

import typer

from src.cli.price_options import DatesOption, DecimalOption, StampsOption, ZoneOption  # noqa: TC001 - typer reads them when it runs
from src.observability.commands.console import escape, out, plain_table, print_json
from src.observability.commands.tables import Column, print_table

if TYPE_CHECKING:
    from src.agents.market import Candle, Candles

_SHOWN_BARS = 3
_BAR_COLUMNS = (
    Column("time (UTC)"),
    *(Column(name, least=6, right=True) for name in ("open", "high", "low", "close")),
    Column("volume", rank=1, least=6, right=True),
)
_ISSUE_COLUMNS = (Column("line", right=True), Column("remark", least=20), Column("what was done", least=10))


def candles(
    file: Annotated[Path, typer.Argument(help="CSV, JSON, Parquet or Arrow; packed files are unpacked.")],
    symbol: Annotated[str | None, typer.Option(help="The symbol that is wanted.", show_default=False)] = None,
    zone: ZoneOption = None,
    decimal: DecimalOption = None,
    dates: DatesOption = None,
    stamps: StampsOption = None,
    issues: Annotated[int, typer.Option(help="How many remarks to show.", min=0)] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Show how a file of prices is understood: columns, zone, timeframe, gaps, and the rows that were left out."""
    from src.agents.market import closed_bars, load_candles

    prices = load_candles(file, symbol=symbol, zone=zone, decimal=decimal, dates=dates, stamps=stamps)
    closed = closed_bars(prices, datetime.now(UTC))
    if as_json:
        print_json(_data(prices, closed))
    else:
        _show(prices, closed, issues)


def _bar(bar: Candle) -> dict[str, Any]:
    return {
        "time": bar.time.isoformat(),
        "open": bar.open,
        "high": bar.high,
        "low": bar.low,
        "close": bar.close,
        "volume": bar.volume,
    }


def _data(prices: Candles, closed: Candles) -> dict[str, Any]:
    reading = prices.reading
    return {
        "source": prices.source,
        "symbol": prices.symbol,
        "dialect": reading.dialect if reading else None,
        "columns": dict(reading.columns) if reading else {},
        "zone": reading.zone if reading else "UTC",
        "zone_source": reading.zone_source if reading else None,
        "decimal": reading.decimal if reading else None,
        "delimiter": reading.delimiter if reading else None,
        "encoding": reading.encoding if reading else None,
        "stamps": reading.stamps if reading else "open",
        "rows": reading.rows if reading else len(prices),
        "dropped": reading.dropped if reading else 0,
        "bars": len(prices),
        "open_bars": len(prices) - len(closed),
        "timeframe": prices.timeframe,
        "timeframe_s": prices.interval_s,
        "first": [_bar(bar) for bar in prices[:_SHOWN_BARS]],
        "last": [_bar(bar) for bar in prices.last(_SHOWN_BARS)],
        "issue_counts": dict(closed.issue_counts),
        "issues": [
            {"line": issue.line, "kind": issue.kind, "detail": issue.detail, "action": issue.action}
            for issue in closed.issues
        ],
    }


def _show(prices: Candles, closed: Candles, most_issues: int) -> None:
    facts = plain_table()
    facts.show_header = False
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, text in _facts(prices, closed):
        facts.add_row(name, escape(text))
    out().print(facts)
    out().print()
    print_table(_BAR_COLUMNS, _bar_rows(prices))
    _show_issues(closed, most_issues)


def _facts(prices: Candles, closed: Candles) -> list[tuple[str, str]]:
    reading = prices.reading
    facts = [("file", prices.source), ("symbol", prices.symbol or "not stated")]
    if reading is not None:
        columns = ", ".join(
            name if name == column.casefold() else f"{name} = {column or 'index'}"
            for name, column in reading.columns.items()
        )
        facts += [
            ("format", reading.dialect),
            ("columns", columns),
            ("zone", f"{reading.zone}, {reading.zone_source}"),
            ("numbers", "decimal point" if reading.decimal == "." else "decimal comma"),
        ]
    open_bars = len(prices) - len(closed)
    facts += [
        ("timeframe", prices.timeframe or "unknown: one bar alone"),
        ("bars", f"{len(prices):,}" + (f", {open_bars} of them not closed yet" if open_bars else ", all closed")),
        ("gaps", f"{prices.issue_counts.get('gaps', 0):,}"),
    ]
    if reading is not None:
        facts.append(("rows", f"{reading.rows:,}, of which {reading.dropped:,} are no bar"))
    return facts


def _bar_rows(prices: Candles) -> list[list[str]]:
    head, tail = prices[:_SHOWN_BARS], prices.last(min(_SHOWN_BARS, max(len(prices) - _SHOWN_BARS, 0)))
    rows = [
        [f"{bar.time:%Y-%m-%d %H:%M}", *map(_digits, (bar.open, bar.high, bar.low, bar.close, bar.volume))]
        for bar in (*head, *tail)
    ]
    if len(prices) > len(rows):
        rows.insert(len(head), ["...", *[""] * 5])
    return rows


def _digits(value: float | None) -> str:
    """Return a number with up to eleven digits, and no exponent where it fits without."""
    return "-" if value is None else f"{value:.11g}"


def _show_issues(closed: Candles, most: int) -> None:
    if not closed.issues:
        return
    out().print()
    rows = [
        ["" if issue.line is None else str(issue.line), escape(f"{issue.kind}: {issue.detail}"), issue.action]
        for issue in closed.issues[:most]
    ]
    print_table(_ISSUE_COLUMNS, rows)
    more = len(closed.issues) - most
    if more > 0:
        out().print(f"[dim]{more} more remarks: --issues {len(closed.issues)}, or --json[/]")

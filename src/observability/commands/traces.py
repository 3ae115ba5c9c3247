"""Look at the local trace store, and deliver it: `moondev traces`, `python -m src.observability traces`."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from src.observability.commands.console import duration, escape, money, note, out, plain_table, problem
from src.observability.commands.fast_start import FastCommand, FastGroup

if TYPE_CHECKING:
    from src.observability.settings import Settings
    from src.observability.store.spool import Spool, TraceRow
    from src.observability.tracker import LangFuseTracker

app = typer.Typer(
    cls=FastGroup, help="Look at what was traced on this machine, and deliver it.", invoke_without_command=True
)

_NO_TRACES = "There are no traces yet: any call through ModelFactory makes one"
_NUMERIC = {"took", "observations", "errors", "tokens", "cost"}


@app.callback()
def traces(context: typer.Context) -> None:
    """Look at what was traced on this machine, and deliver it. Alone, it lists the newest traces."""
    if context.invoked_subcommand is None:
        list_traces(limit=20, as_json=False)


@app.command("list", cls=FastCommand)
def list_traces(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many, newest first.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> None:
    """List the newest traces."""
    newest = _spool().traces(limit=limit)
    if as_json:
        for trace in newest:
            typer.echo(json.dumps({name: getattr(trace, name) for name in type(trace).__slots__}))
        return
    if not newest:
        note(f"{_NO_TRACES}.")
        return
    table = plain_table()
    for title in ("trace", "started", "name", "took", "observations", "errors", "tokens", "cost"):
        table.add_column(title, no_wrap=True, justify="right" if title in _NUMERIC else "left")
    for trace in newest:
        table.add_row(
            trace.trace_id[:12],
            f"{_moment(trace.start_ns):%Y-%m-%d %H:%M:%S}",
            escape(trace.name),
            duration((trace.end_ns - trace.start_ns) / 1e6),
            str(trace.observations),
            f"[red]{trace.errors}[/]" if trace.errors else "0",
            f"{(trace.input_tokens or 0) + (trace.output_tokens or 0):,}",
            money(trace.cost_usd, at_least=trace.cost_unknown),
        )
    out().print(table)


@app.command("show", cls=FastCommand)
def show(
    trace_id: Annotated[str, typer.Argument(help="The id, or how it begins; `last` is the newest.")],
    full: Annotated[bool, typer.Option("--full", "-f", help="Show inputs, outputs and metadata too.")] = False,
) -> None:
    """Draw one trace as a tree."""
    from src.observability.commands.tree import draw

    spool = _spool()
    if trace_id == "last":
        newest = spool.traces(limit=1)
        if not newest:
            raise ValueError(f"{_NO_TRACES}.")
        trace_id = newest[0].trace_id
    rows = spool.trace(trace_id.strip().lower())
    if not rows:
        raise ValueError(f"There is no trace whose id begins with {trace_id!r}; `traces list` shows them.")
    out().print(draw(rows, texts=full))


@app.command("tail", cls=FastCommand)
def tail(
    interval: Annotated[float, typer.Option(help="Seconds between looks.", min=0.05)] = 0.5,
    count: Annotated[int | None, typer.Option("--count", "-n", help="Stop after so many.", show_default=False)] = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Begin with the oldest, not with what comes.")
    ] = False,
) -> None:
    """Print observations of every process as they end. Stop with Ctrl-C."""
    spool = _spool()
    seq = 0 if from_start else spool.last_seq()
    printed = 0
    try:
        while count is None or printed < count:
            for row in spool.rows_after(seq, limit=500):
                seq = row.seq
                out().print(_line(row))
                printed += 1
                if count is not None and printed >= count:
                    return
            time.sleep(interval)
    except KeyboardInterrupt:
        return


@app.command("export", cls=FastCommand)
def export(
    follow: Annotated[bool, typer.Option("--follow", help="Keep delivering what comes. Stop with Ctrl-C.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to try for, without --follow.")] = 60.0,
    again: Annotated[
        bool, typer.Option("--again", help="Send what a server refused for good once more, and what came after it.")
    ] = False,
) -> None:
    """Deliver what waits in the store, rows of other and of dead processes too."""
    from src.observability import get_tracker

    tracker = get_tracker()
    if tracker.exporter is None:
        problem(_why_undeliverable(tracker.settings))
        raise typer.Exit(2)
    if again:
        _send_again(tracker)
    try:
        waiting = 0 if follow else tracker.flush(timeout)
        while follow:
            tracker.wake()  # it delivers in the background, which backs off where a server is in trouble
            time.sleep(1.0)
    except KeyboardInterrupt:
        waiting = tracker.flush(0.0)
    out().print("Everything is delivered." if not waiting else f"{waiting} observations and scores are undelivered.")
    raise typer.Exit(1 if waiting else 0)


def _send_again(tracker: LangFuseTracker) -> None:
    from src.observability.delivery.destinations import display_url
    from src.observability.store.spool import lease_owner

    if tracker.exporter is None or tracker.spool is None:
        return
    for destination in tracker.exporter.destinations:
        count = tracker.spool.send_again(destination.name, lease_owner())
        where = display_url(destination.traces_url)
        if count is None:
            problem(f"another process is delivering to {where} right now: try again when it has ended.")
            raise typer.Exit(1)
        out().print(f"{count} that {where} had refused are sent again.")


def _why_undeliverable(settings: Settings) -> str:
    if not settings.tracing:
        return "MOONDEV_TRACING is off: nothing is recorded, and nothing delivered."
    if settings.offline:
        return "MOONDEV_OFFLINE is set: nothing is sent anywhere."
    if settings.langfuse_configured and not settings.langfuse_enabled:
        return "ENABLE_LANGFUSE is false, and no other destination is configured."
    return "no destination is configured: set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY."


def _spool() -> Spool:
    """Open the store to read it, whether tracing is on or not."""
    from src.observability.settings import Settings
    from src.observability.store.spool import Spool

    settings = Settings.read()
    if not settings.trace_db.exists():
        raise ValueError(f"There is no trace store at {settings.trace_db} yet. MOONDEV_TRACE_DB names another.")
    return Spool(settings.trace_db)


def _moment(ns: int) -> datetime:
    return datetime.fromtimestamp(ns / 1e9, UTC)


def _line(row: TraceRow) -> str:
    parts: list[Any] = [f"{_moment(row.end_ns):%H:%M:%S}", row.trace_id[:12], f"[bold]{escape(row.name)}[/]"]
    if row.model:
        parts.append(escape(row.model))
    parts.append(duration((row.end_ns - row.start_ns) / 1e6))
    if row.type == "generation":
        parts.append(money(row.cost_usd, at_least=row.is_unpriced))
    if row.level == "ERROR":
        parts.append(f"[red]{escape(row.error_category or '')} {escape((row.status_message or '')[:120])}[/]")
    return "  ".join(str(part) for part in parts)

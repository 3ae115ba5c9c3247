"""Look at the local trace store, and deliver it: `moondev traces`, `python -m src.observability traces`."""

from __future__ import annotations

import time
from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from src.observability.commands import trace_options as options
from src.observability.commands.console import note, out, print_json, problem
from src.observability.commands.fast_start import FastCommand, FastGroup, FastTyper

if TYPE_CHECKING:
    from src.observability.settings import Settings
    from src.observability.store.reader import StoreReader
    from src.observability.tracker import LangFuseTracker

app = FastTyper(
    cls=FastGroup, help="Look at what was traced on this machine, and deliver it.", invoke_without_command=True
)

_NO_TRACES = "There are no traces yet: any call through ModelFactory makes one"
_MOST = 1_000_000
_SEARCH_S = 0.4
_Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=_MOST, help="How many, newest first.")]
_Json = Annotated[bool, typer.Option("--json", help="Print a JSON list.")]


@app.callback()
def traces(context: typer.Context, limit: _Limit = 20, as_json: _Json = False) -> None:
    """Look at what was traced on this machine, and deliver it. Alone, it lists the newest traces."""
    if context.invoked_subcommand is None:
        list_traces(limit=limit, as_json=as_json)
    elif as_json or limit != 20:
        command = context.invoked_subcommand
        raise typer.BadParameter(f"Options of `traces {command}` come after its name: `traces {command} ...`.")


@app.command("list", cls=FastCommand)
def list_traces(
    limit: _Limit = 20,
    as_json: _Json = False,
    search_s: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=86_400.0,
            show_default=False,
            help=f"How many seconds --search reads texts, newest first: {_SEARCH_S}, or with --json to the end.",
        ),
    ] = None,
    **chosen: Unpack[options.TraceOptions],
) -> None:
    """List the newest traces, or the newest of those that the options leave: all of them must hold."""
    from src.observability.commands.trace_lists import newest_traces, print_listing

    wanted = options.trace_filter(chosen)
    reader = _reader()
    if not reader.exists:
        note(_missing(reader))
    seconds = search_s if search_s is not None else float("inf") if as_json else _SEARCH_S
    newest, remark = newest_traces(reader, wanted, limit, search_s=seconds)
    if newest or as_json:
        print_listing(newest, as_json=as_json)
    if remark is not None:
        note(remark)
    if newest or as_json or remark is not None:
        return
    if reader.exists:
        note(f"{_NO_TRACES}." if wanted.is_empty or not reader.last_seq() else "No trace matches these options.")


@app.command("show", cls=FastCommand)
def show(
    trace_id: Annotated[
        str, typer.Argument(help="The id, or how it begins; `last` is the newest, tests of `doctor` left out.")
    ],
    full: Annotated[bool, typer.Option("--full", "-f", help="Show inputs, outputs and metadata too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all that is stored of it as JSON.")] = False,
) -> None:
    """Draw one trace as a tree, with its scores, the decision that was made in it, and links."""
    from src.observability.commands.trace_details import show_beside, trace_data
    from src.observability.commands.tree import draw

    reader, wanted = _reader(), trace_id.strip().lower()
    if wanted == "last":
        wanted = _newest(reader)
    rows = reader.trace(wanted) if wanted else []
    if not rows:
        raise ValueError(f"There is no trace whose id begins with {trace_id!r}; `traces list` shows them.")
    data = trace_data(reader, rows[0].trace_id)
    if as_json:
        print_json(data)
        return
    out().print(draw(rows, texts=full))
    show_beside(data)


def _newest(reader: StoreReader) -> str:
    """Return the id of the newest trace; test observations of the doctor alone are no trace of the user's.

    Raises:
        ValueError: there is none.
    """
    from src.observability.commands.probe import NAME

    limit, newest = 20, reader.traces(limit=20)
    while len(newest) == limit and all(item.name == NAME for item in newest):
        limit *= 8
        newest = reader.traces(limit=limit)
    for item in newest:
        if item.name != NAME:
            return item.trace_id
    if newest:
        raise ValueError(
            f"The store holds test traces of `doctor` alone (the newest is {newest[0].trace_id[:12]}): any call "
            "through ModelFactory makes one of yours."
        )
    raise ValueError(f"{_NO_TRACES}." if reader.exists else _missing(reader))


@app.command("save", cls=FastCommand)
def save(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Its suffix is .jsonl, .csv or .parquet.")],
    limit: Annotated[
        int | None,
        typer.Option("--limit", "-n", min=1, help="How many of the newest traces; all without it.", show_default=False),
    ] = None,
    **chosen: Unpack[options.TraceOptions],
) -> None:
    """Save the observations of all traces, or of those that the options leave, each with its texts.

    A file that exists is replaced once the new one is whole.
    """
    from src.observability.commands import saving

    wanted = options.trace_filter(chosen)
    reader = _reader()
    if not reader.exists:
        raise ValueError(_missing(reader))
    items, total = saving.chosen(reader, wanted, limit)
    saving.report_saved(path, saving.save(path, items, total=total))


@app.command("tail", cls=FastCommand)
def tail(
    interval: Annotated[float, typer.Option(help="Seconds between looks.", min=0.05, max=3600)] = 0.5,
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, max=_MOST, help="Stop after so many.", show_default=False)
    ] = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Begin with the oldest, not with what comes.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON document in each line.")] = False,
    **chosen: Unpack[options.TraceOptions],
) -> None:
    """Print observations of every process as they end, or those that the options leave. Stop with Ctrl-C.

    All options must hold of one observation by itself: its own cost, its own time, its own error. With --score it is
    printed once that score comes, of it or of its trace.
    """
    from src.observability.commands.following import follow

    wanted = options.trace_filter(chosen)
    reader = _reader()
    if not reader.exists:
        note(f"{_missing(reader)} Waiting for it.")
    follow(reader, wanted=wanted, interval_s=interval, count=count, from_start=from_start, as_json=as_json)


@app.command("export", cls=FastCommand)
def export(
    follow: Annotated[bool, typer.Option("--follow", help="Keep delivering what comes. Stop with Ctrl-C.")] = False,
    timeout: Annotated[float, typer.Option(min=0, max=86_400, help="Seconds to try for, without --follow.")] = 60.0,
    again: Annotated[
        bool, typer.Option("--again", help="Send what a server refused for good once more, and what came after it.")
    ] = False,
) -> None:
    """Deliver what waits in the store, rows of other and of dead processes too."""
    from src.observability import get_tracker
    from src.observability.commands.terminal import INTERRUPTED

    tracker = get_tracker()
    if tracker.exporter is None:
        problem(_why_undeliverable(tracker.settings))
        raise typer.Exit(2)
    if tracker.spool is not None and tracker.spool.problem is not None:
        raise typer.Exit(2)  # the log has said why
    if again:
        _send_again(tracker)
    try:
        waiting = 0 if follow else tracker.flush(timeout)
        while follow:
            tracker.wake()  # it delivers in the background, which backs off where a server is in trouble
            time.sleep(1.0)
        code = 1 if waiting else 0
    except KeyboardInterrupt:
        waiting, code = tracker.flush(0.0), INTERRUPTED
    out().print("Everything is delivered." if not waiting else f"{waiting} observations and scores are undelivered.")
    raise typer.Exit(code)


def _send_again(tracker: LangFuseTracker) -> None:
    from src.observability.network import display_url
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
        return f"{settings.langfuse_off} is false, and no other destination is configured."
    return "no destination is configured: set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY."


def _reader() -> StoreReader:
    """Return what reads the store, whether tracing is on or not; it writes nothing."""
    from src.observability.commands.size_note import print_size_note
    from src.observability.settings import Settings
    from src.observability.store.reader import StoreReader

    reader = StoreReader(Settings.read().trace_db)
    if reader.exists:
        print_size_note(reader)
    return reader


def _missing(reader: StoreReader) -> str:
    from src.observability.commands.size_note import missing_store

    return missing_store(reader.path)

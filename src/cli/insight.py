"""Bring the figures beside the trace store up to date: `moondev insight`."""

from __future__ import annotations

import sys
import time
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from src.observability.commands.console import escape, note, out, print_json
from src.observability.commands.counting import counted
from src.observability.commands.fast_start import FastCommand, FastGroup
from src.observability.commands.size_note import missing_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from src.insight.facts.records import Freshness

app = typer.Typer(
    cls=FastGroup,
    help="Keep the figures that reports and the dashboard read, in a file beside the trace store.",
    invoke_without_command=True,
)
_PROGRESS_EVERY_S = 1.0
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.callback()
def insight(context: typer.Context, as_json: _Json = False) -> None:
    """Keep the figures that reports and the dashboard read, in a file beside the trace store. Alone: its state."""
    if context.invoked_subcommand is None:
        status(as_json=as_json)


@app.command("refresh", cls=FastCommand)
def refresh(
    budget: Annotated[
        float | None, typer.Option(min=0.0, help="Seconds to read at most; all where not given.", show_default=False)
    ] = None,
    texts: Annotated[
        bool, typer.Option("--texts/--no-texts", help="Bring the index for searches up to date too.")
    ] = True,
    rebuild: Annotated[
        bool,
        typer.Option("--rebuild", help="Rebuild from nothing: totals of days that the store has deleted are lost."),
    ] = False,
    as_json: _Json = False,
) -> None:
    """Count what is new in the trace store. `report` and `dashboard` do so by themselves, for some seconds."""
    from src.insight.facts import job, writing
    from src.insight.facts.schema import facts_path
    from src.insight.texts.schema import texts_path

    store, began = _store(), time.monotonic()
    if rebuild:
        writing.delete(facts_path(store))
        writing.delete(texts_path(store))
    state = job.refresh(store, budget_s=budget, progress=None if as_json else _progress("counted"))
    if texts:
        from src.insight.texts.index import refresh_texts

        left_s = None if budget is None else max(budget - (time.monotonic() - began), 0.0)
        refresh_texts(store, budget_s=left_s, progress=None if as_json else _progress("indexed"))
    _show(store, state, as_json=as_json)


@app.command("status", cls=FastCommand)
def status(as_json: _Json = False) -> None:
    """Show how far the figures go, what they lack, and how full the store is."""
    from src.insight.facts.reader import FactsReader

    store = _store()
    with FactsReader(store) as reader:
        state = reader.freshness()
    _show(store, state, as_json=as_json)


def _store() -> Path:
    from src.observability.settings import Settings

    return Settings.read().trace_db


def _progress(verb: str) -> Callable[[int, int], None] | None:
    """Return what says on a terminal how far the work is, about each second."""
    if not sys.stderr.isatty():
        return None
    last = time.monotonic()

    def tell(upto: int, newest: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _PROGRESS_EVERY_S:
            last = time.monotonic()
            note(f"{verb} observation {upto:,} of {newest:,} ({upto / max(newest, 1):.0%})")

    return tell


def _show(store: Path, state: Freshness, *, as_json: bool) -> None:
    from src.insight.facts.schema import facts_path

    if not store.exists():
        note(missing_store(store))
    document = _document(store, state)
    if as_json:
        print_json(document)
        return
    if not store.exists():
        return
    if not state.exists:
        note(
            f"Nothing of {store} is counted yet ({counted(state.behind, 'observations')}): "
            f"`moondev insight refresh` does it."
        )
        return
    print_ = out().print
    print_(f"facts file    {escape(str(facts_path(store)))}, {state.bytes / 1e6:,.1f} MB")
    print_(f"observations  {state.observations:,}, and {state.expired:,} in daily totals alone")
    print_(f"days          since {document['first_day'] or '-'}")
    print_(f"up to date    {document['refreshed'] or 'never read to its end'}")
    texts = document["texts"]
    if texts["enabled"]:
        behind = f", {texts['behind']:,} observations behind" if texts["behind"] else ""
        print_(f"text index    {texts['bytes'] / 1e6:,.1f} MB{behind}")
    else:
        print_("text index    off (MOONDEV_SEARCH_INDEX)")
    limit = document["store_size"]
    if limit is not None:
        print_(f"store         {limit['used_bytes'] / 1e6:,.1f} MB of {limit['limit_bytes'] / 1e6:,.0f} MB")
    for remark in (*state.remarks, *filter(None, [limit["warning"] if limit else None])):
        note(remark)


def _document(store: Path, state: Freshness) -> dict[str, Any]:
    from src.insight.facts.schema import facts_path
    from src.insight.texts.index import text_state

    day = None if state.first_day is None else date(1970, 1, 1) + timedelta(days=state.first_day)
    return {
        "store": str(store),
        "facts_file": str(facts_path(store)),
        "exists": state.exists,
        "is_current": state.is_current,
        "observations": state.observations,
        "behind": state.behind,
        "scores_behind": state.scores_behind,
        "refreshed": _moment(state.refreshed_ns),
        "first_day": None if day is None else day.isoformat(),
        "expired": state.expired,
        "doubtful": state.doubtful,
        "gaps": [
            {"kind": gap.kind, "first": gap.first, "last": gap.last, "n": gap.n, "noticed": _moment(gap.noticed_ns)}
            for gap in state.gaps
        ],
        "bytes": state.bytes,
        "texts": text_state(store)._asdict(),
        "store_size": _store_size(store),
        "remarks": list(state.remarks),
    }


def _store_size(store: Path) -> dict[str, Any] | None:
    """Return how much of its limit the store takes; None where there is none, or it is of an older format."""
    from src.observability.commands.size_note import size_state
    from src.observability.settings import Settings
    from src.observability.store.reader import StoreReader

    state = size_state(StoreReader(store), Settings.read())
    if state is None:
        return None
    return {
        "used_bytes": state.used,
        "limit_bytes": state.limit,
        "only_here": state.only_here,
        "unjudged": state.unjudged,
        "safe_until": None if state.safe_until is None else _moment(int(state.safe_until * 1e9)),
        "warning": state.sentence if state.level is not None else None,
    }


def _moment(ns: int | None) -> str | None:
    return None if ns is None else f"{datetime.fromtimestamp(ns / 1e9, UTC):%Y-%m-%dT%H:%M:%SZ}"

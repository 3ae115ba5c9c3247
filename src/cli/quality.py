"""Report on replies, without labels: `moondev quality`."""

from __future__ import annotations

import time
from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from src.observability.commands import trace_options as options  # noqa: TC001 - Typer reads the annotations
from src.observability.commands.console import escape, note, out, print_json
from src.observability.commands.counting import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.insight.facts.filters import Filter
    from src.insight.quality.replies import JudgedReply
    from src.observability.store.reader import StoreReader

SAMPLE = 2_000


def quality(
    since: options.Since = None,
    until: options.Until = None,
    by: Annotated[
        str | None,
        typer.Option(help="agent, model, prompt, symbol, ...; prompt and model without it.", show_default=False),
    ] = None,
    sample: Annotated[int, typer.Option(min=0, max=1_000_000, help="How many calls' texts are read.")] = SAMPLE,
    scores: Annotated[bool, typer.Option("--scores", help="Store what is judged of each as scores, once.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Rows that the terminal shows.")] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
    md: Annotated[Path | None, typer.Option("--md", help="Write Markdown into this file.", show_default=False)] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page into this file.", show_default=False)
    ] = None,
    **names: Unpack[options.CallOptions],
) -> None:
    """Report on replies: valid at once, repaired, refused, cut; numbers without a ground; agreement; drift.

    Nothing is asked of a model. `--scores` puts the results on each observation, here and in Langfuse.
    """
    from src.cli.call_filter import report_filter

    chosen = report_filter(since, until, names)
    report_quality(chosen, by, as_json=as_json, limit=limit, md=md, html=html, sample=sample, scores=scores)


def report_quality(
    chosen: Filter,
    by: str | None,
    *,
    as_json: bool,
    limit: int,
    md: Path | None,
    html: Path | None,
    sample: int = SAMPLE,
    scores: bool = False,
) -> None:
    """Print the report on replies, and write it into files."""
    from src.cli.report_views import prepared, show_table, write_files
    from src.insight.quality.content import make_quality, quality_data, quality_notes, quality_tables
    from src.observability.settings import Settings
    from src.observability.store.reader import StoreReader

    store = StoreReader(Settings.read().trace_db)
    with prepared(quiet=as_json) as reader:
        result = make_quality(reader, store, chosen, by, sample=sample, now_ns=time.time_ns())
    stored = _store_scores(result.replies, store) if scores else 0
    if md is not None or html is not None:
        from src.insight.quality import documents

        write_files((md, documents.markdown, html, documents.page), result)
    if as_json:
        print_json(quality_data(result) | ({"scores_stored": stored} if scores else {}))
        return
    if not result.total.n:
        note("There are no calls in this period.")
        return
    for index, table in enumerate(quality_tables(result)):
        out().print(f"{'' if not index else chr(10)}[bold]{escape(table.title)}[/]")
        show_table(table, limit)
    for line in quality_notes(result):
        note(line)
    if scores:
        note(f"{counted(stored, 'scores')} stored; what has been scored before is left as it was.")


def _store_scores(replies: Sequence[JudgedReply], store: StoreReader) -> int:
    """Store scores of replies and deliver them; return how many are new.

    Raises:
        ValueError: tracing is off.
    """
    from src.insight.quality.scoring import score_replies
    from src.observability import flush, get_tracker, score

    if get_tracker().spool is None:
        raise ValueError("Tracing is off (MOONDEV_TRACING): scores cannot be stored.")
    stored = score_replies(replies, store, score)
    flush()
    return stored

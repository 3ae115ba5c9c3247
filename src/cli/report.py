"""Report on model calls: `moondev report`."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Unpack

import typer

from src.observability.commands import trace_options as options  # noqa: TC001 - Typer reads the annotations
from src.observability.commands.console import note, print_json

_By = Annotated[
    str | None,
    typer.Option(
        help="agent, model, provider, symbol, prompt, day, session, user, environment, requested, member or category.",
        show_default=False,
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")]
_Markdown = Annotated[Path | None, typer.Option("--md", help="Write Markdown into this file.", show_default=False)]
_Html = Annotated[Path | None, typer.Option("--html", help="Write a page into this file.", show_default=False)]


def report(
    since: options.Since = None,
    until: options.Until = None,
    by: _By = None,
    quality: Annotated[
        bool, typer.Option("--quality", help="Report on the replies: valid, repaired, cut, ...")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Rows that the terminal shows.")] = 30,
    as_json: _Json = False,
    md: _Markdown = None,
    html: _Html = None,
    **names: Unpack[options.CallOptions],
) -> None:
    """Report on model calls: cost, tokens, latency, errors, and what changed against the period before.

    Changes are told from noise by their intervals. A cost that is not known is never counted as 0.
    """
    from src.cli.call_filter import report_filter
    from src.cli.report_views import prepared, show_report, write_documents
    from src.insight.report.content import make_report
    from src.insight.report.plain import report_data

    chosen = report_filter(since, until, names)
    if by in ("environment", "agent"):  # where calls of judges and trials stand in rows of their own
        chosen = replace(chosen, without_environment=None)
    if quality:
        from src.cli.quality import report_quality

        report_quality(chosen, by, as_json=as_json, limit=limit, md=md, html=html)
        return
    with prepared(quiet=as_json) as reader:
        result = make_report(reader, chosen, by, now_ns=time.time_ns())
    write_documents(result, md, html)
    if as_json:
        print_json(report_data(result))
    elif not result.total.totals.n:
        note(
            "There are no calls in this period." if since or until or any(names.values()) else "There are no calls yet."
        )
    else:
        show_report(result, limit)

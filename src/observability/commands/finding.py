"""Define one finding of the doctor, and print it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import typer
from rich.markup import escape
from rich.table import Table

from src.observability.commands.console import out

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Finding:
    """Hold what one check found. `ok` is None where there is nothing to be right or wrong."""

    part: str
    name: str
    ok: bool | None
    detail: str


def tell(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Print findings, and end with exit code 1 where one of them is bad."""
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        _show(findings)
    if any(finding.ok is False for finding in findings):
        raise typer.Exit(1)


def _show(findings: Sequence[Finding]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("", "part", "name", "finding"):
        table.add_column(title, no_wrap=title != "finding", overflow="fold")
    marks = {True: "[green]ok[/]", False: "[bold red]bad[/]", None: "[dim]-[/]"}
    for finding in findings:
        table.add_row(marks[finding.ok], finding.part, escape(finding.name), escape(finding.detail))
    out.print(table)

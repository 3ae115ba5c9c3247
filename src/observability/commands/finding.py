"""Print the findings of the doctor."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import typer

from src.observability.commands.console import escape, out, plain_table

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. `ok` is None where nothing can be right or wrong."""

    part: str
    name: str
    ok: bool | None
    detail: str


def print_all(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Print findings; end with exit code 1 where one of them is bad."""
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        _show(findings)
    if any(finding.ok is False for finding in findings):
        raise typer.Exit(1)


def _show(findings: Sequence[Finding]) -> None:
    table = plain_table()
    for title in ("", "part", "name", "finding"):
        table.add_column(title, no_wrap=title != "finding", overflow="fold")
    marks = {True: "[green]ok[/]", False: "[bold red]bad[/]", None: "[dim]-[/]"}
    for finding in findings:
        table.add_row(marks[finding.ok], finding.part, escape(finding.name), escape(finding.detail))
    out().print(table)

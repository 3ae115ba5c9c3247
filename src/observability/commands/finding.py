"""Print the findings of the doctor."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import typer

from src.observability.commands.console import escape, print_json
from src.observability.commands.tables import Column, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

_COLUMNS = (Column(""), Column("part"), Column("name", least=14), Column("finding", least=24))


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
        print_json([asdict(finding) for finding in findings])
    else:
        _show(findings)
    if any(finding.ok is False for finding in findings):
        raise typer.Exit(1)


def _show(findings: Sequence[Finding]) -> None:
    marks = {True: "[green]ok[/]", False: "[bold red]bad[/]", None: "[dim]-[/]"}
    print_table(
        _COLUMNS,
        [(marks[item.ok], escape(item.part), escape(item.name), escape(item.detail)) for item in findings],
    )

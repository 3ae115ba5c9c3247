"""Show reports on model calls in the terminal, and write them into files."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from src.observability.commands.console import err, escape, note, out
from src.observability.commands.counting import counted
from src.observability.commands.tables import Column, print_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from src.insight.facts.reader import FactsReader
    from src.insight.report.content import Report
    from src.insight.report.texts import Table

    _Write = Callable[[Any], str]

# How the columns of `texts.HEADINGS` give way where the terminal is narrow.
_RANKS: Final = (0, 2, 4, 5, 7, 0, 1, 1, 6, 8, 9)


@contextmanager
def prepared(*, quiet: bool) -> Iterator[FactsReader]:
    """Open the facts of the store, brought up to date. Those of a store that does not exist are empty, which is said.

    Args:
        quiet: Whether nothing is shown meanwhile.
    """
    from src.insight.facts.job import refresh
    from src.insight.facts.reader import FactsReader
    from src.observability.commands.size_note import print_size_note
    from src.observability.settings import Settings
    from src.observability.store.reader import StoreReader

    path = Settings.read().trace_db.absolute()
    print_size_note(StoreReader(path))
    if quiet or not err().is_terminal:
        refresh(path)
    else:
        with err().status("Reading what is new in the trace store ..."):
            refresh(path)
    with FactsReader(path) as reader:
        yield reader


def show_report(report: Report, limit: int) -> None:
    """Print a report as tables, with what a reader must know beside them."""
    from src.insight.report import texts

    out().print(f"[bold]Model calls[/], {escape(texts.period(report))}")
    for table in texts.tables(report):
        if table.title != "All calls":
            out().print(f"\n[bold]{escape(table.title)}[/]")
        show_table(table, limit)
        if table.title == f"By {report.by}" and len(table.rows) > limit:
            _show_rest(report, limit)
    for line in texts.notes(report):
        note(line)


def _show_rest(report: Report, limit: int) -> None:
    from src.insight.figures.groups import Group
    from src.insight.report import content, texts

    rest = content.others(report.groups, limit)
    if rest is not None:
        group = Group(key=None, totals=rest)
        note(
            f"and {counted(len(report.groups) - limit, 'others')} with "
            f"{counted(rest.n, 'calls')} and a cost of {texts.cost(group)}: "
            "--limit shows them."
        )


def show_table(table: Table, limit: int | None = None) -> None:
    """Print one table; the first column names the rows and stays."""
    if len(table.headings) == len(_RANKS) + 1:
        columns = [Column(table.headings[0], least=14, comfortable=18)]
        columns += [Column(name, rank=rank, right=True) for name, rank in zip(table.headings[1:], _RANKS, strict=True)]
    else:
        columns = [Column(table.headings[0], least=18, comfortable=24)]
        columns += [Column(name, least=10, comfortable=10, right=True) for name in table.headings[1:]]
    print_table(columns, [[_shown(cell) for cell in row] for row in table.rows[:limit]])


def _shown(cell: str) -> str:
    colour = {"up": "yellow", "down": "yellow", "noise": "dim", "not enough": "dim"}.get(cell)
    return f"[{colour}]{cell}[/]" if colour else escape(cell)


def write_documents(report: Report, md: Path | None, html: Path | None) -> None:
    """Write a report into files."""
    if md is None and html is None:
        return
    from src.insight.report import documents

    write_files((md, documents.markdown, html, documents.page), report)


def write_files(files: tuple[Path | None, _Write, Path | None, _Write], content: Any) -> None:
    """Write what each function makes of a report into the file before it, where one is named."""
    from src.observability.commands.whole_files import write_whole

    for path, write in (files[:2], files[2:]):
        if path is not None:
            write_whole(path, write(content))
            note(f"{path} written.")

"""Say what to change: `moondev advise`."""

from __future__ import annotations

import time
from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from src.observability.commands import trace_options as options  # noqa: TC001 - Typer reads the annotations
from src.observability.commands.console import err, escape, note, out, print_json
from src.observability.commands.counting import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from rich.table import Table

    from src.insight.advice.content import Advice
    from src.insight.advice.finding import Finding, Withheld
    from src.insight.facts.filters import Filter

_LABEL = 10  # columns of the names before what is known of a finding
_Kind = Annotated[
    list[str] | None,
    typer.Option(
        help="Only this kind, or several: paid-failures, uncached, identical, members, models, prices, slow.",
        metavar="NAME",
        show_default=False,
    ),
]


def advise(
    since: options.Since = "30d",
    until: options.Until = None,
    kind: _Kind = None,
    every: Annotated[bool, typer.Option("--all", help="Show also what is not advised, and why not.")] = False,
    texts: Annotated[
        int, typer.Option(min=0, max=1_000_000, help="How many calls' texts each kind may read, at most.")
    ] = 5_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
    md: Annotated[Path | None, typer.Option("--md", help="Write Markdown into this file.", show_default=False)] = None,
    **names: Unpack[options.CallOptions],
) -> None:
    """Say what to change, with what it is worth: each finding was checked on the recorded past.

    What the first half of the period shows (the last 30 days, unless --since names another) must have come true in
    the second. Nothing is asked of a model.

    Examples: `moondev advise --since 60d`, `moondev advise --kind uncached --all`.
    """
    from src.cli.call_filter import report_filter
    from src.insight.advice import wording
    from src.insight.advice.content import check_kinds

    chosen, kinds = report_filter(since, until, names), check_kinds(kind or ())
    advice = _advice(chosen, kinds, texts, quiet=as_json)
    if md is not None:
        _write(advice, md, shows_withheld=every)
    if as_json:
        print_json(wording.advice_data(advice, shows_withheld=every))
    else:
        _show(advice, shows_withheld=every)


def _advice(chosen: Filter, kinds: tuple[str, ...], texts: int, *, quiet: bool) -> Advice:
    from src.cli.report_views import prepared
    from src.insight.advice.content import make_advice
    from src.observability.ledger import LedgerReader
    from src.observability.settings import Settings
    from src.observability.store.reader import StoreReader

    store = StoreReader(Settings.read().trace_db)
    with prepared(quiet=quiet) as reader, _status(quiet=quiet):
        return make_advice(
            reader,
            store,
            LedgerReader(store).entries(since_ns=chosen.since_ns, until_ns=chosen.until_ns),
            chosen,
            now_ns=time.time_ns(),
            kinds=kinds,
            most_texts=texts,
        )


def _write(advice: Advice, path: Path, *, shows_withheld: bool) -> None:
    """Write the advice as Markdown into a file."""
    from src.insight.advice import wording
    from src.insight.report.documents import markdown_page
    from src.observability.commands.whole_files import write_whole

    remarks = wording.notes(advice, shows_withheld=shows_withheld)
    lines = remarks if advice.findings else [wording.nothing(advice), *remarks]
    items = wording.tables(advice, shows_withheld=shows_withheld)
    write_whole(path, markdown_page("What to change", wording.period(advice), items, lines))
    note(f"{path} written.")


def _status(*, quiet: bool) -> AbstractContextManager[object]:
    """Return what says on a terminal that the past is gone through, which takes a while of many calls."""
    from contextlib import nullcontext

    if quiet or not err().is_terminal:
        return nullcontext()
    return err().status("Going through the recorded calls and decisions ...")


def _show(advice: Advice, *, shows_withheld: bool) -> None:
    from src.insight.advice import wording

    period, _, checked = wording.period(advice).partition("; ")
    out().print(f"[bold]What to change[/], {escape(period)}")
    if checked:
        out().print(f"[dim]{escape(checked)}[/]")
    if not advice.findings:
        out().print(escape(wording.nothing(advice)))
    for number, finding in enumerate(advice.findings, 1):
        _show_finding(number, finding)
    if shows_withheld and advice.withheld:
        out().print("\n[bold]Considered and not advised[/]")
        _show_withheld(advice.withheld)
    for line in wording.notes(advice, shows_withheld=shows_withheld):
        note(line)


def _show_finding(number: int, finding: Finding) -> None:
    from rich.padding import Padding
    from rich.table import Table

    from src.insight.advice import wording
    from src.observability.commands.terminal import visible

    out().print()
    grid = Table.grid(padding=0)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(f"[bold]{number}. [/]", f"[bold]{escape(finding.title)}[/] [dim]({finding.kind})[/]")
    out().print(grid)
    last = None
    for name, text in wording.facts_of(finding):
        if name == "evidence" or not name:  # to be copied
            lines = _command_lines(visible(text), out().width - _LABEL - 6)
            for label, line in zip([name, *[""] * (len(lines) - 1)], lines, strict=True):
                out().print(f"   {label:<{_LABEL}}[cyan]{escape(line)}[/]", soft_wrap=True)
        else:
            label = "" if name == last else name
            out().print(Padding(_columns(label, escape(text)), (0, 0, 0, 3)))
        last = name


def _command_lines(command: str, width: int) -> list[str]:
    """Return a command on lines of a width that a shell takes for one, broken before options."""
    lines: list[str] = []
    for number, part in enumerate(command.split(" --")):
        option = part if not number else f"--{part}"
        if lines and len(lines[-1]) + len(option) + 1 <= width:
            lines[-1] += f" {option}"
        else:
            lines.append(option if not lines else f"  {option}")
    return [f"{line} \\" for line in lines[:-1]] + lines[-1:]


def _columns(label: str, text: str) -> Table:
    from rich.table import Table

    grid = Table.grid(padding=0)
    grid.add_column(width=_LABEL, no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(label, text)
    return grid


def _show_withheld(items: Sequence[Withheld]) -> None:
    for item in items:
        out().print(f"- {escape(item.title)} [dim]({item.kind}, n = {counted(item.n, item.of)})[/]")
        out().print(f"  [dim]{escape(item.reason)}.[/]")

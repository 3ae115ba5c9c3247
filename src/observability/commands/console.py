"""Print for people: results on standard output, everything else on standard error."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

# Where the output is no terminal (a pipe, a file), lines are not broken at the 80 columns that Rich assumes.
_WIDE = 160


@functools.cache
def out() -> Console:
    """Return the console of standard output."""
    return _console(stderr=False)


@functools.cache
def err() -> Console:
    """Return the console of standard error."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=_WIDE)


def escape(text: str) -> str:
    """Return a text that prints as it is, whatever looks like markup in it."""
    from rich.markup import escape as escape_markup

    return escape_markup(text)


def plain_table(*, expand: bool = False) -> Table:
    """Return a table without borders."""
    from rich.table import Table

    return Table(box=None, pad_edge=False, header_style="bold", expand=expand)


def problem(text: str) -> None:
    """Print an error."""
    err().print(f"[bold red]error:[/] {escape(text)}")


def note(text: str) -> None:
    """Print a remark beside the result."""
    err().print(f"[dim]{escape(text)}[/]")


def money(usd: float | None, *, at_least: bool = False) -> str:
    """Return an amount of US dollars in as many digits as it needs; an unknown one is "unknown", not zero.

    Args:
        usd: The amount.
        at_least: Whether it is the known part of an amount of which the rest is unknown.
    """
    if usd is None or (at_least and usd == 0):
        return "unknown"
    if at_least:
        return f"{_at_least()} {money(usd)}"
    if usd == 0:
        return "$0"
    return f"${usd:.6f}" if usd < 0.01 else f"${usd:,.4f}"


def _at_least() -> str:
    try:
        "≥".encode(out().encoding)
    except (UnicodeError, LookupError):
        return ">="
    return "≥"


def duration(ms: float | None) -> str:
    """Return a time in milliseconds or seconds."""
    if ms is None:
        return "-"
    return f"{ms:,.0f} ms" if ms < 1000 else f"{ms / 1000:,.1f} s"

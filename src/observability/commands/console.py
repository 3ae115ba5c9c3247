"""Print for people: results on standard output, everything else on standard error."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

# Where nobody watches (a pipe, a file), lines are not broken at the 80 columns of a terminal that is not there.
_WIDE = 160


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=_WIDE)


out = _console(stderr=False)
err = _console(stderr=True)


def problem(text: str) -> None:
    """Say what went wrong."""
    err.print(f"[bold red]error:[/] {escape(text)}")


def note(text: str) -> None:
    """Say something beside the result."""
    err.print(f"[dim]{escape(text)}[/]")


def money(usd: float | None) -> str:
    """Return an amount of US dollars in as many digits as it needs; «unknown» is not «free»."""
    if usd is None:
        return "unknown"
    if usd == 0:
        return "$0"
    return f"${usd:.6f}" if usd < 0.01 else f"${usd:,.4f}"


def duration(ms: float | None) -> str:
    """Return a time in milliseconds or seconds."""
    if ms is None:
        return "-"
    return f"{ms:,.0f} ms" if ms < 1000 else f"{ms / 1000:,.1f} s"

"""Print for people: results on standard output, everything else on standard error."""

from __future__ import annotations

import functools
import json
import math
import sys
from typing import TYPE_CHECKING, Final

from src.observability.commands.terminal import one_line, visible

if TYPE_CHECKING:
    from rich.table import Table

    from src.observability.commands.safe_console import SafeConsole


@functools.cache
def out() -> SafeConsole:
    """Return the console of standard output."""
    return _console(stderr=False)


@functools.cache
def err() -> SafeConsole:
    """Return the console of standard error."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> SafeConsole:
    from src.observability.commands.safe_console import SafeConsole

    return SafeConsole(stderr=stderr)


def escape(text: str) -> str:
    """Return a text of one line that prints as it is, whatever looks like markup, a line end or a control in it."""
    return _without_markup(one_line(text))


def escape_lines(text: str) -> str:
    """Return a text that prints as it is, in the lines that it has."""
    return _without_markup(visible(text))


def _without_markup(text: str) -> str:
    from rich.markup import escape as escape_markup

    return escape_markup(text)


def plain_table(*, expand: bool = False) -> Table:
    """Return a table without borders, whose columns the caller arranges; `tables.print_table` fits them by rank."""
    from rich.table import Table

    return Table(box=None, pad_edge=False, header_style="bold", expand=expand)


def print_json(value: object) -> None:
    """Print one JSON document in ASCII on standard output; numbers that JSON does not have are null."""
    sys.stdout.write(json.dumps(_finite(value), allow_nan=False).replace("\x7f", "\\u007f") + "\n")


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def problem(text: str) -> None:
    """Print an error."""
    err().print(f"[bold red]error:[/] {escape(text)}")


def note(text: str) -> None:
    """Print a remark beside the result."""
    err().print(f"[dim]{escape(text)}[/]")


_LEAST_USD: Final = 1e-5  # below it six places would round money away


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
    return f"${usd:.1e}" if usd < _LEAST_USD else f"${usd:.6f}" if usd < 0.01 else f"${usd:,.4f}"


def price_text(price: float) -> str:
    """Return a price with up to twelve significant digits and no exponent: 15,234,567.5, 1.20075, 0.00001234."""
    text = f"{price:,.12g}"
    if "e-" not in text:
        return text
    from decimal import Decimal

    return f"{Decimal(text):f}"


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

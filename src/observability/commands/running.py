"""Run a Typer application: every end of it is one line and an exit code, never a traceback for what is expected."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_USAGE: Final = 2
# What Typer raises for wrong usage: the base of its public BadParameter that the others share.
_UsageError: Final = next(item for item in typer.BadParameter.__mro__ if item.__name__ == "ClickException")


def run(app: typer.Typer, report: Callable[[Exception], int]) -> int:
    """Run an application and return its exit code. `terminal.run` deals with Ctrl-C and closed pipes.

    Args:
        app: The application.
        report: Prints an expected error and returns the exit code; raises any other error again.
    """
    logging.basicConfig(format="%(message)s", level=logging.WARNING, handlers=[_ConsoleHandler()])
    try:
        code = app(standalone_mode=False)
    except Exception as error:  # noqa: BLE001 - what is not expected is raised again
        return _usage(error) if isinstance(error, _UsageError) else report(error)
    return code if isinstance(code, int) else 0


def command_name() -> str:
    """Return what the user has typed to start this command, as far as that can be typed again."""
    name = sys.argv[0]
    return name if os.path.basename(name) == "moondev" else "moondev"  # noqa: PTH119 - a path would lose its `./`


def _usage(error: Exception) -> int:
    """Print what is wrong with the arguments in one line, and where help is; return the exit code."""
    from src.observability.commands.console import problem

    context = getattr(error, "ctx", None)
    if possibilities := getattr(error, "possibilities", None):  # of an unknown option
        name = str(getattr(error, "option_name", ""))
        problem(f"{getattr(error, 'message', '')}. Did you mean {_nearest(name, possibilities)}?{_help_text(context)}")
        return _USAGE
    text = str(error.format_message() if hasattr(error, "format_message") else error).rstrip()
    if not text:  # Typer has printed the help instead
        return _USAGE
    problem(f"{text}{'' if text.endswith(('.', '?', '!')) else '.'}{_help_text(context)}")
    return _USAGE


def _help_text(context: Any) -> str:
    return f" See `{context.command_path} --help`." if context is not None else ""


def _nearest(name: str, possibilities: Iterable[str]) -> str:
    """Return the option that is most like a name, and those that are nearly as like."""
    from difflib import SequenceMatcher

    likeness = {item: SequenceMatcher(None, name, item).ratio() for item in possibilities}
    least = max(likeness.values()) - 0.1
    return " or ".join(sorted(item for item, ratio in likeness.items() if ratio >= least))


class _ConsoleHandler(logging.Handler):
    """Log through the console of standard error, which puts lines above a table that it is drawing."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record. An error here must not stop the command."""
        from src.observability.commands.console import err, escape_lines

        try:
            err().print(escape_lines(self.format(record)))
        except Exception:  # noqa: BLE001 - such as a closed standard error
            self.handleError(record)

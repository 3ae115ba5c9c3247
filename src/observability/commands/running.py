"""Run a Typer application: every end of it is one line and an exit code, never a traceback for what is expected."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Final

import typer

from src.observability.commands import terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

INTERRUPTED: Final = 130  # as shells count: 128 + SIGINT
_BROKEN_PIPE: Final = 141  # 128 + SIGPIPE
_USAGE: Final = 2
# What Typer raises for wrong usage: the base of its public BadParameter that the others share.
_UsageError: Final = next(item for item in typer.BadParameter.__mro__ if item.__name__ == "ClickException")


def run(app: typer.Typer, report: Callable[[Exception], int]) -> NoReturn:
    """Run an application and exit.

    Args:
        app: The application.
        report: Prints an expected error and returns the exit code; raises any other error again.
    """
    terminal.protect()
    logging.basicConfig(format="%(message)s", level=logging.WARNING, handlers=[_ConsoleHandler()])
    try:
        code = _run(app, report)
    except KeyboardInterrupt:
        code = stopped()
    except BrokenPipeError:  # the reader, such as `head`, has enough
        code = _BROKEN_PIPE
    sys.exit(_flush(code))


def stopped() -> int:
    """Say that the user has stopped the command; return its exit code. A second Ctrl-C ends the process at once."""
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    with contextlib.suppress(OSError):
        sys.stderr.write("Stopped.\n")
    return INTERRUPTED


def _run(app: typer.Typer, report: Callable[[Exception], int]) -> int:
    try:
        code = app(standalone_mode=False)
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - what is not expected is raised again
        return _usage(error) if isinstance(error, _UsageError) else report(error)
    return code if isinstance(code, int) else 0


def _usage(error: Exception) -> int:
    """Print what is wrong with the arguments in one line, and where help is; return the exit code."""
    from src.observability.commands.console import problem

    context = getattr(error, "ctx", None)
    text = str(error.format_message() if hasattr(error, "format_message") else error).rstrip()
    if not text:  # Typer has printed the help instead
        return _USAGE
    help_text = f" See `{context.command_path} --help`." if context is not None else ""
    problem(f"{text}{'' if text.endswith(('.', '?', '!')) else '.'}{help_text}")
    return _USAGE


def _flush(code: int) -> int:
    """Write what is still buffered; return the exit code, which is another one where that fails."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = code or _BROKEN_PIPE
    except OSError as error:
        code = code or 1
        with contextlib.suppress(OSError):
            sys.stderr.write(f"error: the output cannot be written: {error.strerror}.\n")
    else:
        return code
    with contextlib.suppress(OSError, ValueError, AttributeError):  # what remains is discarded, without a word at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


class _ConsoleHandler(logging.Handler):
    """Log through the console of standard error, which puts lines above a table that it is drawing."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record. An error here must not stop the command."""
        from src.observability.commands.console import err, escape_lines

        try:
            err().print(escape_lines(self.format(record)))
        except Exception:  # noqa: BLE001 - such as a closed standard error
            self.handleError(record)

"""Report the failure of a command in one line, with the exit code that fits it."""

from __future__ import annotations

import errno
import sqlite3
from typing import Final

from src.observability.commands.console import problem
from src.observability.store.schema import SpoolError

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


def report(error: Exception) -> int:
    """Print an expected error and return the exit code: 2 for bad input, 1 for a store that cannot be used.

    Raises:
        Exception: `error` itself where it is none of the expected kinds.
    """
    if isinstance(error, OSError):
        problem(_of_system(error))
        return 2
    if isinstance(error, ValueError | SpoolError):  # what our packages raise for bad input
        problem(str(error))
        return 2
    if isinstance(error, sqlite3.Error):
        problem(f"the trace store cannot be used: {error}.")
        return 1
    raise error


def _of_system(error: OSError) -> str:
    """Return the operating system's error without its number, and with the file that it is about."""
    if error.strerror is None:
        return str(error)
    remedy = ": free some space, or name a file on another disk" if error.errno in _FULL else ""
    return f"{f'{error.filename}: ' if error.filename else ''}{error.strerror}{remedy}."

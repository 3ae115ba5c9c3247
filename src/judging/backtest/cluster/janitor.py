"""Remove folders once this process has ended, even by `kill -9`: a process of its own waits for that."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Its standard input ends with this process, which has the other end and never writes.
_PROGRAM: Final = """
import shutil, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.stdin.read()
for folder in sys.argv[1:]:
    shutil.rmtree(folder, ignore_errors=True)
"""
_janitors: list[subprocess.Popen[bytes]] = []  # for the life of this process


def remove_at_end(folders: Sequence[Path]) -> None:
    """Have folders removed once this process has ended, where it has not done so itself."""
    theirs, _ours = os.pipe()  # `_ours` stays open until the end, and no other process inherits it
    command = [sys.executable, "-I", "-S", "-c", _PROGRAM, *map(str, folders)]
    with os.fdopen(theirs, "rb") as stream:
        janitor = subprocess.Popen(  # noqa: S603 - our own interpreter
            command, stdin=stream, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
    _janitors.append(janitor)

"""Run a command's `main` in this process: a subprocess loads the same libraries for each of many runs."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from typing import TYPE_CHECKING
from unittest import mock

from src.observability.commands import console

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


def run_main(main: Callable[[Sequence[str]], int], *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Return what the command printed and its exit code, as `subprocess.run` does with captured text."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    arguments = [str(word) for word in words]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(arguments)
        except SystemExit as error:  # argparse's, for wrong usage
            code = error.code if isinstance(error.code, int) else 1
    texts = [stream.buffer.getvalue().decode() for stream in (out, err)]
    return subprocess.CompletedProcess(arguments, code, *texts)


class Screen:
    """What a command has written, by the stream; `text` is both."""

    def __init__(self, code: int, out: bytes, err: bytes, encoding: str) -> None:
        self.code = code
        self.out = out.decode(encoding)
        self.err = err.decode(encoding)
        self.text = self.out + self.err


class _Stream(io.TextIOWrapper):
    """A stream to a terminal, or to a pipe."""

    def __init__(self, encoding: str, *, terminal: bool) -> None:
        self.bytes = io.BytesIO()
        self._terminal = terminal
        super().__init__(self.bytes, encoding=encoding, write_through=True)

    def isatty(self) -> bool:
        return self._terminal


def run_app(
    main: Callable[[], object],
    *words: str | Path,
    terminal: bool = False,
    width: int | None = None,
    encoding: str = "utf-8",
) -> Screen:
    """Run a Typer application's `main` in this process, as on a terminal of some width, or with its output in pipes."""
    out, err = (_Stream(encoding, terminal=terminal) for _ in range(2))
    environment = {"TERM": "xterm-256color", "COLUMNS": str(width or "")}
    console.out.cache_clear()
    console.err.cache_clear()
    with (
        mock.patch.dict(os.environ, environment),
        mock.patch.object(sys, "argv", ["moondev", *map(str, words)]),
        mock.patch.object(sys, "stdout", out),
        mock.patch.object(sys, "stderr", err),
    ):
        try:
            main()
            code: object = 0
        except SystemExit as error:
            code = error.code
        finally:
            console.out.cache_clear()
            console.err.cache_clear()
    number = code if isinstance(code, int) else 0 if code is None else 1
    return Screen(number, out.bytes.getvalue(), err.bytes.getvalue(), encoding)

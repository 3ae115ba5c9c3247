"""Run a command's `main` in this process: a subprocess loads the same libraries for each of many runs."""

from __future__ import annotations

import contextlib
import io
import subprocess
from typing import TYPE_CHECKING

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

"""Make an expensive thing once for all processes that run the tests."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that `make` has filled; the first process to ask fills it, and the others wait.

    It is one for all processes, so tests must not change what is in it. Where filling it fails once, it does for all.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base  # pytest-xdist: one folder below it a process
    folder, is_filled, failure = shared / name, shared / f"{name}.filled", shared / f"{name}.failed"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if failure.exists():
            raise RuntimeError(f"{name}: {failure.read_text(encoding='utf-8')}")
        if not is_filled.exists():
            folder.mkdir()
            try:
                make(folder)
            except BaseException as error:  # an assertion, a timeout of pytest's, an interruption
                failure.write_text(f"{type(error).__name__}: {error}", encoding="utf-8")
                raise
            is_filled.touch()
    return folder

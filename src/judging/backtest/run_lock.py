"""Let one process at a time make a run: two would pay for the same requests at the same moments."""

from __future__ import annotations

import contextlib
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def only_process(store: Path, run_id: str) -> Iterator[None]:
    """Hold a run for the block, by a lock that ends with the process.

    Args:
        store: The trace store's file; the lock's file lies beside it while the run lasts.
        run_id: The run.

    Raises:
        ValueError: another process is making it.
    """
    path = store.with_name(f"{store.name}.backtest-{run_id}.lock")
    descriptor = _locked(path)
    if descriptor is None:  # the system has no such locks
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)


def _locked(path: Path) -> int | None:
    try:
        import fcntl
    except ImportError:
        return None
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            run_id = path.name.rpartition("-")[2].removesuffix(".lock")
            raise ValueError(
                f"Another process is making run {run_id} now: wait for it, or stop it. Both would pay for the same "
                "requests."
            ) from error
        if _is_at(path, descriptor):
            return descriptor
        os.close(descriptor)  # the process that had it has removed its file meanwhile


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False

"""Prepare a worker process, which Dask has import this before anything else."""

from __future__ import annotations

import signal


def dask_setup(worker: object) -> None:  # noqa: ARG001 - Dask passes it
    """Leave Ctrl-C to the process that started the workers: a terminal sends it to all of them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

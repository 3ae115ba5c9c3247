"""Start worker processes on this machine, on loopback alone, which end with this process however it ends."""

from __future__ import annotations

import logging
import multiprocessing
import multiprocessing.resource_tracker
import multiprocessing.util
import os
import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from src.judging.backtest.cluster.janitor import remove_at_end
from src.judging.backtest.cluster.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client

_LONGEST_FOLDER: Final = 80  # bytes; a socket's path has at most 104 on macOS, 108 on Linux
_LOST_WORKERS: Final = 4  # that one decision may have before it is given up
_CONFIG: Final[dict[str, Any]] = {
    "distributed.scheduler.allowed-failures": _LOST_WORKERS,
    # No page of Dask's shows anything of a run; there is no dashboard either.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.profile.enabled": False,
    "distributed.admin.log-length": 0,
    # Nothing is written to a disk, and no worker is stopped for its memory.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.worker.use-file-locking": False,
}


@contextmanager
def local_client(workers: int, threads: int, store: Path) -> Iterator[Client]:
    """Start worker processes, and end them with the block.

    They speak TLS with a key of this block alone, so that nobody else on this machine can give them work.

    Args:
        workers: How many processes.
        threads: How many decisions each of them makes at once.
        store: The trace store that they share.
    """
    import dask
    from distributed import Client, LocalCluster

    method = _method()
    _start_tracker()
    folder = Path(tempfile.mkdtemp(prefix="moondev-workers-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        remove_at_end([folder, Path(multiprocessing.util.get_temp_dir())])
        stack.enter_context(quiet())
        own = {"distributed.worker.multiprocessing-method": method, "temporary-directory": str(folder)}
        stack.enter_context(dask.config.set({**_CONFIG, **own}))
        cluster = stack.enter_context(
            LocalCluster(
                n_workers=workers,
                threads_per_worker=threads,
                processes=True,
                host="127.0.0.1",
                dashboard_address=None,
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                security=True,
                memory_limit=0,
                local_directory=str(folder),
                silence_logs=logging.CRITICAL,
                env={"MOONDEV_TRACE_DB": str(store)},
                preload=["src.judging.backtest.cluster.preload"],
            )
        )
        yield stack.enter_context(Client(cluster, set_as_default=False))


def _start_tracker() -> None:
    """Start the process that frees what others leave, as `multiprocessing` would, with its warning of that off."""
    before = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = "ignore:resource_tracker"
    try:
        multiprocessing.resource_tracker.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = before


def _method() -> str:
    """Return how processes are started: from a server that has loaded what they need, where systems have that."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return "spawn"
    # The server's socket lies in the folder for temporary files, and systems bound the length of its path.
    if len(os.fsencode(multiprocessing.util.get_temp_dir())) > _LONGEST_FOLDER:
        return "spawn"
    import distributed.utils

    multiprocessing.set_forkserver_preload(
        ["distributed", "src.judging.backtest.cluster.work", "src.agents.trading_agent"]
    )
    # Dask's own list would load pandas and all else that it could use, in this process too.
    distributed.utils._forkserver_preload_set = True
    return "forkserver"

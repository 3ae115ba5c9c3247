"""Measure a commit of the store beside a bare SQLite insert of the same bytes, alternately, each into its own file.

The bare one is a table of two columns in WAL mode with `synchronous=NORMAL`: a transaction, one INSERT with all that
the observation's rows hold, a COMMIT. What the store does beyond that are its columns, its index by trace, the
envelope, the look at the file and its lock.

Usage: python -m benchmarks.commit_floor [--commits 4000] [--pause-ms 0]
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import statistics
import tempfile
import time
from contextlib import closing
from dataclasses import astuple, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.insight_store import END_NS, record
from benchmarks.overhead import ANSWER, prompt_of
from src.observability.store.compression import compress
from src.observability.store.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.observability.store.records import SpanRecord

_KILOBYTES = 1


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--commits", type=int, default=4_000, help="commits of each kind")
    parser.add_argument("--pause-ms", type=float, default=0.0, help="before each commit, in which caches grow cold")
    options = parser.parse_args()
    records = [_record(number) for number in range(options.commits)]
    with tempfile.TemporaryDirectory() as folder, closing(_bare_file(Path(folder) / "bare.db")) as bare:
        spool = Spool(Path(folder) / "store.db")
        times: dict[str, list[tuple[float, float]]] = {"the store": [], "bare SQLite": []}
        for item in records:
            time.sleep(options.pause_ms / 1e3)
            times["the store"].append(_timed(lambda item=item: spool.append(item)))  # type: ignore[misc] # bound at once
            row = repr(astuple(replace(item, span=b"", envelope=b"")))
            time.sleep(options.pause_ms / 1e3)
            times["bare SQLite"].append(_timed(lambda row=row, item=item: _insert(bare, row, item.span)))  # type: ignore[misc] # as above
        spool.close()
    for kind, pairs in times.items():
        for clock, values in zip(("CPU", "wall"), zip(*pairs, strict=True), strict=True):
            cuts = statistics.quantiles(values, n=100)
            print(f"  {kind:12} {clock:4} p50 {cuts[49]:6.3f} ms, p99 {cuts[98]:6.3f} ms")


def _record(number: int) -> SpanRecord:
    """Return a generation with a prompt of a kilobyte, as it is stored."""
    messages = [{"role": "user", "content": f"Call {number}. {prompt_of(_KILOBYTES)}"}]
    attributes: dict[str, object] = {
        "session.id": "loop-1", "langfuse.observation.type": "generation", "gen_ai.request.model": "gpt-4o",
        "gen_ai.provider.name": "openai", "langfuse.observation.input": json.dumps(messages),
        "langfuse.observation.output": ANSWER,
    }  # fmt: skip
    item = record(random.getrandbits(128), number + 1, 0, "openai.generate", END_NS, END_NS + 10**9, attributes)
    return replace(item, span=compress(item.span))


def _bare_file(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE rows (seq INTEGER PRIMARY KEY, row, span)"
    )
    return connection


def _insert(connection: sqlite3.Connection, row: str, span: bytes) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO rows (row, span) VALUES (?, ?)", (row, span))
    connection.execute("COMMIT")


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the milliseconds of CPU and of wall time that some work takes."""
    began, cpu = time.perf_counter(), time.thread_time()
    work()
    return (time.thread_time() - cpu) * 1e3, (time.perf_counter() - began) * 1e3


if __name__ == "__main__":
    main()

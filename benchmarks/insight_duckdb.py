"""Answer questions about facts by DuckDB from a Parquet file, to compare; neither is a dependency of the project."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from typing import TYPE_CHECKING, Any, Final

from src.insight.facts.schema import DAY_NS, facts_path

if TYPE_CHECKING:
    from pathlib import Path

_ROWS: Final = 500_000  # of one group of the file
_NAMES: Final = ("type", "agent", "model", "symbol", "session", "category", "member", "vote", "tags")
_NUMBERS: Final = (
    "start_ns", "duration_us", "error", "input_tokens", "output_tokens", "cached_tokens", "cost_nano", "unpriced",
)  # fmt: skip
_BILLED: Final = "type IN ('generation', 'embedding')"
_SUMS: Final = "count(*), sum(error), sum(cost_nano), sum(input_tokens), sum(output_tokens), sum(duration_us)"


def measure_duckdb(path: Path, last_ns: int) -> None:
    """Write the facts to a Parquet file, and put questions to it; `last_ns` is where they end."""
    try:
        import duckdb  # type: ignore[import-not-found] # no dependency of the project
    except ImportError:
        print("duckdb         skipped. Run: pip install --target DIR duckdb, and set PYTHONPATH=DIR")
        return
    file = path.with_name("facts.parquet")
    began, wall = time.process_time(), time.monotonic()
    _export(path, file)
    size = file.stat().st_size / 1e6
    print(
        f"parquet        {size:10,.1f} MB {time.process_time() - began:9.3f} CPU s {time.monotonic() - wall:9.3f} s, "
        f"DuckDB {duckdb.__version__}",
        flush=True,
    )
    connection = duckdb.connect()
    connection.execute(f"SET threads = {os.cpu_count() or 1}")
    for name, question in _questions(str(file), last_ns).items():
        times = []
        for _ in range(3):
            began, wall = time.process_time(), time.monotonic()
            connection.execute(question).fetchall()
            times.append((time.process_time() - began, time.monotonic() - wall))
        print(f"  {name:24} {min(times)[0] * 1e3:9.1f} CPU ms, first {times[0][1] * 1e3:9.1f} ms", flush=True)
    connection.close()
    file.unlink()


def _export(path: Path, file: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    with contextlib.closing(sqlite3.connect(facts_path(path))) as connection:
        names: dict[int, str | None] = dict(connection.execute("SELECT id, text FROM names"))
        texts = pyarrow.array([names.get(number) for number in range(max(names, default=0) + 1)], pyarrow.string())
        cursor = connection.execute(f"SELECT {', '.join((*_NAMES, *_NUMBERS))} FROM facts")  # noqa: S608 - our own names
        writer: Any = None
        while rows := cursor.fetchmany(_ROWS):
            columns = [pyarrow.array(column, pyarrow.int64()) for column in zip(*rows, strict=True)]
            arrays = [texts.take(column) for column in columns[: len(_NAMES)]] + columns[len(_NAMES) :]
            table = pyarrow.table(arrays, names=[*_NAMES, *_NUMBERS])
            writer = writer or pyarrow.parquet.ParquetWriter(file, table.schema, compression="zstd")
            writer.write_table(table)
        if writer is not None:
            writer.close()


def _questions(file: str, last_ns: int) -> dict[str, str]:
    facts = f"FROM '{file}' WHERE {_BILLED}"
    shares = "quantile_cont(duration_us, [0.5, 0.95, 0.99])"
    return {
        "totals of all": f"SELECT {_SUMS} {facts}",
        "by agent, 30 days": f"SELECT agent, {_SUMS} {facts} AND start_ns >= {last_ns - 30 * DAY_NS + 12345} "
        "GROUP BY 1",
        "by model and day": f"SELECT model, start_ns // {DAY_NS}, {_SUMS} {facts} GROUP BY 1, 2",
        "by hour, 7 days": f"SELECT start_ns // {3600 * 10**9}, {_SUMS} {facts} "
        f"AND start_ns >= {last_ns - 7 * DAY_NS} GROUP BY 1",
        "p50 p95 p99 by model": f"SELECT model, {shares} {facts} GROUP BY 1",
        "p95 by agent, 1 day": f"SELECT agent, {shares} {facts} AND start_ns >= {last_ns - DAY_NS} GROUP BY 1",
        "p95 by model, a symbol": f"SELECT model, {shares} {facts} AND symbol = 'BTC-USD' GROUP BY 1",
        "models on a symbol": f"SELECT model, {_SUMS} {facts} AND symbol = 'BTC-USD' GROUP BY 1",
        "errors by category": f"SELECT category, model, {_SUMS} {facts} AND error = 1 GROUP BY 1, 2",
        "members by vote": f"SELECT member, vote, {_SUMS} {facts} GROUP BY 1, 2",
        "the dearest 20": f"SELECT * {facts} ORDER BY cost_nano DESC NULLS LAST LIMIT 20",
        "the newest 50": f"SELECT * {facts} ORDER BY start_ns DESC LIMIT 50",
        "a session": f"SELECT model, {_SUMS} {facts} AND session = 'loop-1-7' GROUP BY 1",
        "tag, cost and latency": f"SELECT {_SUMS} {facts} AND tags LIKE '%\"ETH-USD\"%' AND cost_nano >= 1000000 "
        "AND duration_us >= 900000",
    }

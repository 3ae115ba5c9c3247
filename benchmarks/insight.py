"""Measure what reads a trace store, and the facts beside it: build, size, questions, pages, commands, and the writer.

    python -m benchmarks.insight                                   # 400,000 observations: 300,000 calls, as they are
    python -m benchmarks.insight --rows 10000000 --short           # ten million, with short texts (12 GB)
    python -m benchmarks.insight --folder DIR --parts writer       # again on a store that is there already

CPU time is shown beside the time that passed, since other work on the machine changes the latter. DuckDB, if it is
installed, answers the same questions from Parquet files.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.insight_commit import measure_commit
from benchmarks.insight_duckdb import measure_duckdb
from benchmarks.insight_pages import measure_filters, measure_pages
from benchmarks.insight_store import BEGAN_NS, DAYS, build, run
from src.insight.facts.filters import Filter
from src.insight.facts.job import refresh
from src.insight.facts.reader import FactsReader
from src.insight.facts.schema import DAY_NS, facts_path
from src.insight.texts.index import refresh_texts
from src.insight.texts.schema import TextSettings, texts_path
from src.observability.store.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.insight.facts.records import Freshness

_PARTS: Final = ("refresh", "questions", "duckdb", "texts", "pages", "filters", "commands", "commit", "writer")
_NOWHERE: Final = "a text that stands nowhere"
_COMMANDS: Final = (
    "traces list",
    "traces list -n 1000",
    "traces show last",
    "traces show last --full",
    "traces list --agent agent_3",
    "traces list --agent nobody",
    "traces list --model openai:gpt-4o --status error",
    "traces list --symbol ETH-USD --environment paper",
    "traces list --category timeout --since 30d",
    "traces list --session loop-1-7",
    "traces list --user nobody",
    "traces list --tag nothing",
    "traces list --min-cost 100",
    "traces list --min-latency 30s",
    "traces list --score pnl<-40",
    "traces list --score decision=NONE",
    "traces list --since 7d --until 6d --symbol SOL-USD --min-latency 5s",
    "traces list --search momentum",
    f"traces list --search '{_NOWHERE}'",
    "traces list --search 'schema import' --agent agent_7",
    "traces tail --from-start -n 200",
    "traces tail --from-start -n 20 --session loop-1-7",
    "traces save {folder}/saved.jsonl -n 1000",
    "insight",
    "report",
    "report --since 30d --by model",
    "report --symbol BTC-USD --by agent",
    "quality",
    "decisions",
    "decisions report --by agent",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--old", action="store_true", help="rows as an older program stored them: facts in spans alone")
    parser.add_argument("--short", action="store_true", help="short texts, as for 10 million rows")
    parser.add_argument("--folder", type=Path, help="where the store is, or is built; it stays there")
    parser.add_argument("--parts", nargs="+", choices=_PARTS, default=_PARTS)
    parser.add_argument("--writer-s", type=float, default=20.0)
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="insight-"))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "traces.db"
    measures: dict[str, Callable[[], None]] = {
        "refresh": lambda: measure_refresh(path),
        "questions": lambda: measure_questions(path),
        "duckdb": lambda: measure_duckdb(path, BEGAN_NS + DAYS * DAY_NS),
        "texts": lambda: measure_texts(path),
        "pages": lambda: measure_pages(path),
        "filters": lambda: measure_filters(path),
        "commands": lambda: measure_commands(path),
        "commit": measure_commit,
        "writer": lambda: measure_writer(path, options.writer_s),
    }
    try:
        if not path.exists():
            build(path, options.rows, is_old=options.old, is_short=options.short)
        print(f"store          {path.stat().st_size / 1e6:10,.1f} MB; load {os.getloadavg()[0]:.1f}", flush=True)
        for part in options.parts:
            measures[part]()
    finally:
        if options.folder is None:
            shutil.rmtree(folder)


class Timer:
    """The CPU and wall time of a block, of this process."""

    def __enter__(self) -> Timer:
        self._cpu, self._wall = time.process_time(), time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu_s, self.wall_s = time.process_time() - self._cpu, time.monotonic() - self._wall

    def __str__(self) -> str:
        return f"{self.cpu_s:9.3f} CPU s {self.wall_s:9.3f} s"


def _forget(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def measure_refresh(path: Path) -> None:
    _forget(facts_path(path))
    with Timer() as timer:
        state = refresh(path)
    rate = state.observations / timer.cpu_s
    print(f"rebuild        {state.observations:10,} observations {timer} ({rate:,.0f} a CPU second, scores included)")
    _show_size(path, state)
    with Timer() as timer:
        refresh(path)
    print(f"nothing new    {timer}", flush=True)


def _show_size(path: Path, state: Freshness) -> None:
    share = state.bytes / max(path.stat().st_size, 1)
    print(f"facts file     {state.bytes / 1e6:10,.1f} MB, {share:.1%} of the store", flush=True)


def measure_texts(path: Path) -> None:
    _forget(texts_path(path))
    with Timer() as timer:
        state = refresh_texts(path, settings=TextSettings(enabled=True, max_bytes=512 * 1024**2))
    print(f"text index     {state.upto:10,} observations {timer}, {state.bytes / 1e6:,.1f} MB", flush=True)


def measure_questions(path: Path) -> None:
    last_ns = BEGAN_NS + DAYS * DAY_NS
    month = Filter(since_ns=last_ns - 30 * DAY_NS + 12345)
    day = Filter(since_ns=last_ns - DAY_NS)
    questions: dict[str, Callable[[FactsReader], object]] = {
        "totals of all": lambda facts: facts.totals(Filter()),
        "by agent, 30 days": lambda facts: facts.grouped(month, ("agent",)),
        "by model and day": lambda facts: facts.series(Filter(), "day", ("model",)),
        "by hour, 7 days": lambda facts: facts.series(Filter(since_ns=last_ns - 7 * DAY_NS), "hour"),
        "p50 p95 p99 by model": lambda facts: facts.percentiles(Filter(), ("model",)),
        "p95 by agent, 1 day": lambda facts: facts.percentiles(day, ("agent",)),
        "p95 by model, a symbol": lambda facts: facts.percentiles(Filter(symbol="BTC-USD"), ("model",)),
        "models on a symbol": lambda facts: facts.grouped(Filter(symbol="BTC-USD"), ("model",)),
        "errors by category": lambda facts: facts.grouped(Filter(status="error"), ("category", "model")),
        "retries by category": lambda facts: facts.retries(Filter(), ("category", "model")),
        "members by vote": lambda facts: facts.grouped(Filter(), ("member", "vote")),
        "the dearest 20": lambda facts: facts.rows(Filter(), "cost", 20),
        "the longest 20, 1 day": lambda facts: facts.rows(day, "duration", 20),
        "the newest 50": lambda facts: facts.rows(Filter(), limit=50),
        "20 newest traces": lambda facts: facts.traces(Filter(type=None), 20),
        "a session": lambda facts: facts.grouped(Filter(session="loop-1-7"), ("model",)),
        "tag, cost and latency": lambda facts: facts.totals(
            Filter(tag="ETH-USD", min_cost_usd=0.001, min_latency_ms=900)
        ),
        "scores by day": lambda facts: facts.score_days(),
    }
    for name, question in questions.items():
        timers = []
        for _ in range(3):
            with FactsReader(path) as facts, Timer() as timer:  # a new one each time: a reader keeps its sums
                question(facts)
            timers.append(timer)
        best = min(timers, key=lambda item: item.cpu_s)
        print(f"  {name:24} {best.cpu_s * 1e3:9.1f} CPU ms, first {timers[0].wall_s * 1e3:9.1f} ms", flush=True)


def measure_commands(path: Path) -> None:
    """Run commands as a user does; the CPU time is that of the whole process, its start included."""
    import shlex

    environment = {**os.environ, "MOONDEV_TRACE_DB": str(path), "COLUMNS": "100"}
    start = "from src.cli.start import main; main()"
    for command in _COMMANDS:
        words = shlex.split(command.format(folder=path.parent))
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        ended = subprocess.run([sys.executable, "-c", start, *words], env=environment, capture_output=True, check=False)
        wall_s, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        trouble = "" if ended.returncode == 0 else f" (exit code {ended.returncode}: {ended.stderr[-200:]!r})"
        print(f"  {command:64.64} {cpu_s:7.2f} CPU s {wall_s:7.2f} s{trouble}", flush=True)


def measure_writer(path: Path, seconds: float) -> None:
    print(f"writer alone   {write(path, seconds)}", flush=True)
    _forget(facts_path(path))
    job = multiprocessing.get_context("spawn").Process(target=refresh, args=(path,))
    job.start()
    while job.is_alive() and not facts_path(path).exists():
        time.sleep(0.1)
    print(f"beside rebuild {write(path, seconds)}{'' if job.is_alive() else ' (the job ended before)'}", flush=True)
    job.terminate()
    job.join()


def write(path: Path, seconds: float) -> str:
    """Commit 100 observations a second; return how long the commits took."""
    rng = random.Random(time.time_ns())  # noqa: S311 - ids that are new
    spool = Spool(path, max_bytes=10**13)
    count = round(seconds * 100)
    records = [item for number in range(count // 4) for item in run(number, time.time_ns(), rng, is_short=False)]
    times, cpu, began = [], time.process_time(), time.monotonic()
    for number, item in enumerate(records):
        time.sleep(max(began + number / 100 - time.monotonic(), 0))
        start = time.perf_counter()
        spool.append(item)
        times.append((time.perf_counter() - start) * 1e3)
    cpu_ms = (time.process_time() - cpu) / len(times) * 1e3
    spool.close()
    cuts = statistics.quantiles(times, n=100)
    return (
        f"p50 {cuts[49]:.2f} ms, p95 {cuts[94]:.2f}, p99 {cuts[98]:.2f}, longest {max(times):.2f}, {len(times):,} "
        f"commits, {cpu_ms:.2f} CPU ms each; load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()

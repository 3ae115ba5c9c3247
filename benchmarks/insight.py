"""Measure the facts beside a trace store: how long they take to build, their size, questions to them, and the writer.

    python benchmarks/insight.py [--rows 300000] [--old] [--short] [--folder DIR]

Builds a synthetic store of three-member swarms over 90 days, refreshes its facts file, puts questions to it, then has a
writer commit 100 observations a second alone and beside a rebuild. Run it with `nice` on a machine that works.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.insight.facts.filters import Filter
from src.insight.facts.job import refresh
from src.insight.facts.reader import FactsReader
from src.insight.facts.schema import DAY_NS, facts_path
from src.observability.spans import otlp, rows
from src.observability.store.records import NO_FACTS
from src.observability.store.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.observability.store.records import SpanRecord

_DAYS = 90
_BEGAN_NS = 1_788_000_000 * 10**9 // DAY_NS * DAY_NS
_ENVELOPE = otlp.encode_envelope({"service.name": "moondev"}, "langfuse-sdk", "5", {})
_MODELS = (
    ("openai", "gpt-4o"),
    ("claude", "claude-haiku-4-5"),
    ("gemini", "gemini-2.5-flash"),
    ("deepseek", "deepseek-chat"),
)
_AGENTS = tuple(f"agent_{number}" for number in range(15))
_SYMBOLS = ("BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD", "EURUSD")
_WORDS = Path(__file__).with_name("insight.py").read_text().split() + [
    f"{n * 7919 % 100_000}.{n % 97:02d}" for n in range(2_000)
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--old", action="store_true", help="rows as an older program stored them: facts in spans alone")
    parser.add_argument("--short", action="store_true", help="short texts, as for 10 million rows")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--writer-s", type=float, default=20.0)
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="insight-"))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "traces.db"
    try:
        if not path.exists():
            build(path, options.rows, is_old=options.old, is_short=options.short)
        print(f"store          {path.stat().st_size / 1e6:10,.1f} MB")
        measure_refresh(path)
        measure_questions(path)
        measure_writer(path, options.writer_s)
    finally:
        if options.folder is None:
            shutil.rmtree(folder)


def build(path: Path, count: int, *, is_old: bool, is_short: bool) -> None:
    rng = random.Random(1)  # noqa: S311 - a store that is the same each time
    spool = Spool(path, max_bytes=10**12)
    began = time.process_time()
    part: list[SpanRecord] = []
    number = 0
    while number < count:
        at_ns = _BEGAN_NS + number * _DAYS * DAY_NS // count
        for record in run(number, at_ns, rng, is_short=is_short):
            part.append(record if not is_old else record_of_old_program(record))
            number += 1
        if len(part) >= 2_000:
            commit(spool, part)
            part = []
    commit(spool, part)
    spool.close()
    print(f"built          {number:10,} observations, {time.process_time() - began:.0f} CPU s")


def commit(spool: Spool, records: list[SpanRecord]) -> None:
    from dataclasses import replace

    from src.observability.store.compression import compress

    with spool._writer.lock:
        spool._writer._commit_records([replace(record, span=compress(record.span)) for record in records])


def record_of_old_program(record: SpanRecord) -> SpanRecord:
    from dataclasses import replace

    return replace(record, facts=NO_FACTS)


def run(number: int, at_ns: int, rng: random.Random, *, is_short: bool) -> list[SpanRecord]:
    """Return the observations of one swarm: three generations and their root."""
    trace_id, agent, symbol = rng.getrandbits(128), rng.choice(_AGENTS), rng.choice(_SYMBOLS)
    root = rng.getrandbits(64)
    scope = {
        "session.id": f"loop-{number // 4_000}",
        "langfuse.trace.tags": (agent, symbol, "swarm"),
        "langfuse.trace.name": "trading_agent.swarm",
        "gen_ai.agent.name": agent,
        "langfuse.environment": "production" if number % 10 else "paper",
        "langfuse.trace.metadata.agent_type": f'"{agent}"',
        "langfuse.trace.metadata.trading_pair": f'"{symbol}"',
    }
    prompt = " ".join(rng.choices(_WORDS, k=8 if is_short else 450))
    members = [member(trace_id, root, at_ns, scope, prompt, model_of, rng) for model_of in rng.sample(_MODELS, 3)]
    attributes = {**scope, "langfuse.observation.type": "agent", "langfuse.observation.output": '{"action":"BUY"}'}
    end_ns = max(item.end_ns for item in members) + 1_000_000
    return [*members, record(trace_id, root, None, "trading_agent.swarm", at_ns, end_ns, attributes)]


def member(
    trace_id: int, root: int, at_ns: int, scope: dict[str, Any], prompt: str, model_of: tuple[str, str],
    rng: random.Random,
) -> SpanRecord:  # fmt: skip
    provider, model = model_of
    tokens = rng.randrange(500, 3_000)
    attributes = {
        **scope,
        "langfuse.observation.type": "generation",
        "gen_ai.provider.name": provider,
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": tokens,
        "gen_ai.usage.output_tokens": 60,
        "gen_ai.usage.cache_read.input_tokens": tokens // 3,
        "langfuse.observation.usage_details": json.dumps({"input": tokens, "output": 60, "total": tokens + 60}),
        "langfuse.observation.cost_details": json.dumps(
            {"input": tokens * 1e-6, "output": 6e-5, "total": tokens * 1e-6 + 6e-5}
        ),
        "langfuse.observation.metadata.attempts": "1" if rng.random() < 0.97 else "2",
        "langfuse.observation.metadata.rate_limits": '{"requests":{"limit":500.0,"remaining":431.0,"reset_s":1.2}}',
        "langfuse.observation.input": json.dumps(
            [{"role": "system", "content": "You trade."}, {"role": "user", "content": prompt}]
        ),
        "langfuse.observation.output": json.dumps(
            {
                "action": rng.choice(("BUY", "SELL", "NOTHING")),
                "confidence": rng.randrange(100),
                "reasoning": "momentum",
            }
        ),
    }
    if rng.random() < 0.02:
        attributes |= {"langfuse.observation.level": "ERROR", "error.type": rng.choice(("timeout", "rate_limit"))}
    end_ns = at_ns + int(rng.lognormvariate(0, 0.6) * 1e9)
    return record(trace_id, rng.getrandbits(64), root, f"{provider}:{model}", at_ns, end_ns, attributes)


def record(
    trace_id: int, span_id: int, parent: int | None, name: str, start_ns: int, end_ns: int, attributes: dict[str, Any]
) -> SpanRecord:
    span = otlp.encode_span(
        trace_id=trace_id, span_id=span_id, parent_span_id=parent, name=name, kind=1, start_ns=start_ns, end_ns=end_ns,
        attributes=attributes,
    )  # fmt: skip
    return rows.span_record(
        trace_id=trace_id, span_id=span_id, parent_span_id=parent, name=name, start_ns=start_ns, end_ns=end_ns,
        status_code=0, status_message="", attributes=attributes, envelope=_ENVELOPE, span=span,
    )  # fmt: skip


def measure_refresh(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{facts_path(path)}{suffix}").unlink(missing_ok=True)
    began, wall = time.process_time(), time.monotonic()
    state = refresh(path)
    cpu_s, wall_s = time.process_time() - began, time.monotonic() - wall
    rate = state.observations / cpu_s
    print(f"rebuild        {state.observations:10,} observations, {cpu_s:.1f} CPU s ({rate:,.0f}/s), {wall_s:.0f} s")
    print(f"facts file     {state.bytes / 1e6:10,.1f} MB, {state.bytes / max(path.stat().st_size, 1):.1%} of the store")
    began = time.process_time()
    refresh(path)
    print(f"nothing new    {(time.process_time() - began) * 1e3:10.1f} ms")


def measure_questions(path: Path) -> None:
    last_ns = _BEGAN_NS + _DAYS * DAY_NS
    month = Filter(since_ns=last_ns - 30 * DAY_NS + 12345)
    questions: dict[str, Callable[[FactsReader], object]] = {
        "totals of all": lambda facts: facts.totals(Filter()),
        "by agent, 30 days": lambda facts: facts.grouped(month, ("agent",)),
        "by model and day": lambda facts: facts.series(Filter(), "day", ("model",)),
        "by hour, 7 days": lambda facts: facts.series(Filter(since_ns=last_ns - 7 * DAY_NS), "hour"),
        "p50 p95 p99 by model": lambda facts: facts.percentiles(Filter(), ("model",)),
        "p95 by agent, 1 day": lambda facts: facts.percentiles(Filter(since_ns=last_ns - DAY_NS), ("agent",)),
        "p95 by model, a symbol": lambda facts: facts.percentiles(Filter(symbol="BTC-USD"), ("model",)),
        "models on a symbol": lambda facts: facts.grouped(Filter(symbol="BTC-USD"), ("model",)),
        "errors by category": lambda facts: facts.grouped(Filter(status="error"), ("category", "model")),
        "members by vote": lambda facts: facts.grouped(Filter(), ("member", "vote")),
        "the dearest 20": lambda facts: facts.rows(Filter(), "cost", 20),
        "the newest 50": lambda facts: facts.rows(Filter(), limit=50),
        "20 newest traces": lambda facts: facts.traces(Filter(type=None), 20),
        "a session": lambda facts: facts.grouped(Filter(session="loop-3"), ("model",)),
        "tag, cost and latency": lambda facts: facts.totals(
            Filter(tag="ETH-USD", min_cost_usd=0.001, min_latency_ms=900)
        ),
    }
    with FactsReader(path) as facts:
        for name, question in questions.items():
            times = []
            for _ in range(3):
                began = time.process_time()
                question(facts)
                times.append((time.process_time() - began) * 1e3)
            print(f"  {name:24} {min(times):8.1f} ms")


def measure_writer(path: Path, seconds: float) -> None:
    print(f"writer alone   {write(path, seconds)}")
    for suffix in ("", "-wal", "-shm"):
        Path(f"{facts_path(path)}{suffix}").unlink(missing_ok=True)
    job = multiprocessing.get_context("spawn").Process(target=refresh, args=(path,))
    job.start()
    time.sleep(2)
    print(f"beside rebuild {write(path, seconds)}{'' if job.is_alive() else ' (the job ended before)'}")
    job.terminate()
    job.join()


def write(path: Path, seconds: float) -> str:
    """Commit 100 observations a second; return how long the commits took."""
    rng = random.Random(time.time_ns())  # noqa: S311 - ids that are new
    spool = Spool(path, max_bytes=10**12)
    records = [item for number in range(500) for item in run(number, time.time_ns(), rng, is_short=False)]
    times, began = [], time.monotonic()
    for number, item in enumerate(records):
        at = began + number / 100
        if at > began + seconds:
            break
        time.sleep(max(at - time.monotonic(), 0))
        start = time.perf_counter()
        spool.append(item)
        times.append((time.perf_counter() - start) * 1e3)
    spool.close()
    cuts = statistics.quantiles(times, n=100)
    return f"p50 {cuts[49]:.2f} ms, p99 {cuts[98]:.2f} ms, longest {max(times):.2f} ms, {len(times):,} commits"


if __name__ == "__main__":
    main()

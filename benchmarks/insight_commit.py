"""Measure what facts cost at a commit: reading them out of attributes, and storing them beside the other columns."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from benchmarks.insight_store import END_NS, record
from src.observability.spans.facts import span_facts
from src.observability.store.observation_inserts import observation_insert
from src.observability.store.records import FACT_COLUMNS, OBSERVATION_COLUMNS, SpanRecord

if TYPE_CHECKING:
    from collections.abc import Callable

_ROUNDS: Final = 40
_CALLS: Final = 1_000  # in one round
_USUAL: Final[dict[str, object]] = {
    "session.id": "loop-1",
    "langfuse.trace.tags": ("agent_1", "BTC-USD"),
    "gen_ai.agent.name": "agent_1",
    "langfuse.environment": "production",
    "langfuse.trace.metadata.trading_pair": '"BTC-USD"',
    "langfuse.observation.type": "generation",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o",
    "gen_ai.response.finish_reasons": ("stop",),
    "gen_ai.usage.input_tokens": 1_000,
    "gen_ai.usage.output_tokens": 60,
    "langfuse.observation.metadata.attempts": "1",
    "langfuse.observation.output": "BUY",
}
_KINDS: Final[dict[str, tuple[str, dict[str, object]]]] = {
    "a call": ("openai.generate", {}),
    "a member's vote": (
        "openai:gpt-4o",
        {"langfuse.observation.output": '{"action":"BUY","confidence":70,"reasoning":"momentum"}'},
    ),
    "with rate limits": (
        "openai.generate",
        {"langfuse.observation.metadata.rate_limits": '{"requests":{"limit":500.0,"remaining":431.0,"reset_s":1.2}}'},
    ),
    "a stream": (
        "openai.generate",
        {"langfuse.observation.completion_start_time": '"2026-11-30T22:04:05.123456Z"'},
    ),
}


def measure_commit() -> None:
    """Show the CPU time of facts for one commit, the least of several rounds."""
    columns = ", ".join(OBSERVATION_COLUMNS)
    plain = f"INSERT INTO plain ({columns}, envelope) VALUES ({', '.join('?' * (len(OBSERVATION_COLUMNS) + 1))})"  # noqa: S608
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute(f"CREATE TABLE plain ({columns}, envelope)")
    connection.execute(f"CREATE TABLE observations ({columns}, {', '.join(FACT_COLUMNS)}, envelope)")
    for label, (name, changes) in _KINDS.items():
        attributes = {**_USUAL, **changes}
        item = replace(record(1, 2, 3, name, END_NS, END_NS + 10**9, attributes), cost_usd=0.001)
        reading_us = _least_us(connection, _reading(attributes, name))
        without_us = _least_us(connection, lambda item=item: connection.execute(plain, _columns(item)))  # type: ignore[misc] # bound at once
        with_us = _least_us(connection, lambda item=item: connection.execute(*observation_insert(item, 1)))  # type: ignore[misc] # as above
        storing_us = with_us - without_us
        print(
            f"  facts of {label:17} {reading_us + storing_us:6.2f} us a commit: reading {reading_us:.2f}, "
            f"storing {storing_us:.2f}",
            flush=True,
        )
    connection.close()


def _reading(attributes: dict[str, object], name: str) -> Callable[[], object]:
    return lambda: span_facts(attributes, name=name, type_="generation", provider="openai", start_ns=END_NS)


def _columns(item: SpanRecord) -> tuple[object, ...]:
    return (
        item.trace_id, item.span_id, item.parent_span_id, item.name, item.type, item.start_ns, item.end_ns, item.level,
        item.status_message, item.provider, item.model, item.agent, item.session_id, item.error_category,
        item.input_tokens, item.output_tokens, item.cost_usd, 1 if item.cost_unknown else 0, 1,
    )  # fmt: skip


def _least_us(connection: sqlite3.Connection, call: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(_ROUNDS):
        connection.execute("BEGIN")
        began = time.process_time()
        for _ in range(_CALLS):
            call()
        best = min(best, time.process_time() - began)
        connection.execute("ROLLBACK")
    return best / _CALLS * 1e6

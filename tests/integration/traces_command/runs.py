"""Thirty runs that tests of the commands look at, and how the commands are run."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from src.cli import main
from src.observability.spans import otlp
from src.observability.spans.rows import span_record as record_of
from tests.commands import run_app
from tests.unit.observability.records import ENVELOPE

if TYPE_CHECKING:
    from pathlib import Path

    from src.observability.store.records import SpanRecord
    from tests.commands import Screen

BEGAN_NS = 1_764_028_800 * 10**9
HOSTILE = '=HYPERLINK("http://evil","x")\x1b]0;t\x07'
TRACES = 30


def record(trace: int, span: int, parent: int | None, name: str, attributes: dict[str, Any]) -> SpanRecord:
    """Return an observation as the program stores it."""
    start_ns = BEGAN_NS + trace * 3_600 * 10**9 + span * 10**6
    scope = {
        "session.id": f"loop-{trace // 10}", "user.id": "u", "langfuse.environment": "paper",
        "langfuse.trace.tags": ("momentum", "BTC-USD"), "gen_ai.agent.name": "momentum",
        "langfuse.trace.metadata.trading_pair": '"BTC-USD"' if trace % 2 else '"ETH-USD"',
    }  # fmt: skip
    ids: dict[str, Any] = {
        "trace_id": trace + 1, "span_id": trace * 10 + span + 1, "name": name, "start_ns": start_ns,
        "parent_span_id": None if parent is None else trace * 10 + parent + 1, "end_ns": start_ns + 10**9,
        "status_code": 0, "status_message": "", "attributes": scope | attributes,
    }  # fmt: skip
    return record_of(**ids, envelope=ENVELOPE, span=otlp.encode_span(**ids, kind=1))


def generation(trace: int, *, failed: bool) -> SpanRecord:
    attributes: dict[str, Any] = {
        "langfuse.observation.type": "generation", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o",
        "langfuse.observation.model.name": "gpt-4o",
        "langfuse.observation.input": json.dumps([{"role": "user", "content": f"price 64,{trace:03d}"}]),
    }  # fmt: skip
    if failed:
        attributes |= {"langfuse.observation.level": "ERROR", "error.type": "timeout"}
    else:
        attributes |= {
            "langfuse.observation.output": HOSTILE, "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 10,
            "langfuse.observation.cost_details": '{"total":0.25}',
        }  # fmt: skip
    return record(trace, 1, 0, "openai:gpt-4o", attributes)


def moondev(*words: str | Path, **options: Any) -> Screen:
    return run_app(main, *words, **options)


def widest(text: str) -> int:
    """Return how many columns the longest line takes, without its styles."""
    return max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in text.splitlines())


def listed(*words: str) -> list[dict[str, Any]]:
    screen = moondev("traces", "list", "--json", *words)
    assert (screen.code, screen.err) == (0, "")
    rows: list[dict[str, Any]] = json.loads(screen.out)
    return rows

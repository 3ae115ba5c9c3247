"""Make random stores, and count again what they hold, slowly and row by row."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from src.observability.spans import otlp
from src.observability.store.records import SpanFacts, SpanRecord
from tests.unit.observability.records import ENVELOPE, score_record, span_record

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable
    from pathlib import Path

    from src.observability.store.records import ScoreRecord

DAY_NS = 86_400 * 10**9
BEGAN_NS = 1_764_028_800 * 10**9  # a midnight
DAYS = 5
MEASURES = (
    "n", "errors", "unpriced", "cost_nano", "unmeasured", "input_tokens", "output_tokens", "cached_tokens",
    "written_tokens", "reasoning_tokens", "duration_us", "first_tokens", "first_token_us", "attempts", "retried",
    "repaired", "cut",
)  # fmt: skip


def random_record(number: int, rng: random.Random) -> SpanRecord:
    """Return an observation of any kind."""
    start_ns = BEGAN_NS + rng.randrange(DAYS * DAY_NS)
    error = rng.random() < 0.2
    retried = rng.choice([None, None, ["timeout"], ["rate_limit", "timeout"]])
    facts = SpanFacts(
        requested_model=rng.choice([None, "a", "b"]),
        symbol=rng.choice([None, "BTC-USD", "ETH-USD"]),
        user_id=rng.choice([None, "u1"]),
        environment=rng.choice(["default", "paper"]),
        prompt_name=rng.choice([None, "trader"]),
        prompt_version=rng.choice([None, "1", "2"]),
        cached_tokens=rng.choice([None, 0, 7]),
        reasoning_tokens=rng.choice([None, 3]),
        finish_reason=rng.choice([None, "stop", "length"]),
        attempts=None if retried is None else len(retried) + 1,
        retried=None if retried is None else ",".join(retried),
        headroom=rng.choice([None, 0.5]),
        tags=rng.choice([None, '["x"]', '["x","a, b"]']),
        repaired=rng.random() < 0.1,
    )
    return span_record(
        number,
        trace_id=f"{number // 3 + 1:032x}",
        span_id=f"{number + 1:016x}",
        type=rng.choice(["generation", "generation", "agent", "event"]),
        start_ns=start_ns,
        end_ns=start_ns + rng.choice([0, 1, 999, rng.randrange(10**7), rng.randrange(10**10)]),
        level="ERROR" if error else "DEFAULT",
        provider=rng.choice([None, "openai", "claude"]),
        model=rng.choice([None, "a", "b", "a-2026"]),
        agent=rng.choice([None, "momentum", "risk"]),
        error_category=rng.choice(["timeout", "rate_limit"]) if error else None,
        input_tokens=rng.choice([None, 0, rng.randrange(10_000)]),
        output_tokens=rng.choice([None, rng.randrange(1_000)]),
        cost_usd=rng.choice([None, 0.0, rng.randrange(10**7) / 10**9]),
        cost_unknown=rng.choice([None, False, True]),
        envelope=ENVELOPE,
        facts=facts,
    )


def as_older_program(record: SpanRecord) -> SpanRecord:
    """Return a record whose facts stand in its span alone."""
    facts = record.facts
    attributes: dict[str, Any] = {
        "gen_ai.request.model": facts.requested_model,
        "langfuse.trace.metadata.trading_pair": None if facts.symbol is None else json.dumps(facts.symbol),
        "user.id": facts.user_id,
        "langfuse.environment": facts.environment,
        "langfuse.observation.prompt.name": facts.prompt_name,
        "langfuse.observation.prompt.version": facts.prompt_version,
        "gen_ai.usage.cache_read.input_tokens": facts.cached_tokens,
        "gen_ai.usage.reasoning.output_tokens": facts.reasoning_tokens,
        "gen_ai.response.finish_reasons": None if facts.finish_reason is None else (facts.finish_reason,),
        "langfuse.observation.metadata.attempts": None if facts.attempts is None else str(facts.attempts),
        "langfuse.observation.metadata.retried": None
        if facts.retried is None
        else json.dumps(facts.retried.split(",")),
        "langfuse.observation.metadata.rate_limits": None
        if facts.headroom is None
        else '{"r":{"limit":2,"remaining":1}}',
        "langfuse.observation.metadata.repaired": "true" if facts.repaired else None,
        "langfuse.trace.tags": None if facts.tags is None else tuple(json.loads(facts.tags)),
    }
    span = otlp.encode_span(
        trace_id=int(record.trace_id, 16), span_id=int(record.span_id, 16), parent_span_id=None, name=record.name,
        kind=1, start_ns=record.start_ns, end_ns=record.end_ns,
        attributes={name: value for name, value in attributes.items() if value is not None},
    )  # fmt: skip
    return replace(record, span=span, facts=SpanFacts())


def random_score(number: int, rng: random.Random) -> ScoreRecord:
    """Return a score; some replace an earlier one."""
    is_category = rng.random() < 0.3
    return score_record(
        id=f"s{rng.randrange(number + 1)}",
        comment=f"score {number}",
        name="outcome" if is_category else rng.choice(["pnl", "confidence"]),
        value=rng.choice(["win", "loss"]) if is_category else rng.randrange(-100, 100) / 4,
        data_type="CATEGORICAL" if is_category else "NUMERIC",
        timestamp_ns=BEGAN_NS + rng.randrange(DAYS * DAY_NS),
        environment=rng.choice(["default", "paper"]),
    )


class Recount:
    """What a store held each time that its facts were brought up to date, and the sums of it.

    What the store deleted before it was looked at is not known here either.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.seen: dict[str, SpanRecord] = {}
        self.present: dict[str, SpanRecord] = {}
        self.score_sums: defaultdict[tuple[Any, ...], list[float]] = defaultdict(lambda: [0, 0.0])
        self.scores: dict[tuple[str, str, int], ScoreRecord] = {}
        self._counted: set[str | None] = set()  # the comments of scores, each its own

    def look(self, records: dict[str, SpanRecord], scores: list[ScoreRecord]) -> None:
        """Look at the store.

        Args:
            records: The observations that were ever stored, by their span ids.
            scores: The scores that were ever stored, in their order.
        """
        with contextlib.closing(sqlite3.connect(self._path)) as connection:
            self.present = {row[0]: records[row[0]] for row in connection.execute("SELECT span_id FROM observations")}
            comments = {row[0] for row in connection.execute("SELECT comment FROM scores")}
        self.seen |= self.present
        for score in scores:
            if score.comment in comments - self._counted:
                self._add_score(score)
        self._counted |= comments
        self.scores = {key: score for key, score in self.scores.items() if score.comment in comments}

    def _add_score(self, score: ScoreRecord) -> None:
        """Add a score; a later one of the same id, name and day replaces one that is still there."""
        key = (score.id, score.name, score.timestamp_ns // DAY_NS)
        for sign, item in ((-1, self.scores.get(key)), (1, score)):
            if item is not None:
                text = item.value if isinstance(item.value, str) else None
                sums = self.score_sums[item.timestamp_ns // DAY_NS, item.name, item.data_type, item.environment, text]
                sums[0] += sign
                sums[1] += 0.0 if isinstance(item.value, str) else sign * item.value
        self.scores[key] = score


def sums(records: Iterable[SpanRecord], by: tuple[str, ...]) -> dict[tuple[Any, ...], dict[str, int]]:
    """Return the sums of some observations, by some of their fields."""
    groups: defaultdict[tuple[Any, ...], dict[str, int]] = defaultdict(lambda: dict.fromkeys(MEASURES, 0))
    for record in records:
        group = groups[tuple(field(record, name) for name in by)]
        for name, value in measures(record).items():
            group[name] += value
    return dict(groups)


def field(record: SpanRecord, name: str) -> Any:
    """Return what a record has in a dimension."""
    facts = record.facts
    own = {
        "status": "error" if record.level == "ERROR" else "ok",
        "category": record.error_category,
        "day": record.start_ns // DAY_NS,
        "session": record.session_id,
        "user": facts.user_id,
    }
    if name in own:
        return own[name]
    return getattr(facts, name) if name in SpanFacts._fields else getattr(record, name)


def measures(record: SpanRecord) -> dict[str, int]:
    """Return what one observation adds to each sum."""
    facts, is_billed = record.facts, record.type in ("generation", "embedding")
    unpriced = record.cost_usd is None and is_billed if record.cost_unknown is None else record.cost_unknown
    return {
        "n": 1,
        "errors": record.level == "ERROR",
        "unpriced": unpriced,
        "cost_nano": round(Decimal(str(record.cost_usd or 0)) * 10**9),
        "unmeasured": is_billed and record.input_tokens is None and record.output_tokens is None,
        "input_tokens": record.input_tokens or 0,
        "output_tokens": record.output_tokens or 0,
        "cached_tokens": facts.cached_tokens or 0,
        "written_tokens": facts.written_tokens or 0,
        "reasoning_tokens": facts.reasoning_tokens or 0,
        "duration_us": (record.end_ns - record.start_ns) // 1_000,
        "first_tokens": facts.first_token_ms is not None,
        "first_token_us": round((facts.first_token_ms or 0) * 1_000),
        "attempts": facts.attempts or 0,
        "retried": (facts.attempts or 1) > 1,
        "repaired": bool(facts.repaired),
        "cut": facts.finish_reason == "length",
    }

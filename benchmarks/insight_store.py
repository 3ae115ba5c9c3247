"""Build synthetic trace stores of three-member swarms over 90 days, of any size.

Some thousand runs are encoded as the program does; the rest are copies of them inside SQLite, with other ids, times and
sessions, so that ten million observations take minutes. A copy's encoded span keeps the ids of its original.
"""

from __future__ import annotations

import json
import random
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from src.observability.ledger import MemberVote, write_votes
from src.observability.spans import otlp, rows
from src.observability.store.compression import compress
from src.observability.store.ledger_records import DECISION_COLUMNS, OUTCOME_COLUMNS, DecisionRecord, OutcomeRecord
from src.observability.store.records import FACT_COLUMNS, NO_FACTS, OBSERVATION_COLUMNS, SCORE_COLUMNS, ScoreRecord
from src.observability.store.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.observability.store.records import SpanRecord

DAY_NS: Final = 86_400 * 10**9
DAYS: Final = 90
END_NS: Final = time.time_ns() // DAY_NS * DAY_NS
BEGAN_NS: Final = END_NS - DAYS * DAY_NS
_ORIGINALS: Final = 8_000  # observations that are encoded
_COSTS: Final = json.dumps({"fee_bps": 10.0, "spread_bps": 0.0, "slippage_bps": 0.0})
_MOST_DECISIONS: Final = 100_000
_ENVELOPE: Final = otlp.encode_envelope({"service.name": "moondev"}, "langfuse-sdk", "5", {})
_MODELS: Final = (
    ("openai", "gpt-4o"),
    ("claude", "claude-haiku-4-5"),
    ("gemini", "gemini-2.5-flash"),
    ("deepseek", "deepseek-chat"),
)
_AGENTS: Final = tuple(f"agent_{number}" for number in range(15))
_SYMBOLS: Final = ("BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD", "EURUSD")
_WORDS: Final = Path(__file__).with_name("insight.py").read_text().split() + [
    f"{n * 7919 % 100_000}.{n % 97:02d}" for n in range(2_000)
]


def build(path: Path, count: int, *, is_old: bool = False, is_short: bool = False) -> None:
    """Make a store of about so many observations; `is_old`: as programs before the columns of facts stored them."""
    rng = random.Random(1)  # noqa: S311 - a store that is the same each time
    copies = max(round(count / _ORIGINALS), 1)
    slice_ns = DAYS * DAY_NS // copies
    originals = min(count, _ORIGINALS) // 4
    spool = Spool(path, max_bytes=10**13)
    records: list[SpanRecord] = []
    scores: list[ScoreRecord] = []
    decisions: list[DecisionRecord | OutcomeRecord] = []
    for number in range(originals):
        members = run(number, BEGAN_NS + number * slice_ns // originals, rng, is_short=is_short)
        records += [replace(item, facts=NO_FACTS) for item in members] if is_old else members
        scores += _scores(members[-1], rng)
        decisions += _decision(members, rng)
    with spool._writer.lock:
        spool._writer._commit_records([*(replace(item, span=compress(item.span)) for item in records), *scores])
    spool.append_ledger_rows(decisions)
    spool.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        _multiply(connection, copies, slice_ns)


def _multiply(connection: sqlite3.Connection, copies: int, slice_ns: int) -> None:
    """Copy all rows, each time into the next slice of time; indexes are made at the end, which is much faster."""
    connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -500000")
    indexes = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    ).fetchall()
    connection.execute("BEGIN")
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    trace = "CASE WHEN trace_id IS NULL THEN NULL ELSE :prefix || substr(trace_id, 9) END"
    own = "substr(id, 1, 24) || :prefix"
    made_of: dict[str, tuple[Sequence[str], dict[str, str]]] = {
        "observations": (
            (*OBSERVATION_COLUMNS, *FACT_COLUMNS, "envelope"),
            {"trace_id": trace, "start_ns": "start_ns + :shift", "end_ns": "end_ns + :shift",
             "session_id": "session_id || '-' || :k"},
        ),
        "payloads": (("span",), {}),
        "scores": (SCORE_COLUMNS, {"id": own, "trace_id": trace, "timestamp_ns": "timestamp_ns + :shift"}),
        "decisions": (
            DECISION_COLUMNS,
            {"id": own, "trace_id": trace, "time_ns": "time_ns + :shift", "as_of_ns": "as_of_ns + :shift"},
        ),
        "outcomes": (
            OUTCOME_COLUMNS,
            {"decision_id": own.replace("id", "decision_id"), "entry_ns": "entry_ns + :shift",
             "exit_ns": "exit_ns + :shift", "resolved_ns": "resolved_ns + :shift"},
        ),
    }  # fmt: skip
    sizes = {table: connection.execute(f"SELECT max(seq) FROM {table}").fetchone()[0] or 0 for table in made_of}  # noqa: S608
    for k in range(1, copies):
        values = {"k": k, "shift": k * slice_ns, "prefix": f"{k * 2_654_435_761 & 0xFFFF_FFFF:08x}"}
        for table, (columns, changes) in made_of.items():
            if table in ("decisions", "outcomes") and (copies - k) * sizes["decisions"] > _MOST_DECISIONS:
                continue
            chosen = ", ".join(changes.get(name, name) for name in columns)
            connection.execute(
                f"INSERT INTO {table} (seq, {', '.join(columns)}) SELECT (SELECT max(seq) FROM {table}) + seq, "  # noqa: S608
                f"{chosen} FROM {table} WHERE seq <= {sizes[table]} ORDER BY seq",
                values,
            )
    for _, statement in indexes:
        connection.execute(statement)
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")


def run(number: int, at_ns: int, rng: random.Random, *, is_short: bool) -> list[SpanRecord]:
    """Return the observations of one swarm: three generations and, as the last one, their root."""
    trace_id, agent, symbol = rng.getrandbits(128), rng.choice(_AGENTS), rng.choice(_SYMBOLS)
    root = rng.getrandbits(64)
    scope = {
        "session.id": f"loop-{number // 1_000}",
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


def _scores(root: SpanRecord, rng: random.Random) -> list[ScoreRecord]:
    """Return the scores of a run: its decision, its confidence, and of most what they earned."""
    chosen: list[tuple[str, float | str]] = [
        ("decision", rng.choice(("BUY", "SELL", "NOTHING"))),
        ("confidence", float(rng.randrange(100))),
        ("pnl", rng.gauss(0, 10)),
    ]
    return [
        ScoreRecord(
            id=f"{rng.getrandbits(128):032x}", trace_id=root.trace_id, observation_id=None, session_id=None, name=name,
            value=value, data_type="CATEGORICAL" if isinstance(value, str) else "NUMERIC", comment=None,
            timestamp_ns=root.start_ns, environment=root.facts.environment or "default",
        )
        for name, value in chosen[: rng.choice((2, 3, 3))]
    ]  # fmt: skip


def _decision(members: Sequence[SpanRecord], rng: random.Random) -> list[DecisionRecord | OutcomeRecord]:
    root, made_ns, name = members[-1], members[-1].end_ns, f"{rng.getrandbits(128):032x}"
    action, gross = rng.choice(("BUY", "SELL", "NOTHING")), rng.gauss(0, 0.02)
    votes = [
        MemberVote(
            member=item.name, action=item.facts.vote or "NOTHING", confidence=item.facts.confidence or 50.0,
            latency_ms=(item.end_ns - item.start_ns) / 1e6, cost_usd=item.cost_usd, observation_id=item.span_id,
            model=item.model,
        )
        for item in members[:-1]
    ]  # fmt: skip
    is_trade = action != "NOTHING"
    return [
        DecisionRecord(
            id=name, time_ns=made_ns, as_of_ns=made_ns, symbol=root.facts.symbol or "BTC-USD", action=action,
            confidence=float(rng.randrange(50, 100)), price=40_000.0, timeframe="15m", agent=root.agent,
            votes=write_votes(votes), environment=root.facts.environment or "default", book="live",
            trace_id=root.trace_id, observation_id=root.span_id, session_id=root.session_id, cost_usd=0.0123,
        ),
        OutcomeRecord(
            decision_id=name, horizon="24h", entry_ns=made_ns, entry=40_000.0, exit_ns=made_ns + DAY_NS,
            exit=40_000.0 * (1 + gross), exit_reason="horizon", gross=gross, net=gross - 0.002,
            correct=gross > 0 if is_trade else None, brier=0.25 if is_trade else None, costs=_COSTS,
            source="BTC-USD-15m.csv", resolved_ns=made_ns + DAY_NS,
        ),
    ]  # fmt: skip

"""Fill a store with made-up runs of swarms: calls, failures, decisions, and what came of them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from src.judging.costs import TradingCosts
from src.judging.outcomes import StillOpen, judge
from src.judging.prices import PriceSeries
from src.observability import attributes as names
from src.observability.ledger import MemberVote, parse_horizons, write_votes
from src.observability.spans import otlp
from src.observability.spans.rows import span_record
from src.observability.store.connections import connect, transaction
from src.observability.store.ledger_records import DecisionRecord, OutcomeRecord, insert_record
from src.observability.store.observation_inserts import observation_insert
from src.observability.store.records import ScoreRecord
from src.observability.store.spool import Spool

if TYPE_CHECKING:
    from pathlib import Path

    from src.observability.store.records import SpanRecord

NS: Final = 1_000_000_000
BEGAN_NS: Final = 1_761_955_200 * NS  # 2025-11-01
MEMBERS: Final = ("openai:gpt-4o", "claude:claude-haiku-4-5", "ollama:llama3.2")
SYMBOLS: Final = ("BTC-USD", "ETH-USD")
AGENTS: Final = ("trading_agent", "whale_agent", "risk_agent")
ACTIONS: Final = ("BUY", "SELL", "NOTHING")
_PRICES: Final = {"gpt-4o": 0.004, "claude-haiku-4-5": 0.0011, "llama3.2": 0.0}
_ENVELOPE: Final = otlp.encode_envelope({"service.name": "sample"}, "langfuse-sdk", "5", {})


def prices(symbol: str = "BTC-USD", bars: int = 4_000, seed: int = 7) -> PriceSeries:
    """Return hourly bars of a walk at random."""
    import numpy

    draw = numpy.random.default_rng(seed + sum(symbol.encode()))
    close = 100_000 * numpy.exp(numpy.cumsum(draw.normal(0, 0.004, bars)))
    opens = numpy.concatenate([[100_000.0], close[:-1]])
    spread = numpy.abs(draw.normal(0, 0.002, bars)) * close
    return PriceSeries(
        open_ns=numpy.arange(bars, dtype="int64") * 3_600 * NS + BEGAN_NS,
        open=opens,
        high=numpy.maximum(opens, close) + spread,
        low=numpy.minimum(opens, close) - spread,
        close=close,
        source="a walk at random",
        symbol=symbol,
    )


@dataclass(frozen=True, slots=True)
class Span:
    """What one observation is made of."""

    trace_id: int
    span_id: int
    parent: int | None
    name: str
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    is_error: bool = False
    message: str = ""

    def record(self) -> SpanRecord:
        """Return it as the store takes it."""
        span = otlp.encode_span(
            trace_id=self.trace_id, span_id=self.span_id, parent_span_id=self.parent, name=self.name, kind=1,
            start_ns=self.start_ns, end_ns=self.end_ns, attributes=self.attributes,
        )  # fmt: skip
        return span_record(
            trace_id=self.trace_id, span_id=self.span_id, parent_span_id=self.parent, name=self.name,
            start_ns=self.start_ns, end_ns=self.end_ns, status_code=2 if self.is_error else 0,
            status_message=self.message, attributes=self.attributes, envelope=_ENVELOPE, span=span,
        )  # fmt: skip


class Maker:
    """Makes runs, each the same for the same seed."""

    def __init__(self, seed: int = 1) -> None:
        self.random = random.Random(seed)
        self.series = {symbol: prices(symbol) for symbol in SYMBOLS}
        self._ids = seed << 32

    def new_id(self) -> int:
        """Return an id that no other span here has."""
        self._ids += 1
        return self._ids * 0x9E3779B97F4A7C15 % 2**64

    def run(
        self, number: int, reply: str | None = None
    ) -> tuple[list[SpanRecord], DecisionRecord, list[OutcomeRecord]]:
        """Return one swarm's run: its observations, its decision, and what came of that."""
        draw = self.random
        symbol, agent = draw.choice(SYMBOLS), draw.choice(AGENTS)
        start_ns = BEGAN_NS + (24 + number % 3_500) * 3_600 * NS + draw.randrange(3_000) * NS
        trace_id = self.new_id() << 64 | self.new_id()
        root = self.new_id()
        shared = {
            names.AGENT_NAME: agent, names.SESSION_ID: f"loop-{number // 20}", names.ENVIRONMENT: "paper",
            names.TRACE_METADATA + "trading_pair": symbol, names.PROMPT_NAME: "trading",
            names.PROMPT_VERSION: 1 + number % 2,
        }  # fmt: skip
        spans: list[Span] = []
        votes: list[MemberVote] = []
        for member in MEMBERS:
            span, vote = self._member(member, trace_id, root, start_ns, shared, reply)
            spans.append(span)
            votes.append(vote)
        end_ns = max(span.end_ns for span in spans) + 2_000_000
        cast = [vote.action for vote in votes if vote.action]
        winner = max(ACTIONS, key=cast.count) if len(cast) > 1 else None
        action = winner if winner and cast.count(winner) > 1 else "NOTHING"
        output = f'{{"action": "{action}"}}'
        spans.append(Span(trace_id, root, None, "trading_agent.swarm", start_ns - 1_000_000, end_ns,
                          {**shared, names.TYPE: "agent", names.OUTPUT: output}))  # fmt: skip
        decision = self._decision(number, symbol, agent, action, votes, spans[-1], failed=winner is None)
        return [span.record() for span in spans], decision, self._outcomes(decision)

    def _member(
        self, member: str, trace_id: int, root: int, start_ns: int, shared: dict[str, Any], reply: str | None
    ) -> tuple[Span, MemberVote]:
        draw = self.random
        provider, _, model = member.partition(":")
        span_id, took_ns = self.new_id(), int(draw.lognormvariate(0.4, 0.6) * NS)
        action, confidence = draw.choice(ACTIONS), draw.randrange(30, 100)
        tokens_in, tokens_out = draw.randrange(300, 4_000), draw.randrange(20, 400)
        is_error = draw.random() < 0.06
        category = draw.choice(("rate_limit", "timeout", "server"))
        usd = round(_PRICES[model] * draw.uniform(0.5, 2), 6)
        attributes: dict[str, Any] = {
            **shared, names.TYPE: "generation", names.PROVIDER: provider, names.REQUEST_MODEL: model,
            names.INPUT: '[{"role": "system", "content": "You trade."}, {"role": "user", "content": "What now?"}]',
        }  # fmt: skip
        if is_error:
            attributes |= {
                names.MODEL: model,
                names.LEVEL: "ERROR",
                names.ERROR_TYPE: category,
                names.STATUS_MESSAGE: f"{category}: no",
            }
        else:
            text = reply if reply is not None else f"{action}: the trend says so."
            attributes |= {
                names.MODEL: model, names.RESPONSE_MODEL: model, names.OUTPUT: text,
                names.INPUT_TOKENS: tokens_in, names.OUTPUT_TOKENS: tokens_out,
                names.COST_DETAILS: f'{{"total": {usd}}}' if draw.random() > 0.02 else '{"unknown": 0}',
                names.FINISH_REASONS: (_reason_of(span_id),),
            }  # fmt: skip
            if span_id % 5 == 0:
                attributes[names.METADATA + names.REPAIRED] = "true"
        if provider != "ollama":
            left = (span_id % 500, span_id % 39_000)
            attributes[names.METADATA + "rate_limits"] = (
                f'{{"requests": {{"limit": 500.0, "remaining": {left[0]}, "reset_s": 1.2}}, '
                f'"tokens": {{"limit": 40000, "remaining": {left[1]}}}}}'
            )
        span = Span(trace_id, span_id, root, member, start_ns, start_ns + took_ns, attributes, is_error,
                    category if is_error else "")  # fmt: skip
        vote = MemberVote(
            member=member, action=None if is_error else action, confidence=None if is_error else float(confidence),
            latency_ms=took_ns / 1e6, cost_usd=None if is_error else usd, observation_id=f"{span_id:016x}",
            error=category if is_error else None, model=model,
        )  # fmt: skip
        return span, vote

    def _decision(
        self, number: int, symbol: str, agent: str, action: str, votes: list[MemberVote], root: Span, *, failed: bool
    ) -> DecisionRecord:
        series = self.series[symbol]
        place = max(series.first_at_or_after(root.start_ns) - 1, 0)
        backers = [vote.confidence for vote in votes if vote.action == action and vote.confidence is not None]
        costs = [vote.cost_usd for vote in votes if vote.cost_usd is not None]
        return DecisionRecord(
            id=f"{number:032x}", time_ns=root.end_ns, as_of_ns=root.start_ns, symbol=symbol, action=action,
            status="failed" if failed else "decided", confidence=sum(backers) / len(backers) if backers else None,
            price=float(series.close[place]), horizons="24h,4h", agent=agent, prompt_name="trading",
            prompt_version=str(1 + number % 2), models='["gpt-4o","claude-haiku-4-5","llama3.2"]',
            votes=write_votes(votes), environment="paper", book="live" if number % 3 else "inside",
            trace_id=f"{root.trace_id:032x}", observation_id=f"{root.span_id:016x}",
            session_id=f"loop-{number // 20}", cost_usd=sum(costs) if costs else None, cost_unknown=len(costs) < 3,
        )  # fmt: skip

    def _outcomes(self, decision: DecisionRecord) -> list[OutcomeRecord]:
        if decision.status != "decided":
            return []
        costs = TradingCosts(fee_bps=10.0, spread_bps=0.0, slippage_bps=0.0)
        judged = [
            judge(decision, horizon, self.series[decision.symbol], costs=costs, resolved_ns=decision.time_ns)
            for horizon in parse_horizons(decision.horizons)
        ]
        return [item for item in judged if not isinstance(item, StillOpen)]


def _reason_of(span_id: int) -> str:
    return "length" if span_id % 7 == 0 else "Content_Filter" if span_id % 11 == 0 else "stop"


def fill(path: Path, runs: int, *, seed: int = 1, first: int = 0, reply: str | None = None, every: int = 1) -> Path:
    """Put runs into the store at a path, in one transaction; each makes three calls, every nth one decision."""
    spool = Spool(path, max_bytes=2**40)
    spool.close()
    maker = Maker(seed)
    with connect(path) as connection, transaction(connection):
        connection.execute("INSERT OR IGNORE INTO envelopes (body) VALUES (?)", (_ENVELOPE,))
        envelope = connection.execute("SELECT id FROM envelopes WHERE body = ?", (_ENVELOPE,)).fetchone()[0]
        for number in range(first, first + runs):
            records, decision, outcomes = maker.run(number, reply)
            for record in records:
                seq = connection.execute(*observation_insert(record, envelope)).lastrowid
                connection.execute("INSERT INTO payloads (seq, span) VALUES (?, ?)", (seq, record.span))
            if number % every:
                continue
            insert_record(connection, decision)
            for outcome in outcomes:
                insert_record(connection, outcome)
    return path


def large_trace(path: Path, count: int) -> str:
    """Put one trace of so many observations into a store; return its id."""
    spool = Spool(path, max_bytes=2**40)
    spool.close()
    trace_id, maker = 0xABCDEF << 100, Maker(3)
    ids = [maker.new_id() for _ in range(count)]
    with connect(path) as connection, transaction(connection):
        connection.execute("INSERT OR IGNORE INTO envelopes (body) VALUES (?)", (_ENVELOPE,))
        for place, span_id in enumerate(ids):
            parent = None if place == 0 else ids[(place - 1) // 12]
            start = BEGAN_NS + place * 1_000_000
            span = Span(trace_id, span_id, parent, f"step {place}", start, start + 30_000_000, {names.TYPE: "span"},
                        is_error=place % 997 == 5)  # fmt: skip
            record = span.record()
            seq = connection.execute(*observation_insert(record, 1)).lastrowid
            connection.execute("INSERT INTO payloads (seq, span) VALUES (?, ?)", (seq, record.span))
    return f"{trace_id:032x}"


def score(trace_id: str, name: str, value: float | str) -> ScoreRecord:
    """Return a score of a trace."""
    return ScoreRecord(
        id=f"{trace_id}-{name}", trace_id=trace_id, observation_id=None, session_id=None, name=name, value=value,
        data_type="NUMERIC" if isinstance(value, float) else "CATEGORICAL", comment=None, timestamp_ns=BEGAN_NS,
        environment="paper",
    )  # fmt: skip

"""Record made-up agents whose past is known by hand: what each wastes, and what only seems to be waste."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from src.insight.facts.job import refresh
from src.judging.costs import TradingCosts
from src.observability import attributes as names
from src.observability.ledger import MemberVote, write_votes
from src.observability.store.ledger_records import DecisionRecord, OutcomeRecord
from src.observability.store.spool import Spool
from tests.dashboard.sample import Span
from tests.unit.insight.stores import BEGAN_NS, DAY_NS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DAYS = 20
MIDDLE = DAYS // 2
MINUTE_NS = 60 * 10**9
# Dollars for a million tokens.
PRICES = """
["openai:dear"]
override = true
input = 10
output = 30
["openai:cheap"]
override = true
input = 1
output = 3
["claude:claude-x"]
override = true
input = 4
cached_input = 0.4
cache_write = 5
output = 20
"""


class Recorder:
    """Writes calls and decisions into a store.

    Args:
        path: The store's file.
        began_ns: A midnight, in nanoseconds since 1970.
    """

    def __init__(self, path: Path, began_ns: int = BEGAN_NS) -> None:
        self.path = path
        self.began_ns = began_ns
        self._spool = Spool(path)
        self._count = 0

    @property
    def number(self) -> int:
        """Return how many records were written."""
        return self._count

    def close(self) -> Path:
        self._spool.close()
        refresh(self.path)
        return self.path

    def at(self, day: int, minutes: float = 0) -> int:
        return self.began_ns + day * DAY_NS + int(minutes * MINUTE_NS)

    def call(self, agent: str, start_ns: int, usd: float | None, **facts: Any) -> str:
        """Record a call; a `category` makes it fail, with a `rest` its cost is not known in whole. Return its id."""
        self._count += 1
        provider, _, model = facts.get("model", "openai:cheap").partition(":")
        tokens_in, tokens_out = facts.get("tokens", (100, 10))
        category = facts.get("category")
        prompt = facts.get("prompt", f"question {self._count}")
        unknown = {"unknown": 0.0} if "rest" in facts else {}
        attributes: dict[str, Any] = {
            names.TYPE: "generation", names.PROVIDER: provider, names.MODEL: model, names.REQUEST_MODEL: model,
            names.AGENT_NAME: agent, names.ENVIRONMENT: facts.get("environment", "paper"),
            names.INPUT: json.dumps([{"role": "user", "content": prompt}]), names.OUTPUT: facts.get("reply", "yes"),
            names.MODEL_PARAMETERS: json.dumps({"temperature": facts.get("temperature", 0)}),
            names.INPUT_TOKENS: tokens_in, names.OUTPUT_TOKENS: tokens_out,
            names.CACHE_READ_TOKENS: facts.get("cached", 0),
            names.FINISH_REASONS: (facts.get("finish_reason", "stop"),),
            names.METADATA + "attempts": str(facts.get("attempts", 1)),
            names.METADATA + names.REPAIRED: "true" if facts.get("repaired") else "false",
            names.COST_DETAILS: json.dumps({"unknown": 0.0} if usd is None else {"input": usd} | unknown),
        }  # fmt: skip
        if prompt is None:
            del attributes[names.INPUT]
        if category is not None:
            attributes |= {names.LEVEL: "ERROR", names.ERROR_TYPE: category}
        span = Span(self._count, self._count, None, f"{provider}.generate", start_ns, start_ns + 10**9, attributes,
                    is_error=category is not None)  # fmt: skip
        self._spool.append(span.record())
        return f"{self._count:016x}"

    def run(self, agent: str, start_ns: int, seconds: float) -> str:
        """Record an agent's run; return its id."""
        self._count += 1
        attributes = {names.TYPE: "agent", names.AGENT_NAME: agent, names.ENVIRONMENT: "paper"}
        end_ns = start_ns + int(seconds * 1e9)
        span = Span(self._count, self._count, None, agent, start_ns, end_ns, attributes)
        self._spool.append(span.record())
        return f"{self._count:016x}"

    def decision(self, agent: str, time_ns: int, action: str, votes: Sequence[MemberVote] = (), **fields: Any) -> None:
        """Record a decision, judged by the move of the price where that is given as `move`."""
        self._count += 1
        decision_id, move = f"{self._count:032x}", fields.pop("move", None)
        self._spool.append_ledger(
            DecisionRecord(
                id=decision_id, time_ns=time_ns, as_of_ns=time_ns, symbol="BTC-USD", action=action, agent=agent,
                horizons="4h", environment=fields.pop("environment", "paper"), book="live",
                votes=write_votes(votes), trace_id=f"{self._count:032x}", **fields,
            )
        )  # fmt: skip
        if move is not None:
            self._spool.append_ledger(
                OutcomeRecord(
                    decision_id=decision_id, horizon="4h", entry_ns=time_ns, entry=100.0, exit_ns=time_ns + 1,
                    exit=100.0 * (1 + move), exit_reason="horizon", gross=0.0, net=0.0, correct=None, brier=None,
                    costs=TradingCosts().to_json(), source="made up", resolved_ns=time_ns + 2,
                )
            )  # fmt: skip


def vote(member: str, action: str | None, usd: float, latency_ms: float = 900.0) -> MemberVote:
    return MemberVote(member=member, action=action, confidence=60.0, cost_usd=usd, latency_ms=latency_ms)


def failures(store: Recorder) -> None:
    """Record agents with failed, cut and repaired calls."""
    store.call("anchor", store.at(0), 0.0)
    for day in range(DAYS):
        for number in range(1 + day % 2 * 2):
            store.call("fails", store.at(day, 60 + number), 0.10, category="malformed_response")
        for number in range(4 if day < MIDDLE else 0):
            store.call("recovered", store.at(day, 60 + number), 0.10, category="timeout")
        for number in range(4 if day < MIDDLE else 1 if day >= DAYS - 3 else 0):
            store.call("fading", store.at(day, 60 + number), 0.10, category="timeout")
        for number in range(2):
            store.call("cuts", store.at(day, 90 + number), 0.05, finish_reason="length")
            store.call("mends", store.at(day, 95 + number), 0.25, repaired=True)
            store.call("pennies", store.at(day, 95 + number), 0.000001, category="timeout")
        for number in range(4):
            store.call("mends", store.at(day, 100 + number), 0.10)
        if day % 4 == 0:
            store.call("seldom", store.at(day, 60), 5.0, category="timeout")
            store.call("once", store.at(7, 60 + day), 5.0, category="timeout")


def beginnings(store: Recorder) -> None:
    """Record agents whose prompts begin alike, four a day two minutes apart; 1,600 of 2,000 tokens are equal."""
    equal, other = "a rule. " * 1_000, "another rule. " * 572
    for day in range(DAYS):
        for number in range(4):
            rest = f"{day:03d}{number:02d}" + "x" * 1_995
            after = other if day >= MIDDLE else equal
            common: dict[str, Any] = {"tokens": (2_000, 10), "model": "claude:claude-x"}
            near, far = store.at(day, 120 + 2 * number), store.at(day, 120 + 200 * number)
            store.call("prefix", near, 0.01, prompt=equal + rest, **common)
            store.call("changing", near, 0.01, prompt=after + rest, **common)
            store.call("rare", far, 0.01, prompt=equal + rest, **common)
            store.call("automatic", near, 0.01, prompt=equal + rest, tokens=(2_000, 10), model="openai:cheap")


def repeats(store: Recorder) -> None:
    """Record agents that send the same request five times an hour."""
    for day in range(DAYS):
        for number in range(5):
            at = store.at(day, 300 + number)
            store.call("repeats", at, 0.02, prompt=f"day {day}", tokens=(700, 5))
            store.call("samples", at, 0.02, prompt=f"day {day}", tokens=(700, 5), reply=f"reply {number}")
            store.call("warmer", at, 0.02, prompt=f"day {day}", tokens=(700, 5), temperature=number)


def models(store: Recorder) -> None:
    """Record an agent that asks the dear model alone, twice a day."""
    for day in range(DAYS):
        for number in range(2):
            store.call("spender", store.at(day, 400 + number), 0.013, model="openai:dear", tokens=(1_000, 100))
            store.call("both", store.at(day, 400 + number), 0.013, model="openai:dear", tokens=(1_000, 100))
            store.call("both", store.at(day, 400 + number), 0.0013, model="openai:cheap", tokens=(1_000, 100))
            store.call("able", store.at(day, 400 + number), 0.013, model="openai:dear", tokens=(1_000, 100))
            store.call("tried", store.at(day, 400 + number), 9.0, category="timeout", environment="backtest")
            store.call("judge", store.at(day, 400 + number), 9.0, category="timeout", environment="evaluation")


def swarms(store: Recorder) -> None:
    """Record swarms: two members that agree and a third that never decides; and others in which it comes to."""
    for day in range(DAYS):
        for number in range(6):
            at, up = store.at(day, 500 + 10 * number), (day + number) % 2 == 0
            main, third = ("BUY", "SELL") if up else ("SELL", "BUY")
            third = third if (day * 7 + number) % 3 else main
            votes = [vote("openai:dear", main, 0.05), vote("openai:cheap", main, 0.01), vote("p:third", third, 0.02)]
            store.decision("swarm", at, main, votes)
            if number < 2:
                store.decision("small", at, main, votes)
            store.decision("strict", at, "NOTHING", votes, status="failed")  # by another quorum
            store.decision("again", at, main, votes, environment="backtest")
            is_split = day >= MIDDLE and number == 0
            split = [votes[0], vote("openai:cheap", "NOTHING" if is_split else main, 0.01), vote("p:third", main, 0.02)]
            store.decision("swing", at, main, split)


def judged(store: Recorder) -> None:
    """Record pairs of models with outcomes: one is right nine times in ten, the other four times."""
    draw = random.Random(3)
    for day in range(DAYS):
        for number in range(10):
            at, up = store.at(day, 600 + 10 * number), (day + number) % 2 == 0
            right, wrong = ("BUY", "SELL") if up else ("SELL", "BUY")
            good = right if draw.random() < 0.9 else wrong
            poor = right if draw.random() < 0.4 else wrong
            move = 0.01 if up else -0.01
            fields: dict[str, Any] = {"prompt_hash": "p", "move": move}
            same_view = f"{day}/{number}"
            for agent, own, other in (
                ("able", good, ("openai:cheap", poor, 0.01)),
                ("unable", poor, ("q:good", good, 0.2)),
            ):
                view = f"{agent}/{same_view}"
                name, action, usd = other
                store.decision(agent, at, own, [vote("openai:dear", own, 0.05)], snapshot_hash=view, **fields)
                store.decision("trial", at, action, [vote(name, action, usd)], snapshot_hash=view,
                               environment="backtest", **fields)  # fmt: skip


def paces(store: Recorder) -> None:
    """Record agents on bars of 15 minutes: one is late three times in ten, one in the first part alone, one never."""
    for day in range(DAYS):
        for number in range(5):
            at = store.at(day, 700 + number)
            for agent, is_late in (
                ("slow", number == 0 or (number == 1 and day % 2 == 0)),
                ("cured", number == 0 and day < MIDDLE),
                ("quick", False),
            ):
                run = store.run(agent, at, 1_000.0 if is_late else 20.0)
                store.decision(agent, at, "BUY", [vote("m:slow", "BUY", 0.0, 1e5), vote("m:quick", "BUY", 0.0)],
                               timeframe="15m", observation_id=run)  # fmt: skip


def random_past(store: Recorder, rng: random.Random, days: int) -> None:
    """Record agents that waste at random what advice looks for, and swarms of them."""
    equal = "a rule. " * 1_000
    for day in range(days):
        for _ in range(24):
            agent, at = rng.choice("ab"), store.at(day, rng.randrange(600, 720))
            waste: dict[str, Any] = rng.choice(
                [{}, {"category": rng.choice(["timeout", "rate_limit"])}, {"finish_reason": "length"},
                 {"repaired": True}, {"attempts": 2, "repaired": rng.random() < 0.2}, {"rest": "unknown"}]
            )  # fmt: skip
            kind: dict[str, Any] = rng.choice(
                [{"model": "claude:claude-x", "tokens": (2_000, 10), "prompt": equal + f"{store.number}" * 300,
                  "cached": rng.choice([0, 0, 500])},
                 {"tokens": (700, 5), "prompt": f"day {day}", "reply": rng.choice(["yes", "yes", "no"])},
                 {"model": "openai:dear", "tokens": (rng.choice([900, 1_100, 2_500]), 100)},
                 {"model": "strange:model"}]
            )  # fmt: skip
            store.call(agent, at, rng.choice([0.02, 0.03, 0.05, None, 0.0]), **kind, **waste)
        for number in range(5):
            at, action = store.at(day, 800 + 10 * number), rng.choice(["BUY", "SELL"])
            votes = [
                replace(vote(model, action if rng.random() < 0.99 else "NOTHING", usd), observation_id=span)
                for model, usd in (("openai:dear", 0.012), ("openai:cheap", 0.001), ("claude:claude-x", 0.006))
                for span in [store.call("swarm", at, usd, model=model, tokens=(1_000, 50))]
            ]
            for _ in range(3):
                usd, *trouble = rng.choice([(0.013,), (0.013,), (0.005, "rest"), (0.03, "repaired")])
                waste = {str(name): True for name in trouble}
                store.call(
                    "spender", at, float(usd), model="openai:dear", tokens=(rng.choice([1_000, 2_500]), 100), **waste
                )
            run = store.run("swarm", at, rng.choice([60, 70, 2_000]))
            move = rng.choice([None, 0.01, -0.01])
            store.decision("swarm", at, action, votes, move=move, timeframe="15m", observation_id=run)

"""The ways to ask for a decision, how long it may take, and a provider whose members vote."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

from src.agents.trading_agent import TradingAgent
from tests.integration.test_swarm import CANDLES, provider
from tests.servers import Received, Reply, Server, chat_reply, decision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from src.agents.trading_agent import TradingResult
    from src.observability.store.spool import Spool

    Decide = Callable[[TradingAgent], TradingResult]

# The deadline where no member hangs: it is never reached, also on a machine that is busy with other tests.
TOTAL_S = 10.0
# The deadline where a member hangs, which such a decision takes: time enough for the votes of the others.
HANGING_S = 4.0
# What a decision may take at most. Where it waits for the store, it takes 15 s; for a name, a thread or a server, 30 s
# and more.
LONGEST_S = 13.0


def plainly(agent: TradingAgent, **options: Any) -> TradingResult:
    return agent.decide("X", CANDLES, **options)


def inside_a_loop(agent: TradingAgent, **options: Any) -> TradingResult:
    async def notebook() -> TradingResult:
        return agent.decide("X", CANDLES, **options)

    return asyncio.run(notebook())


def awaited(agent: TradingAgent, **options: Any) -> TradingResult:
    return asyncio.run(agent.adecide("X", CANDLES, **options))


WAYS = [plainly, inside_a_loop, awaited]


def timed(decide: Decide, agent: TradingAgent) -> TradingResult:
    started = time.monotonic()
    result = decide(agent)
    assert time.monotonic() - started < LONGEST_S
    return result


@contextlib.contextmanager
def voting_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    def answer(request: Received) -> Reply:
        model = request.json["model"]
        if model == "hangs":
            return Reply(hang=True)
        if model == "long":  # full of escapes, which redaction decodes one by one
            return chat_reply(decision("BUY", 70, '%25\\u00e9\\"' * 40_000))
        return chat_reply(decision("BUY", 70))

    with Server(answer) as running:
        provider(monkeypatch, "openai", running)
        TradingAgent(["openai:a"]).decide("X", CANDLES)  # loads the SDK and begins tracing
        running.received.clear()
        yield running


def stored(spool: Spool, result: TradingResult) -> list[str]:
    """Return how the generations of a decision ended, as they are stored."""
    rows = spool.trace(result.trace_id or "")
    return sorted(row.error_category or "well" for row in rows if row.type == "generation")

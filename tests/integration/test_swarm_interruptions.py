"""A member whose code raises what ends threads and loops is one failed vote, in this decision and in the next."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, ClassVar

import pytest
from typing_extensions import override

from src.agents.decisions import Action
from src.agents.swarm import loops
from src.agents.swarm.members import Member
from src.agents.trading_agent import TradingAgent
from src.models.base_model import BaseModel
from src.models.retry import NO_RETRIES
from tests.integration.test_swarm import CANDLES
from tests.servers import Server, chat_reply, decision

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.models.types import ModelRequest, Timeouts
    from src.observability.store.spool import Spool


class Fatal(BaseException):
    """What a library may raise to pass by all `except Exception`."""


class Raising(BaseModel):
    """A model whose adapter raises; `in_thread` does so in a thread of its own."""

    provider: ClassVar[str] = "raising"
    raised: ClassVar[BaseException] = Fatal()
    in_thread: ClassVar[bool] = False

    @override
    def _build(self, request: ModelRequest, *, stream: bool) -> object:
        return request

    @override
    def _send(self, payload: object, timeouts: Timeouts) -> object:
        raise self.raised

    @override
    async def _asend(self, payload: object, timeouts: Timeouts) -> object:
        return await super()._asend(payload, timeouts) if self.in_thread else self._send(payload, timeouts)


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[TradingAgent]:
    with Server(lambda _: chat_reply(decision("BUY", 70))) as server:
        monkeypatch.setenv("OPENAI_KEY", "sk-test-0123456789abcdef")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        made = TradingAgent(["openai:a", "openai:b", "openai:c"], total_timeout_s=3)
        seat = type(made._seats[0])(Member(model="raising"), Raising("m", retry_policy=NO_RETRIES))
        made._seats = (seat, *made._seats[1:])
        yield made


ENDING = [SystemExit(3), KeyboardInterrupt(), Fatal("gone"), asyncio.CancelledError()]


@pytest.mark.parametrize(("error", "in_thread"), [*itertools.product(ENDING, [False, True]), (GeneratorExit(), False)])
def test_what_ends_a_loop_is_one_failed_vote_each_time(
    error: BaseException, in_thread: bool, agent: TradingAgent, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Raising, "raised", error)
    monkeypatch.setattr(Raising, "in_thread", in_thread)
    for _ in range(2):
        result = agent.decide("X", CANDLES)
        first, *others = result.votes
        assert (result.action, [vote.error_category for vote in others]) == (Action.BUY, [None, None])
        assert first.error_category == "cancelled"  # at once, and not when the time is over
        assert type(error).__name__ in (first.error or "")
        rows = [row for row in spool.trace(result.trace_id or "") if row.type == "generation"]
        assert sorted(row.error_category or "" for row in rows) == ["", "", "cancelled"]


def test_a_member_that_stops_its_loop_costs_no_later_decision(
    agent: TradingAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stop(*_: object) -> object:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)
        raise OSError("stopped")

    monkeypatch.setattr(Raising, "_asend", stop)
    for _ in range(2):
        votes = agent.decide("X", CANDLES).votes
        assert votes[0].error_category not in (None, "timeout")
        assert [vote.error_category for vote in votes[1:]] == [None, None]


def test_a_callback_that_ends_a_loop_costs_no_later_decision(agent: TradingAgent) -> None:
    agent.decide("X", CANDLES)

    def end() -> None:
        raise SystemExit(3)

    loops.loop_for("openai:b").call_soon_threadsafe(end)
    assert [vote.error_category for vote in agent.decide("X", CANDLES).votes[1:]] == [None, None]

"""A member whose reply is no decision is asked once more; what is none even then is no vote."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from src.agents.decisions import Action
from src.agents.market import Candle, Candles
from src.agents.trading_agent import TradingAgent
from tests.servers import Received, Reply, Server, chat_reply

if TYPE_CHECKING:
    import pytest

START = datetime(2026, 1, 1, tzinfo=UTC)
CANDLES = Candles(
    bars=tuple(
        Candle(time=START + timedelta(minutes=15 * n), open=100 + n % 7, high=103 + n % 7, low=99 + n % 7,
               close=101 + n % 7, volume=5.0)
        for n in range(90)
    )
)  # fmt: skip
SELL = '{"action": "SELL", "confidence": 90}'
MISFITS = [
    '{"action": "SELL", "confidence": Infinity}',
    '{"action": "SELL", "confidence": 1e999}',
    '{"action": "SELL", "confidence": 101}',
    '{"action": "SELL", "confidence": "90%"}',
    '{"action": "BUY", "confidence": 90, "action": "SELL"}',
    f'{{"action": "BUY", "confidence": 90}} {SELL}',
]


def test_only_decisions_count_and_each_misfit_is_asked_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: Counter[str] = Counter()

    def answer(request: Received) -> Reply:
        model = request.json["model"]
        asked[model] += 1
        if model == "right":
            return chat_reply('{"action": "BUY", "confidence": 70}')
        if model == "repaired":
            return chat_reply(MISFITS[0] if asked[model] == 1 else '{"action": "BUY", "confidence": 50}')
        return chat_reply(MISFITS[int(model)])

    with Server(answer) as server:
        monkeypatch.setenv("OPENAI_KEY", "sk-test-0123456789abcdef")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        names = ["right", "repaired", *(str(place) for place in range(len(MISFITS)))]
        agent = TradingAgent([f"openai:{name}" for name in names], member_timeout_s=20, quorum=0.1)
        result = agent.decide("BTC-USD", CANDLES)
    assert (result.action, result.confidence, result.agreement) == (Action.BUY, 60, 1.0)
    assert [vote.error_category for vote in result.votes] == [None, None, *["malformed_response"] * len(MISFITS)]
    assert asked == {"right": 1, **dict.fromkeys(names[1:], 2)}
    json.dumps(result.to_dict(), allow_nan=False)

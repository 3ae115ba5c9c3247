from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from src.agents.decisions import LONGEST_REASONING, Action, Decision
from src.models.call.structured_reply import DoesNotFit, parse
from src.models.request.schemas import response_format

if TYPE_CHECKING:
    from src.models.types import ResponseFormat


def decision_format() -> ResponseFormat:
    decision = response_format(Decision)
    assert decision is not None
    return decision


@pytest.mark.parametrize(
    "text",
    [
        '{"action": "BUY", "confidence": 80, "reasoning": "x"}',
        '```json\n{"action": "buy", "confidence": 80.0}\n```',
        ' {"confidence": 80, "action": " BUY ", "extra": 1} ',
        '{"action": "BUY", "confidence": 80, "decision": "buy", "symbol": "SELL-USD"}',
    ],
)
def test_a_decision_is_read(text: str) -> None:
    decision = parse(text, decision_format())
    assert isinstance(decision, Decision)
    assert (decision.voted, decision.confidence) == (Action.BUY, 80)


@pytest.mark.parametrize(
    "text",
    [
        "BUY",
        "don't buy, SELL",
        'I would say {"action": "BUY", "confidence": 80}',
        '{"action": "BUY", "confidence": 80} {"action": "SELL", "confidence": 80}',
        '{"action": "BUY OR SELL", "confidence": 80}',
        '{"action": "BUY"}',
        '{"action": "BUY", "confidence": 0.8}',
        '{"action": "BUY", "confidence": 1.0}',
        '{"action": "BUY", "confidence": 101}',
        '{"action": "BUY", "confidence": true}',
        '{"action": "BUY", "confidence": "80%"}',
        '{"action": null, "confidence": 80}',
        '["BUY", 80]',
        '{"action": "BUY", "confidence": 80, "final_decision": "SELL"}',
        '{"action": "BUY", "confidence": 80, "result": {"decision": "Sell."}}',
        '{"action": "BUY", "confidence": 80, "steps": [{"action": "SELL"}]}',
        '{"action": "BUY", "confidence": 80, "final": "SELL now"}',
        '{"action": "BUY", "confidence": 80, "position": "short"}',
        '{"action": "BUY", "confidence": 80, "actions": ["BUY", "hold"]}',
        '{"action": "BUY", "confidence": 80, "reasoning": "cut o',
        "",
    ],
)
def test_anything_else_is_no_decision(text: str) -> None:
    with pytest.raises(DoesNotFit):
        parse(text, decision_format())


def test_an_abstention_is_no_vote() -> None:
    assert Decision(action="ABSTAIN", confidence=0).voted is None


def test_a_long_reasoning_is_cut_not_refused() -> None:
    assert len(Decision(action="SELL", confidence=1, reasoning="x" * 5000).reasoning) == LONGEST_REASONING


def test_the_schema_bounds_what_a_small_model_could_run_on_in() -> None:
    assert decision_format().schema["properties"]["reasoning"]["maxLength"] == LONGEST_REASONING  # type: ignore[index] # plain JSON

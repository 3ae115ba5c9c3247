"""What DeepSeek alone does: it thinks unless a parameter of its own turns that off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.dialects import deepseek
from tests.contract.dialects.base import Says

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.models.base_model import BaseModel
    from tests.contract.harness import Caller, Wire


@pytest.fixture
def case() -> str:
    return "deepseek"


@pytest.mark.parametrize(
    ("model", "effort", "sent"),
    [
        ("deepseek-flash", "none", {"thinking": {"type": "disabled"}}),
        ("deepseek-flash", "high", {"reasoning_effort": "high"}),
        ("deepseek-flash", None, {}),
        ("deepseek-chat", "none", {"reasoning_effort": "none"}),
    ],
)
def test_thinking_is_switched_off_by_its_own_parameter(
    make: Callable[..., BaseModel], wire: Wire, call: Caller, model: str, effort: str | None, sent: dict[str, Any]
) -> None:
    wire.say(deepseek.Dialect().reply(Says()))
    call.ask(make(model), None, "hi", reasoning_effort=effort)
    body = wire.received[0].json
    assert {name: body[name] for name in ("thinking", "reasoning_effort") if name in body} == sent


def test_thoughts_come_back_after_a_tool_call(model: BaseModel, wire: Wire, call: Caller) -> None:
    wire.say(deepseek.Dialect().reply(Says()))
    function = {"name": "f", "arguments": "{}"}
    call.chat(model, [
        {"role": "user", "content": "go"},
        {"role": "assistant", "reasoning_content": "hm", "tool_calls": [{"id": "c", "function": function}]},
        {"role": "tool", "tool_call_id": "c", "content": "done"},
    ])  # fmt: skip
    assert wire.received[0].json["messages"][1]["reasoning_content"] == "hm"

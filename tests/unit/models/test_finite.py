"""NaN and infinity among the options: refused by name, wherever they stand, before anything is sent."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pydantic
import pytest

from src.models.errors import InvalidRequest
from src.models.model_factory import ModelFactory
from tests.servers import Reply, Server, chat_reply, claude_reply, ollama_reply

if TYPE_CHECKING:
    from collections.abc import Callable

PROVIDERS: dict[str, Callable[[], Reply]] = {
    "openai": lambda: chat_reply("hi"),
    "groq": lambda: chat_reply("hi"),
    "claude": lambda: claude_reply("hi"),
    "ollama": lambda: ollama_reply("hi"),
    "gemini": lambda: Reply(500),
}


class Bias(pydantic.BaseModel):
    weight: float


def tool(number: float) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"price": {"type": "number", "maximum": number}}}
    return {"type": "function", "function": {"name": "f", "description": "", "parameters": schema}}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("options", "name", "path"),
    [
        (lambda x: {"top_k": x}, "top_k", "top_k"),
        (lambda x: {"extra_body": {"a": {"b": [1, x]}}}, "extra_body", "extra_body.a.b[1]"),
        (lambda x: {"options": {"mirostat_tau": x}}, "mirostat_tau", "mirostat_tau"),
        (lambda x: {"logit_bias": {50256: x}}, "logit_bias", "logit_bias.50256"),
        (lambda x: {"temperature": x}, "temperature", "temperature"),
        (lambda x: {"timeout": x}, "timeout", "timeout"),
        (lambda x: {"tools": [tool(1), tool(x)]}, "tools", "tools[1].function.parameters.properties.price.maximum"),
        (lambda x: {"tool_choice": {"type": "x", "n": x}}, "tool_choice", "tool_choice.n"),
        (
            lambda x: {"response_format": {"type": "object", "properties": {"p": {"type": "number", "minimum": x}}}},
            "response_format",
            "response_format.properties.p.minimum",
        ),
    ],
)
def test_a_number_that_json_cannot_write_is_refused_by_name(
    provider: str, options: Callable[[Any], dict[str, Any]], name: str, path: str
) -> None:
    model = ModelFactory.get_model(provider, "m", api_key="k-4711", base_url="http://127.0.0.1:9")
    others = (np.float32("nan"), np.float64("inf"), Decimal("NaN"))
    for number in (math.nan, math.inf, -math.inf, *(others if provider == "openai" else ())):
        with pytest.raises(InvalidRequest) as raised:
            model.generate_response(None, "hi", **options(number))
        assert raised.value.parameter == name
        assert f"{path} is " in str(raised.value) or (number in others and name == "response_format")


@pytest.mark.parametrize(
    ("value", "path"),
    [(Bias(weight=math.nan), "x.weight"), ([Bias(weight=math.inf)], "x[0].weight"), (np.array([1, math.nan]), "x[1]")],
)
def test_what_an_sdk_encodes_itself_is_looked_into(value: Any, path: str) -> None:
    with pytest.raises(InvalidRequest, match="finite") as raised:
        ModelFactory.get_model("openai", api_key="k-4711").generate_response(None, "hi", x=value)
    assert f" {path} is " in str(raised.value)


def test_what_is_finite_is_sent() -> None:
    options: dict[str, Any] = {
        "top_k": 5,
        "note": None,
        "extra_body": {"stop_at": None, "nullable": "null", "big": 1e308},
    }
    for provider, reply in PROVIDERS.items():
        if provider == "gemini":
            continue
        with Server(lambda _, answer=reply: answer()) as server:  # type: ignore[misc] # bound default
            model = ModelFactory.get_model(provider, "m", api_key="k-4711", base_url=server.url)
            model.generate_response(None, "hi", tools=[tool(1e9)], **options)
            assert len(server.received) == 1


@pytest.mark.parametrize("provider", ["claude", "gemini", "ollama"])
@pytest.mark.parametrize("arguments", ['{"price": NaN}', '{"price": -Infinity}', {"price": math.nan}])
def test_the_arguments_of_an_earlier_tool_call_are_looked_into(provider: str, arguments: Any) -> None:
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "buy", "arguments": arguments}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
    ]
    model = ModelFactory.get_model(provider, "m", api_key="k-4711", base_url="http://127.0.0.1:9")
    with pytest.raises(InvalidRequest) as raised:
        model.chat(messages)
    assert str(raised.value.parameter).startswith("messages")


def test_a_value_that_holds_itself_does_no_harm_here() -> None:
    value: dict[str, Any] = {}
    value["self"] = value
    with pytest.raises(InvalidRequest):
        ModelFactory.get_model("openai", api_key="k-4711", base_url="http://127.0.0.1:9/v1").generate_response(
            None, "hi", x=value
        )

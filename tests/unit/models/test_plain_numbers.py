"""A truth value is no number of a structured reply, or of a tool call's arguments, whatever Pydantic makes of it."""

from __future__ import annotations

import datetime as dt
import enum
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pydantic
import pytest

from src.models import tool_results
from src.models.errors import MalformedResponse
from src.models.model_factory import ModelFactory
from src.models.types import ToolCall
from tests.servers import Server, chat_reply

if TYPE_CHECKING:
    from collections.abc import Iterator


class Side(enum.IntEnum):
    LONG = 1
    SHORT = 0


class Inner(pydantic.BaseModel):
    size: float


def own(value: object) -> object:
    return 100.0 if value is True else value


Own = Annotated[float, pydantic.BeforeValidator(own)]


class Answer:
    """What the server answers next."""

    text = "{}"


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answer]:
    monkeypatch.setenv("OPENAI_KEY", "sk-test-0123456789abcdef")
    reply = Answer()
    with Server(lambda _: chat_reply(reply.text)) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url + "/v1")
        yield reply


def parsed(answer: Answer, kind: Any, value: object) -> Any:
    answer.text = json.dumps({"value": value})
    form = pydantic.create_model("Reply", value=(kind, ...))
    reply: Any = ModelFactory.get_model("openai", "gpt-4o").generate_response(None, "go", response_format=form)
    return reply.parsed.value


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (float, True),
        (int, False),
        (Annotated[float, pydantic.Field(ge=0, le=1)], True),
        (Annotated[float, pydantic.Field(multiple_of=0.01)], True),
        (float | None, True),
        (float | str, True),
        (list[float], [0.5, True]),
        (dict[str, int], {"a": True}),
        (Inner, {"size": True}),
        (list[Inner], [{"size": 1}, {"size": False}]),
        (Literal[1, 2], True),
        (Side, True),
        (dt.timedelta, True),
    ],
)
def test_a_truth_value_is_no_number(answer: Answer, kind: Any, value: object) -> None:
    with pytest.raises(MalformedResponse, match="no number"):
        parsed(answer, kind, value)


@pytest.mark.parametrize(
    ("kind", "value", "right"),
    [
        (bool, True, True),
        (bool | int, True, True),
        (bool | float, 0.5, 0.5),
        (tuple[bool, float], [True, 2], (True, 2.0)),
        (dict[str, Any], {"a": True, "b": 1}, {"a": True, "b": 1}),
        (Literal[True, 2], True, True),
        (Own, True, 100.0),
        (Side, 1, Side.LONG),
        (float, "0.8", 0.8),
    ],
)
def test_what_is_a_truth_value_or_a_number_by_right_stays(
    answer: Answer, kind: Any, value: object, right: object
) -> None:
    made = parsed(answer, kind, value)
    assert (made, type(made)) == (right, type(right))


@dataclass
class Asked:
    """A reply that asks for tool calls."""

    tool_calls: tuple[ToolCall, ...]


def test_a_truth_value_is_no_number_of_a_tool_call() -> None:
    orders: list[tuple[float, bool]] = []

    def order(size: float, urgent: bool = False) -> str:
        """Place an order."""
        orders.append((size, urgent))
        return "done"

    calls = ToolCall("a", "order", '{"size": true}'), ToolCall("b", "order", '{"size": 2, "urgent": true}')
    refused, made = tool_results(Asked(calls), [order])
    assert refused["content"] == "error: the arguments do not fit: size: Value error, true is no number"
    assert (made["content"], orders) == ("done", [(2.0, True)])

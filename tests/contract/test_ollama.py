"""What Ollama alone does: lines of JSON, errors that are a bare text, and proxies before it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from src.models import errors
from src.models.types import Usage
from tests.contract.dialects import ollama
from tests.contract.dialects.base import Says
from tests.contract.dialects.ollama import JSON, LINES, lines
from tests.contract.harness import in_turn
from tests.servers import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.models.base_model import BaseModel
    from tests.contract.harness import Caller, Wire


@pytest.fixture
def case() -> str:
    return "ollama"


ERRORS = [
    ("server busy, please try again. maximum pending requests exceeded", errors.Overloaded),
    ("model 'x' not found", errors.ModelNotFound),
    ("unauthorized", errors.AuthenticationFailed),
    ("the input length exceeds the context length", errors.ContextTooLong),
    ("you have reached your weekly usage limit: too many requests", errors.RateLimited),
    ("an error was encountered while running the model: unexpected EOF", errors.ServerFailed),
    ({"code": 429, "message": "no"}, errors.RateLimited),
    ({"type": "overloaded_error", "message": "no"}, errors.Overloaded),
]


@in_turn("streamed", [False, True])
@in_turn(("error", "expected"), ERRORS)
def test_an_error_inside_a_200_is_its_kind(
    model: BaseModel, wire: Wire, call: Caller, error: Any, expected: type[errors.ModelError], *, streamed: bool
) -> None:
    error_body = {"error": error}
    first_events = list(ollama.Dialect().events(Says()))[:1]
    wire.say(
        Reply(body=lines([*first_events, error_body]), headers=LINES)
        if streamed
        else Reply(body=json.dumps(error_body).encode(), headers=JSON)
    )
    with pytest.raises(errors.ModelError) as caught:
        call.stream(model, None, "hi") if streamed else call.ask(model, None, "hi")
    assert type(caught.value) is expected


@in_turn(
    "written",
    [
        lambda body: body.replace(b"\n", b"\r\n"),
        lambda body: b"\n\n" + body.replace(b"\n", b"\n\n"),
        lambda body: body.rstrip(b"\n"),
    ],
)
@in_turn("kind", ["application/x-ndjson", "application/json", "text/plain"])
def test_a_stream_as_proxies_pass_it_on(
    model: BaseModel, wire: Wire, call: Caller, written: Callable[[bytes], bytes], kind: str
) -> None:
    body = written(ollama.Dialect().stream(Says(text="hello you")).body)
    wire.say(Reply(body=body, headers={"content-type": kind}))
    chunks = call.stream(model, None, "hi")
    assert ("".join(chunk.content for chunk in chunks), chunks[-1].finish_reason) == ("hello you", "stop")


@in_turn(
    ("more", "usage"),
    [
        ({"prompt_eval_count": None, "eval_count": None}, None),
        ({"prompt_eval_count": 3.0, "eval_count": "4"}, Usage(input=3, output=4)),
        ({"eval_count": 4}, Usage(output=4)),
        ({"prompt_eval_count": 0, "eval_count": 0}, None),
        ({"prompt_eval_count": 3, "eval_count": 4, "done_reason": None, "model": None}, Usage(input=3, output=4)),
    ],
)
def test_a_reply_with_hardly_anything_in_it(
    model: BaseModel, wire: Wire, call: Caller, more: dict[str, Any], usage: Usage | None
) -> None:
    wire.say(Reply(body=json.dumps({"message": {"role": "assistant", "content": "hi"}, **more}).encode(), headers=JSON))
    reply = call.ask(model, None, "hi")
    assert (reply.content, reply.usage, reply.model_name) == ("hi", usage, model.model_name)


@in_turn("streamed", [False, True])
def test_calls_of_tools_end_with_their_own_reason(
    model: BaseModel, wire: Wire, call: Caller, *, streamed: bool
) -> None:
    says = Says(text="", tools=[("price_of", {"symbol": "BTC"})])
    wire.say(ollama.Dialect().stream(says) if streamed else ollama.Dialect().reply(says))
    reply = call.stream(model, None, "hi")[-1] if streamed else call.ask(model, None, "hi")
    assert (reply.finish_reason, [item.name for item in reply.tool_calls]) == ("tool_calls", ["price_of"])

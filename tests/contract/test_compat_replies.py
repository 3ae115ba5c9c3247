"""With `compat`, a reply that the SDK refuses is refused, and a redirect that it follows is followed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anthropic
import pydantic
import pytest

from src.models import ModelFactory
from tests.contract.harness import dialect_of
from tests.servers import Received, Reply, Server

if TYPE_CHECKING:
    from src.models.base_model import BaseModel

JSON = {"content-type": "application/json"}
MESSAGES = [{"role": "user", "content": "Trend?"}]
REPLY: dict[str, Any] = {
    "model": "m", "created_at": "2026-12-01T00:00:00Z", "done": True, "done_reason": "stop",
    "message": {"role": "assistant", "content": "BUY"}, "prompt_eval_count": 20, "eval_count": 7,
}  # fmt: skip


def ollama_model(server: Server, **settings: Any) -> BaseModel:
    return ModelFactory.get_model("ollama", "m", base_url=server.url, **settings)


@pytest.mark.parametrize(
    "change",
    [
        {"created_at": 1764547200},
        {"model": 7},
        {"done": "odd"},
        {"eval_count": 1.5},
        {"message": {"content": "BUY"}},
        {"message": {"role": "assistant", "content": ["BUY"]}},
    ],
)
def test_ollamas_sdk_refuses_what_is_not_of_its_types(change: dict[str, Any]) -> None:
    body = json.dumps({**REPLY, **change}).encode()
    with Server(lambda _: Reply(body=body, headers=JSON)) as server:
        with pytest.raises(pydantic.ValidationError):
            ollama_model(server, compat="ollama").chat(MESSAGES)
        if "message" not in change:  # the factory's own way reads what it needs
            assert ollama_model(server).chat(MESSAGES).content == "BUY"


def test_ollamas_sdk_follows_a_redirect() -> None:
    def answer(request: Received) -> Reply:
        if request.path.startswith("/behind"):
            return Reply(body=json.dumps(REPLY).encode(), headers=JSON)
        return Reply(308, headers={"location": f"/behind{request.path}"})

    with Server(answer) as server:
        assert ollama_model(server, compat="ollama").chat(MESSAGES).content == "BUY"


@pytest.mark.parametrize(
    ("provider", "model", "compat"),
    [("openai", "gpt-4o", "openai"), ("groq", "m", "groq"), ("claude", "claude-haiku-4-5", "anthropic")],
)
def test_a_body_of_null_is_no_reply_to_read(provider: str, model: str, compat: str) -> None:
    with Server(lambda _: Reply(body=b"null", headers=JSON)) as server:
        asked = ModelFactory.get_model(provider, model, base_url=server.url, api_key="test-key-4711", compat=compat)
        reply = asked.chat(MESSAGES, max_tokens=9)
        with pytest.raises(AttributeError, match="NoneType"):
            _ = reply.content
    assert reply.raw_response is None


def test_an_error_inside_anthropics_stream_has_the_text_that_its_sdk_gives_it() -> None:
    messages: list[Any] = [{"role": "user", "content": "q"}]
    with Server(lambda _: dialect_of("claude").stream_error()) as server:
        client = anthropic.Anthropic(base_url=server.url, api_key="k")
        model = ModelFactory.get_model("claude", "m", base_url=server.url, api_key="k", compat="anthropic")
        texts = []
        for stream in (
            client.messages.create(model="m", max_tokens=5, messages=messages, stream=True),
            model.stream_chat(messages, max_tokens=5),
        ):
            with pytest.raises(anthropic.APIStatusError) as caught:
                list(stream)
            texts.append((str(caught.value), caught.value.body))
    assert texts[0] == texts[1]

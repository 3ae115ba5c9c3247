"""A reply of which one choice is read, and others are paid for, says so on its trace."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from src.models import ModelFactory
from src.observability import attributes as names
from src.observability.spans import otlp
from tests.servers import Reply, Server

if TYPE_CHECKING:
    from src.models.base_model import BaseModel
    from src.observability.store.spool import Spool

USAGE = {"prompt_tokens": 10, "completion_tokens": 6, "total_tokens": 16}


def event(body: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps({"id": "c", "object": "chat.completion.chunk", "model": "gpt-4o", **body}).encode()


def whole(texts: list[str]) -> Reply:
    choices = [
        {"index": place, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        for place, text in enumerate(texts)
    ]
    body = {"id": "c", "object": "chat.completion", "model": "gpt-4o", "choices": choices, "usage": USAGE}
    return Reply(body=json.dumps(body).encode(), headers={"content-type": "application/json"})


def streamed(texts: list[str]) -> Reply:
    events = [
        event({"choices": [{"index": place, "delta": {"content": text}, "finish_reason": reason}]})
        for reason in (None, "stop")
        for place, text in enumerate(texts if reason is None else [""] * len(texts))
    ]
    body = b"\n\n".join([*events, event({"choices": [], "usage": USAGE}), b"data: [DONE]", b""])
    return Reply(body=body, headers={"content-type": "text/event-stream"})


def gemini(texts: list[str]) -> Reply:
    candidates = [
        {"index": place, "finishReason": "STOP", "content": {"role": "model", "parts": [{"text": text}]}}
        for place, text in enumerate(texts)
    ]
    body = {"candidates": candidates, "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 6}}
    return Reply(body=json.dumps(body).encode(), headers={"content-type": "application/json"})


@pytest.mark.parametrize("texts", [["a"], ["a", "b", "c"]])
@pytest.mark.parametrize("form", [whole, streamed, gemini])
def test_choices_that_are_not_read_are_counted(form: Any, texts: list[str], spool: Spool) -> None:
    with Server(lambda _: form(texts)) as server:
        if form is gemini:
            address = f"{server.url}/v1beta/models/gemini-2.5-flash:generateContent"
            ModelFactory.post(address, json={"contents": [{"parts": [{"text": "go?"}]}]})
        else:
            model: BaseModel = ModelFactory.get_model(
                "openai", "gpt-4o", base_url=f"{server.url}/v1", api_key="sk-test-0123456789"
            )
            if form is whole:
                assert model.generate_response(None, "go?", n=len(texts)).content == "a"
            else:
                assert "".join(chunk.content for chunk in model.stream_response(None, "go?", n=len(texts))) == "a"
    (row,) = spool.rows_after(0)
    attributes = otlp.decode_span(row.span).attributes
    count = {"unread_choices": str(len(texts) - 1)} if len(texts) > 1 else {}
    prefix = names.METADATA + "unread_choices"
    assert {name.removeprefix(names.METADATA): attributes[name] for name in attributes if name == prefix} == count

"""A secret of any kind, planted anywhere in what is traced, reaches neither the store, nor the wire, nor the log."""

from __future__ import annotations

import contextlib
import gzip
import json
import logging
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from opentelemetry.trace import Status, StatusCode

from src.models import ModelFactory
from src.models.errors import ModelError
from src.models.retry import NO_RETRIES
from src.observability import attributes, flush, get_tracker, observe_agent, score
from src.observability.tracing.observation import observe
from tests.servers import Langfuse, Received, Reply, Server, chat_reply, error_reply
from tests.unit.observability.test_redaction_families import (
    NAMED,
    NAMED_PLACES,
    SHAPED,
    SHAPED_PLACES,
    named_texts,
    shaped_texts,
    telling,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hypothesis.strategies import DrawFn

TOOL = {"type": "function", "function": {"name": "order", "parameters": {"type": "object"}}}


@dataclass
class Planted:
    """Hold a text with a secret in it, and what of the secret must be nowhere."""

    family: str
    text: str
    gone: list[bytes]

    @property
    def nested(self) -> dict[str, Any]:
        return {"depth": [{"note": self.text}, [self.text, 7]], "n": 1}


@st.composite
def planted(draw: DrawFn) -> Planted:
    """Draw a secret of any family, in any place it is written in, as a text or as JSON; fields nest it deeper."""
    number = draw(st.integers(0, 2**32))
    if draw(st.booleans()):
        family = draw(st.sampled_from(sorted(SHAPED)))
        secret = SHAPED[family](random.Random(f"{family} {number}"))
        texts = shaped_texts(SHAPED_PLACES[draw(st.sampled_from(sorted(SHAPED_PLACES)))], secret)
    else:
        family = draw(st.sampled_from(sorted(NAMED)))
        name, make = NAMED[family]
        secret = make(random.Random(f"{family} {number}"))
        assume(any(char.isdigit() for char in secret))  # twelve letters can be a word
        texts = named_texts(NAMED_PLACES[draw(st.sampled_from(sorted(NAMED_PLACES)))], name, secret)
    parts = [part for part in telling(secret) if len(part) > 7]
    forms = {form for part in parts for form in (part, json.dumps(part)[1:-1])}
    return Planted(family, draw(st.sampled_from(texts[:2])), sorted(form.encode() for form in forms))


class Desk:
    """Do what programs do, each with a secret where it ought not be."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.says: Reply = chat_reply("hold")
        self.model = ModelFactory.get_model(
            "openai", "gpt-4o", api_key="k", base_url=f"{server.url}/v1", retry_policy=NO_RETRIES
        )

    def prompt(self, one: Planted) -> None:
        self.model.generate_response(one.text, one.text, temperature=0.1)

    def history(self, one: Planted) -> None:
        call = {"id": "c", "type": "function", "function": {"name": "order", "arguments": json.dumps(one.nested)}}
        turns: list[dict[str, Any]] = [{"role": "user", "content": [one.text, "x"]},
                 {"role": "assistant", "content": None, "tool_calls": [call]},
                 {"role": "tool", "tool_call_id": "c", "content": json.dumps(one.nested)}]  # fmt: skip
        self.model.chat(turns, tools=[TOOL])

    def options(self, one: Planted) -> None:
        self.model.generate_response("s", "u", options={"metadata": one.nested, "note": one.text})

    def reply(self, one: Planted) -> None:
        self.says = chat_reply(one.text)
        self.model.generate_response("s", "u")

    def streamed(self, one: Planted) -> None:
        half = len(one.text) // 2
        events: list[dict[str, Any]] = [{"choices": [{"index": 0, "delta": {"content": part}, "finish_reason": None}]}
                  for part in (one.text[:half], one.text[half:])]  # fmt: skip
        events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
        self.says = Reply(body=body.encode(), headers={"content-type": "text/event-stream"})
        list(self.model.stream_response("s", "u"))

    def refusal(self, one: Planted) -> None:
        self.says = error_reply(400, one.text)
        with contextlib.suppress(ModelError):
            self.model.generate_response("s", "u")

    def exception(self, one: Planted) -> None:
        with contextlib.suppress(RuntimeError), observe_agent("desk"):
            raise RuntimeError(one.text)

    def agent(self, one: Planted) -> None:
        with observe_agent("desk", metadata=one.nested, user_id=one.text, tags=[one.text]) as run:
            run.update(input=one.nested, output=one.text, metadata={"market": one.text})
            run.event("note", metadata=one.nested, status_message=one.text)

    def tool(self, one: Planted) -> None:
        with observe("order", "tool", input=one.nested) as run:
            run.update(output=json.dumps(one.nested))

    def scored(self, one: Planted) -> None:
        with observe_agent("desk") as run:
            score("pnl", 1.0, trace_id=run.trace_id, comment=one.text, metadata=one.nested)
            score("verdict", one.text, trace_id=run.trace_id)

    def langfuses_own(self, one: Planted) -> None:
        import langfuse

        @langfuse.observe(name="own")
        def own(told: Any) -> str:
            langfuse.get_client().update_current_span(metadata={"note": one.text}, input=told)
            return one.text

        with observe_agent("desk"):
            own(one.nested)

    def names(self, one: Planted) -> None:
        with observe_agent("desk", session_id=one.text, metadata={one.text: 1}) as run:
            run.event(one.text, metadata={one.text: one.text})
            run.score(one.text, 1.0)
            score("day", 1.0, session_id=one.text, score_id=one.text)

    def of_the_sdk(self, one: Planted) -> None:
        with get_tracker().client.start_as_current_observation(name=one.text, metadata={one.text: 1}) as own:
            span = own._otel_span
            span.add_event(one.text, {one.text: one.text})
            span.add_link(span.get_span_context(), {one.text: one.text})
            span.set_attributes(
                {one.text: [one.text], attributes.ERROR_TYPE: one.text, attributes.USAGE_DETAILS: one.text}
            )
            span.record_exception(RuntimeError(one.text))
            span.set_status(Status(StatusCode.ERROR, one.text))

    def posted(self, one: Planted) -> None:
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": one.text}], "user": one.text}
        headers = {"X-Note": one.text.encode().hex(), "Authorization": "Bearer k"}
        ModelFactory.post(f"{self.server.url}/v1/chat/completions", json=body, headers=headers)


FIELDS: dict[str, Callable[[Desk, Planted], None]] = {
    name: getattr(Desk, name)
    for name in ("prompt", "history", "options", "reply", "streamed", "refusal", "exception", "agent", "tool", "scored",
                 "names", "langfuses_own", "of_the_sdk", "posted")
}  # fmt: skip


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[Langfuse]:
    with Langfuse() as running:
        for name, value in {"PUBLIC_KEY": "pk-lf-x", "SECRET_KEY": "sk-lf-x-0123456789", "HOST": running.url}.items():
            monkeypatch.setenv(f"LANGFUSE_{name}", value)
        yield running


@pytest.fixture
def desk(sink: Langfuse) -> Iterator[Desk]:
    made: list[Desk] = []

    def answer(_: Received) -> Reply:
        return made[0].says

    with Server(answer) as server:
        made.append(Desk(server))
        yield made[0]


def unzipped(request: Received) -> bytes:
    return gzip.decompress(request.body) if request.headers.get("content-encoding") == "gzip" else request.body


def around(data: bytes, part: bytes) -> bytes:
    """Return what stands around a part, to see where it came through."""
    at = data.find(part)
    return data[max(at - 250, 0) : at + len(part) + 60]


@pytest.mark.parametrize("field", FIELDS)
def test_nowhere(field: str, desk: Desk, sink: Langfuse, caplog: pytest.LogCaptureFixture) -> None:
    spool = get_tracker().spool
    assert spool is not None
    everything: list[Planted] = []

    @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(planted())
    def plant(one: Planted) -> None:
        desk.says = chat_reply("hold")
        FIELDS[field](desk, one)
        everything.append(one)
        stored = b"".join(file.read_bytes() for file in spool.path.parent.glob(f"{spool.path.name}*"))
        for gone in one.gone:
            assert gone not in stored, f"{one.family}: {one.text!r} in {around(stored, gone)!r}"
            assert gone.decode() not in caplog.text, f"{one.family}: {one.text!r}"

    with caplog.at_level(logging.DEBUG, logger="moondev"):
        plant()
        assert flush(60) == 0
    sent = b"".join(unzipped(request) for request in sink.requests)
    assert sent
    for one in everything:
        for gone in one.gone:
            assert gone not in sent, f"{one.family}: {one.text!r} in {around(sent, gone)!r}"

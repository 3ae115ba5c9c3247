from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from src.models import ModelFactory
from src.observability import attributes, get_tracker, score
from src.observability.spans import otlp
from src.observability.tracing.observation import observe
from tests.servers import Received, Reply, Server, chat_reply, error_reply

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "sk-ant-api03-" + "a1B" * 20
OWN = "oddly shaped: own/secret+value"
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 12 + bytes(5)
DIGEST = hashlib.sha256(PICTURE).hexdigest()
ADDRESS = f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}"


def stored() -> dict[str, dict[str, Any]]:
    spool = get_tracker().spool
    assert spool is not None
    spans = [otlp.decode_span(row.span) for row in spool.rows_after(0)]
    return {span.name: {**span.attributes, "status": span.status_message, "events": span.events} for span in spans}


def file_bytes() -> bytes:
    """Return all bytes of the store's files, and what is packed in them as it reads unpacked."""
    spool = get_tracker().spool
    assert spool is not None
    files = [path.read_bytes() for path in spool.path.parent.iterdir()]
    return b"".join([*files, *(row.span for row in spool.rows_after(0))])


@pytest.fixture
def openai(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    def answer(request: Received) -> Reply:
        return (
            error_reply(400, f"bad {OWN} {SECRET}") if b"fail" in request.body else chat_reply(f"reply {SECRET} {OWN}")
        )

    with Server(answer) as provider:
        monkeypatch.setenv("OPENAI_KEY", "k")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{provider.url}/v1")
        monkeypatch.setenv("VENDOR_API_KEY", OWN)
        yield provider


def ask(text: str = f"prompt {SECRET} {OWN}") -> None:
    ModelFactory.get_model("openai").generate_response(None, text)


def test_full_stores_texts_as_they_are_but_never_our_own_secrets(
    openai: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MOONDEV_CAPTURE", "full")
    ask()
    with pytest.raises(Exception, match="bad"):
        ask("fail")
    with observe("tool", "tool", input={"nested": [OWN, json.dumps(OWN)]}, metadata={"m": OWN}) as tool:
        tool._span.add_event("e", {"a": OWN, "b": (OWN, SECRET)})  # type: ignore[union-attr] # users of the SDK write to it
    score("s", f"{SECRET} {OWN}", session_id="x", comment=OWN)
    generation = stored()["openai.generate"]
    assert SECRET in str(stored())
    assert "[REDACTED:configured_secret]" in str(generation)
    for form in (OWN, json.dumps(OWN)[1:-1], base64.b64encode(OWN.encode()).decode()[:-4]):
        assert form.encode() not in file_bytes()
    assert b"reply " + SECRET.encode() in file_bytes()
    assert caplog.text.count("MOONDEV_CAPTURE is full") == 1
    assert OWN not in caplog.text


def test_redacted_is_the_default(openai: Server) -> None:
    ask()
    assert SECRET.encode() not in file_bytes()
    assert b"prompt" in file_bytes()


def test_metadata_stores_no_texts_of_any_instrumentation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONDEV_CAPTURE", "metadata")
    provider = get_tracker().provider
    assert provider is not None
    foreign: dict[str, str | int] = {
        "gen_ai.prompt.0.content": "words", "llm.input_messages.0.message.content": "words", "input.value": "words",
        "gen_ai.input.messages": "words", "traceloop.entity.input": "words", "gen_ai.usage.input_tokens": 3,
        "gen_ai.completion.0.content": "words", attributes.INPUT: "words", "gen_ai.request.model": "m",
        "gen_ai.tool.call.arguments": "words",
    }  # fmt: skip
    with provider.get_tracer("x").start_as_current_span("foreign", attributes=foreign) as span:
        span.add_event("gen_ai.user.message", {"content": "words", "gen_ai.event.content": "words"})
    with observe("ours", "generation", input="words") as ours:
        ours.event("repair", metadata={"reply": "words", "category": "server"})
    assert b"words" not in file_bytes()
    assert stored()["foreign"]["gen_ai.usage.input_tokens"] == 3
    assert stored()["foreign"]["gen_ai.request.model"] == "m"
    assert stored()["repair"][attributes.METADATA + "category"] == '"server"'


@pytest.mark.parametrize(
    "text",
    [
        f"look: {ADDRESS} nice",
        json.dumps([{"type": "image_url", "image_url": {"url": ADDRESS}}]),
        json.dumps({"x": json.dumps({"url": ADDRESS})}),
        json.dumps({"source": {"type": "base64", "media_type": "image/png", "data": ADDRESS.partition(",")[2]}}),
        json.dumps({"inline_data": {"mime_type": "image/png", "data": base64.urlsafe_b64encode(PICTURE).decode()}}),
        json.dumps(json.dumps({"inlineData": {"data": ADDRESS.partition(",")[2]}})),
        ADDRESS.replace("image/png", "audio/wav;codec=1"),
        "words " * 5000 + ADDRESS + " words" * 5000,
        "w" * 77 + " " + ADDRESS,
    ],
)
@pytest.mark.parametrize("capture", ["redacted", "full"])
def test_files_in_any_observation_become_size_and_hash(
    text: str, capture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOONDEV_CAPTURE", capture)
    with observe("x", "span", input=text, metadata={"m": text}):
        pass
    values = stored()["x"]
    for name in (attributes.INPUT, attributes.METADATA + "m"):
        assert f"[{len(PICTURE)} bytes, sha256 {DIGEST}]" in values[name]
    assert ADDRESS[-200:-2].encode() not in file_bytes()


def test_short_values_and_plain_words_are_unchanged() -> None:
    text = json.dumps(
        {"data": "abc=", "say": "base64 of inline data:image/png;base64,aGVsbG8= is short", "x": "a" * 600}
    )
    with observe("x", "span", input=text):
        pass
    assert stored()["x"][attributes.INPUT] == text


def test_images_are_stored_whole_only_where_set(openai: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONDEV_IMAGES", "whole")
    message = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": ADDRESS}}]}
    ModelFactory.get_model("openai").chat([message])
    messages = json.loads(stored()["openai.generate"][attributes.INPUT])
    assert messages[0]["content"] == [{"type": "image_url", "image_url": {"url": ADDRESS}}]


def test_a_very_large_image_is_always_a_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    from src.observability.tracing import images

    monkeypatch.setenv("MOONDEV_IMAGES", "whole")
    assert images.image("image/png", b"x" * 5_000_001)["bytes"] == 5_000_001
    assert "image_url" in images.image("image/png", b"x" * 5_000_000)

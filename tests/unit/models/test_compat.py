"""A model with `compat` does what the real SDK does: the same requests, texts, exceptions and attributes."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import anthropic
import groq
import ollama
import openai
import pytest
from google import genai

from src.models import ModelFactory
from src.models.compat.retries import SdkRetries
from src.models.compat.sdks import SDKS
from src.models.errors import InvalidRequest, ModelError, ModelUnavailable, RateLimited
from tests.servers import Received, Reply, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from src.models.base_model import BaseModel

JSON = {"content-type": "application/json"}
MESSAGES = [{"role": "user", "content": "x"}]
STATUSES = (400, 401, 402, 403, 404, 408, 409, 422, 429, 500, 503, 529)
REPLIES: dict[str, dict[str, Any]] = {
    "chat": {
        "good": {"content": "BUY"},
        "empty": {"content": ""},
        "null": {"content": None},
        "thoughts": {"content": "<think>SELL?</think>\n\nBUY"},
        "refused": {"content": None, "refusal": "no"},
        "tool": {"content": None, "tool_calls": [{"id": "a", "type": "function",
                                                  "function": {"name": "f", "arguments": "{}"}}]},
    },
    "claude": {
        "good": [{"type": "text", "text": "BUY"}],
        "empty": [{"type": "text", "text": ""}],
        "none": [],
        "thoughts": [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "BUY"}],
        "two": [{"type": "text", "text": "BUY"}, {"type": "text", "text": "SELL"}],
        "tags": [{"type": "text", "text": "<think>SELL?</think>BUY"}],
    },
    "gemini": {
        "good": [{"text": "BUY"}],
        "empty": [{"text": ""}],
        "none": [],
        "thoughts": [{"text": "SELL?", "thought": True}, {"text": "BUY"}],
        "two": [{"text": "BUY"}, {"text": "SELL"}],
    },
    "ollama": {"good": {"content": "BUY"}, "empty": {"content": ""}, "tags": {"content": "<think>SELL?</think>BUY"}},
}  # fmt: skip


def body_of(wire: str, name: str) -> bytes:
    """Return a whole reply in a provider's form."""
    value = REPLIES[wire][name]
    if wire == "chat":
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **value}}
        body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m2", "choices": [choice]}
    elif wire == "claude":
        body = {"id": "m", "type": "message", "role": "assistant", "model": "c", "content": value,
                "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 2}}  # fmt: skip
    elif wire == "gemini":
        body = {"candidates": [{"content": {"role": "model", "parts": value}, "finishReason": "STOP"}]}
    else:
        body = {"model": "l", "message": {"role": "assistant", **value}, "done": True, "done_reason": "stop"}
    return json.dumps(body).encode()


ODD = {
    "no choices": b'{"choices": [], "content": [], "candidates": []}',
    "unexpected": b'{"unexpected": true}',
    "error": b'{"error": {"message": "boo", "code": 500}}',
    "blank": b"",
}


class Provider:
    """A server that answers with what `answer` says."""

    def __init__(self) -> None:
        self.answer: Callable[[Received], Reply] = lambda _: Reply(404)
        self.server = Server(self._answer)

    def _answer(self, request: Received) -> Reply:
        return self.answer(request)

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def received(self) -> list[Received]:
        return self.server.received


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()
    with provider.server:
        yield provider


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    real_sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: real_sleep(seconds / 1000))
    for name in ("OPENAI", "ANTHROPIC", "GROQ", "GOOGLE"):
        monkeypatch.setenv(f"{name}_API_KEY", f"key-{name}")
    for name in ("OPENAI_KEY", "ANTHROPIC_KEY", "GEMINI_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(name, "key-of-another-account")


def sdk_call(wire: str, url: str) -> Callable[[], Any]:
    """Return a call through an SDK, and the read that programs do."""
    if wire == "claude":
        claude = anthropic.Anthropic(base_url=url)
        return lambda: claude.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=MESSAGES).content[0].text  # type: ignore[union-attr,arg-type]
    if wire == "gemini":
        google = genai.Client(http_options={"base_url": url})
        return lambda: google.models.generate_content(model="gemini-3.5-flash-lite", contents="x").text
    if wire == "ollama":
        local = ollama.Client(host=url)
        return lambda: local.chat(model="llama3.2", messages=MESSAGES).message.content
    chat: Any = openai.OpenAI(base_url=f"{url}/v1") if wire == "chat" else groq.Groq(base_url=url)
    return lambda: chat.chat.completions.create(model="gpt-4o", messages=MESSAGES).choices[0].message.content


NAMES = {"chat": ("openai", "gpt-4o", "openai"), "groq": ("groq", "gpt-4o", "groq"), "ollama": ("ollama", "llama3.2",
         "ollama"), "claude": ("claude", "claude-haiku-4-5", "anthropic"),
         "gemini": ("gemini", "gemini-3.5-flash-lite", "google.genai")}  # fmt: skip


def model_of(wire: str, url: str, **settings: Any) -> BaseModel:
    name, model, sdk = NAMES[wire]
    return ModelFactory.get_model(name, model, base_url=f"{url}/v1" if wire == "chat" else url, compat=sdk, **settings)


def outcome(server: Provider, call: Callable[[], Any]) -> tuple[Any, list[tuple[str, str]]]:
    """Return what a call gives or raises, and the requests that the server has received for it."""
    server.received.clear()
    try:
        result: Any = repr(call())
    except Exception as error:  # noqa: BLE001 - what it raises is what is compared
        attributes = [repr(getattr(error, name, "none")) for name in ("status_code", "body", "code", "message", "type")]
        result = (type(error).__name__, str(error), attributes)
    key = ("authorization", "x-api-key", "x-goog-api-key")
    return result, [
        (request.path.partition("/models")[2] or request.path, "".join(request.headers.get(name, "") for name in key))
        for request in server.received
    ]


def compare(wire: str, server: Provider, answer: Callable[[Received], Reply]) -> None:
    server.answer = answer
    url = server.url
    arguments: dict[str, Any] = {"max_tokens": 9} if wire == "claude" else {}
    model = model_of(wire, url)
    assert outcome(server, lambda: model.chat(MESSAGES, **arguments).content) == outcome(server, sdk_call(wire, url))


CASES = [
    (wire, name)
    for wire in NAMES
    for name in (*REPLIES["chat" if wire == "groq" else wire], *ODD)
]  # fmt: skip


@pytest.mark.parametrize(("wire", "name"), CASES)
def test_a_reply_is_what_the_sdk_gives(wire: str, name: str, provider: Provider) -> None:
    body = ODD[name] if name in ODD else body_of("chat" if wire == "groq" else wire, name)
    compare(wire, provider, lambda _: Reply(body=body, headers=JSON))


@pytest.mark.parametrize("wire", NAMES)
def test_a_failure_is_repeated_and_raised_as_the_sdk_does(wire: str, provider: Provider) -> None:
    for status in STATUSES:
        body = json.dumps({"error": {"message": f"boo {status}", "code": status, "status": "X"}}).encode()
        compare(wire, provider, lambda _, status=status, body=body: Reply(status, body, JSON))  # type: ignore[misc]


HEADERS = [{"retry-after": "1"}, {"retry-after": "90"}, {"retry-after": "500"}, {"retry-after-ms": "20"},
           {"x-should-retry": "false"}, {"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}]  # fmt: skip


@pytest.mark.parametrize("wire", ["chat", "groq", "claude"])
def test_a_wait_that_the_provider_asks_for_is_kept_as_the_sdk_keeps_it(wire: str, provider: Provider) -> None:
    for headers in HEADERS:
        compare(wire, provider, lambda _, headers=headers: Reply(429, b"{}", {**JSON, **headers}))  # type: ignore[misc]
    compare(wire, provider, lambda _: Reply(400, b"{}", {**JSON, "x-should-retry": "true"}))


@pytest.mark.parametrize(("most", "requests"), [(0, 1), (4, 5)])
def test_the_programs_own_number_of_retries_holds(most: int, requests: int, provider: Provider) -> None:
    provider.answer = lambda _: Reply(500, b"{}", JSON)
    with pytest.raises(openai.InternalServerError):
        model_of("chat", provider.url, max_retries=most).chat(MESSAGES)
    assert len(provider.received) == requests


def test_an_error_is_the_sdks_and_the_factorys(provider: Provider) -> None:
    provider.answer = lambda _: Reply(429, b'{"error": {"message": "slow", "code": "x"}}', JSON)
    with pytest.raises(openai.RateLimitError) as caught:
        model_of("chat", provider.url, max_retries=0).chat(MESSAGES)
    error: Any = caught.value
    kinds: tuple[type, ...] = type(error).__mro__
    assert RateLimited in kinds
    assert (error.response.status_code, error.status_code, error.code, error.category) == (429, 429, "x", "rate_limit")
    assert error.trace_id is not None
    assert repr(error).startswith("RateLimitError(")


def test_a_stream_gives_each_event_as_it_came(provider: Provider) -> None:
    deltas = [{"role": "assistant", "content": ""}, {"content": "<think>no</think>"}, {"content": "BUY"}, {}]
    events = [{"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m",
               "choices": [{"index": 0, "delta": delta, "finish_reason": None if delta else "stop"}]}
              for delta in deltas]  # fmt: skip
    body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"
    provider.answer = lambda _: Reply(body=body, headers={"content-type": "text/event-stream"})
    chunks = list(model_of("chat", provider.url).stream_chat(MESSAGES))
    assert [(chunk.content, chunk.finish_reason) for chunk in chunks] == [
        ("", None), ("<think>no</think>", None), ("BUY", None), (None, "stop")
    ]  # fmt: skip


def test_an_empty_reply_stays_an_error_without_compat(provider: Provider) -> None:
    provider.answer = lambda _: Reply(body=body_of("chat", "empty"), headers=JSON)
    with pytest.raises(ModelError):
        ModelFactory.get_model("openai", "gpt-4o", api_key="k", base_url=f"{provider.url}/v1").chat(MESSAGES)
    assert len(provider.received) == 3


def test_no_key_of_the_owners_goes_where_an_empty_one_was_named(provider: Provider) -> None:
    provider.answer = lambda _: Reply(body=body_of("chat", "good"), headers=JSON)
    model = ModelFactory.get_model("openai", "m", base_url=f"{provider.url}/v1", api_key="", compat="openai")
    assert model.chat(MESSAGES).content == "BUY"
    assert "authorization" not in provider.received[0].headers
    other = ModelFactory.get_model("deepseek", "m", base_url=f"{provider.url}/v1", compat="openai")
    assert other.chat(MESSAGES).content == "BUY"
    assert "authorization" not in provider.received[1].headers


def test_a_missing_key_raises_where_the_model_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(openai.OpenAIError, match="OPENAI_API_KEY") as caught:
        ModelFactory.get_model("openai", "gpt-4o", compat="openai")
    assert isinstance(caught.value, ModelUnavailable)


def test_a_token_takes_the_keys_place(monkeypatch: pytest.MonkeyPatch, provider: Provider) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", provider.url)
    provider.answer = lambda _: Reply(body=body_of("claude", "good"), headers=JSON)
    model = ModelFactory.get_model("claude", "claude-haiku-4-5", compat="anthropic")
    assert model.chat(MESSAGES, max_tokens=5).content == "BUY"
    headers = provider.received[0].headers
    assert (headers.get("authorization"), headers.get("x-api-key")) == ("Bearer token", None)


@pytest.mark.parametrize(
    ("settings", "parameter"),
    [({"compat": "llama"}, "compat"), ({"compat": "groq"}, "compat"), ({"max_retries": 2}, "max_retries"),
     ({"compat": "openai", "max_retries": -1}, "max_retries"), ({"compat": "openai", "timeout": "soon"}, "timeout")],
)  # fmt: skip
def test_a_wrong_setting_is_named(settings: dict[str, Any], parameter: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ModelFactory.get_model("openai", "gpt-4o", **settings)
    assert caught.value.parameter == parameter


def test_compat_has_no_fallbacks() -> None:
    with pytest.raises(InvalidRequest, match="fallbacks"):
        ModelFactory.get_model("openai", compat="openai", fallbacks=["local"])


def test_the_old_google_sdk_repeats_unavailable_for_ten_minutes_and_nothing_else() -> None:
    retries = SdkRetries(SDKS["google.generativeai"], None)
    unavailable, failed = ModelError("x", status=503), ModelError("x", status=500)
    waits = [retries.wait_after(unavailable, 0.0) for _ in range(30)]
    assert all(wait is not None and 0 <= wait <= 10 for wait in waits)
    assert retries.wait_after(unavailable, 600.0) is None
    assert SdkRetries(SDKS["google.generativeai"], None).wait_after(failed, 0.0) is None


def test_a_model_of_the_factory_gives_its_sdks_behaviour_on_demand(provider: Provider) -> None:
    provider.answer = lambda _: Reply(body=body_of("chat", "thoughts"), headers=JSON)
    model = ModelFactory.get_model("openai", "gpt-4o", api_key="k", base_url=f"{provider.url}/v1")
    assert model.chat(MESSAGES).content == "BUY"
    assert model.as_sdk().chat(MESSAGES).content == "<think>SELL?</think>\n\nBUY"
    assert model.as_sdk() is model.as_sdk()

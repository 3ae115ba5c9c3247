"""What is replayed is what the SDK itself would send, and its reply is what the SDK would have made of it."""

from __future__ import annotations

import importlib
import logging
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import pydantic
import pytest

from src.models.errors import AuthenticationFailed, ConnectionFailed, MalformedResponse, RateLimited
from src.models.transport import replay
from src.models.types import ImagePart, Timeouts
from tests.contract.dialects.base import Says
from tests.contract.harness import naming
from tests.contract.test_replies import PNG, TOOL, UNICODE
from tests.servers import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from src.models.base_model import BaseModel
    from src.models.types import ModelResponse
    from tests.contract.dialects.base import Dialect
    from tests.contract.harness import Caller, Wire
    from tests.servers import Received

# Those of the table that are asked through an SDK over HTTP; the old SDK of Gemini has a transport of its own.
JSON = {"content-type": "application/json"}
NEVER = ("local", "gemini__legacy")


class Verdict(pydantic.BaseModel):
    action: str = "NOTHING"
    reason: str | None = None


CALLS: dict[str, dict[str, Any]] = {
    "plain": {},
    "nothing asked": {"temperature": None},
    "no system": {"system_prompt": None},
    "unicode": {"user_content": UNICODE},
    "long": {"user_content": "close 42,137.55 RSI 61.3; " * 4000},
    "limits": {"max_tokens": 77, "stop": ["END"], "top_p": 0.5},
    "a time of its own": {"timeout": Timeouts(read=7.5)},
    "a form": {"response_format": Verdict},
    "JSON": {"response_format": {"type": "json_object"}},
    "effort": {"reasoning_effort": "low"},
    "an image": {"user_content": ["look", ImagePart("image/png", PNG)]},
    "a tool": {"tools": [TOOL]},
    "a header": {"extra_headers": {"x-test": "1"}},
    "an option": {"extra_body": {"custom": {"deep": [1, None]}}},
}


@pytest.fixture
def replayed_bodies(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return the bodies that were replayed."""
    bodies: list[bytes] = []
    real = replay._Template.fill

    def count(self: Any, body: bytes, *rest: Any) -> Any:
        bodies.append(body)
        return real(self, body, *rest)

    monkeypatch.setattr(replay._Template, "fill", count)
    return bodies


@contextmanager
def by_sdk_alone() -> Iterator[None]:
    """Have each call made by the SDK itself within the block."""

    async def acall(_: Any, key: Any, body: Any, timeouts: Any, ask: Any, read: Any) -> Any:
        return await ask()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay.Replay, "call", lambda _, key, body, timeouts, ask, read: ask())
        patch.setattr(replay.Replay, "acall", acall)
        yield


def _ask(model: BaseModel, call: Caller, options: dict[str, Any]) -> ModelResponse:
    arguments = {"system_prompt": "be brief", "user_content": "what now?", **options}
    return call.ask(model, arguments.pop("system_prompt"), arguments.pop("user_content"), **arguments)


def _headers(received: Received) -> dict[str, str]:
    return {name: value for name, value in received.headers.items() if name != "content-length"}


def _takes(case: str, model: BaseModel, name: str) -> bool:
    can = model.capabilities
    if name == "an image" and not can.images:
        return False
    if name == "a tool" and not can.tools:
        return False
    if name in ("a header", "an option"):  # the other SDKs have no such parameters
        return case not in (*NEVER, "gemini", "ollama")
    return not (name == "limits" and not can.stop)


def test_sends_what_the_sdk_sends(
    case: str, make: Callable[..., BaseModel], dialect: Dialect, wire: Wire, call: Caller
) -> None:
    model = make()
    wire.say(dialect.reply(Says(text='{"action": "BUY"}', model=dialect.model)))
    _ask(model, call, {"user_content": "a call before, so that there is a request to replay"})
    for name, options in CALLS.items():
        if _takes(case, model, name):
            with naming(name):
                our_reply = _ask(model, call, options)
                with by_sdk_alone():
                    sdk_reply = _ask(model, call, options)
                _check_same(our_reply, sdk_reply, *wire.received[-2:])


def _check_same(our_reply: ModelResponse, sdk_reply: ModelResponse, replayed: Received, by_sdk: Received) -> None:
    assert replayed.path == by_sdk.path
    assert replayed.json == by_sdk.json
    assert _headers(replayed) == _headers(by_sdk)
    for field in ("content", "usage", "finish_reason", "model_name", "response_id"):
        assert getattr(our_reply, field) == getattr(sdk_reply, field)
    assert type(our_reply.raw_response) is type(sdk_reply.raw_response)
    assert our_reply.raw_response == sdk_reply.raw_response
    assert our_reply.raw_response is our_reply.raw_response


def test_plain_calls_are_replayed_from_the_first_on(
    case: str, model: BaseModel, dialect: Dialect, wire: Wire, call: Caller, replayed_bodies: list[bytes]
) -> None:
    wire.say(dialect.reply(Says()))
    for number in range(3):
        _ask(model, call, {"user_content": f"question {number}"})
    assert len(wire.received) == 3
    assert [number for number in range(3) if f"question {number}".encode() in wire.received[number].body] == [0, 1, 2]
    assert len(replayed_bodies) == (0 if case in NEVER else 3)


def test_an_sdk_that_sends_another_body_makes_its_calls_itself(
    case: str, model: BaseModel, dialect: Dialect, wire: Wire, call: Caller, replayed_bodies: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """As a newer one might, that says something more or otherwise."""
    wire.say(dialect.reply(Says(text="as ever")))
    monkeypatch.setattr(replay, "_is_same_json", lambda sdk, ours: False)
    replies = [_ask(model, call, {}) for _ in range(2)]
    assert [reply.content for reply in replies] == ["as ever"] * 2
    assert replies[0].raw_response is not None
    assert replayed_bodies == []
    assert len(wire.received) == 2


def test_an_sdk_whose_http_client_is_elsewhere_makes_its_calls_itself(
    case: str, make: Callable[..., BaseModel], dialect: Dialect, wire: Wire, call: Caller, replayed_bodies: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    real = replay.Replay.__init__
    monkeypatch.setattr(replay.Replay, "__init__", lambda self, http, *way, **kind: real(self, None, *way, **kind))
    wire.say(dialect.reply(Says(text="as ever")))
    assert _ask(make(), call, {}).content == "as ever"
    assert replayed_bodies == []
    assert len(wire.received) == 1


@pytest.mark.parametrize("case", ["gemini", "ollama"], indirect=True)
def test_a_newer_sdk_that_keeps_its_client_under_another_name_is_asked_itself(
    case: str, make: Callable[..., BaseModel], dialect: Dialect, wire: Wire, call: Caller, replayed_bodies: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    module = importlib.import_module(f"src.models.adapters.{'gemini.google_genai' if case == 'gemini' else case}")
    hidden = ("_api_client", "_client")
    monkeypatch.setattr(
        module, "getattr", lambda value, name, *rest: rest[0] if name in hidden else getattr(value, name, *rest),
        raising=False,
    )  # fmt: skip
    wire.say(dialect.reply(Says(text="as ever")))
    assert _ask(make(), call, {}).content == "as ever"
    assert replayed_bodies == []


def test_a_key_that_was_changed_is_sent(
    case: str, model: BaseModel, dialect: Dialect, wire: Wire, replayed_bodies: list[bytes]
) -> None:
    client: Any = getattr(model, "client", None)
    if case in NEVER or not isinstance(getattr(client, "api_key", None), str):
        return
    wire.say(dialect.reply(Says()))
    model.generate_response(None, "one")
    client.api_key = "another-key-4712"
    model.generate_response(None, "two")
    assert len(replayed_bodies) == 2  # the request was built anew
    assert "another-key-4712" in "".join(wire.received[1].headers.values())


def test_a_redirect_is_followed_with_the_same_question(
    case: str, model: BaseModel, dialect: Dialect, wire: Wire, call: Caller
) -> None:
    if case in {*NEVER, "ollama"}:  # whose redirects are not followed
        return
    moved = Reply(307, b"", {"location": "/elsewhere"})
    wire.say(moved, dialect.reply(Says(text="from there")), moved, dialect.reply(Says(text="from there")))
    for _ in range(2):
        assert _ask(model, call, {"user_content": "the same"}).content == "from there"
    assert [request.path.partition("/else")[1] for request in wire.received] == ["", "/else", "", "/else"]
    assert len({request.body for request in wire.received}) == 1


def test_cookies_come_back(
    case: str, model: BaseModel, dialect: Dialect, wire: Wire, replayed_bodies: list[bytes]
) -> None:
    if case in NEVER:
        return
    answer = dialect.reply(Says())
    wire.say(Reply(answer.status, answer.body, {**answer.headers, "set-cookie": "balance=here; Path=/"}))
    for _ in range(2):
        model.generate_response(None, "hi")
    assert "cookie" not in wire.received[0].headers
    assert wire.received[1].headers["cookie"] == "balance=here"
    assert len(replayed_bodies) == 2


NO_PLAIN_REPLIES: list[tuple[Reply, type[Exception]]] = [
    (Reply(401, b'{"error": {"message": "wrong key", "code": 401}}', JSON), AuthenticationFailed),
    (Reply(429, b"slow down", {"content-type": "text/plain", "retry-after": "9"}), RateLimited),
    (Reply(200, b"<html>a page</html>", {"content-type": "text/html"}), MalformedResponse),
    (Reply(200, b'{"half": ', JSON), MalformedResponse),
]


def test_what_is_no_plain_reply_is_told_as_the_sdk_tells_it(
    case: str, model: BaseModel, wire: Wire, call: Caller
) -> None:
    if case in NEVER:
        return
    for answer, kind in NO_PLAIN_REPLIES:
        wire.received.clear()
        wire.say(answer)
        with naming(answer):
            errors = []
            for by_whom in (nullcontext, by_sdk_alone):
                with by_whom(), pytest.raises(kind) as caught:
                    _ask(model, call, {})
                error: Any = caught.value
                errors.append(
                    (type(error), str(error), error.status, error.retry_after_s, error.request_id, error.parameter)
                )
            assert errors[0] == errors[1]
            assert len(wire.received) == 2


def test_a_connection_that_breaks_is_told_as_the_sdk_tells_it(
    case: str, make: Callable[..., BaseModel], call: Caller
) -> None:
    if case in NEVER:
        return
    model = make(base_url="http://127.0.0.1:1")
    for _ in range(2):
        with pytest.raises(ConnectionFailed) as caught:
            _ask(model, call, {})
    assert "replay" not in str(caught.value)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("case", ["openai", "groq", "claude", "gemini", "ollama"], indirect=True)
@pytest.mark.parametrize("before", [True, False])
def test_another_instrumentation_on_the_way_sees_each_call(
    *, before: bool, case: str, make: Callable[..., BaseModel], dialect: Dialect, wire: Wire,
    replayed_bodies: list[bytes], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    first_model: Any = make()
    client = first_model.client
    owner = type(client.models) if case == "gemini" else type(client)
    method = {"gemini": "generate_content", "ollama": "chat"}.get(case, "request")
    real, seen = getattr(owner, method), []

    def watched(*args: Any, **kwargs: Any) -> Any:
        seen.append(1)
        return real(*args, **kwargs)

    wire.say(dialect.reply(Says()))
    if before:
        monkeypatch.setattr(owner, method, watched)
    model = make("another" if before else None)
    if not before:
        model.generate_response(None, "hi")
        monkeypatch.setattr(owner, method, watched)
    replayed = len(replayed_bodies)
    assert replayed == (0 if before else 1)
    for _ in range(2):
        model.generate_response(None, "hi")
    assert len(seen) == 2
    assert len(replayed_bodies) == replayed


@pytest.mark.parametrize("case", ["openai", "groq", "claude", "gemini", "ollama"], indirect=True)
@pytest.mark.parametrize("where", ["the class", "the client"])
def test_an_instrumentation_of_the_http_client_sees_each_call(
    where: str, case: str, model: BaseModel, dialect: Dialect, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.say(dialect.reply(Says()))
    clients: list[Any] = []
    real_call = replay.Replay.call

    def call(self: Any, *args: Any) -> Any:
        clients.append(self._http)
        return real_call(self, *args)

    monkeypatch.setattr(replay.Replay, "call", call)
    model.generate_response(None, "hi")
    (http,), seen = clients, []
    owner: Any = http if where == "the client" else next(kind for kind in type(http).__mro__ if "send" in vars(kind))
    real = owner.send

    def watched(*args: Any, **kwargs: Any) -> Any:
        seen.append(1)
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, "send", watched)
    for _ in range(2):
        model.generate_response(None, "hi")
    assert len(seen) == 2


@pytest.mark.parametrize("case", ["openai", "groq", "claude", "gemini", "ollama"], indirect=True)
def test_the_log_of_the_http_client_has_a_line_for_each_call_where_it_is_read(
    case: str, model: BaseModel, dialect: Dialect, wire: Wire, call: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    wire.say(dialect.reply(Says()))
    for level, lines in ((logging.WARNING, 0), (logging.INFO, 2)):
        caplog.clear()
        for name in ("httpx", "httpx2"):
            caplog.set_level(level, name)
        for _ in range(2):
            _ask(model, call, {})
        assert len([line for line in caplog.messages if line.startswith("HTTP Request: POST")]) == lines

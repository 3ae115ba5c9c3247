"""What is sent through an HTTP client's transport is sent as the client itself would send it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from src.models.errors import ModelError, ServerFailed
from src.models.model_factory import ModelFactory
from src.models.transport import bare_send, replay
from tests.contract.conftest import ONCE
from tests.contract.dialects.base import Says
from tests.contract.harness import dialect_of
from tests.servers import Received, Reply, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from src.models.base_model import BaseModel
    from tests.contract.dialects.base import Dialect
    from tests.contract.harness import Caller, Wire

SDKS = ["openai", "groq", "claude", "gemini", "ollama"]  # openai's, claude's and gemini's run on httpx2
REDIRECTED = ["openai", "groq", "claude", "gemini"]
STAINLESS = ["openai", "groq", "claude"]


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the HTTP clients that requests are replayed through."""
    https: list[Any] = []
    real = bare_send.BareSender.__init__

    def record(self: Any, http: Any, **options: Any) -> None:
        https.append(http)
        real(self, http, **options)

    monkeypatch.setattr(bare_send.BareSender, "__init__", record)
    return https


@pytest.fixture
def by_client(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return how to have the HTTP client send what is replayed from here on."""
    return lambda: monkeypatch.setattr(bare_send.BareSender, "_can_bypass", lambda self, request: False)


def _fails(model: BaseModel, call: Caller) -> ModelError:
    with pytest.raises(ModelError) as caught:
        call.ask(model, "be brief", "what now?")
    return caught.value


def _causes(error: BaseException | None) -> list[str]:
    return [] if error is None else [f"{type(error).__name__}: {error}", *_causes(error.__cause__)]


@pytest.mark.parametrize("case", REDIRECTED, indirect=True)
@pytest.mark.parametrize("at_most", [4, 0])
def test_too_many_redirects_are_as_many_as_the_client_takes(
    at_most: int, case: str, make: Callable[..., BaseModel], wire: Wire, call: Caller, clients: list[Any],
    by_client: Callable[[], None], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    real = bare_send.BareSender.__init__

    def limited(self: Any, http: Any, **options: Any) -> None:
        http.max_redirects = at_most
        real(self, http, **options)

    monkeypatch.setattr(bare_send.BareSender, "__init__", limited)
    wire.say(Reply(307, b"", {"location": "/again"}))
    model = make()
    outcomes = []
    for bypassed in (True, False):
        if not bypassed:
            by_client()
        sent_before = len(wire.received)
        outcomes.append((_causes(_fails(model, call)), len(wire.received) - sent_before))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][1] == at_most + 1


@pytest.mark.parametrize("case", REDIRECTED, indirect=True)
@pytest.mark.parametrize(
    "place", ["http://someone:else@{host}/b", "http://other.test/b", "http://someone:else@other.test/b"]
)
def test_a_redirect_names_nobody_else_and_leaves_the_key_at_home(
    place: str, case: str, model: BaseModel, dialect: Dialect, wire: Wire, call: Caller, by_client: Callable[[], None]
) -> None:
    def moved(request: Received) -> Reply:
        return Reply(307, b"", {"location": place.format(host=request.headers["host"])})

    headers = []
    for bypassed in (True, False):
        if not bypassed:
            by_client()
        wire.say(moved, dialect.reply(Says(text="from there")))
        assert call.ask(model, "be brief", "what now?").content == "from there"
        headers.append({name: value for name, value in wire.received[-1].headers.items() if name != "date"})
    assert headers[0] == headers[1]
    assert "basic" not in headers[0].get("authorization", "").lower()


@pytest.mark.parametrize("case", STAINLESS, indirect=True)
@pytest.mark.parametrize("bypassed", [True, False])
def test_an_error_after_a_redirect_knows_where_it_came_from(
    *, bypassed: bool, case: str, model: BaseModel, wire: Wire, call: Caller, by_client: Callable[[], None]
) -> None:
    if not bypassed:
        by_client()
    wire.say(
        Reply(307, b"", {"location": "/b"}),
        Reply(500, b'{"error": {"message": "broken"}}', {"content-type": "application/json"}),
    )
    error = _fails(model, call)
    assert isinstance(error, ServerFailed)
    cause: Any = error.__cause__
    response = cause.response
    assert [past.status_code for past in response.history] == [307]
    assert response.url.path == "/b"
    assert response.elapsed.total_seconds() > 0


@pytest.mark.parametrize("case", SDKS, indirect=True)
@pytest.mark.parametrize("method", ["_send_handling_auth", "_send_handling_redirects", "_send_single_request"])
@pytest.mark.parametrize("where", ["the class before", "the class after", "the client"])
def test_what_has_taken_hold_of_a_method_beneath_sees_each_call(
    where: str, method: str, case: str, make: Callable[..., BaseModel], dialect: Dialect, wire: Wire,
    clients: list[Any], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """As recorders of HTTP do, which are to keep a test from the network."""
    wire.say(dialect.reply(Says()))
    model = make("made before")
    model.generate_response(None, "hi")
    (http,), seen = clients, []
    owner: Any = http if where == "the client" else next(kind for kind in type(http).__mro__ if method in vars(kind))
    real = getattr(owner, method)

    def watched(*args: Any, **kwargs: Any) -> Any:
        seen.append(1)
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, method, watched)
    if where == "the class before":
        model = make("made since")
    for _ in range(2):
        model.generate_response(None, "hi")
    assert len(seen) == 2


@pytest.mark.parametrize("case", SDKS, indirect=True)
def test_a_hook_that_reads_a_reply_may_ask_how_long_it_took(
    case: str, make: Callable[..., BaseModel], dialect: Dialect, wire: Wire, clients: list[Any]
) -> None:
    wire.say(dialect.reply(Says()))
    model = make()
    model.generate_response(None, "hi")
    durations = []

    def watch(response: Any) -> None:
        response.read()
        durations.append(response.elapsed.total_seconds())

    clients[0].event_hooks["response"].append(watch)
    model.generate_response(None, "hi")
    assert durations[0] > 0


@pytest.mark.parametrize("case", STAINLESS, indirect=True)
def test_the_log_of_the_sdk_has_lines_for_each_call_where_it_is_read(
    case: str, model: BaseModel, dialect: Dialect, wire: Wire, call: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    """As with OPENAI_LOG=debug."""
    wire.say(dialect.reply(Says()))
    call.ask(model, None, "hi")
    assert not [line for line in caplog.messages if line.startswith("HTTP Response")]
    caplog.set_level(logging.DEBUG, {"claude": "anthropic"}.get(case, case))
    for _ in range(2):
        call.ask(model, None, "hi")
    assert len([line for line in caplog.messages if line.startswith("HTTP Response")]) == 2
    assert len(wire.received) == 3


@pytest.mark.parametrize(("case", "variable"), [("claude", "ANTHROPIC"), ("groq", "GROQ")], indirect=["case"])
def test_a_cookie_of_the_operator_is_sent_each_time(
    case: str, variable: str, make: Callable[..., BaseModel], dialect: Dialect, wire: Wire, call: Caller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv(f"{variable}_CUSTOM_HEADERS", "Cookie: gate=open")
    answer = dialect.reply(Says())
    wire.say(Reply(answer.status, answer.body, {**answer.headers, "set-cookie": "balance=here; Path=/"}))
    model = make()
    for _ in range(3):
        model.generate_response(None, "hi")
    assert [request.headers["cookie"] for request in wire.received] == ["gate=open"] * 3


@pytest.mark.parametrize("case", STAINLESS, indirect=True)
def test_an_address_that_was_changed_is_asked(case: str, model: BaseModel, dialect: Dialect, wire: Wire) -> None:
    wire.say(dialect.reply(Says()))
    model.generate_response(None, "one")
    client: Any = getattr(model, "client")  # noqa: B009 - adapters have it, the base class has not
    client.base_url = "http://moved.test/elsewhere"
    model.generate_response(None, "two")
    assert wire.received[1].headers["host"] == "moved.test"
    assert wire.received[1].path.startswith("/elsewhere/")


@pytest.mark.parametrize("case", ["ollama"], indirect=True)
def test_more_kinds_of_requests_than_are_kept_are_answered_in_any_order(
    case: str, model: BaseModel, dialect: Dialect, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "_MOST_TEMPLATES", 1)
    wire.say(dialect.reply(Says()))

    def ask(number: int) -> str:
        options: dict[str, Any] = {"top_p": 0.5} if number % 2 else {}
        return model.generate_response(None, "hi", **options).content

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(32))) == {"hello"}
    assert len(wire.received) == 32


def _served(case: str, address: str) -> BaseModel:
    dialect = dialect_of(case)
    return ModelFactory.get_model(
        case, dialect.model, api_key="test-key-4711", base_url=dialect.base_url(address), retry_policy=ONCE
    )


def _echo(case: str, seen: Callable[[str], None]) -> Callable[[Received], Reply]:
    """Answer each question with its own word."""
    dialect = dialect_of(case)

    def answer(request: Received) -> Reply:
        word = next(word for word in ("alpha", "beta", "gamma") if word.encode() in request.body)
        seen(word)
        return dialect.reply(Says(text=word, model=dialect.model))

    return answer


def _is_at_rest(http: Any) -> bool:
    """Tell whether no connection is held by a call that has ended."""
    return all(connection.is_idle() for connection in http._transport._pool.connections)


@pytest.mark.parametrize("name", SDKS)
def test_a_call_that_is_cancelled_leaves_its_client_fit_for_the_next(name: str, clients: list[Any]) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def wait(word: str) -> None:
        if word == "beta":
            reached.set()
            go_on.wait(20)

    async def calls(model: BaseModel) -> list[str]:
        replies = [await model.agenerate_response(None, "alpha")]
        task = asyncio.create_task(model.agenerate_response(None, "beta"))
        await asyncio.to_thread(reached.wait, 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert all(_is_at_rest(http) for http in clients if hasattr(http, "aclose"))
        go_on.set()
        replies.append(await model.agenerate_response(None, "gamma"))
        return [reply.content for reply in replies]

    with Server(_echo(name, wait)) as server:
        assert asyncio.run(calls(_served(name, server.url))) == ["alpha", "gamma"]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Have SIGINT interrupt, which a process that was started in the background ignores."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def _await_idle_main_thread() -> None:
    """Return once the main thread has stood at one instruction for ten looks: it waits for its socket."""
    looks: list[tuple[int, int]] = []
    while len(looks) < 10 or len(set(looks[-10:])) > 1:
        frame = sys._current_frames()[threading.main_thread().ident or 0]
        looks.append((id(frame), frame.f_lasti))
        del frame
        time.sleep(0.005)


@pytest.mark.parametrize("name", SDKS)
@pytest.mark.usefixtures("interruptible")
def test_a_call_that_is_interrupted_leaves_its_client_fit_for_the_next(name: str, clients: list[Any]) -> None:
    go_on = threading.Event()

    def interrupt(word: str) -> None:
        if word == "beta":
            _await_idle_main_thread()  # Python drops an exception that is raised inside a weak reference's callback
            os.kill(os.getpid(), signal.SIGINT)
            go_on.wait(20)

    with Server(_echo(name, interrupt)) as server:
        model = _served(name, server.url)
        assert model.generate_response(None, "alpha").content == "alpha"
        with pytest.raises(KeyboardInterrupt):
            model.generate_response(None, "beta")
        assert all(_is_at_rest(http) for http in clients)
        go_on.set()
        assert model.generate_response(None, "gamma").content == "gamma"

"""A traced client of an SDK sends and returns what it would untraced, and each of its requests is a generation."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import pytest

from src.models import ModelFactory, guard
from src.models.errors import BudgetExceeded, InvalidRequest
from src.models.raw_http import sdk_clients, traced_http
from src.observability import attributes as names
from src.observability import observe_agent
from tests.contract.dialects.base import Says
from tests.contract.traced_sdks import (
    CHAT,
    KEY,
    SDKS,
    Sdk,
    aask,
    ask,
    dialect_of,
    module,
    only,
    recorded,
    without_dates,
)
from tests.servers import Reply, Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.observability.store.spool import Spool


@pytest.fixture(params=SDKS)
def sdk(request: pytest.FixtureRequest) -> Sdk:
    return SDKS[request.param]


@pytest.fixture(autouse=True)
def guarded() -> Iterator[None]:
    """Let no request pass that is not traced."""
    guard.install("block")
    yield
    guard.uninstall()


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("stream", [False, True])
def test_the_wire_and_the_replies_are_the_same_as_without(
    sdk: Sdk, stream: bool, asynchronous: bool, spool: Spool
) -> None:
    dialect, says = dialect_of(sdk), Says("Up, slowly.")
    answer = dialect.stream(says) if stream else dialect.reply(says)
    with Server(lambda _: answer) as server:
        results = []
        for trace in (False, True):
            if not trace:
                guard.uninstall()
            run = aask(sdk, server.url, stream=stream, trace=trace) if asynchronous else None
            results.append(asyncio.run(run) if run else ask(sdk, server.url, stream=stream, trace=trace))
        plain, traced = server.received
    if not (sdk.dialect == "gemini" and asynchronous):  # its default is aiohttp, which names itself in the headers
        assert plain.headers == traced.headers
        assert without_dates(results[0]) == without_dates(results[1])
    assert (plain.path, plain.body, plain.method) == (traced.path, traced.body, traced.method)
    _, attributes = only(spool)
    assert attributes[names.OUTPUT] == "Up, slowly."
    assert [message["content"] for message in json.loads(attributes[names.INPUT])] == ["Trend?"]
    assert json.loads(attributes[names.MODEL_PARAMETERS])["temperature"] == 0.3
    assert json.loads(attributes[names.USAGE_DETAILS]) == dialect.expected_usage(says.tokens).details()


@pytest.mark.parametrize("category", ["authentication", "rate_limit", "server"])
@pytest.mark.parametrize("stream", [False, True])
def test_errors_are_the_sdks_own_and_are_recorded_as_what_they_are(
    sdk: Sdk, stream: bool, category: str, spool: Spool
) -> None:
    answer = dialect_of(sdk).error(category)
    with Server(lambda _: answer) as server:
        texts = []
        for trace in (False, True):
            if not trace:
                guard.uninstall()
            with pytest.raises(Exception) as raised:  # noqa: PT011 - of whichever SDK it is
                ask(sdk, server.url, stream=stream, trace=trace)
            texts.append((type(raised.value), str(raised.value)))
        assert len(server.received) == 2
    assert texts[0] == texts[1]
    assert only(spool)[0].error_category == category


def test_a_refused_connection_is_recorded(sdk: Sdk, spool: Spool) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011 - of whichever SDK it is
        ask(sdk, "http://127.0.0.1:9", stream=False)
    row, _ = only(spool)
    assert (row.error_category, row.cost_usd) == ("connection", 0.0)


def test_no_header_is_stored(sdk: Sdk, spool: Spool) -> None:
    dialect = dialect_of(sdk)
    with Server(lambda _: dialect.reply(Says("yes"))) as server:
        ask(sdk, server.url, stream=False)
    stored = b"".join(file.read_bytes() for file in spool.path.parent.iterdir() if file.is_file())
    assert KEY.encode() not in stored


def test_each_retry_of_the_sdk_is_a_generation_of_its_own(spool: Spool) -> None:
    dialect = dialect_of(SDKS["openai"])
    answers = iter([Reply(503, b"{}", {"retry-after-ms": "1"}), dialect.reply(Says("yes"))])
    with Server(lambda _: next(answers)) as server, observe_agent("momentum") as run:
        client = ModelFactory.traced(module("openai").OpenAI(api_key=KEY, base_url=server.url + "/v1"))
        assert client.chat.completions.create(**CHAT).choices[0].message.content == "yes"
    first, second, _ = recorded(spool)
    assert [first[0].error_category, second[0].error_category] == ["overloaded", None]
    assert second[1][names.METADATA + "sdk_retry"] == "1"
    assert {row.trace_id for row, _ in recorded(spool)} == {run.trace_id}


def test_a_model_rejected_reply_is_not_asked_for_again(spool: Spool) -> None:
    body = {"error": {"message": "json", "code": "json_validate_failed", "failed_generation": "{broken"}}
    with Server(lambda _: Reply(400, json.dumps(body).encode(), {"content-type": "application/json"})) as server:
        client = ModelFactory.traced(SDKS["groq"].make(server.url))
        with pytest.raises(module("groq").BadRequestError):
            client.chat.completions.create(**CHAT)
        assert ModelFactory.post(server.url + "/v1/chat/completions", json=CHAT).status_code == 400
        assert len(server.received) == 2
    assert len(recorded(spool)) == 2


def test_other_requests_are_not_recorded(spool: Spool) -> None:
    guard.uninstall()
    body = {"object": "list", "data": [], "id": "m", "model": "m", "results": []}
    with Server(
        lambda _: Reply(body=json.dumps(body).encode(), headers={"content-type": "application/json"})
    ) as server:
        client = ModelFactory.traced(SDKS["openai"].make(server.url))
        client.moderations.create(model="m", input="a")
        client.models.list()
        assert len(server.received) == 2
    assert recorded(spool) == []


def test_a_broken_recording_never_breaks_the_request(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> Any:
        raise RuntimeError("telemetry is broken")

    dialect = dialect_of(SDKS["openai"])
    monkeypatch.setattr("src.models.raw_http.response_body.read_event", broken)
    monkeypatch.setattr("src.models.raw_http.response_body.completion", broken)
    guard.uninstall()
    with Server(lambda request: dialect.stream(Says("a b")) if request.json.get("stream") else dialect.reply(Says("a"))
                ) as server:  # fmt: skip
        client = ModelFactory.traced(SDKS["openai"].make(server.url))
        assert list(client.chat.completions.create(**CHAT, stream=True))
        assert client.chat.completions.create(**CHAT).choices[0].message.content == "a"
        monkeypatch.setattr("src.models.raw_http.request_recording.Call", broken)
        assert client.chat.completions.create(**CHAT).choices[0].message.content == "a"
        assert list(client.chat.completions.create(**CHAT, stream=True))
    assert len(recorded(spool)) == 2


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_hard_budget_holds_and_nothing_is_sent(
    asynchronous: bool, monkeypatch: pytest.MonkeyPatch, spool: Spool
) -> None:
    sdk = SDKS["openai"]
    monkeypatch.setenv("MOONDEV_BUDGET_DAY_USD", "0.0000001")
    with Server(lambda _: Reply()) as server, pytest.raises(BudgetExceeded):
        asyncio.run(aask(sdk, server.url, stream=False)) if asynchronous else ask(sdk, server.url, stream=True)
    assert server.received == []
    assert only(spool)[0].error_category == "budget"


def test_a_wrong_setting_is_named_and_the_request_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    guard.uninstall()
    monkeypatch.setenv("MOONDEV_REPLY_MAX_MB", "many")
    dialect = dialect_of(SDKS["openai"])
    with Server(lambda _: dialect.reply(Says("yes"))) as server:
        ask(SDKS["openai"], server.url, stream=False)
    assert "MOONDEV_REPLY_MAX_MB" in caplog.text


def test_tracing_twice_records_once_and_a_copy_is_traced_too(spool: Spool) -> None:
    dialect = dialect_of(SDKS["openai"])
    with Server(lambda _: dialect.reply(Says("yes"))) as server:
        client = ModelFactory.traced(ModelFactory.traced(SDKS["openai"].make(server.url)))
        client.with_options(timeout=5).chat.completions.create(**CHAT)
    only(spool)


@pytest.mark.parametrize(("library", "package"), [("openai", "openai"), ("anthropic", "anthropic"), ("groq", "groq")])
def test_a_made_http_client_has_the_sdks_own_settings(library: str, package: str) -> None:
    for made, own in ((ModelFactory.http_client(library), "DefaultHttpxClient"),
                      (ModelFactory.ahttp_client(library), "DefaultAsyncHttpxClient")):  # fmt: skip
        default = getattr(module(package), own)()
        assert isinstance(made, type(default))
        assert (made.timeout, made.follow_redirects, made.trust_env) == (
            default.timeout, default.follow_redirects, default.trust_env)  # fmt: skip
        assert made._transport._pool._max_connections == default._transport._pool._max_connections


def test_a_made_http_client_records(spool: Spool) -> None:
    dialect = dialect_of(SDKS["groq"])
    with Server(lambda _: dialect.reply(Says("yes"))) as server:
        groq = module("groq")
        groq.Groq(
            api_key=KEY, base_url=server.url, http_client=ModelFactory.http_client("groq")
        ).chat.completions.create(**CHAT)
        with ModelFactory.http_client("httpx") as http:
            http.post(server.url + "/v1/chat/completions", json=CHAT)
    assert [attributes[names.OUTPUT] for _, attributes in recorded(spool)] == ["yes", "yes"]


@pytest.fixture
def unpatched() -> Iterator[None]:
    """Take away afterwards what `trace_http` does to the libraries."""
    kinds = [getattr(library, name) for library in (httpx, httpx2) for name in ("Client", "AsyncClient")]
    sends = [kind.send for kind in kinds]
    yield
    for kind, send in zip(kinds, sends, strict=True):
        kind.send = send
        if traced_http._MARK in vars(kind):
            delattr(kind, traced_http._MARK)


@pytest.mark.usefixtures("unpatched")
def test_all_clients_of_the_process_can_be_recorded_each_request_once(sdk: Sdk, spool: Spool) -> None:
    dialect, says = dialect_of(sdk), Says("Up, slowly.")
    with Server(lambda _: dialect.reply(says)) as server:
        earlier = sdk.make(server.url)
        ModelFactory.trace_http()
        ModelFactory.trace_http()
        for client in (earlier, sdk.make(server.url), ModelFactory.traced(sdk.make(server.url))):
            sdk.whole(client)
    assert [attributes[names.OUTPUT] for _, attributes in recorded(spool)] == ["Up, slowly."] * 3


@pytest.mark.usefixtures("unpatched")
def test_a_call_of_the_factory_is_not_recorded_twice(spool: Spool) -> None:
    dialect = dialect_of(SDKS["openai"])
    with Server(lambda _: dialect.reply(Says("yes"))) as server:
        ModelFactory.trace_http()
        model = ModelFactory.get_model("openai", "gpt-4o", api_key=KEY, base_url=server.url + "/v1")
        for _ in range(2):
            assert model.generate_response(None, "q").content == "yes"
        ModelFactory.post(server.url + "/v1/chat/completions", via=httpx.post, json=CHAT)
    assert [row.provider for row, _ in recorded(spool)] == ["openai", "openai", "openai_compatible"]


def test_an_unknown_library_is_refused_by_name() -> None:
    with pytest.raises(InvalidRequest, match="'requests'"):
        ModelFactory.http_client("requests")


def test_what_holds_no_http_client_is_warned_of_and_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    holder = object()
    with caplog.at_level(logging.WARNING):
        assert ModelFactory.traced(holder) is holder
        assert ModelFactory.traced(None) is None
    assert "object is not traced" in caplog.text


def test_a_client_that_cannot_be_traced_is_warned_of_and_works(caplog: pytest.LogCaptureFixture) -> None:
    class Closed(httpx.Client):
        def __init_subclass__(cls, *, licence: str) -> None:
            """Let nobody have a subclass."""

    client = Closed()
    with caplog.at_level(logging.WARNING):
        assert ModelFactory.traced(client) is client
    assert "Closed is not traced" in caplog.text
    assert type(client) is Closed


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_a_client_stays_an_instance_of_its_class_and_closes_itself(library: Any) -> None:
    class Own(library.Client):  # type: ignore[misc] # of whichever library
        """A program's own client."""

    client = Own()
    traced_http.trace(client)
    assert isinstance(client, Own)
    assert (type(client).__name__, type(client).__module__) == ("Own", __name__)
    with client:
        assert not client.is_closed
    assert client.is_closed


def test_frameworks_are_searched_where_they_hold_clients() -> None:
    class Holder:
        def __init__(self, **inner: object) -> None:
            self.__dict__.update(inner)

    http, other = httpx.Client(), httpx.AsyncClient()
    framework = Holder(root_client=Holder(_client=http), root_async_client=Holder(_client=other))
    assert list(sdk_clients._http_clients(framework)) == [http, other]

"""Keys and addresses that copying has spoiled are named, and nothing is sent; only OpenAI gets what is OpenAI's."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from src.models.errors import InvalidRequest, ModelUnavailable
from src.models.model_factory import PROVIDERS, ModelFactory, Provider
from src.observability import get_tracker
from src.observability.settings import Settings, SettingsError
from tests.servers import Received, Reply, Server, chat_reply, claude_reply, ollama_reply
from tests.unit.models.test_network import answer as network_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "sk-test-0123456789-secret"
KEYED = [row.name for row in PROVIDERS.values() if row.keys]
SPOILED = {
    "zero width space": f"{KEY[:9]}\u200b{KEY[9:]}",
    "byte order mark": f"\ufeff{KEY}",
    "left double quotation mark": f"\u201c{KEY}\u201d",
    "a quotation mark": f'"{KEY}"',
    "quotation mark": f"'{KEY}'",
    "a line end": f"{KEY[:9]}\n{KEY[9:]}",
    "a space": f"Bearer {KEY}",
    "a tab": f"{KEY[:9]}\t{KEY[9:]}",
    "cyrillic small letter": f"{KEY}\u0430",
    "en dash": f"{KEY}\u2013x",
    "no UTF-8": f"{KEY}\udcff",
}


def answer(request: Received) -> Reply:
    if "/messages" in request.path:
        return claude_reply("hi")
    return ollama_reply("hi") if "/api/" in request.path else chat_reply("hi")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(answer) as running:
        yield running


@pytest.mark.parametrize(
    ("name", "words"),
    [*(("openai", words) for words in SPOILED), *((name, "zero width space") for name in KEYED)],
)
@pytest.mark.parametrize("as_argument", [False, True])
def test_a_spoiled_key_is_named_and_never_sent(
    name: str, words: str, server: Server, monkeypatch: pytest.MonkeyPatch, *, as_argument: bool
) -> None:
    row = PROVIDERS[name]
    settings: dict[str, Any] = {"base_url": server.url}
    if as_argument:
        settings["api_key"] = SPOILED[words]
    else:
        monkeypatch.setenv(row.keys[-1], SPOILED[words])
    model = ModelFactory.get_model(name, "m", **settings)
    assert not model
    for ask in (model.generate_response, lambda *_: list(model.stream_response(None, "hi"))):
        with pytest.raises(ModelUnavailable) as raised:
            ask(None, "hi")
        text = str(raised.value)
        assert ("api_key" if as_argument else row.keys[-1]) in text
        assert words in text
        assert KEY[:9] not in text
        assert KEY[9:] not in text
    assert server.received == []
    if not as_argument:
        assert words in (ModelFactory.why_unavailable(name) or "")


@pytest.mark.parametrize("as_argument", [False, True])
def test_white_space_around_a_key_is_left_out(
    server: Server, monkeypatch: pytest.MonkeyPatch, *, as_argument: bool
) -> None:
    monkeypatch.setenv("OPENAI_KEY", f"  {KEY}\r\n")
    settings = {"api_key": f"\n {KEY} "} if as_argument else {}
    ModelFactory.get_model("openai", base_url=f"{server.url}/v1", **settings).generate_response(None, "hi")
    assert server.received[0].headers["authorization"] == f"Bearer {KEY}"


def test_a_users_own_provider_is_checked_too(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    ModelFactory.register(Provider(name="mine", url=server.url, keys=("MINE_KEY",), default_model="m"))
    monkeypatch.setenv("MINE_KEY", f"{KEY}\u200b")
    with pytest.raises(ModelUnavailable, match="MINE_KEY holds a zero width space"):
        ModelFactory.get_model("mine").generate_response(None, "hi")
    assert server.received == []


@pytest.mark.parametrize("name", ["LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY"])
@pytest.mark.parametrize("words", SPOILED)
def test_a_spoiled_key_of_langfuse_is_named(
    name: str, words: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for variable in ("LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY"):
        monkeypatch.setenv(variable, KEY)
    monkeypatch.setenv(name, SPOILED[words])
    with pytest.raises(SettingsError, match=words) as raised:
        Settings.read()
    assert raised.value.variable == name
    assert KEY[9:] not in str(raised.value)
    with caplog.at_level(logging.ERROR):
        assert get_tracker().exporter is None
    assert f"{name} " in caplog.text
    assert words in caplog.text


@pytest.mark.parametrize("host", ["sk-lf-{}", "https//joe:{}@langfuse.test", "langfuse.test?key={}", "http://a b/#{}"])
def test_a_key_in_the_address_of_langfuse_is_not_shown(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "4711d2c8-1111-2222-3333-abcdefabcdef"
    monkeypatch.setenv("LANGFUSE_HOST", host.format(secret))
    with pytest.raises(SettingsError, match="not an address") as raised:
        Settings.read()
    assert "4711" not in str(raised.value)


@pytest.mark.parametrize("name", ["openai", "claude", "groq"])
def test_a_header_that_cannot_be_sent_is_no_fault_of_the_messages(name: str, server: Server) -> None:
    model = ModelFactory.get_model(name, "m", api_key=KEY, base_url=server.url)
    with pytest.raises(InvalidRequest, match="header") as raised:
        model.generate_response(None, "hi", extra_headers={"x-note": "two\nlines"})
    assert (raised.value.parameter, raised.value.attempts) == ("extra_headers", 1)
    assert server.received == []


OPENAIS_OWN = {
    "OPENAI_ORG_ID": "org-4711",
    "OPENAI_PROJECT_ID": "project-4711",
    "OPENAI_CUSTOM_HEADERS": "X-Mine: mine-4711\nAuthorization: Bearer custom-4711",
    "OPENAI_ADMIN_KEY": "admin-4711",
    "OPENAI_WEBHOOK_SECRET": "webhook-4711",
    "ANTHROPIC_CUSTOM_HEADERS": "X-Theirs: theirs-4711",
    "ANTHROPIC_AUTH_TOKEN": "token-4711",
    "GROQ_CUSTOM_HEADERS": "X-Groqs: groqs-4711",
    "OLLAMA_API_KEY": "ollama-4711",
}
GETS = {
    "openai": {"openai-organization": "org-4711", "openai-project": "project-4711", "x-mine": "mine-4711",
               "authorization": "Bearer custom-4711"},
    "claude": {"x-theirs": "theirs-4711"},
    "groq": {"x-groqs": "groqs-4711"},
    "ollama": {"authorization": "Bearer ollama-4711"},
}  # fmt: skip


GOOGLES_OWN = {
    "GOOGLE_API_KEY": "google-4711",
    "GOOGLE_CLOUD_PROJECT": "project-4711",
    "GOOGLE_CLOUD_LOCATION": "location-4711",
    "GOOGLE_CLOUD_QUOTA_PROJECT": "quota-4711",
    "GOOGLE_GENAI_USE_VERTEXAI": "true",
    "GOOGLE_GENAI_USE_ENTERPRISE": "true",
    "GOOGLE_GENAI_API_VERSION": "v4711",
    "GOOGLE_GENAI_CLIENT_MODE": "record",
    "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9",
}


@pytest.mark.parametrize("variant", ["", "legacy"])
def test_google_is_asked_with_the_models_own_key_and_address(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in {**GOOGLES_OWN, "MOONDEV_GEMINI_SDK": variant}.items():
        monkeypatch.setenv(variable, value)
    with Server(network_answer) as server:
        model = ModelFactory.get_model("gemini", "m", api_key=KEY, base_url=server.url)
        model.generate_response(None, "hi")
        asyncio.run(model.agenerate_response(None, "hi"))
    for request in server.received:
        assert request.headers["x-goog-api-key"] == KEY
        assert "4711" not in f"{request.path} {request.headers}"
    assert len(server.received) == 2


@pytest.mark.parametrize("name", ["openai", "deepseek", "xai", "openrouter", "groq", "claude", "ollama", "mine"])
def test_what_an_sdk_reads_goes_to_its_own_provider_alone(
    name: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    ModelFactory.register(Provider(name="mine", url=server.url, keys=("MINE_KEY",), default_model="m"))
    for variable, value in OPENAIS_OWN.items():
        monkeypatch.setenv(variable, value)
    settings = {} if name == "ollama" else {"api_key": KEY}
    model: Any = ModelFactory.get_model(name, "m", base_url=server.url, **settings)
    model.generate_response(None, "hi")
    asyncio.run(model.agenerate_response(None, "hi"))
    for headers in (request.headers for request in server.received):
        own = {header: value for header, value in headers.items() if "4711" in value}
        assert own == GETS.get(name, {})
    assert len(server.received) == 2


def test_a_key_of_the_environment_goes_to_the_providers_own_server_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_KEY", "key-owner")
    elsewhere = ModelFactory.get_model("openai", "m", base_url="https://llm.corp.example/v1")
    assert not elsewhere
    with pytest.raises(ModelUnavailable, match=r"no key for llm\.corp\.example: say which one goes there"):
        elsewhere.chat("x")
    assert ModelFactory.get_model("openai", "m", base_url="https://llm.corp.example/v1", api_key="k")._api_key == "k"
    for own in ("https://api.openai.com/v1", "http://127.0.0.1:1/v1", "http://localhost:1/v1"):
        assert ModelFactory.get_model("openai", "m", base_url=own)._api_key == "key-owner"
    monkeypatch.setenv("OPENAI_BASE_URL", "https://llm.corp.example/v1")
    moved = ModelFactory.get_model("openai", "m", base_url="https://llm.corp.example/other")
    assert moved._api_key == "key-owner"


def test_ollamas_key_does_not_go_to_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", "key-owner")
    elsewhere = ModelFactory.get_model("ollama", "m", base_url="gpu.corp.example:11434")
    assert (bool(elsewhere), elsewhere._api_key) == (True, None)

"""With `compat`, a request carries the key that the SDK would send, and none where the program names an empty one."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import TYPE_CHECKING, Any

import google.auth
import openai
import pytest
from google.auth.exceptions import DefaultCredentialsError
from google.oauth2.credentials import Credentials

from src.models import ModelFactory
from src.models.errors import AuthenticationFailed, ConnectionFailed, ModelError, ModelUnavailable
from tests.servers import Reply, Server, chat_reply, claude_reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.models.base_model import BaseModel


@pytest.fixture
def chat_server() -> Iterator[Server]:
    with Server(lambda _: chat_reply("hi")) as server:
        yield server


@pytest.fixture
def claude_server() -> Iterator[Server]:
    with Server(lambda _: claude_reply("hi")) as server:
        yield server


def key_sent(server: Server) -> str | None:
    return server.received[-1].headers.get("authorization")


@pytest.mark.parametrize(("key", "sent"), [("", None), ("key-named", "Bearer key-named"), (None, None)])
def test_another_server_receives_only_the_key_that_the_program_names(
    key: str | None, sent: str | None, chat_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-the-owner")
    model = ModelFactory.get_model("deepseek", "deepseek-chat", base_url=chat_server.url, api_key=key, compat="openai")
    for _ in range(2):  # the second request is the first one with another body
        assert model.chat("Trend?").content == "hi"
        assert key_sent(chat_server) == sent
    asyncio.run(model.achat("Trend?"))
    assert key_sent(chat_server) == sent


def test_an_empty_key_of_anthropic_is_not_replaced_by_the_owners(
    claude_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "key-of-the-owner")
    model = ModelFactory.get_model(
        "claude", "claude-haiku-4-5", base_url=claude_server.url, api_key="", max_retries=0, compat="anthropic"
    )
    with pytest.raises(ConnectionFailed):  # the SDK cannot write the header
        model.chat("Trend?", max_tokens=9)
    assert not claude_server.received


def test_an_empty_key_of_groq_fails_where_its_sdk_writes_it(chat_server: Server) -> None:
    model = ModelFactory.get_model(
        "groq", "m", base_url=f"{chat_server.url}/v1", api_key="", max_retries=0, compat="groq"
    )
    with pytest.raises(ConnectionFailed):
        model.chat("Trend?")
    assert not chat_server.received


def test_anthropics_token_takes_the_place_of_a_key(claude_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token")
    model = ModelFactory.get_model("claude", "claude-haiku-4-5", base_url=claude_server.url, compat="anthropic")
    model.chat("Trend?", max_tokens=9)
    assert key_sent(claude_server) == "Bearer token"


OLD_OPENAI = {"compat": "openai<1", "model_name": "gpt-4"}


@pytest.mark.parametrize("variable", [None, "key-own"])
def test_openai_before_version_1_asks_nothing_without_a_key(
    variable: str | None, chat_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    settings: dict[str, Any] = {}
    if variable is not None:  # a program that sets openai.api_key to None has none, whatever the variable holds
        monkeypatch.setenv("OPENAI_API_KEY", variable)
        settings["api_key"] = None
    model = ModelFactory.get_model("openai", base_url=chat_server.url, **OLD_OPENAI, **settings)
    assert model
    for ask in (
        lambda: model.chat("Trend?"),
        lambda: list(model.stream_chat("Trend?")),
        lambda: asyncio.run(model.achat("Trend?")),
    ):
        with pytest.raises(AuthenticationFailed, match=r"No API key provided.*OPENAI_API_KEY"):
            ask()
    assert not chat_server.received


@pytest.mark.parametrize(
    ("provider", "variable", "settings", "sent"),
    [
        ("openai", "key-own", {}, "Bearer key-own"),
        ("openai", "key-own", {"api_key": "key-named"}, "Bearer key-named"),
        ("openai", "key-own", {"api_key": ""}, None),
        ("openai", "", {}, None),  # the old SDK took an empty variable for a key
        ("deepseek", "key-own", {}, None),  # the owner's key goes to OpenAI alone
        ("deepseek", "key-own", {"api_key": "key-named"}, "Bearer key-named"),
    ],
)
def test_openai_before_version_1_sends_the_key_of_its_module(
    provider: str,
    variable: str,
    settings: dict[str, str],
    sent: str | None,
    chat_server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", variable)
    model = ModelFactory.get_model(provider, base_url=chat_server.url, **OLD_OPENAI, **settings)
    assert model.chat("Trend?").content == "hi"
    assert key_sent(chat_server) == sent


@pytest.fixture
def gemini_server() -> Iterator[Server]:
    candidate = {"content": {"role": "model", "parts": [{"text": "hi"}]}, "finishReason": "STOP"}
    body = json.dumps({"candidates": [candidate]}).encode()
    with Server(lambda _: Reply(body=body, headers={"content-type": "application/json"})) as server:
        yield server


@pytest.fixture
def no_google_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_GCE_CHECK", "true")  # no metadata server is asked
    monkeypatch.setenv("CLOUDSDK_CONFIG", "/nowhere")


def old_google(server: Server) -> BaseModel:
    return ModelFactory.get_model("gemini", "gemini-2.5-flash", base_url=server.url, compat="google.generativeai")


@pytest.mark.usefixtures("no_google_key")
@pytest.mark.parametrize("is_installed", [True, False])
def test_the_old_google_sdk_looks_for_a_key_when_it_is_called(
    is_installed: bool, gemini_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_installed:
        monkeypatch.setitem(sys.modules, "google.generativeai", None)
    model = old_google(gemini_server)
    assert model
    for ask in (lambda: model.chat("Trend?"), lambda: list(model.stream_chat("Trend?"))):
        with pytest.raises(DefaultCredentialsError) as caught:
            ask()
        assert isinstance(caught.value, ModelUnavailable)
        assert not isinstance(caught.value, ValueError)
    assert not gemini_server.received
    monkeypatch.setenv("GOOGLE_API_KEY", "key-of-now")
    assert model.chat("Trend?").content == "hi"
    assert gemini_server.received[-1].headers["x-goog-api-key"] == "key-of-now"


@pytest.mark.usefixtures("no_google_key")
def test_the_old_google_sdk_takes_default_credentials(gemini_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def default(**_: object) -> tuple[Credentials, None]:  # the search for them alone, which asks Google's servers
        return Credentials(token="token-of-the-account"), None  # type: ignore[no-untyped-call]

    monkeypatch.setattr(google.auth, "default", default)
    assert old_google(gemini_server).chat("Trend?").content == "hi"
    assert key_sent(gemini_server) == "Bearer token-of-the-account"


@pytest.mark.parametrize("provider", ["openai", "deepseek"])
def test_openais_module_asks_nothing_without_a_key(
    provider: str, chat_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    model = ModelFactory.get_model(provider, "gpt-4o", base_url=chat_server.url, compat="openai module")
    monkeypatch.setattr(openai, "api_key", None)
    monkeypatch.setattr(openai, "base_url", chat_server.url)
    monkeypatch.setattr(openai, "_client", None)
    with pytest.raises(TypeError) as raised:  # the words of the version that is installed
        openai.chat.completions.create(model="gpt-4o", messages=[])
    for ask in (
        lambda: model.chat("Trend?"),
        lambda: list(model.stream_chat("Trend?")),
        lambda: asyncio.run(model.achat("Trend?")),
    ):
        with pytest.raises(TypeError, match=re.escape(str(raised.value))) as error:
            ask()
        assert isinstance(error.value, ModelError)
        assert not isinstance(error.value, openai.OpenAIError)
    assert not chat_server.received


def test_openais_module_sends_the_key_that_its_client_does(
    chat_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key-own")
    for settings, sent in (({}, "key-own"), ({"api_key": None}, "key-own"), ({"api_key": "key-named"}, "key-named")):
        model = ModelFactory.get_model("openai", "gpt-4o", base_url=chat_server.url, compat="openai module", **settings)
        assert model.chat("Trend?").content == "hi"
        assert key_sent(chat_server) == f"Bearer {sent}"

"""With `compat`, a request carries the key that the SDK would send, and none where the program names an empty one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from src.models import ModelFactory
from src.models.errors import ConnectionFailed
from tests.servers import Server, chat_reply, claude_reply

if TYPE_CHECKING:
    from collections.abc import Iterator


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

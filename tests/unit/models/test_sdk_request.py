"""A model with `compat` sends a conversation in the program's own words, and records it whatever form it has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anthropic
import groq
import ollama
import openai
import pytest
from openai.types.chat import ChatCompletionMessage

from src.models import ModelFactory
from src.models.compat import settings
from src.models.compat.sdk_request import Conversation
from src.models.types import Timeouts
from tests.servers import Received, Reply, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

JSON = {"content-type": "application/json"}
CALL = {"id": "to:1", "type": "function", "function": {"name": "price", "arguments": "{"}}
CHAT: list[Any] = [
    {"role": "developer", "content": "Rules."},
    {"role": "user", "name": "desk", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    {"role": "user", "content": ""},
    {"role": "assistant", "content": None, "refusal": "no"},
    ChatCompletionMessage(role="assistant", content=None, refusal=None),
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "to:1", "content": ""},
    {"role": "critic", "content": 7},
]
CLAUDE: list[Any] = [
    {"role": "system", "content": "Rules."},
    {"role": "user", "content": "a"},
    {"role": "user", "content": [{"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}]},
    {"role": "assistant", "content": ""},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "to:1", "name": "f", "input": {}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "to:1", "content": "1", "is_error": False}]},
]
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
OLLAMA: list[Any] = [{"role": "assistant", "content": ""}, {"role": "user", "content": "a", "images": [PICTURE]}]
NAMES = {"chat": ("openai", "openai"), "groq": ("groq", "groq"), "claude": ("claude", "anthropic"),
         "ollama": ("ollama", "ollama")}  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(lambda _: Reply(400, b'{"error": {"message": "no"}}', JSON)) as running:
        yield running


def body_of(server: Server, call: Callable[[], object]) -> dict[str, Any]:
    """Return the body that a call sends."""
    before = len(server.received)
    with pytest.raises(Exception, match="no"):
        call()
    requests: list[Received] = server.received[before:]
    assert len(requests) == 1
    return {name: value for name, value in json.loads(requests[0].body).items() if value is not None}


def sdk_call(wire: str, url: str) -> Callable[..., object]:
    if wire == "claude":
        return anthropic.Anthropic(base_url=url, api_key="k").messages.create
    if wire == "ollama":
        return ollama.Client(host=url).chat
    chat: Any = openai.OpenAI(base_url=url, api_key="k") if wire == "chat" else groq.Groq(base_url=url, api_key="k")
    return chat.chat.completions.create  # type: ignore[no-any-return] # of either SDK


# Tools in the form of another provider, which refuses them.
CHAT_TOOL = {"type": "function", "function": {"name": "price", "parameters": {"type": "object", "properties": {}}}}
CLAUDE_TOOL = {"name": "price", "input_schema": {"type": "object", "properties": {}}}
OPTIONS = {"temperature": 2.5, "max_tokens": 0, "top_p": 1.5, "stop": ""}
CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("chat", {"messages": CHAT}, {}),
    ("chat", {"messages": "text"}, {}),
    ("chat", {"messages": []}, {}),
    ("chat", {"messages": CHAT[:1], **OPTIONS}, OPTIONS),
    ("groq", {"messages": CHAT}, {}),
    ("groq", {"messages": CHAT[:1], "stop": []}, {"stop": []}),
    ("claude", {"messages": CLAUDE, "max_tokens": 5}, {"max_tokens": 5, "system": None}),
    ("claude", {"messages": CLAUDE[1:], "max_tokens": 5}, {"max_tokens": 5}),
    ("claude", {"messages": CLAUDE, "max_tokens": 5, "system": "s"}, {"max_tokens": 5, "system": "s"}),
    ("claude", {"messages": CLAUDE[1:2], "max_tokens": 0, "stop_sequences": [""]},
     {"max_tokens": 0, "stop": [""]}),
    ("claude", {"messages": CLAUDE[1:2], "max_tokens": 5, "tools": [CHAT_TOOL]},
     {"max_tokens": 5, "tools": [CHAT_TOOL]}),
    ("chat", {"messages": CHAT[:1], "tools": [CLAUDE_TOOL]}, {"tools": [CLAUDE_TOOL]}),
    ("ollama", {"messages": OLLAMA}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("wire", "arguments", "options"), CASES)
def test_the_body_is_the_sdks(wire: str, arguments: dict[str, Any], options: dict[str, Any], server: Server) -> None:
    provider, sdk = NAMES[wire]
    model = ModelFactory.get_model(provider, "m", base_url=server.url, api_key="k", compat=sdk)
    expected = body_of(server, lambda: sdk_call(wire, server.url)(model="m", **arguments))
    assert body_of(server, lambda: model.chat(arguments["messages"], **options)) == expected


@pytest.mark.parametrize("system", ["s", "", None, [{"type": "text", "text": "s"}]])
@pytest.mark.parametrize("wire", ["chat", "claude"])
def test_a_single_prompt_may_be_empty(wire: str, system: Any, server: Server) -> None:
    provider, sdk = NAMES[wire]
    model = ModelFactory.get_model(provider, "m", base_url=server.url, api_key="k", compat=sdk)
    body = body_of(server, lambda: model.generate_response(system, "", temperature=None, max_tokens=5))
    user = {"role": "user", "content": ""}
    if wire == "claude":
        assert body["messages"] == [user]
        assert body.get("system") == system
    else:
        assert body["messages"] == ([] if system is None else [{"role": "system", "content": system}]) + [user]


def test_a_first_system_message_is_the_system_prompt_where_earlier_migrations_wrote_it_so(server: Server) -> None:
    model = ModelFactory.get_model("claude", "m", base_url=server.url, api_key="k", compat="anthropic")
    old = body_of(server, lambda: model.chat([{"role": "system", "content": "s"}, *CLAUDE], max_tokens=5))
    assert old == body_of(server, lambda: model.chat(CLAUDE, system="s", max_tokens=5))


def conversation(messages: object, sdk: str = "openai") -> Conversation:
    compat = settings.of_provider({"openai": "openai", "anthropic": "claude"}[sdk])
    return Conversation.of_messages(compat, messages, {"system": "s"} if sdk == "anthropic" else {})


def test_the_trace_has_a_record_of_each_message() -> None:
    records = conversation(CHAT).messages
    assert [record.role for record in records] == [
        "system", "user", "user", "assistant", "assistant", "assistant", "tool", "user"
    ]  # fmt: skip
    assert records[-1].content == "{'role': 'critic', 'content': 7}"
    assert [record.text for record in conversation(CLAUDE[:2], "anthropic").messages] == ["s", "Rules.", "a"]


def test_what_is_sent_later_is_what_the_list_was() -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "a"}]}]
    request = conversation(iter(messages)).request("m", Timeouts(), {})
    messages[0]["content"][0]["text"] = "b"  # type: ignore[index]
    messages.append({"role": "user", "content": "c"})
    assert request.written == {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}


def test_what_only_the_factory_knows_is_written_by_the_factory() -> None:
    image = conversation([{"role": "user", "content": [b"\x89PNG\r\n\x1a\n"]}])
    assert image.fields is None
    assert len(image.messages) == 1

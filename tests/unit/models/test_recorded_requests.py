"""What Langfuse's panels need of a generation: tools, tool calls, and the prompt version that it was made from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from langfuse.api import Prompt_Text
from langfuse.model import TextPromptClient

from src.models import ModelFactory
from src.models.errors import InvalidRequest
from src.observability import attributes, get_tracker
from src.observability.spans import otlp
from tests.servers import Reply, Server, chat_reply

if TYPE_CHECKING:
    from collections.abc import Iterator

PARAMETERS = {"type": "object", "properties": {"symbol": {"type": "string"}}, "required": ["symbol"]}
TOOLS_OF_EACH_FORM: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {"name": "price", "description": "The last price.", "parameters": PARAMETERS},
    },
    {"name": "price", "description": "The last price.", "input_schema": PARAMETERS},
    {"type": "function", "name": "price", "description": "The last price.", "parameters": PARAMETERS},
]
CALL = {"id": "call_7", "type": "function", "function": {"name": "price", "arguments": '{"symbol": "BTC-USD"}'}}


@pytest.fixture
def openai(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server(lambda _: _tool_reply()) as server:
        monkeypatch.setenv("OPENAI_KEY", "sk-test-of-openai-0123456789")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        yield server


def _tool_reply() -> Reply:
    reply = json.loads(chat_reply("").body)
    reply["choices"][0] |= {"finish_reason": "tool_calls"}
    reply["choices"][0]["message"] = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    return Reply(body=json.dumps(reply).encode())


def generation() -> dict[str, Any]:
    spool = get_tracker().spool
    assert spool is not None
    (span,) = [otlp.decode_span(row.span) for row in spool.rows_after(0) if row.type == "generation"]
    return dict(span.attributes)


@pytest.mark.parametrize("tool", TOOLS_OF_EACH_FORM, ids=["nested", "anthropic", "flat"])
def test_tools_and_tool_calls_stand_where_langfuse_shows_them(openai: Server, tool: dict[str, Any]) -> None:
    model = ModelFactory.get_model("openai", "gpt-4o")
    model.chat([{"role": "user", "content": "What is BTC at?"}], tools=[tool])
    recorded = generation()
    assert json.loads(recorded[attributes.INPUT]) == {
        "messages": [{"role": "user", "content": "What is BTC at?"}],
        "tools": [TOOLS_OF_EACH_FORM[0]],
    }
    assert json.loads(recorded[attributes.OUTPUT]) == {"role": "assistant", "content": "", "tool_calls": [CALL]}


def test_a_call_without_tools_has_its_messages_as_input(openai: Server) -> None:
    ModelFactory.get_model("openai", "gpt-4o").generate_response("You trade.", "Go.")
    assert [message["role"] for message in json.loads(generation()[attributes.INPUT])] == ["system", "user"]


def prompt_client(version: int, *, is_fallback: bool = False) -> TextPromptClient:
    fields = {"name": "trader", "version": version, "prompt": "Trade.", "config": {}, "labels": [], "tags": []}
    return TextPromptClient(Prompt_Text(**fields), is_fallback)  # type: ignore[arg-type] # as the API returns them


@pytest.mark.parametrize("prompt", [prompt_client(12), {"name": "trader", "version": 12}], ids=["client", "mapping"])
def test_a_generation_links_to_its_version_of_a_prompt(openai: Server, prompt: object) -> None:
    ModelFactory.get_model("openai", "gpt-4o").generate_response(None, "Go.", langfuse_prompt=prompt)
    recorded = generation()
    assert (recorded[attributes.PROMPT_NAME], recorded[attributes.PROMPT_VERSION]) == ("trader", 12)
    assert b"langfuse" not in openai.received[0].body


def test_a_fallback_prompt_is_no_version_of_langfuse(openai: Server) -> None:
    prompt = prompt_client(0, is_fallback=True)
    ModelFactory.get_model("openai", "gpt-4o").generate_response(None, "Go.", langfuse_prompt=prompt)
    assert attributes.PROMPT_NAME not in generation()


@pytest.mark.parametrize(
    "prompt",
    [
        "trader",
        {"name": "trader"},
        {"name": "", "version": 1},
        {"name": "x", "version": True},
        {"name": "x", "version": 70_000},
    ],
)
def test_what_is_no_prompt_is_refused_by_its_name(openai: Server, prompt: object) -> None:
    with pytest.raises(InvalidRequest, match="langfuse_prompt") as refused:
        ModelFactory.get_model("openai", "gpt-4o").generate_response(None, "Go.", langfuse_prompt=prompt)
    assert refused.value.parameter == "langfuse_prompt"
    assert not openai.received

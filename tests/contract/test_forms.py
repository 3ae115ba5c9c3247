"""Messages, tools and images in the form of any SDK: each provider receives its own form."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Literal

import pytest
from openai.types.chat import ChatCompletionMessage

from src.models import errors
from src.models.types import ImagePart, Message, ModelResponse, ToolCall
from tests.contract.dialects.base import Says
from tests.contract.harness import in_turn

if TYPE_CHECKING:
    import io
    from pathlib import Path

    from src.models.base_model import BaseModel
    from tests.contract.dialects.base import Dialect
    from tests.contract.harness import Wire

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SCHEMA = {"type": "object", "properties": {"pair": {"type": "string"}}, "required": ["pair"]}
TOOLS: dict[str, dict[str, Any]] = {
    "chat": {"type": "function", "function": {"name": "quote", "description": "Get it.", "parameters": SCHEMA}},
    "responses": {"type": "function", "name": "quote", "description": "Get it.", "parameters": SCHEMA},
    "anthropic": {"name": "quote", "description": "Get it.", "input_schema": SCHEMA},
    "gemini": {"name": "quote", "description": "Get it.", "parameters_json_schema": SCHEMA},
}
NAMED: list[object] = [
    {"type": "function", "function": {"name": "quote"}},
    {"type": "function", "name": "quote"},
    {"type": "tool", "name": "quote"},
    "quote",
]
HI, SO = Message("user", "hi"), Message("user", "So?")
FORCED: list[object] = ["required", "any", {"type": "any"}]


def _sent(model: BaseModel, wire: Wire, messages: list[Any], **options: Any) -> Any:
    model.chat(messages, **options)
    return wire.received[-1].json


def test_a_tool_is_declared_alike_in_any_form(model: BaseModel, dialect: Dialect, wire: Wire) -> None:
    wire.say(dialect.reply(Says(model=dialect.model)))
    sent = [_sent(model, wire, [HI], tools=[tool]) for tool in TOOLS.values()]
    assert dialect.parse_request(wire.received[0]).tools == ["quote"]
    assert "pair" in json.dumps(sent[0])
    assert sent[1:] == sent[:-1]


def quote(pair: str, side: Literal["bid", "ask"] = "bid", venue: str | None = None) -> float:
    """Get it."""
    return 1.0


def test_a_function_is_declared_and_chosen_as_a_tool(model: BaseModel, dialect: Dialect, wire: Wire) -> None:
    wire.say(dialect.reply(Says(model=dialect.model)))
    sent = json.dumps(_sent(model, wire, [HI], tools=[quote]))
    assert dialect.parse_request(wire.received[0]).tools == ["quote"]
    assert all(word in sent for word in ("Get it.", "pair", "side", "bid", "ask", "venue"))
    try:
        named = _sent(model, wire, [HI], tools=[quote], tool_choice="quote")
    except errors.Unsupported:
        return
    assert _sent(model, wire, [HI], tools=[quote], tool_choice=quote) == named


@in_turn("choices", [NAMED, FORCED, ["none", {"type": "none"}]], ids=["named", "forced", "none"])
def test_a_choice_among_tools_is_said_alike_in_any_form(
    choices: list[object], model: BaseModel, dialect: Dialect, wire: Wire
) -> None:
    wire.say(dialect.reply(Says(model=dialect.model)))
    sent = []
    for choice in choices:
        try:
            sent.append(_sent(model, wire, [HI], tools=[TOOLS["chat"]], tool_choice=choice))
        except errors.Unsupported as error:
            sent.append(error.parameter)
    assert sent[1:] == sent[:-1]
    assert sent[0] != (_sent(model, wire, [HI], tools=[TOOLS["chat"]]))


def test_a_conversation_with_tools_is_said_alike_in_any_form(model: BaseModel, dialect: Dialect, wire: Wire) -> None:
    wire.say(dialect.reply(Says(model=dialect.model)))
    arguments = json.dumps({"pair": "BTC-EUR"})
    call = {"id": "call_1", "type": "function", "function": {"name": "quote", "arguments": arguments}}
    chat = {"role": "assistant", "content": "Let me see.", "tool_calls": [call]}
    use = {"type": "tool_use", "id": "call_1", "name": "quote", "input": {"pair": "BTC-EUR"}}
    turns: list[list[Any]] = [
        [chat, {"role": "tool", "tool_call_id": "call_1", "content": "61"}, {"role": "user", "content": "So?"}],
        [ChatCompletionMessage.model_validate(chat), Message("tool", "61", tool_call_id="call_1"), SO],
        [
            {"role": "assistant", "content": [{"type": "text", "text": "Let me see."}, use]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "61"},
                                         {"type": "text", "text": "So?"}]},
        ],
        [
            ModelResponse("Let me see.", "any", tool_calls=(ToolCall("call_1", "quote", arguments),)),
            Message("tool", "61", tool_call_id="call_1"),
            SO,
        ],
    ]  # fmt: skip
    sent = [_sent(model, wire, [HI, *turn], tools=[TOOLS["chat"]]) for turn in turns]
    assert sent[1:] == sent[:-1]
    assert "61" in json.dumps(sent[0])


class Drawn:
    """An object with the interface of a Pillow image."""

    size, mode = (1, 1), "RGBA"

    def save(self, file: io.BytesIO, format: str) -> None:  # noqa: A002 - Pillow's name
        assert format == "PNG"
        file.write(PNG)


def test_an_image_is_sent_alike_in_any_form(model: BaseModel, dialect: Dialect, wire: Wire, tmp_path: Path) -> None:
    if not dialect.sees:
        return
    wire.say(dialect.reply(Says(model=dialect.model)))
    text = base64.b64encode(PNG).decode()
    misnamed = tmp_path / "chart.jpg"
    misnamed.write_bytes(PNG)
    forms: list[Any] = [
        PNG, misnamed, Drawn(), ImagePart(data=PNG), ImagePart("image/jpeg", PNG),
        ImagePart(url=f"data:;base64,{text}"),
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{text}"}},
        {"type": "input_image", "image_url": f"data:image/png;base64,{text}"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": f"{text[:40]}\n{text[40:]}"}},
        {"inline_data": {"mime_type": "image/png", "data": PNG}},
    ]  # fmt: skip
    sent = [_sent(model, wire, [{"role": "user", "content": ["What?", form]}]) for form in forms]
    assert dialect.parse_request(wire.received[0]).images == [PNG]
    assert sent[1:] == sent[:-1]


@in_turn(
    "part",
    [
        b"no image",
        {"type": "image_url", "image_url": {"url": "/home/me/chart.png"}},
        {"type": "image", "source": {"type": "url", "url": "file:///home/me/chart.png"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": ""}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "no base64!"}},
    ],
)
def test_what_is_no_image_is_refused_before_anything_is_sent(part: object, model: BaseModel, wire: Wire) -> None:
    with pytest.raises(errors.InvalidRequest):
        model.generate_response(None, ["What?", part])
    assert wire.received == []

"""Read and write Ollama's chat protocol."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from src.models.errors import InvalidRequest, MalformedResponse, Unsupported
from src.models.fields import count, field, text
from src.models.request import tools
from src.models.types import Chunk, ImagePart, Message, ModelRequest, ToolCall, ToolDelta, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SMALLEST_CONTEXT = 4096
_LARGEST_CONTEXT = 131_072
_ANSWER_TOKENS = 1024
_IMAGE_TOKENS = 1024
_BYTES_PER_TOKEN = 3
# The parameters that `chat` takes beside its options: docs.ollama.com/api/chat
ARGUMENTS = ("think", "format", "keep_alive", "logprobs", "top_logprobs")


def context_tokens(request: ModelRequest) -> int:
    """Return the context size to ask for: with its default, Ollama silently cuts long prompts.

    A rough count in powers of two, since another size makes the server load the model again.
    """
    size = sum(_byte_count(message.text) for message in request.messages)
    size += len(json.dumps(request.tools, default=str)) if request.tools else 2
    parts = (part for message in request.messages if not isinstance(message.content, str) for part in message.content)
    images = sum(isinstance(part, ImagePart) for part in parts)
    answer = request.max_tokens or _ANSWER_TOKENS
    needed = size // _BYTES_PER_TOKEN + images * _IMAGE_TOKENS + answer
    room = _SMALLEST_CONTEXT
    while room < needed and room < _LARGEST_CONTEXT:
        room *= 2
    return room


def _byte_count(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def think_parameter(request: ModelRequest) -> str | bool:
    """Return the `think` parameter: a level for gpt-oss, which always thinks, else whether to think.

    docs.ollama.com/capabilities/thinking
    """
    effort = request.reasoning_effort or ""
    off = effort in ("none", "minimal", "off")
    if "gpt-oss" in request.model:
        return "low" if off else effort
    return not off


def messages(request: ModelRequest) -> list[dict[str, Any]]:
    """Return the messages; a tool's result carries the name of its tool, not the id of its call."""
    names = {call.id: call.name for message in request.messages for call in message.tool_calls if call.id}
    return [_message(message, names) for message in request.messages]


def _message(message: Message, names: dict[str, str]) -> dict[str, Any]:
    turn: dict[str, Any] = {"role": message.role, "content": message.text}
    if not isinstance(message.content, str):
        turn["images"] = [_image(part) for part in message.content if isinstance(part, ImagePart)]
    if message.tool_calls:
        turn["tool_calls"] = [
            {"function": {"name": call.name, "arguments": _arguments(call)}} for call in message.tool_calls
        ]
    if message.role == "tool":
        turn["tool_name"] = message.name or names.get(message.tool_call_id or "", "")
    return turn


def tool(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a tool in OpenAI's form, the only one that Ollama takes.

    Raises:
        Unsupported: it is not a function.
    """
    function = tools.function(definition)
    if function is None:
        raise Unsupported(
            f"Ollama takes functions as tools, not {definition.get('type') or sorted(definition)}. Nothing was sent.",
            parameter="tools",
        )
    schema = function.schema if function.schema is not None else {"type": "object", "properties": {}}
    return {"type": "function", "function": {**function.common_fields(), "parameters": schema}}


def _arguments(call: ToolCall) -> Any:
    try:
        return json.loads(call.arguments or "{}")
    except ValueError as error:
        raise InvalidRequest(
            f"The arguments of the tool call {call.name} are not JSON.", parameter="messages"
        ) from error


def _image(image: ImagePart) -> bytes:
    if image.data is None:
        raise Unsupported(
            f"Ollama takes an image's bytes, not its address ({image.url}): read it, and give an ImagePart with data.",
            parameter="messages",
        )
    return image.data


def read_chunks(body: Any) -> Iterator[Chunk]:
    """Yield the chunk of a reply or of one line of a stream: docs.ollama.com/api/chat, docs.ollama.com/api/generate."""
    message = field(body, "message")
    if message is None and not isinstance(field(body, "response"), str):
        raise MalformedResponse(
            f"the reply has neither message nor response: {text(body, 'error') or 'no reason body'}"
        )
    prompt, output = count(body, "prompt_eval_count"), count(body, "eval_count")
    yield Chunk(
        content=text(message, "content") or text(body, "response"),
        reasoning=text(message, "thinking") or text(body, "thinking"),
        finish_reason=text(body, "done_reason") or ("stop" if field(body, "done") else None),
        model=text(body, "model") or None,
        usage=None if prompt is None and output is None else Usage(input=prompt, output=output),
        tool_deltas=tuple(_tool_delta(call) for call in field(message, "tool_calls") or ()),
    )


def _tool_delta(call: Any) -> ToolDelta:
    function = field(call, "function")
    arguments = json.dumps(field(function, "arguments") or {}, ensure_ascii=False)
    return ToolDelta(index=-1, name=text(function, "name"), arguments=arguments)

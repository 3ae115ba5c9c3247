"""Read and write Ollama's chat protocol."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from src.models.errors import InvalidRequest, MalformedResponse, Unsupported
from src.models.fields import count, field, text
from src.models.protocols import tool_calls
from src.models.request import finite, tools
from src.models.types import Chunk, ImagePart, Message, ModelRequest, ToolCall, ToolDelta, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SMALLEST_CONTEXT = 4096
_LARGEST_CONTEXT = 131_072
_ANSWER_TOKENS = 1024
_IMAGE_TOKENS = 1024
_BYTES_PER_TOKEN = 3
# No text of words or numbers has more: prose has four to five.
_MOST_BYTES_PER_TOKEN = 8
# What a chat template adds to a prompt, at most: a system prompt of its own included.
_OVERHEAD_BYTES = 100
_CONTEXTS = tuple(2**power for power in range(9, 21))
# The parameters that `chat` takes beside its options: docs.ollama.com/api/chat
ARGUMENTS = ("think", "format", "keep_alive", "logprobs", "top_logprobs")


def context_tokens(request: ModelRequest) -> int:
    """Return the context size to ask for: with its default, Ollama silently cuts long prompts.

    A rough count in powers of two, since another size makes the server load the model again.
    """
    size = prompt_bytes(request)
    parts = (part for message in request.messages if not isinstance(message.content, str) for part in message.content)
    images = sum(isinstance(part, ImagePart) for part in parts)
    answer = request.max_tokens or _ANSWER_TOKENS
    needed = size // _BYTES_PER_TOKEN + images * _IMAGE_TOKENS + answer
    room = _SMALLEST_CONTEXT
    while room < needed and room < _LARGEST_CONTEXT:
        room *= 2
    return room


def prompt_bytes(request: ModelRequest) -> int:
    """Return the bytes of a prompt's texts and tools."""
    size = sum(_byte_count(message.text) for message in request.messages)
    return size + (len(json.dumps(request.tools, default=str)) if request.tools else 2)


def cut_warning(reported_tokens: int, context: int, size: int, kept_tokens: int = 4) -> str | None:
    """Return what to say where a server has read only part of a prompt; None where it has read all of it.

    Ollama cuts a prompt that its context cannot hold, and reports the tokens that are left: as many as the context
    has, or half of what it need not keep (github.com/ollama/ollama/issues/17427: num_ctx / 2 + 2), or what remains of a
    conversation without its older messages. Its context may be smaller than num_ctx, as a model's own limit is.

    Args:
        reported_tokens: The prompt's tokens, as the server counts them.
        context: The tokens that the context was asked to have.
        size: The bytes of the prompt.
        kept_tokens: The tokens at the start that the server keeps: its num_keep.
    """
    advice = "so Ollama has cut it: raise num_ctx, or shorten the prompt"
    if abs(context - reported_tokens) <= 1:
        return f"the prompt filled the context of {context} tokens, {advice}"
    fits = size + _OVERHEAD_BYTES <= context and reported_tokens <= size + _OVERHEAD_BYTES
    if _is_half(reported_tokens, context, kept_tokens) and not fits:
        return f"Ollama counts {reported_tokens} tokens, half of the context of {context}, {advice}"
    least_tokens = size // _MOST_BYTES_PER_TOKEN
    if least_tokens > context:
        return f"a prompt of {size} bytes exceeds the context of {context} tokens, {advice}"
    smaller = next((item for item in _CONTEXTS if _is_half(reported_tokens, item, kept_tokens)), None)
    if smaller and least_tokens > reported_tokens:
        counted = f"Ollama counts {reported_tokens} tokens for a prompt of {size} bytes"
        return f"{counted}, half of a context of {smaller}, {advice}"
    return None


def _is_half(tokens: int, context: int, kept_tokens: int) -> bool:
    """Tell whether a count is what remains of a prompt that was cut; the server may keep a token more than num_keep."""
    halves = (start + (context - start) // 2 for start in (0, kept_tokens, kept_tokens + 1))
    return any(0 <= tokens - half <= 1 for half in halves)


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
    names: dict[str, str] = {}
    turns = []
    for message in tool_calls.in_call_order(request.messages):
        names |= {call.id: call.name for call in message.tool_calls if call.id}  # an id may come again in a later turn
        turns.append(_message(message, names))
    return turns


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
        return json.loads(call.arguments or "{}", parse_constant=finite.refuse_constant)
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

"""Ask Anthropic's models through the Messages API."""

from __future__ import annotations

import asyncio
import base64
import json
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from src.models import capabilities, wire
from src.models.base_model import BaseModel
from src.models.errors import InvalidRequest, MalformedResponse
from src.models.reading import field
from src.models.structured import without_bounds
from src.models.types import Chunk, Completion, Message, ModelRequest, Part, TextPart, ToolCall, ToolDelta, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from src.models.types import Timeouts

# docs.anthropic.com/en/api/handling-stop-reasons
_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
# What `messages.create` takes by name; anything else goes to the wire through extra_body.
_SDK_NAMES = frozenset(
    {
        "cache_control", "container", "inference_geo", "metadata", "output_config", "service_tier", "thinking", "speed",
        "extra_headers", "extra_query",
    }
)  # fmt: skip


class ClaudeModel(BaseModel):
    """Ask a Claude model."""

    provider: ClassVar[str] = "claude"
    default_base_url: ClassVar[str] = "https://api.anthropic.com"

    def __init__(self, model_name: str, **settings: Any) -> None:
        super().__init__(model_name, **settings)
        import anthropic

        http = anthropic.DefaultHttpxClient(event_hooks=wire.hooks(self.provider))
        self.client = anthropic.Anthropic(**self._settings(), http_client=http)
        self._aclients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = weakref.WeakKeyDictionary()

    def _settings(self) -> dict[str, Any]:
        """Return what a client is made with. Its own retries are off: the template retries."""
        return {"api_key": self._api_key, "base_url": self._base_url or self.default_base_url, "max_retries": 0}

    @property
    def _aclient(self) -> Any:
        """Return the client of the running event loop: connections cannot be shared between loops."""
        import anthropic

        loop = asyncio.get_running_loop()
        client = self._aclients.get(loop)
        if client is None:
            http = anthropic.DefaultAsyncHttpxClient(event_hooks=wire.async_hooks(self.provider))
            client = self._aclients[loop] = anthropic.AsyncAnthropic(**self._settings(), http_client=http)
        return client

    @staticmethod
    def _timeout(timeouts: Timeouts) -> Any:
        """Return the limits of one request. Saying them also lifts the SDK's own refusal of long replies."""
        import anthropic

        return anthropic.Timeout(timeouts.read, connect=timeouts.connect)

    @override
    def _list_models(self) -> Iterable[str]:
        return [model.id for model in self.client.models.list()]

    @override
    def _send(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        return self.client.messages.create(**payload, timeout=self._timeout(timeouts))

    @override
    async def _asend(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        return await self._aclient.messages.create(**payload, timeout=self._timeout(timeouts))

    @override
    def _open_stream(self, payload: dict[str, Any], timeouts: Timeouts) -> Iterator[Any]:
        return self.client.messages.create(**payload, timeout=self._timeout(timeouts))  # type: ignore[no-any-return] # the SDK's stream

    @override
    async def _aopen_stream(self, payload: dict[str, Any], timeouts: Timeouts) -> AsyncIterator[Any]:
        return await self._aclient.messages.create(**payload, timeout=self._timeout(timeouts))  # type: ignore[no-any-return] # the SDK's stream

    @override
    def _build(self, request: ModelRequest, *, stream: bool) -> dict[str, Any]:
        can = capabilities.of(self.provider, request.model)
        options: dict[str, Any] = dict(request.options)
        body = dict(options.pop("extra_body", None) or {})
        payload: dict[str, Any] = {
            "model": request.model,
            "messages": _messages(request),
            "max_tokens": request.max_tokens or can.default_max_tokens or 4096,
        }
        payload.update({name: options.pop(name) for name in _SDK_NAMES & options.keys()})
        if request.system is not None:
            payload["system"] = request.system
        if request.stop:
            payload["stop_sequences"] = list(request.stop)
        if request.tools:
            payload["tools"] = [_tool(tool) for tool in request.tools]
        if request.tool_choice is not None:
            payload["tool_choice"] = _tool_choice(request.tool_choice)
        _say_output(payload, request, can.structured)
        # The SDK's `create` has no sampling parameters any more, the API takes them where no thinking is asked for:
        # docs.anthropic.com/en/docs/build-with-claude/extended-thinking
        if "thinking" not in payload and can.temperature:
            body |= {name: value for name in ("temperature", "top_p") if (value := getattr(request, name)) is not None}
        body |= options
        if body:
            payload["extra_body"] = body
        if stream:
            payload["stream"] = True
        return payload

    @override
    def _read(self, raw: Any, request: ModelRequest) -> Completion:
        blocks = field(raw, "content")
        if not isinstance(blocks, list):
            raise MalformedResponse("the reply has no content blocks")
        return Completion(
            content="".join(field(block, "text") or "" for block in blocks if field(block, "type") == "text"),
            model=field(raw, "model"),
            finish_reason=_finish(field(raw, "stop_reason")),
            reasoning="".join(field(block, "thinking") or "" for block in blocks if field(block, "type") == "thinking")
            or None,
            usage=_usage(field(raw, "usage")),
            tool_calls=tuple(
                ToolCall(field(block, "id") or "", field(block, "name") or "", json.dumps(field(block, "input") or {}))
                for block in blocks
                if field(block, "type") == "tool_use"
            ),
            response_id=field(raw, "id"),
            raw=raw,
        )

    @override
    def _read_event(self, event: Any, request: ModelRequest) -> Iterable[Chunk]:
        kind = field(event, "type")
        if kind == "message_start":
            message = field(event, "message")
            yield Chunk(
                model=field(message, "model"), response_id=field(message, "id"), usage=_usage(field(message, "usage"))
            )
        elif kind == "content_block_start":
            block = field(event, "content_block")
            if field(block, "type") == "tool_use":
                name = field(block, "name") or ""
                yield Chunk(tool_deltas=(ToolDelta(field(event, "index") or 0, field(block, "id") or "", name),))
            elif field(block, "text"):
                yield Chunk(content=field(block, "text"))
        elif kind == "content_block_delta":
            delta = field(event, "delta")
            piece = field(delta, "partial_json")
            yield Chunk(
                content=field(delta, "text") or "",
                reasoning=field(delta, "thinking") or "",
                tool_deltas=(ToolDelta(field(event, "index") or 0, arguments=piece),) if piece else (),
            )
        elif kind == "message_delta":
            reason = field(field(event, "delta"), "stop_reason")
            yield Chunk(finish_reason=_finish(reason), usage=_usage(field(event, "usage")))


def _finish(reason: Any) -> str | None:
    return _FINISH.get(reason, reason) if isinstance(reason, str) else None


def _usage(usage: Any) -> Usage | None:
    """Return the tokens: input_tokens excludes what was read from or written to the cache, output holds thinking.

    docs.anthropic.com/en/docs/build-with-claude/prompt-caching#tracking-cache-performance. A stream's last event may
    leave the input out; what its first one told is then kept.
    """
    if usage is None:
        return None
    output = field(usage, "output_tokens")
    thought = field(field(usage, "output_tokens_details"), "thinking_tokens")
    return Usage(
        input=field(usage, "input_tokens"),
        input_cached_tokens=field(usage, "cache_read_input_tokens"),
        input_cache_creation=field(usage, "cache_creation_input_tokens"),
        output=None if output is None else output - (thought or 0),
        output_reasoning_tokens=thought,
    )


def _say_output(payload: dict[str, Any], request: ModelRequest, structured: str) -> None:
    """Ask for structured output and effort: docs.claude.com/en/docs/build-with-claude/structured-outputs."""
    config = dict(payload.get("output_config") or {})
    wanted = request.response_format
    if wanted is not None and structured == "json_schema" and wanted.name != "json_object":
        config["format"] = {"type": "json_schema", "schema": without_bounds(wanted.schema)}
    if request.reasoning_effort is not None:
        config["effort"] = request.reasoning_effort
    if config:
        payload["output_config"] = config


def _messages(request: ModelRequest) -> list[dict[str, Any]]:
    """Return the turns; neighbours of one role become one, since the API wants them to alternate."""
    told: list[dict[str, Any]] = []
    for message in request.messages:
        if message.role == "system":
            continue
        role = "assistant" if message.role == "assistant" else "user"
        content = _content(message)
        if told and told[-1]["role"] == role:
            told[-1]["content"] = [*_blocks(told[-1]["content"]), *_blocks(content)]
        else:
            told.append({"role": role, "content": content})
    return told


def _blocks(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _content(message: Message) -> Any:
    if message.role == "tool":
        return [{"type": "tool_result", "tool_use_id": message.tool_call_id or "", "content": message.text}]
    if message.tool_calls:
        text = [{"type": "text", "text": message.text}] if message.text else []
        return [*text, *(_tool_use(call) for call in message.tool_calls)]
    if isinstance(message.content, str):
        return message.content
    return [_part(part) for part in message.content]


def _tool_use(call: ToolCall) -> dict[str, Any]:
    try:
        arguments = json.loads(call.arguments or "{}")
    except ValueError as error:
        raise InvalidRequest(
            f"The arguments of the tool call {call.name} are not JSON.", parameter="messages"
        ) from error
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments}


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if part.data is None:
        return {"type": "image", "source": {"type": "url", "url": part.url}}
    data = base64.b64encode(part.data).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": part.media_type, "data": data}}


def _tool(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a tool as Anthropic defines it, from that form or from OpenAI's."""
    function = tool.get("function")
    if not isinstance(function, Mapping):
        return tool
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    told = {"name": function.get("name"), "description": function.get("description"), "input_schema": schema}
    return {name: value for name, value in told.items() if value is not None}


def _tool_choice(choice: Any) -> Any:
    words = {"auto": {"type": "auto"}, "required": {"type": "any"}, "any": {"type": "any"}, "none": {"type": "none"}}
    if isinstance(choice, str):
        return words.get(choice, {"type": "tool", "name": choice})
    function = choice.get("function") if isinstance(choice, Mapping) else None
    return {"type": "tool", "name": function["name"]} if isinstance(function, Mapping) else choice

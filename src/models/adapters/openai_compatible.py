"""Speak the Chat Completions protocol: what OpenAI defined, and most providers offer."""

from __future__ import annotations

import asyncio
import base64
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from src.models import capabilities
from src.models.base_model import BaseModel
from src.models.errors import MalformedResponse
from src.models.structured import without_bounds
from src.models.types import (
    Chunk,
    Completion,
    ImagePart,
    Message,
    ModelRequest,
    Part,
    TextPart,
    ToolCall,
    ToolDelta,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from src.models.capabilities import Capabilities
    from src.models.types import Timeouts


class OpenAICompatibleModel(BaseModel):
    """Ask any provider that speaks Chat Completions, through the openai SDK.

    A provider of its own is a short subclass, or a row of the factory's table: what differs is data.
    """

    provider: ClassVar[str] = "openai_compatible"
    default_base_url: ClassVar[str | None] = None
    extra_body: ClassVar[Mapping[str, object]] = {}

    def __init__(self, model_name: str, **settings: Any) -> None:
        super().__init__(model_name, **settings)
        self.client = self._make_client()
        self._aclients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = weakref.WeakKeyDictionary()

    # The connection.

    def _settings(self) -> dict[str, Any]:
        """Return what a client is made with. Its own retries are off: the template retries."""
        address = self._base_url or self.default_base_url
        return {"api_key": self._api_key or "not-needed", "base_url": address, "max_retries": 0}

    def _make_client(self) -> Any:
        import openai

        return openai.OpenAI(**self._settings())

    def _make_async_client(self) -> Any:
        import openai

        return openai.AsyncOpenAI(**self._settings())

    def _timeout(self, timeouts: Timeouts) -> Any:
        import openai

        return openai.Timeout(timeouts.read, connect=timeouts.connect)

    @property
    def _aclient(self) -> Any:
        """Return the client of the running event loop: connections cannot be shared between loops."""
        loop = asyncio.get_running_loop()
        client = self._aclients.get(loop)
        if client is None:
            client = self._aclients[loop] = self._make_async_client()
        return client

    @override
    def _send(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        return self.client.chat.completions.create(**payload, timeout=self._timeout(timeouts))

    @override
    async def _asend(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        return await self._aclient.chat.completions.create(**payload, timeout=self._timeout(timeouts))

    @override
    def _open_stream(self, payload: dict[str, Any], timeouts: Timeouts) -> Iterator[Any]:
        return self.client.chat.completions.create(**payload, timeout=self._timeout(timeouts))  # type: ignore[no-any-return] # the SDK's stream

    @override
    async def _aopen_stream(self, payload: dict[str, Any], timeouts: Timeouts) -> AsyncIterator[Any]:
        return await self._aclient.chat.completions.create(**payload, timeout=self._timeout(timeouts))  # type: ignore[no-any-return] # the SDK's stream

    # The protocol.

    @override
    def _build(self, request: ModelRequest, *, stream: bool) -> dict[str, Any]:
        can = capabilities.of(self.provider, request.model)
        payload: dict[str, Any] = {"model": request.model, "messages": _messages(request, can.system_role)}
        asked: dict[str, Any] = {
            "temperature": request.temperature if can.temperature else None,
            "top_p": request.top_p if can.top_p else None,
            can.max_tokens_name: request.max_tokens or can.default_max_tokens,
            "stop": list(request.stop) if can.stop else None,
            "seed": request.seed if can.seed else None,
            "reasoning_effort": request.reasoning_effort,
            "tools": list(request.tools),
            "tool_choice": request.tool_choice,
            "response_format": _response_format(request, can),
        }
        payload.update({name: value for name, value in asked.items() if value is not None and value != []})
        if stream:
            payload["stream"] = True
            payload["stream_options"] = {"include_usage": True}
        return self._with_options(payload, request.options)

    def _with_options(self, payload: dict[str, Any], options: Mapping[str, object]) -> dict[str, Any]:
        """Add what the caller and the provider's row want sent besides."""
        known = {"extra_body", "extra_headers", "extra_query"}
        for name in known & options.keys():
            payload[name] = options[name]
        body = {**self.extra_body, **{name: value for name, value in options.items() if name not in known}}
        given = payload.get("extra_body")
        if body:
            payload["extra_body"] = {**body, **(given if isinstance(given, Mapping) else {})}
        return payload

    @override
    def _read(self, raw: Any, request: ModelRequest) -> Completion:
        choices = field(raw, "choices")
        if not choices:
            raise MalformedResponse("the reply has no choices")
        message = field(choices[0], "message")
        if message is None:
            raise MalformedResponse("the reply's first choice has no message")
        return Completion(
            content=_text(field(message, "content")) or field(message, "refusal") or "",
            model=field(raw, "model"),
            finish_reason=field(choices[0], "finish_reason"),
            reasoning=reasoning_of(message),
            usage=self._usage(field(raw, "usage")),
            tool_calls=tuple(_tool_call(call) for call in field(message, "tool_calls") or ()),
            response_id=field(raw, "id"),
            reported_cost_usd=self._reported_cost(field(raw, "usage")),
            raw=raw,
        )

    @override
    def _read_event(self, event: Any, request: ModelRequest) -> Iterable[Chunk]:
        choices = field(event, "choices") or ()
        usage = field(event, "usage")
        delta = field(choices[0], "delta") if choices else None
        yield Chunk(
            content=_text(field(delta, "content")),
            reasoning=reasoning_of(delta) or "",
            finish_reason=field(choices[0], "finish_reason") if choices else None,
            model=field(event, "model"),
            usage=self._usage(usage),
            tool_deltas=tuple(_tool_delta(call) for call in field(delta, "tool_calls") or ()),
            response_id=field(event, "id"),
            reported_cost_usd=self._reported_cost(usage),
        )

    def _usage(self, usage: Any) -> Usage | None:
        """Return the tokens in exclusive buckets.

        prompt_tokens includes cached ones and completion_tokens includes reasoning, unless the total says otherwise
        (xAI counts reasoning beside): platform.openai.com/docs/api-reference/chat/object.
        """
        prompt, completion = field(usage, "prompt_tokens"), field(usage, "completion_tokens")
        if prompt is None and completion is None:
            return None
        details = field(usage, "prompt_tokens_details")
        cached = field(details, "cached_tokens")
        cached = field(usage, "prompt_cache_hit_tokens") if cached is None else cached
        written = field(details, "cache_write_tokens")
        thought = field(field(usage, "completion_tokens_details"), "reasoning_tokens")
        total = field(usage, "total_tokens")
        beside = bool(thought) and total == (prompt or 0) + (completion or 0) + thought
        return Usage(
            input=None if prompt is None else prompt - (cached or 0) - (written or 0),
            input_cached_tokens=cached,
            input_cache_creation=written,
            output=None if completion is None else completion - (0 if beside else thought or 0),
            output_reasoning_tokens=thought,
        )

    def _reported_cost(self, usage: Any) -> float | None:  # noqa: ARG002 - for providers that tell it
        """Return what the provider itself says the call cost, in US dollars."""
        return None


def field(value: Any, name: str) -> Any:
    """Return a field of an SDK's object or of plain JSON, None where it is not there."""
    if value is None:
        return None
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def reasoning_of(message: Any) -> str | None:
    """Return the reasoning text under the name that this provider gives it."""
    for name in ("reasoning_content", "reasoning"):
        text = field(message, name)
        if isinstance(text, str) and text:
            return text
    return None


def _text(content: Any) -> str:
    """Return content as text; some servers send it in parts."""
    if isinstance(content, str):
        return content
    return "".join(field(part, "text") or "" for part in content) if isinstance(content, list) else ""


def _tool_call(call: Any) -> ToolCall:
    function = field(call, "function")
    return ToolCall(field(call, "id") or "", field(function, "name") or "", field(function, "arguments") or "")


def _tool_delta(call: Any) -> ToolDelta:
    function = field(call, "function")
    name, arguments = field(function, "name") or "", field(function, "arguments") or ""
    return ToolDelta(field(call, "index") or 0, field(call, "id") or "", name, arguments)


def _response_format(request: ModelRequest, can: Capabilities) -> dict[str, Any] | None:
    wanted = request.response_format
    if wanted is None or can.structured == "instructed":
        return None
    if can.structured == "json_object" or wanted.name == "json_object":
        return {"type": "json_object"}
    schema = dict(wanted.schema) if can.schema_bounds else without_bounds(wanted.schema)
    return {"type": "json_schema", "json_schema": {"name": wanted.name, "schema": schema, "strict": True}}


def _messages(request: ModelRequest, system_role: str) -> list[dict[str, Any]]:
    if system_role == "merged" and request.system is not None:
        return _merged(request)
    return [_message(message, system_role) for message in request.messages]


def _merged(request: ModelRequest) -> list[dict[str, Any]]:
    """Put the system prompt before the first user message, for models that take none."""
    rest = [message for message in request.messages if message.role != "system"]
    told = [_message(message, "system") for message in rest]
    for item in told:
        if item["role"] == "user" and isinstance(item["content"], str):
            item["content"] = f"{request.system}\n\n{item['content']}"
            return told
    return [{"role": "user", "content": request.system}, *told]


def _message(message: Message, system_role: str) -> dict[str, Any]:
    role = system_role if message.role == "system" else message.role
    content: Any = message.content
    if not isinstance(content, str):
        content = [_part(part) for part in content]
    told: dict[str, Any] = {"role": role, "content": content}
    if message.tool_calls:
        told["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
        told["content"] = content or None
    if message.tool_call_id:
        told["tool_call_id"] = message.tool_call_id
    if message.name:
        told["name"] = message.name
    return told


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    return {"type": "image_url", "image_url": {"url": data_url(part)}}


def data_url(image: ImagePart) -> str:
    """Return an image's address, its data in it where it has no other."""
    if image.data is None:
        return image.url or ""
    return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}"

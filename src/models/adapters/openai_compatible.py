"""Speak the Chat Completions protocol: what OpenAI defined, and most providers offer."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from src.models import capabilities, classify, posting, responses, wire
from src.models.base_model import BaseModel
from src.models.errors import InvalidRequest, MalformedResponse
from src.models.loops import PerLoop
from src.models.reading import count, data_url, field
from src.models.structured import without_bounds
from src.models.types import (
    Chunk,
    Completion,
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

    Args:
        model_name: The model to ask.
        api: `chat` or `responses`; where not said, Chat Completions for every model that has them.
        **settings: As for `BaseModel`.
    """

    provider: ClassVar[str] = "openai_compatible"
    default_base_url: ClassVar[str | None] = None
    extra_body: ClassVar[Mapping[str, object]] = {}
    stream_options: ClassVar[Mapping[str, object] | None] = {"include_usage": True}
    sdk: ClassVar[tuple[str, str, str]] = ("openai", "OpenAI", "AsyncOpenAI")
    path: ClassVar[str] = "/chat/completions"

    def __init__(self, model_name: str, *, api: str | None = None, **settings: Any) -> None:
        super().__init__(model_name, **settings)
        if api not in (None, "chat", "responses"):
            raise InvalidRequest(f"api is {api!r}; there are chat and responses.", parameter="api")
        self._api = api
        self.client = self._make_client()
        self._aclients = PerLoop(self._make_async_client, lambda client: client.close())

    # The connection.

    def _settings(self) -> dict[str, Any]:
        """Return what a client is made with. Its own retries are off: the template retries."""
        address = self._base_url or self.default_base_url
        return {"api_key": self._api_key or "not-needed", "base_url": address, "max_retries": 0}

    def _library(self) -> Any:
        return importlib.import_module(self.sdk[0])

    def _make_client(self) -> Any:
        sdk = self._library()
        http = getattr(sdk, "DefaultHttpx2Client", sdk.DefaultHttpxClient)
        return getattr(sdk, self.sdk[1])(**self._settings(), http_client=http(event_hooks=wire.hooks(self.provider)))

    def _make_async_client(self) -> Any:
        sdk = self._library()
        http = getattr(sdk, "DefaultAsyncHttpx2Client", sdk.DefaultAsyncHttpxClient)
        hooks = wire.async_hooks(self.provider)
        return getattr(sdk, self.sdk[2])(**self._settings(), http_client=http(event_hooks=hooks))

    def _route(self, payload: Mapping[str, Any]) -> posting.Route:
        """Return where a call of its protocol goes, and what the SDK makes of the reply."""
        return _responses_route(self.sdk[0]) if "input" in payload else _chat_route(self.sdk[0], self.path)

    @override
    def _send(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        return posting.post(self.client, self._route(payload), payload, timeouts)

    @override
    async def _asend(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        return await posting.apost(self._aclients.get(), self._route(payload), payload, timeouts)

    @override
    def _open_stream(self, payload: dict[str, Any], timeouts: Timeouts) -> Iterator[Any]:
        return posting.post(self.client, self._route(payload), payload, timeouts)  # type: ignore[no-any-return] # the SDK's stream

    @override
    async def _aopen_stream(self, payload: dict[str, Any], timeouts: Timeouts) -> AsyncIterator[Any]:
        return await posting.apost(self._aclients.get(), self._route(payload), payload, timeouts)  # type: ignore[no-any-return] # the SDK's stream

    # The protocol.

    @override
    def _can(self, model: str) -> Capabilities:
        can = capabilities.of(self.provider, model)
        if (self._api or can.api) != "responses":
            return can
        return replace(can, api="responses", seed=False, stop=False, min_output=responses.LEAST_OUTPUT)

    @override
    def _build(self, request: ModelRequest, *, stream: bool) -> dict[str, Any]:
        can = self._can(request.model)
        if can.api == "responses":
            body = responses.build(request, can) | ({"stream": True} if stream else {})
            return self._with_options(body, request.options)
        payload: dict[str, Any] = {"model": request.model, "messages": _messages(request, can)}
        asked: dict[str, Any] = {
            "temperature": request.temperature,
            "top_p": request.top_p,
            can.max_tokens_name: request.max_tokens or can.default_max_tokens,
            "stop": list(request.stop),
            "seed": request.seed,
            "reasoning_effort": request.reasoning_effort,
            "tools": list(request.tools),
            "tool_choice": request.tool_choice,
            "response_format": _response_format(request, can),
        }
        payload.update({name: value for name, value in asked.items() if value is not None and value != []})
        if stream:
            payload["stream"] = True
            if self.stream_options is not None:
                payload["stream_options"] = self.stream_options
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
    def _list_models(self) -> Iterable[str]:
        return [model.id for model in self.client.models.list().data]

    @override
    def _read(self, raw: Any, request: ModelRequest) -> Completion:
        if self._can(request.model).api == "responses":
            return responses.read(raw)
        choice = _first_choice(raw)
        message = field(choice, "message")
        if message is None:
            raise MalformedResponse("the reply's first choice has no message")
        content, refusal = _text(field(message, "content")), field(message, "refusal")
        return Completion(
            content=content,
            model=field(raw, "model"),
            finish_reason="content_filter" if refusal and not content else finish(field(choice, "finish_reason")),
            reasoning=reasoning_of(message),
            usage=self._usage(field(raw, "usage")),
            tool_calls=tuple(_tool_call(call) for call in field(message, "tool_calls") or ()),
            response_id=field(raw, "id"),
            reported_cost_usd=self._reported_cost(field(raw, "usage")),
            service_tier=field(raw, "service_tier"),
            notes=_notes(raw, choice, refusal),
            raw=raw,
        )

    @override
    def _read_event(self, event: Any, request: ModelRequest) -> Iterable[Chunk]:
        if self._can(request.model).api == "responses":
            yield from responses.read_event(event)
            return
        _raise_error(event)
        choices = field(event, "choices") or ()
        choice = choices[0] if choices else None
        delta = field(choice, "delta")
        # Groq tells the usage twice, at the top and in x_groq: console.groq.com/docs/api-reference#chat-create
        usage = field(event, "usage") or field(field(event, "x_groq"), "usage")
        yield Chunk(
            content=_text(field(delta, "content")),
            reasoning=reasoning_of(delta) or "",
            finish_reason=finish(field(choice, "finish_reason")),
            model=field(event, "model"),
            usage=self._usage(usage),
            tool_deltas=tuple(_tool_delta(call) for call in field(delta, "tool_calls") or ()),
            response_id=field(event, "id"),
            reported_cost_usd=self._reported_cost(usage),
            service_tier=field(event, "service_tier"),
            notes=_notes(event, choice, None) if usage else {},
        )

    def _usage(self, usage: Any) -> Usage | None:
        """Return the tokens in exclusive buckets.

        prompt_tokens includes cached ones and completion_tokens includes reasoning, unless the total says otherwise
        (xAI counts reasoning beside): platform.openai.com/docs/api-reference/chat/object.
        """
        prompt, completion = count(usage, "prompt_tokens"), count(usage, "completion_tokens")
        if prompt is None and completion is None:
            return None
        details = field(usage, "prompt_tokens_details")
        cached = count(details, "cached_tokens")
        cached = count(usage, "prompt_cache_hit_tokens") if cached is None else cached
        written = count(details, "cache_write_tokens")
        thought = count(field(usage, "completion_tokens_details"), "reasoning_tokens")
        total = count(usage, "total_tokens")
        beside = bool(thought) and total == (prompt or 0) + (completion or 0) + (thought or 0)
        if completion is not None and thought is not None and not beside:
            thought = min(thought, completion)  # some routers count more reasoning than output
        return Usage(
            input=None if prompt is None else max(prompt - (cached or 0) - (written or 0), 0),
            input_cached_tokens=cached,
            input_cache_creation=written,
            output=None if completion is None else completion - (0 if beside else thought or 0),
            output_reasoning_tokens=thought,
        )

    def _reported_cost(self, usage: Any) -> float | None:  # noqa: ARG002 - for providers that tell it
        """Return what the provider itself says the call cost, in US dollars."""
        return None


@cache
def _chat_route(sdk: str, path: str) -> posting.Route:
    kinds = importlib.import_module(f"{sdk}.types.chat")
    return posting.Route(path, kinds.ChatCompletion, kinds.ChatCompletionChunk, importlib.import_module(sdk))


@cache
def _responses_route(sdk: str) -> posting.Route:
    kinds = importlib.import_module(f"{sdk}.types.responses")
    return posting.Route("/responses", kinds.Response, kinds.ResponseStreamEvent, importlib.import_module(sdk))


# What imitating servers say instead of the protocol's own words.
_FINISH = {
    "end_turn": "stop", "eos": "stop", "stop_sequence": "stop", "completed": "stop", "max_tokens": "length",
    "model_length": "length", "max_output_tokens": "length", "tool_use": "tool_calls", "function_call": "tool_calls",
    "safety": "content_filter",
}  # fmt: skip


def finish(reason: Any) -> str | None:
    """Return a finish reason in the protocol's own words."""
    return _FINISH.get(reason.lower(), reason) if isinstance(reason, str) and reason else None


def _first_choice(raw: Any) -> Any:
    _raise_error(raw)
    choices = field(raw, "choices")
    if not choices or not isinstance(choices, list):
        raise MalformedResponse("the reply has no choices")
    _raise_error(choices[0])
    return choices[0]


def _raise_error(part: Any) -> None:
    """Raise an error that came inside a 200: openrouter.ai/docs/api-reference/errors."""
    error = field(part, "error") or field(field(part, "x_groq"), "error")
    if error:
        detail = error if isinstance(error, Mapping) else getattr(error, "model_dump", lambda: {"message": error})()
        raise classify.from_status(None, {"error": detail})


def _notes(raw: Any, choice: Any, refusal: Any) -> dict[str, object]:
    """Return what a trace shows besides: who served the reply where a router chose, and the words of a refusal."""
    told = {
        "upstream_provider": field(raw, "provider"),
        "native_finish_reason": field(choice, "native_finish_reason"),
        "system_fingerprint": field(raw, "system_fingerprint"),
        "refusal": refusal,
    }
    return {name: value for name, value in told.items() if isinstance(value, str)}


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
    return ToolCall(field(call, "id") or "", field(function, "name") or "", _arguments(function))


def _arguments(function: Any) -> str:
    """Return a call's arguments as JSON text; some servers send them decoded."""
    arguments = field(function, "arguments")
    return json.dumps(arguments) if isinstance(arguments, Mapping) else arguments or ""


def _tool_delta(call: Any) -> ToolDelta:
    function = field(call, "function")
    name = field(function, "name") or ""
    return ToolDelta(field(call, "index") or 0, field(call, "id") or "", name, _arguments(function))


def _response_format(request: ModelRequest, can: Capabilities) -> dict[str, Any] | None:
    wanted = request.response_format
    if wanted is None or can.structured == "instructed":
        return None
    if can.structured == "json_object" or wanted.name == "json_object":
        return {"type": "json_object"}
    schema = dict(wanted.schema) if can.schema_bounds else without_bounds(wanted.schema)
    return {"type": "json_schema", "json_schema": {"name": wanted.name, "schema": schema, "strict": True}}


def _messages(request: ModelRequest, can: Capabilities) -> list[dict[str, Any]]:
    if can.system_role == "merged" and request.system is not None:
        return _merged(request, can)
    return [_message(message, can) for message in request.messages]


def _merged(request: ModelRequest, can: Capabilities) -> list[dict[str, Any]]:
    """Put the system prompt before the first user message, for models that take none."""
    rest = [message for message in request.messages if message.role != "system"]
    told = [_message(message, can) for message in rest]
    for item in told:
        if item["role"] == "user" and isinstance(item["content"], str):
            item["content"] = f"{request.system}\n\n{item['content']}"
            return told
    return [{"role": "user", "content": request.system}, *told]


def _message(message: Message, can: Capabilities) -> dict[str, Any]:
    role = can.system_role if message.role == "system" else message.role
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
    if message.reasoning and can.keep_reasoning:
        told["reasoning_content"] = message.reasoning
    if message.tool_call_id:
        told["tool_call_id"] = message.tool_call_id
    if message.name:
        told["name"] = message.name
    return told


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    return {"type": "image_url", "image_url": {"url": data_url(part)}}

"""Ask Anthropic's models through the Messages API."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from src.models import capabilities, classify, fitting, posting, wire
from src.models.base_model import BaseModel
from src.models.errors import InvalidRequest, MalformedResponse, ModelError
from src.models.reading import count, field
from src.models.types import Chunk, Completion, Message, ModelRequest, Part, TextPart, ToolCall, ToolDelta, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from src.models.capabilities import Capabilities
    from src.models.types import Timeouts

# platform.claude.com/docs/en/build-with-claude/handling-stop-reasons. pause_turn keeps its name: that turn is not over.
_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
# What `messages.create` takes by name; anything else goes to the wire through extra_body.
_SDK_NAMES = frozenset(
    {
        "cache_control", "container", "diagnostics", "inference_geo", "metadata", "output_config", "service_tier",
        "speed", "thinking", "user_profile_id", "workspace_id", "extra_headers", "extra_query",
    }
)  # fmt: skip
_AS_HEADERS = {"user_profile_id": "anthropic-user-profile-id", "workspace_id": "anthropic-workspace-id"}
_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_000, "max": 32_000}
_LEAST_BUDGET = 1024
_LEAST_THINKING_TOP_P = 0.95
_CHOICES = {"auto": "auto", "required": "any", "any": "any", "none": "none"}
_REPLAY = "claude:"
_NAMED = re.compile(r"\A[`'\"]?([a-z_]\w*(?:\.\w+)*)(?:[`'\"]|:\s)")


class ClaudeModel(BaseModel):
    """Ask a Claude model."""

    provider: ClassVar[str] = "claude"
    default_base_url: ClassVar[str] = "https://api.anthropic.com"

    def __init__(self, model_name: str, **settings: Any) -> None:
        super().__init__(model_name, **settings)
        import anthropic

        http = anthropic.DefaultHttpxClient(event_hooks=wire.hooks(self.provider))
        self.client = anthropic.Anthropic(**self._settings(), http_client=http)
        self._route = posting.Route(
            "/v1/messages", anthropic.types.Message, anthropic.types.RawMessageStreamEvent, anthropic, _AS_HEADERS
        )
        self._aclients: dict[asyncio.AbstractEventLoop, Any] = {}

    def _settings(self) -> dict[str, Any]:
        """Return what a client is made with. Its own retries are off: the template retries."""
        return {"api_key": self._api_key, "base_url": self._base_url or self.default_base_url, "max_retries": 0}

    @property
    def _aclient(self) -> Any:
        """Return the client of the running event loop: connections cannot be shared between loops.

        A client refers to its loop, so those of loops that have ended would stay, with their sockets, for ever.
        """
        import anthropic

        loop = asyncio.get_running_loop()
        client = self._aclients.get(loop)
        if client is None:
            for ended in [known for known in list(self._aclients) if known.is_closed()]:
                self._aclients.pop(ended, None)
            http = anthropic.DefaultAsyncHttpxClient(event_hooks=wire.async_hooks(self.provider))
            client = self._aclients[loop] = anthropic.AsyncAnthropic(**self._settings(), http_client=http)
        return client

    @override
    def _list_models(self) -> Iterable[str]:
        return [model.id for model in self.client.models.list()]

    @override
    def _send(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        return posting.post(self.client, self._route, payload, timeouts)

    @override
    async def _asend(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        return await posting.apost(self._aclient, self._route, payload, timeouts)

    @override
    def _open_stream(self, payload: dict[str, Any], timeouts: Timeouts) -> Iterator[Any]:
        return _followed(posting.post(self.client, self._route, payload, timeouts))

    @override
    async def _aopen_stream(self, payload: dict[str, Any], timeouts: Timeouts) -> AsyncIterator[Any]:
        return _afollowed(await posting.apost(self._aclient, self._route, payload, timeouts))

    def _suited(self, request: ModelRequest) -> Capabilities:
        """Return what the model can do for this request: a schema that native mode cannot say is said in words.

        A forced tool would be the other way. It is refused beside thinking, and by models from Opus 5.5 on at all
        (platform.claude.com/docs/en/models/opus-5-5/whats-new-opus-5-5#forced-tool-use-is-not-supported), so words
        and the template's repair are what works on every model without native output.
        """
        can, wanted = self._can(request.model), request.response_format
        if wanted is None or can.structured != "json_schema" or _native(wanted.schema) is not None:
            return can
        return replace(can, structured="instructed")

    @override
    def _fitted(self, request: ModelRequest) -> ModelRequest:
        can = self._suited(request)
        return _without_clashes(_with_known_effort(fitting.fit(request, can), can), can)

    @override
    def _build(self, request: ModelRequest, *, stream: bool) -> dict[str, Any]:
        can = self._suited(request)
        options: dict[str, Any] = dict(request.options)
        body = dict(options.pop("extra_body", None) or {})
        parallel, betas = options.pop("parallel_tool_calls", None), options.pop("betas", None)
        payload: dict[str, Any] = {name: options.pop(name) for name in _SDK_NAMES & options.keys()}
        thinking = payload.get("thinking") or _thinking(request, can)
        told: dict[str, Any] = {
            "model": request.model,
            "messages": _messages(request),
            "max_tokens": request.max_tokens or _enough_tokens(can, thinking),
            "system": request.system,
            "thinking": thinking,
            "stop_sequences": list(request.stop) or None,
            "tools": [_tool(tool) for tool in request.tools] or None,
            "tool_choice": _tool_choice(request, one_at_a_time=parallel is False),
            "output_config": _output_config(payload.get("output_config"), request, can),
            "extra_headers": _headers(payload.get("extra_headers"), betas),
            "stream": stream or None,
        }
        # The SDK's `create` has no sampling parameters any more; the models up to 4.6 take them all the same.
        sampling = {"temperature": request.temperature, "top_p": request.top_p}
        told["extra_body"] = _given(sampling) | options | body or None
        return payload | _given(told)

    @override
    def _read(self, raw: Any, request: ModelRequest) -> Completion:
        blocks = field(raw, "content")
        if field(raw, "error") and not blocks:  # of a gateway: an error that says 200
            raise _named(classify.from_status(None, {"error": field(raw, "error")}), raw)
        if isinstance(blocks, str):  # of a server that imitates this one
            blocks = [{"type": "text", "text": blocks}]
        if not isinstance(blocks, list):
            raise MalformedResponse("the reply has no content blocks")
        usage, calls = field(raw, "usage"), _calls(blocks)
        return Completion(
            content="".join(_text(block, "text") for block in blocks if field(block, "type") == "text"),
            model=_text(raw, "model") or None,
            finish_reason=_finish(field(raw, "stop_reason")) or ("tool_calls" if calls else None),
            reasoning="".join(_text(block, "thinking") for block in blocks) or None,
            usage=_usage(usage),
            tool_calls=calls,
            response_id=_text(raw, "id") or None,
            service_tier=_text(usage, "service_tier") or None,
            notes=_notes(raw),
            raw=raw,
        )

    @override
    def _read_event(self, event: Any, request: ModelRequest) -> Iterable[Chunk]:
        kind, at = field(event, "type"), count(event, "index") or 0
        if kind == "message_start":
            message = field(event, "message")
            usage = field(message, "usage")
            # Its output_tokens counts the first piece alone; message_delta tells them all.
            yield Chunk(
                model=_text(message, "model") or None,
                response_id=_text(message, "id") or None,
                usage=replace(begun, output=None, output_reasoning_tokens=None) if (begun := _usage(usage)) else None,
                service_tier=_text(usage, "service_tier") or None,
            )
        elif kind == "content_block_start":
            block = field(event, "content_block")
            if field(block, "type") == "tool_use":
                told = field(block, "input")  # empty, but for servers that imitate this one
                delta = ToolDelta(at, _text(block, "id"), _text(block, "name"), json.dumps(told) if told else "")
                yield Chunk(tool_deltas=(replace(delta, replay=_text(event, "replay")),))
            else:
                yield Chunk(content=_text(block, "text"), reasoning=_text(block, "thinking"))
        elif kind == "content_block_delta":
            delta = field(event, "delta")
            piece = _text(delta, "partial_json")
            yield Chunk(
                content=_text(delta, "text"),
                reasoning=_text(delta, "thinking"),
                tool_deltas=(ToolDelta(at, arguments=piece),) if piece else (),
            )
        elif kind == "message_delta":
            delta = field(event, "delta")
            yield Chunk(
                finish_reason=_finish(field(delta, "stop_reason")),
                usage=_later(_usage(field(event, "usage"))),
                notes=_notes(delta),
            )

    @override
    def _classify(self, error: BaseException) -> ModelError:
        return _named(super()._classify(error), getattr(error, "body", None))


def _named(error: ModelError, body: Any) -> ModelError:
    """Return an error with the request's id, which its body has too, and the parameter that its message begins with."""
    error.request_id = error.request_id or _text(body, "request_id") or None
    if type(error) is InvalidRequest and error.parameter is None:
        found = _NAMED.match(error.message)
        error.parameter = found.group(1) if found else None
    return error


def _text(value: Any, name: str) -> str:
    found = field(value, name)
    return found if isinstance(found, str) else ""


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _finish(reason: Any) -> str | None:
    return _FINISH.get(reason, reason) if isinstance(reason, str) else None


def _notes(told: Any) -> dict[str, object]:
    """Return which rule a refusal was for: platform.claude.com/docs/en/build-with-claude/handling-stop-reasons."""
    return _given({"block_reason": field(field(told, "stop_details"), "category")})


def _usage(usage: Any) -> Usage | None:
    """Return the tokens: input_tokens excludes what was read from or written to the cache, output holds thinking.

    platform.claude.com/docs/en/build-with-claude/prompt-caching#tracking-cache-performance
    """
    if usage is None:
        return None
    output, thought = count(usage, "output_tokens"), count(field(usage, "output_tokens_details"), "thinking_tokens")
    if output is not None and thought is not None:
        thought = min(thought, output)
    return Usage(
        input=count(usage, "input_tokens"),
        input_cached_tokens=count(usage, "cache_read_input_tokens"),
        input_cache_creation=count(usage, "cache_creation_input_tokens"),
        output=None if output is None else output - (thought or 0),
        output_reasoning_tokens=thought,
    )


def _later(usage: Usage | None) -> Usage | None:
    """Return what a stream's end tells anew: some servers repeat the input there as zeros."""
    if usage is None or usage.input_tokens:
        return usage
    return replace(usage, input=None, input_cached_tokens=None, input_cache_creation=None)


def _with_known_effort(request: ModelRequest, can: Capabilities) -> ModelRequest:
    """Return the request with an effort that the model takes; one that cannot be said here is left out."""
    if request.reasoning_effort is None:
        return request
    effort: str | None = capabilities.nearest_effort(request.reasoning_effort, can)
    if can.effort_as == "budget" and effort in _BUDGETS and "thinking" not in request.options:
        effort = effort if _budget(request, str(effort)) and _can_think_on(request) else None
    return _told(request, "reasoning_effort", effort)


def _without_clashes(request: ModelRequest, can: Capabilities) -> ModelRequest:
    """Return the request without sampling parameters that are refused together.

    platform.claude.com/docs/en/build-with-claude/extended-thinking#feature-compatibility: no temperature beside
    thinking, and top_p from 0.95 on. From Opus 4.1 on, temperature and top_p exclude one another; top_p is what a
    caller set knowingly.
    """
    thinks = field(request.options.get("thinking") or _thinking(request, can), "type") in ("enabled", "adaptive")
    if thinks and request.top_p is not None and request.top_p < _LEAST_THINKING_TOP_P:
        request = _told(request, "top_p", None)
    if request.temperature is not None and (thinks or request.top_p is not None):
        request = _told(request, "temperature", None)
    return request


def _told(request: ModelRequest, name: str, value: Any) -> ModelRequest:
    """Return the request with a parameter as the model takes it; the trace says what was asked."""
    asked = getattr(request, name)
    if asked == value:
        return request
    said = fitting.DROPPED if value is None else f"{asked} -> {value}"
    return replace(request, **{name: value}, adjusted={**request.adjusted, name: said})


def _thinking(request: ModelRequest, can: Capabilities) -> dict[str, Any] | None:
    """Return how an effort is said as thinking: platform.claude.com/docs/en/build-with-claude/thinking."""
    effort = request.reasoning_effort
    if effort is None or "thinking" in request.options:
        return None
    if effort == "none":
        return None if can.effort_off == "omitted" else {"type": can.effort_off}
    if can.effort_as == "adaptive":
        return {"type": "adaptive", "display": "summarized"}
    budget = _budget(request, effort) if can.effort_as == "budget" else None
    return {"type": "enabled", "budget_tokens": budget} if budget else None


def _budget(request: ModelRequest, effort: str) -> int | None:
    """Return the tokens to think with: 1024 or more, and less than max_tokens; half of that leaves room to answer."""
    budget = min(_BUDGETS.get(effort, 0), (request.max_tokens or 10**6) // 2)
    return budget if budget >= _LEAST_BUDGET else None


def _can_think_on(request: ModelRequest) -> bool:
    """Tell whether a loop of tool calls has the thoughts that it began with: without them a budget is refused.

    platform.claude.com/docs/en/build-with-claude/thinking-tool-workflows
    """
    for message in reversed(request.messages):
        if message.role == "user":
            return True
        if message.tool_calls and not any(call.replay.startswith(_REPLAY) for call in message.tool_calls):
            return False
    return True


def _enough_tokens(can: Capabilities, thinking: Any) -> int:
    """Return max_tokens, which must be said: the default, beside what is thought with."""
    tokens = (can.default_max_tokens or 4096) + (count(thinking, "budget_tokens") or 0)
    return min(tokens, can.max_output or tokens)


def _output_config(given: Any, request: ModelRequest, can: Capabilities) -> dict[str, Any] | None:
    """Return the schema and the effort: platform.claude.com/docs/en/build-with-claude/structured-outputs."""
    config: dict[str, Any] = dict(given or {})
    wanted, effort = request.response_format, request.reasoning_effort
    if wanted is not None and can.structured == "json_schema" and wanted.name != "json_object":
        config["format"] = {"type": "json_schema", "schema": _native(wanted.schema)}
    if effort not in (None, "none") and can.effort_as != "budget":
        config["effort"] = effort
    return config or None


def _native(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a schema as the API takes it, by the SDK's own rule; None where it cannot say it.

    Every object is closed there, so a mapping with free keys, or one that refers to itself, would come to mean another:
    platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations
    """
    import anthropic

    if _is_open(schema) or _is_recursive(schema):
        return None
    try:
        return anthropic.transform_schema({name: value for name, value in schema.items() if name != "$schema"})
    except (ValueError, TypeError, AttributeError, AssertionError):
        return None


def _is_open(schema: Any) -> bool:
    if isinstance(schema, list):
        return any(_is_open(item) for item in schema)
    if not isinstance(schema, Mapping):
        return False
    free = schema.get("type") == "object" and not schema.get("properties")
    more = schema.get("additionalProperties") not in (None, False) or "patternProperties" in schema
    return free or more or any(_is_open(item) for item in schema.values())


def _is_recursive(schema: Mapping[str, Any]) -> bool:
    kept = schema.get("$defs")
    defs: Mapping[str, Any] = kept if isinstance(kept, Mapping) else {}
    leads = {name: set(re.findall(r'"#/\$defs/([^"]+)"', json.dumps(inner))) for name, inner in defs.items()}
    for name in defs:
        seen: set[str] = set()
        ahead = set(leads[name])
        while ahead:
            seen |= ahead
            ahead = {after for at in ahead for after in leads.get(at, ())} - seen
        if name in seen:
            return True
    return False


def _headers(given: Any, betas: Any) -> dict[str, str] | None:
    """Return the extra headers; a beta is asked for by one: platform.claude.com/docs/en/api/beta-headers."""
    if not betas:
        return given or None
    return {**(given or {}), "anthropic-beta": betas if isinstance(betas, str) else ",".join(betas)}


def _messages(request: ModelRequest) -> list[dict[str, Any]]:
    """Return the turns; neighbours of one role become one. An empty turn of the model is refused, and left out."""
    told: list[dict[str, Any]] = []
    for message in request.messages:
        role = "assistant" if message.role == "assistant" else "user"
        content = _content(message)
        if message.role == "system" or (role == "assistant" and not content):
            continue
        if told and told[-1]["role"] == role:
            told[-1]["content"] = [*_blocks(told[-1]["content"]), *_blocks(content)]
        else:
            told.append({"role": role, "content": content})
    return told


def _blocks(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _content(message: Message) -> Any:
    content = message.content if isinstance(message.content, str) else [_part(part) for part in message.content]
    if message.role == "tool":
        return [{"type": "tool_result", "tool_use_id": _id(message.tool_call_id or ""), "content": content}]
    if not message.tool_calls:
        return content
    blocks = [[*_replayed(call), _tool_use(call)] for call in message.tool_calls]
    text = _blocks(content) if content else []
    blocks[0][-1:-1] = text  # after the thoughts
    return [block for group in blocks for block in group]


def _id(text: str) -> str:
    """Return an id as this API takes it: other providers' hold other characters."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", text)


def _replayed(call: ToolCall) -> list[dict[str, Any]]:
    return json.loads(call.replay.removeprefix(_REPLAY)) if call.replay.startswith(_REPLAY) else []


def _tool_use(call: ToolCall) -> dict[str, Any]:
    try:
        arguments = json.loads(call.arguments or "{}")
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        raise InvalidRequest(f"The arguments of the tool call {call.name} are no JSON object.", parameter="messages")
    return {"type": "tool_use", "id": _id(call.id), "name": call.name, "input": arguments}


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if part.data is None:
        return {"type": "image", "source": {"type": "url", "url": part.url}}
    data = base64.b64encode(part.data).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": part.media_type, "data": data}}


def _tool(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a tool as Anthropic defines it, from that form or from OpenAI's (nested, or flat as in Responses)."""
    nested = tool.get("function")
    function = nested if isinstance(nested, Mapping) else tool
    if "input_schema" in function or ("parameters" not in function and function is tool):
        return tool
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    told = {name: function.get(name) for name in ("name", "description", "strict")}
    rest = {name: value for name, value in tool.items() if name not in ("type", "function", "parameters")}
    return {**rest, **_given(told), "input_schema": schema}


def _tool_choice(request: ModelRequest, *, one_at_a_time: bool) -> dict[str, Any] | None:
    choice: Any = request.tool_choice
    if isinstance(choice, str):
        choice = {"type": _CHOICES[choice]} if choice in _CHOICES else {"type": "tool", "name": choice}
    elif isinstance(choice, Mapping) and choice.get("type") == "function":
        choice = {"type": "tool", "name": field(choice.get("function") or choice, "name")}
    if one_at_a_time and request.tools and field(choice, "type") != "none":
        return {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    return dict(choice) if choice is not None else None


def _calls(blocks: list[Any]) -> tuple[ToolCall, ...]:
    """Return the calls of tools, each with the thoughts that led to it."""
    calls, thoughts = [], []
    for at, block in enumerate(blocks):
        kind = field(block, "type")
        if kind in ("thinking", "redacted_thinking"):
            thoughts.append(_thought(block))
        elif kind == "tool_use":
            told = field(block, "input")
            arguments = told if isinstance(told, str) else json.dumps(told or {}, ensure_ascii=False)
            calls.append(
                ToolCall(_text(block, "id") or f"toolu_{at}", _text(block, "name"), arguments, _replay(thoughts))
            )
            thoughts = []
    return tuple(calls)


def _thought(block: Any) -> dict[str, str]:
    names = ("type", "data") if field(block, "type") == "redacted_thinking" else ("type", "thinking", "signature")
    return {name: _text(block, name) for name in names}


def _replay(thoughts: list[dict[str, str]]) -> str:
    return _REPLAY + json.dumps(thoughts) if thoughts else ""


class _Trail:
    """Follow a stream: give each call of a tool the thoughts before it, leave out calls that the server makes."""

    def __init__(self) -> None:
        self._thoughts: dict[int, dict[str, str]] = {}
        self._foreign: set[int] = set()

    def passed(self, event: Any) -> Any:
        """Return the event as the reader needs it; None where it is none of its business."""
        kind, at = field(event, "type"), count(event, "index") or 0
        if kind == "content_block_start":
            return self._begun(event, at, field(event, "content_block"))
        if kind != "content_block_delta":
            return event
        delta = field(event, "delta")
        if at in self._thoughts:
            for name in ("thinking", "signature"):
                self._thoughts[at][name] = self._thoughts[at].get(name, "") + _text(delta, name)
        return None if at in self._foreign else event

    def _begun(self, event: Any, at: int, block: Any) -> Any:
        kind = field(block, "type")
        if kind in ("thinking", "redacted_thinking"):
            self._thoughts[at] = _thought(block)
        elif kind == "tool_use":
            replay, self._thoughts = _replay(list(self._thoughts.values())), {}
            return {"type": "content_block_start", "index": at, "content_block": block, "replay": replay}
        elif kind != "text":
            self._foreign.add(at)
        return event


def _followed(events: Any) -> Iterator[Any]:
    trail = _Trail()
    try:
        yield from (told for event in events if (told := trail.passed(event)) is not None)
    finally:
        events.close()


async def _afollowed(events: Any) -> AsyncIterator[Any]:
    trail = _Trail()
    try:
        async for event in events:
            told = trail.passed(event)
            if told is not None:
                yield told
    finally:
        await events.close()

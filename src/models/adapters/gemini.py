"""Ask Google's models, through google-genai or, where a checkout is pinned to it, the old google-generativeai."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from src.models import capabilities, classify, threads, wire
from src.models.base_model import BaseModel
from src.models.errors import (
    AuthenticationFailed,
    ContentBlocked,
    InvalidRequest,
    MalformedResponse,
    ModelError,
    QuotaExhausted,
    RateLimited,
)
from src.models.reading import count, field
from src.models.types import Chunk, Completion, ImagePart, Message, ModelRequest, ToolCall, ToolDelta, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

    from src.models.types import Timeouts

# ai.google.dev/api/generate-content#FinishReason
_FINISH = {"STOP": "stop", "MAX_TOKENS": "length"}
_BLOCKED = frozenset(
    {
        "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR",
    }
)  # fmt: skip
# Gemini 2.5 takes a budget in tokens, Gemini 3 a level: ai.google.dev/gemini-api/docs/thinking#set-budget
_BUDGETS = {"none": 0, "minimal": 512, "low": 1024, "medium": 8192, "high": 24576}
_CHOICES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "any": "ANY"}


class GeminiModel(BaseModel):
    """Ask a Gemini model. MOONDEV_GEMINI_SDK=legacy takes the old SDK where both are installed."""

    provider: ClassVar[str] = "gemini"
    default_base_url: ClassVar[str] = "https://generativelanguage.googleapis.com"

    def __init__(self, model_name: str, **settings: Any) -> None:
        super().__init__(model_name, **settings)
        address = self._base_url or self.default_base_url
        self._legacy = uses_legacy()
        self._connection: Any = (_Legacy if self._legacy else _Current)(self._api_key, address)
        self.client = self._connection.client

    @override
    def _send(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        return self._connection.generate(payload, timeouts)

    @override
    async def _asend(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        if self._legacy:
            return await super()._asend(payload, timeouts)
        return await self._connection.agenerate(payload)

    @override
    def _open_stream(self, payload: dict[str, Any], timeouts: Timeouts) -> Iterator[Any]:
        return self._connection.stream(payload, timeouts)  # type: ignore[no-any-return] # the SDK's stream

    @override
    async def _aopen_stream(self, payload: dict[str, Any], timeouts: Timeouts) -> AsyncIterator[Any]:
        if self._legacy:
            return await super()._aopen_stream(payload, timeouts)
        return await self._connection.astream(payload)  # type: ignore[no-any-return] # the SDK's stream

    def _list_models(self) -> list[str]:
        """Return the names of the models that generate text."""
        return [name.removeprefix("models/") for name in self._connection.names()]

    @override
    def _build(self, request: ModelRequest, *, stream: bool) -> dict[str, Any]:
        can = capabilities.of(self.provider, request.model)
        options = dict(request.options)
        config: dict[str, Any] = {
            "temperature": request.temperature,
            "top_p": request.top_p,
            "max_output_tokens": request.max_tokens or can.default_max_tokens,
            "stop_sequences": list(request.stop) or None,
            "seed": request.seed,
            **_structured(request, legacy=self._legacy),
            **_thinking(request),
            **options,
        }
        return {
            "model": request.model,
            "system": request.system,
            "contents": _contents(request.messages),
            "tools": [_declaration(tool, legacy=self._legacy) for tool in request.tools],
            "tool_choice": _tool_choice(request.tool_choice),
            "config": {name: value for name, value in config.items() if value is not None},
        }

    @override
    def _read(self, raw: Any, request: ModelRequest) -> Completion:
        candidates = field(raw, "candidates")
        if not candidates:
            raise _no_candidates(raw)
        parts, finish = _parts(candidates[0]), _finish(candidates[0])
        calls = _calls(parts)
        if finish in ("malformed_function_call", "unexpected_tool_call") and not calls:
            raise MalformedResponse("the model wrote a tool call that cannot be read")
        return Completion(
            content=_text(parts, thought=False),
            model=field(raw, "model_version") or request.model,
            finish_reason="tool_calls" if calls else finish,
            reasoning=_text(parts, thought=True) or None,
            usage=_usage(field(raw, "usage_metadata")),
            tool_calls=calls,
            response_id=field(raw, "response_id"),
            raw=raw,
        )

    @override
    def _read_event(self, event: Any, request: ModelRequest) -> Iterable[Chunk]:
        candidates = field(event, "candidates") or ()
        if not candidates and field(field(event, "prompt_feedback"), "block_reason"):
            raise _no_candidates(event)
        parts = _parts(candidates[0]) if candidates else []
        calls = _calls(parts)
        yield Chunk(
            content=_text(parts, thought=False),
            reasoning=_text(parts, thought=True),
            finish_reason=("tool_calls" if calls else _finish(candidates[0])) if candidates else None,
            model=field(event, "model_version"),
            usage=_usage(field(event, "usage_metadata")),
            tool_deltas=tuple(ToolDelta(-1, "", call.name, call.arguments) for call in calls),
            response_id=field(event, "response_id"),
        )

    @override
    def _classify(self, error: BaseException) -> ModelError:
        names = {kind.__name__ for kind in type(error).__mro__}
        if (
            "streaming response" in str(error) and "BadRequest" in names
        ):  # the old SDK's word for a stream it cannot read
            return MalformedResponse("the stream could not be read")
        code = getattr(error, "code", None)
        if isinstance(code, int) and names & {"APIError", "GoogleAPICallError"}:
            return _of_status(error, int(code))
        unreadable = {"UnknownApiResponseError", "JSONDecodeError", "ParseError", "UnicodeDecodeError"}
        if names & unreadable or (self._legacy and names & {"ValueError", "TypeError"}):  # the old SDK's own parser
            return MalformedResponse(f"the reply could not be read: {type(error).__name__}")
        return super()._classify(error)


def uses_legacy() -> bool:
    """Tell which SDK is taken: the old one where it is asked for, or is the only one."""
    wanted = os.environ.get("MOONDEV_GEMINI_SDK", "").strip().lower()
    return wanted == "legacy" or not _installed("google.genai")


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


class _Current:
    """Talk through google-genai. A client that nothing refers to closes itself, so it is kept here."""

    def __init__(self, key: str | None, address: str) -> None:
        self._key = key
        self._address = address
        self.client = self._make({"client_args": {"event_hooks": wire.hooks("gemini")}})
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = weakref.WeakKeyDictionary()

    def _make(self, transport: dict[str, Any]) -> Any:
        from google import genai

        options = {
            "base_url": self._address,
            # v1, the SDK's default now, lacks features: ai.google.dev/gemini-api/docs/api-versions
            "api_version": "v1beta",
            "retry_options": {"attempts": 1},
            **transport,
        }
        return genai.Client(api_key=self._key, vertexai=False, http_options=options)  # type: ignore[arg-type] # as a dict

    @property
    def _aclient(self) -> Any:
        loop = asyncio.get_running_loop()
        client = self._loops.get(loop)
        if client is None:
            import httpx2

            # A client of our own, or the SDK would take aiohttp wherever that is installed.
            http = httpx2.AsyncClient(event_hooks=wire.async_hooks("gemini"), follow_redirects=True)
            client = self._loops[loop] = self._make({"httpx_async_client": http})
        return client

    @staticmethod
    def _arguments(payload: dict[str, Any]) -> dict[str, Any]:
        config = {**payload["config"], "automatic_function_calling": {"disable": True}}
        if payload["system"] is not None:
            config["system_instruction"] = payload["system"]
        if payload["tools"]:
            config["tools"] = [{"function_declarations": payload["tools"]}]
        if payload["tool_choice"]:
            config["tool_config"] = {"function_calling_config": payload["tool_choice"]}
        return {"model": payload["model"], "contents": payload["contents"], "config": config}

    def generate(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:  # noqa: ARG002 - held by the client's hooks
        return self.client.models.generate_content(**self._arguments(payload))

    async def agenerate(self, payload: dict[str, Any]) -> Any:
        return await self._aclient.aio.models.generate_content(**self._arguments(payload))

    def stream(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:  # noqa: ARG002 - held by the client's hooks
        return self.client.models.generate_content_stream(**self._arguments(payload))

    async def astream(self, payload: dict[str, Any]) -> Any:
        return await self._aclient.aio.models.generate_content_stream(**self._arguments(payload))

    def names(self) -> list[str]:
        found = self.client.models.list()
        return [
            item.name or "" for item in found if "generateContent" in (item.supported_actions or ("generateContent",))
        ]


class _Legacy:
    """Talk through google-generativeai, over REST; it has no asyncio there, so the template runs it in threads."""

    def __init__(self, key: str | None, address: str) -> None:
        import importlib

        genai: Any = importlib.import_module("google.generativeai")  # an extra, not always installed
        genai.configure(api_key=key, transport="rest", client_options={"api_endpoint": address})
        self.client = genai

    def _model(self, payload: dict[str, Any]) -> Any:
        return self.client.GenerativeModel(payload["model"], system_instruction=payload["system"] or None)

    @staticmethod
    def _arguments(payload: dict[str, Any], timeouts: Timeouts) -> dict[str, Any]:
        config = {name: value for name, value in payload["config"].items() if name not in ("seed", "thinking_config")}
        told: dict[str, Any] = {
            "contents": payload["contents"],
            "generation_config": config,
            "request_options": {"timeout": timeouts.read, "retry": None},
        }
        if payload["tools"]:
            told["tools"] = [{"function_declarations": payload["tools"]}]
        if payload["tool_choice"]:
            told["tool_config"] = {"function_calling_config": payload["tool_choice"]}
        return told

    def generate(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        generate = self._model(payload).generate_content
        return _as_dict(threads.within(timeouts.total, generate, **self._arguments(payload, timeouts)))

    def stream(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        found = self._model(payload).generate_content(**self._arguments(payload, timeouts), stream=True)
        return (_as_dict(event) for event in found)

    def names(self) -> list[str]:
        return [
            item.name for item in self.client.list_models() if "generateContent" in item.supported_generation_methods
        ]


def _as_dict(response: Any) -> dict[str, Any]:
    proto = response._result
    return type(proto).to_dict(proto, use_integers_for_enums=False)  # type: ignore[no-any-return] # proto-plus


def _word(value: Any) -> str:
    return str(getattr(value, "value", value) or "")


def _finish(candidate: Any) -> str | None:
    reason = _word(field(candidate, "finish_reason"))
    if not reason or reason == "FINISH_REASON_UNSPECIFIED":
        return None
    return "content_filter" if reason in _BLOCKED else _FINISH.get(reason, reason.lower())


def _parts(candidate: Any) -> list[Any]:
    return list(field(field(candidate, "content"), "parts") or ())


def _text(parts: Iterable[Any], *, thought: bool) -> str:
    return "".join(field(part, "text") or "" for part in parts if bool(field(part, "thought")) is thought)


def _calls(parts: Iterable[Any]) -> tuple[ToolCall, ...]:
    found = [call for part in parts if (call := field(part, "function_call")) and field(call, "name")]
    return tuple(
        ToolCall(field(call, "id") or f"call_{at}", field(call, "name"), json.dumps(dict(field(call, "args") or {})))
        for at, call in enumerate(found)
    )


def _usage(usage: Any) -> Usage | None:
    """Return the tokens: thoughts stand outside candidates, cached content inside the prompt, tool prompts beside it.

    ai.google.dev/api/generate-content#UsageMetadata. The old SDK does not know thoughts: they are what the total
    has more.
    """
    prompt, output = count(usage, "prompt_token_count"), count(usage, "candidates_token_count")
    total, thoughts = count(usage, "total_token_count"), count(usage, "thoughts_token_count")
    if prompt is None and output is None and not thoughts:
        return None
    tools, cached = count(usage, "tool_use_prompt_token_count") or 0, count(usage, "cached_content_token_count")
    if thoughts is None and total is not None and total > (prompt or 0) + tools + (output or 0) and output is not None:
        thoughts = total - (prompt or 0) - tools - output
    if output is None and total is not None:
        output = max(total - (prompt or 0) - tools - (thoughts or 0), 0)
    return Usage(
        input=None if prompt is None else prompt + tools - (cached or 0),
        input_cached_tokens=cached,
        output=output,
        output_reasoning_tokens=thoughts,
    )


def _no_candidates(raw: Any) -> ModelError:
    feedback = field(raw, "prompt_feedback")
    reason = _word(field(feedback, "block_reason"))
    if reason:
        said = field(feedback, "block_reason_message")
        return ContentBlocked(f"the prompt was blocked ({reason}{f': {said}' if said else ''})")
    return MalformedResponse("the reply has no candidates")


def _structured(request: ModelRequest, *, legacy: bool) -> dict[str, Any]:
    wanted = request.response_format
    if wanted is None:
        return {}
    if wanted.name == "json_object":
        return {"response_mime_type": "application/json"}
    if legacy:
        return {"response_mime_type": "application/json", "response_schema": _proto_schema(wanted.schema)}
    return {"response_mime_type": "application/json", "response_json_schema": dict(wanted.schema)}


def _thinking(request: ModelRequest) -> dict[str, Any]:
    effort = request.reasoning_effort
    if effort is None:
        return {}
    if re.match(r"gemini-[3-9]", request.model):
        return {"thinking_config": {"thinking_level": effort, "include_thoughts": True}}
    budget = _BUDGETS.get(effort)
    if budget is None:
        raise InvalidRequest(
            f"reasoning_effort is {effort!r}; known are {', '.join(_BUDGETS)}.", parameter="reasoning_effort"
        )
    return {"thinking_config": {"thinking_budget": budget, "include_thoughts": budget > 0}}


def _contents(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return the turns; neighbours of one role become one. A tool's answer is named after its call."""
    told: list[dict[str, Any]] = []
    called: dict[str, str] = {}
    for message in messages:
        if message.role == "system":
            continue
        called |= {call.id: call.name for call in message.tool_calls}
        role, parts = ("model" if message.role == "assistant" else "user"), _message_parts(message, called)
        if told and told[-1]["role"] == role:
            told[-1]["parts"] += parts
        else:
            told.append({"role": role, "parts": parts})
    return told


def _message_parts(message: Message, called: Mapping[str, str]) -> list[dict[str, Any]]:
    if message.role == "tool":
        name = message.name or called.get(message.tool_call_id or "") or message.tool_call_id or "tool"
        return [{"function_response": {"name": name, "response": {"result": message.text}}}]
    parts: list[dict[str, Any]] = []
    if isinstance(message.content, str):
        parts += [{"text": message.content}] if message.content else []
    else:
        parts += [_image(part) if isinstance(part, ImagePart) else {"text": part.text} for part in message.content]
    for call in message.tool_calls:
        parts.append({"function_call": {"name": call.name, "args": json.loads(call.arguments or "{}")}})
    return parts


def _image(part: ImagePart) -> dict[str, Any]:
    if part.data is None:
        return {"file_data": {"file_uri": part.url, "mime_type": part.media_type}}
    return {"inline_data": {"mime_type": part.media_type, "data": part.data}}


def _declaration(tool: Mapping[str, Any], *, legacy: bool) -> dict[str, Any]:
    """Return a tool as Gemini declares it, from OpenAI's form, Anthropic's, or its own."""
    function = tool.get("function")
    told = function if isinstance(function, Mapping) else tool
    schema = told.get("parameters") or told.get("input_schema")
    declared = {"name": told.get("name"), "description": told.get("description") or ""}
    if schema and legacy:
        return {**declared, "parameters": _proto_schema(schema)}
    return {**declared, "parameters_json_schema": schema} if schema else declared


_PROTO_KEYS = ("description", "enum", "required", "nullable")


def _proto_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON Schema as the old SDK's own kind of schema, which knows fewer words."""
    told: dict[str, Any] = {key: schema[key] for key in _PROTO_KEYS if key in schema}
    told["type"] = str(schema.get("type", "object")).upper()
    if isinstance(schema.get("properties"), Mapping):
        told["properties"] = {name: _proto_schema(item) for name, item in schema["properties"].items()}
    if isinstance(schema.get("items"), Mapping):
        told["items"] = _proto_schema(schema["items"])
    return told


def _tool_choice(choice: Any) -> dict[str, Any] | None:
    if choice is None:
        return None
    if isinstance(choice, str):
        named = _CHOICES.get(choice)
        return {"mode": named} if named else {"mode": "ANY", "allowed_function_names": [choice]}
    function = choice.get("function") if isinstance(choice, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    return {"mode": "ANY", "allowed_function_names": [name]} if name else {"mode": "AUTO"}


def _of_status(error: BaseException, status: int) -> ModelError:
    """Return what an error response means: Google's quota words are the same for a minute and for good."""
    details = getattr(error, "details", None)
    body = details if isinstance(details, Mapping) else {"message": getattr(error, "message", str(error))}
    headers = getattr(getattr(error, "response", None), "headers", None) or wire.refusal_headers()
    found = classify.from_status(status, body, headers)
    told = json.dumps(body, default=str) + str(error)
    if status == 429:
        kind = QuotaExhausted if re.search(r"per.?day|PerDay|billing.?not|credits", told) else RateLimited
        found = kind(found.message, status=status, request_id=found.request_id)
        delay = re.search(r'"retryDelay": ?"(\d+(?:\.\d+)?)s"', told)
        if kind is RateLimited:
            asked = classify.retry_after(headers) if headers else None
            found.retry_after_s = float(delay[1]) if asked is None and delay else asked
    if status == 400 and "API_KEY_INVALID" in told:
        found = AuthenticationFailed(found.message, status=status, request_id=found.request_id)
    return found

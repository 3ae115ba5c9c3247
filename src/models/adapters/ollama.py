"""Ask models that Ollama runs, through its own API."""

from __future__ import annotations

import importlib
import json
import logging
import re
import sys
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any, ClassVar

import orjson
from typing_extensions import override

from src.models.base_model import BaseModel
from src.models.errors import (
    ConnectionFailed,
    MalformedResponse,
    ModelError,
    ModelNotFound,
)
from src.models.failures import classify
from src.models.fields import count, field, text
from src.models.lazy_reply import LazyReply
from src.models.protocols import ollama as protocol
from src.models.request import tool_ids, tools
from src.models.transport import gateway_hooks, http_clients, http_hooks, replay
from src.models.transport.per_loop import PerLoop
from src.models.transport.per_process import PerProcess
from src.models.types import Chunk, Completion, ModelRequest, ToolCall, ToolDelta, Usage
from src.observability import network

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

    from src.models.types import Timeouts

_log = logging.getLogger("moondev.models")
_KEPT_TOKENS = 4  # docs.ollama.com/api: the default of num_keep
_TEXT_FIELDS = frozenset({"role", "content", "thinking"})
_FLAG = (bool, type(None))
_COUNTS = (
    "total_duration",
    "load_duration",
    "prompt_eval_count",
    "prompt_eval_duration",
    "eval_count",
    "eval_duration",
)
_UNCHANGED_FIELDS = frozenset({"model", "messages", "stream", "options", "format", "think", "keep_alive"})


class OllamaModel(BaseModel):
    """A model of an Ollama server, by default the one on this machine."""

    provider: ClassVar[str] = "ollama"
    default_base_url: ClassVar[str] = "http://127.0.0.1:11434"

    def __init__(self, model_name: str, **settings: Any) -> None:
        super().__init__(model_name, **settings)
        self._clients = PerProcess(self._make_client, lambda pair: pair[0].close())
        self._aclients = PerLoop(self._make_async_client, lambda pair: pair[0].close())

    def _settings(self, *, asynchronous: bool = False) -> dict[str, Any]:
        """Return the arguments for the SDK's client; `http_hooks` sets the timeouts of each request."""
        import httpx

        address = self._address if "://" in self._address else f"http://{self._address}"  # as the SDK reads it
        address, basic = network.split_credentials(address)  # which the SDK leaves out
        authorization = basic or (f"Bearer {self._api_key}" if self._api_key else None)
        return {
            "host": network.split_credentials(self._address)[0],
            "follow_redirects": self._compat is not None,  # as the SDK does
            "headers": {"authorization": authorization} if authorization else None,
            "timeout": self.timeouts.read,
            **http_clients.arguments("httpx", address, httpx.create_ssl_context, asynchronous=asynchronous),
        }

    @property
    def _address(self) -> str:
        return self._base_url or self.default_base_url

    @property
    def client(self) -> Any:
        """Return the SDK's client."""
        return self._clients.get()[0]

    @property
    def _reader(self) -> Callable[[Any], LazyReply | None]:
        return _read_reply if self._compat is None else _read_valid_reply

    def _make_client(self) -> tuple[Any, replay.Replay]:
        hooks = http_hooks.hooks(self.provider)
        if self._compat is None:
            hooks["response"].append(gateway_hooks.check_reply)
        client = _sdk().Client(**self._settings(), event_hooks=hooks)
        # Where the SDK has its HTTP client in this version; where it is missing, the SDK makes each call itself.
        return client, replay.Replay(getattr(client, "_client", None), client, "chat")

    def _make_async_client(self) -> tuple[Any, replay.Replay]:
        hooks = http_hooks.async_hooks(self.provider)
        if self._compat is None:
            hooks["response"].append(gateway_hooks.acheck_reply)
        client = _sdk().AsyncClient(**self._settings(asynchronous=True), event_hooks=hooks)
        return client, replay.Replay(getattr(client, "_client", None), client, "chat", asynchronous=True)

    def _follow(self, replayed: replay.Replay) -> None:
        """Set on the asynchronous client what has been set on `client`."""
        pair = self._clients.peek()
        if pair is not None:
            replayed.settings.follow(pair[1].settings)

    @override
    def _is_free(self, model: str) -> bool:
        """Tell whether the model runs on the user's machine, not in Ollama's cloud: docs.ollama.com/cloud."""
        return not (model.endswith(("-cloud", ":cloud")) or "ollama.com" in self._address)

    @override
    def _list_models(self) -> Iterable[str]:
        with self._clients as (client, _):
            return [str(model.model) for model in client.list().models]

    @override
    def _send(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        with self._clients as (client, replayed):
            ask = partial(client.chat, **payload)
            return replayed.call(_shape(payload), _body(payload), timeouts, ask, self._reader)

    @override
    async def _asend(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        with self._aclients as (client, replayed):
            self._follow(replayed)
            ask = partial(client.chat, **payload)
            return await replayed.acall(_shape(payload), _body(payload), timeouts, ask, self._reader)

    @override
    def _open_stream(self, payload: dict[str, Any], timeouts: Timeouts) -> Iterator[Any]:
        with self._clients as (client, _):
            return self._clients.hold(client.chat(**payload))  # type: ignore[no-any-return] # the SDK's stream

    @override
    async def _aopen_stream(self, payload: dict[str, Any], timeouts: Timeouts) -> AsyncIterator[Any]:
        with self._aclients as (client, replayed):
            self._follow(replayed)
            return self._aclients.hold(await client.chat(**payload))  # type: ignore[no-any-return] # the SDK's stream

    @override
    def _build(self, request: ModelRequest, *, stream: bool) -> dict[str, Any]:
        extra = dict(request.options)
        turns = request.written or {"messages": protocol.messages(request)}
        payload: dict[str, Any] = {"model": request.model, **turns, "stream": stream}
        choice = tools.choice(request.tool_choice)
        if request.tools and (choice is None or choice.mode != "none"):  # it knows no tool_choice
            is_written = request.written is not None  # as the program has them, which the SDK checks itself
            payload["tools"] = [tool if is_written else protocol.tool(tool) for tool in request.tools]
        if request.reasoning_effort is not None:
            payload["think"] = protocol.think_parameter(request)
        if request.response_format is not None:
            is_any_object = request.response_format.name == "json_object"
            payload["format"] = "json" if is_any_object else dict(request.response_format.schema)
        payload.update({name: extra.pop(name) for name in protocol.ARGUMENTS if name in extra})
        values = {
            "temperature": request.temperature,
            "num_predict": request.max_tokens,
            "top_p": request.top_p,
            "stop": list(request.stop) or None,
            "seed": request.seed,
        }
        # An SDK's call leaves the context to the server.
        context = {} if self._compat is not None else {"num_ctx": protocol.context_tokens(request)}
        options = {**context, **extra}
        options |= {name: value for name, value in values.items() if value is not None}
        if options:
            payload["options"] = options
        return payload

    @override
    def _read(self, raw: Any, request: ModelRequest) -> Completion:
        message = field(raw, "message")
        usage, notes = self._usage(raw, request)
        calls = _calls(message)
        return Completion(
            content=text(message, "content"),
            model=text(raw, "model") or None,
            finish_reason="tool_calls" if calls else _finish(raw),
            reasoning=text(message, "thinking") or None,
            usage=usage,
            tool_calls=tuple(replace(call, id=call.id or tool_ids.new()) for call in calls),
            notes=notes,
            raw=raw,
        )

    @override
    def _read_event(self, event: Any, request: ModelRequest) -> Iterable[Chunk]:
        message = field(event, "message")
        usage, notes = self._usage(event, request) if field(event, "done") else (None, {})
        yield Chunk(
            content=text(message, "content"),
            reasoning=text(message, "thinking"),
            finish_reason=_finish(event),
            model=text(event, "model") or None,
            usage=usage,
            # Each call is whole; several come in one event or in several.
            tool_deltas=tuple(
                ToolDelta(index=-1, id=call.id, name=call.name, arguments=call.arguments) for call in _calls(message)
            ),
            notes=notes,
        )

    def _usage(self, raw: Any, request: ModelRequest) -> tuple[Usage | None, dict[str, object]]:
        """Return the tokens, and a warning where the prompt's count is missing or the prompt was cut.

        Ollama cuts a prompt that is longer than its context silently: docs.ollama.com/context-length. What it counts
        then is not the prompt.
        """
        prompt, output = count(raw, "prompt_eval_count"), count(raw, "eval_count")
        context_tokens = request.options.get("num_ctx") or protocol.context_tokens(request)
        warning = None if prompt else "Ollama told no prompt token count"
        if prompt and isinstance(context_tokens, int):
            num_keep = request.options.get("num_keep")
            kept_tokens = num_keep if isinstance(num_keep, int) and num_keep > 0 else _KEPT_TOKENS
            warning = protocol.cut_warning(prompt, context_tokens, protocol.prompt_bytes(request), kept_tokens)
        prompt = None if warning else prompt
        if warning:
            _log.warning("%s:%s: %s", self.provider, request.model, warning)
        usage = None if prompt is None and output is None else Usage(input=prompt, output=output)
        return usage, {"num_ctx": context_tokens, **({"warning": warning} if warning else {})}

    @override
    def _classify(self, error: BaseException) -> ModelError:
        status = getattr(error, "status_code", None)
        if isinstance(status, int):  # -1 for an error inside a stream
            headers = http_hooks.refusal_headers() if status > 0 else None
            result = classify.from_status(status if status > 0 else None, getattr(error, "error", str(error)), headers)
        elif isinstance(error, TypeError | AttributeError):  # the SDK takes any JSON for an object
            result = MalformedResponse(f"the reply could not be read: {error}")
        else:
            result = super()._classify(error)
        if isinstance(result, ModelNotFound):
            result.message = f"{result.message}. Pull it: ollama pull {_missing_model(result, self.model_name)}"
        if isinstance(result, ConnectionFailed) and _is_refused_connection(error) and result.retryable:
            result.message = f"{result.message}. Is Ollama running? Start it: ollama serve"
        return result


@cache
def _sdk() -> Any:
    """Return the module with the SDK's classes.

    The package makes a client while it is imported, which fails where a variable for some other address is wrong. Its
    module with the classes has been imported by then.
    """
    try:
        importlib.import_module("ollama")
    except Exception:
        if "ollama._client" not in sys.modules:
            raise
    return sys.modules["ollama._client"]


def _shape(payload: dict[str, Any]) -> tuple[str, ...]:
    """Return what tells kinds of calls apart; the body of the first call of a kind is compared with the SDK's own."""
    return (*payload, *payload.get("options", ()))


def _body(payload: dict[str, Any]) -> bytes | None:
    """Return the body that the SDK makes of a payload; None where it would change more than the order of fields."""
    messages, options = payload["messages"], payload.get("options", {})
    if not payload.keys() <= _UNCHANGED_FIELDS or None in options.values():
        return None
    if any(
        not isinstance(item, dict) or item.keys() != {"role", "content"} or not item["content"] for item in messages
    ):
        return None
    try:
        form = orjson.dumps(payload.get("format"))
        return orjson.dumps({**payload, "tools": []}) if form == b"null" or b"null" not in form else None
    except TypeError:
        return None


def _read_reply(response: Any) -> LazyReply | None:
    """Return a reply that has a message as its JSON; None for any other."""
    body = replay.read_json_object(response)
    if body is None or not isinstance(body.get("message"), dict) or body.get("error"):
        return None
    return LazyReply(body, partial(_sdk_object, body))


def _read_valid_reply(response: Any) -> LazyReply | None:
    """Return a reply that the SDK takes as its JSON; None for one that it has to judge, as it may refuse it."""
    reply = _read_reply(response)
    if reply is None or not reply["message"].keys() <= _TEXT_FIELDS or type(reply["message"].get("role")) is not str:
        return None
    texts = (reply.get("model"), reply.get("created_at"), reply.get("done_reason"), *reply["message"].values())
    counts = (reply.get(name) for name in _COUNTS)
    is_valid = all(text is None or type(text) is str for text in texts) and type(reply.get("done")) in _FLAG
    return reply if is_valid and all(count is None or type(count) is int for count in counts) else None


def _sdk_object(body: dict[str, Any]) -> Any:
    """Return a reply as the SDK's object, without validation where the SDK would refuse it."""
    import pydantic

    reply_class = _sdk().ChatResponse
    try:
        return reply_class(**body)
    except pydantic.ValidationError:
        return reply_class.model_construct(**body)


def _missing_model(error: ModelNotFound, model_name: str) -> str:
    """Return the name of the model that is missing."""
    match = re.search(r"model '([^']+)'", error.message)
    return match[1] if match else model_name


def _is_refused_connection(error: BaseException) -> bool:
    """Tell whether no connection was made: the SDK raises Python's ConnectionError then, httpx its ConnectError."""
    return type(error) is ConnectionError or type(error).__name__ == "ConnectError"


def _finish(raw: Any) -> str | None:
    """Return why a reply ended; `load` and `unload` are the reasons of a request without a prompt."""
    return text(raw, "done_reason") or ("stop" if field(raw, "done") else None)


def _calls(message: Any) -> list[ToolCall]:
    """Return the tool calls; older servers send no id with them."""
    items = field(message, "tool_calls")
    calls = []
    for call in items if isinstance(items, list | tuple) else ():
        function = field(call, "function")
        value = field(function, "arguments")
        arguments = value if isinstance(value, str) and value else json.dumps(dict(value or {}), ensure_ascii=False)
        if text(function, "name"):
            calls.append(ToolCall(id=text(call, "id"), name=text(function, "name"), arguments=arguments))
    return calls

"""Connect to Gemini through the old google-generativeai, over REST."""

from __future__ import annotations

import codecs
import importlib
import json
import re
from collections import deque
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from src.models.adapters.gemini import missing_key
from src.models.errors import EmptyResponse
from src.models.fields import is_blank, snake_case
from src.models.protocols.generate_content import finish_reasons, reply
from src.models.transport import gateway_hooks, http_clients, http_hooks, threads
from src.observability import network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from src.models.types import Timeouts

_UNKNOWN = ("seed", "thinking_config", "response_json_schema")
# The replies of the running call as JSON. The SDK's own objects do not tell thoughts from text.
_replies: ContextVar[deque[dict[str, Any]] | None] = ContextVar("moondev_gemini_replies", default=None)
_REFUSED: Final = 400
# What separates the replies of a stream: in the array that the SDK asks for, or in events, as gateways send them.
_BETWEEN: Final = re.compile(r"(?:[\s,\[\]\ufeff]+|data:(?:[ ]?\[DONE\])?|(?:event|id|retry)?:[^\n]*\n)*")


class LegacyConnection:
    """The clients of google-generativeai. It has no asyncio over REST, so `BaseModel` runs it in threads.

    Its `configure` would set key and address for the whole process, other code included, so the clients are made as
    that function makes them, one for each model.

    Args:
        key: The key.
        address: The address.
        looks_later: Whether the SDK makes the clients itself, which without a key takes Google's default credentials.
    """

    def __init__(self, key: str | None, address: str, *, looks_later: bool = False) -> None:
        self._sdk: Any = importlib.import_module("google.generativeai")  # an extra, not always installed
        language: Any = importlib.import_module("google.ai.generativelanguage")
        if looks_later:
            self.client, self._models = (
                missing_key.default_client(name, key, address) for name in ("generative", "model")
            )
        else:
            options = {"transport": "rest", "client_options": {"api_key": key, "api_endpoint": address}}
            self.client = language.GenerativeServiceClient(**options)
            self._models = language.ModelServiceClient(**options)
        for client in (self.client, self._models):
            _set_up(client.transport._session, address)
        self.client.transport._session.hooks["response"].append(_record_reply)

    def close(self) -> None:
        """Close the clients."""
        for client in (self.client, self._models):
            client.transport.close()

    def _model(self, payload: dict[str, Any]) -> Any:
        model = self._sdk.GenerativeModel(payload["model"], system_instruction=payload["system"] or None)
        model._client = self.client
        return model

    @staticmethod
    def _arguments(payload: dict[str, Any], timeouts: Timeouts) -> dict[str, Any]:
        config = {name: value for name, value in payload["config"].items() if name not in _UNKNOWN}
        arguments: dict[str, Any] = {
            "contents": payload["contents"],
            "generation_config": config,
            "request_options": {"timeout": timeouts.read, "retry": None},
        }
        if payload["tools"]:
            arguments["tools"] = payload["tools"]
        if payload["tool_choice"]:
            arguments["tool_config"] = {"function_calling_config": payload["tool_choice"]}
        return arguments

    def generate(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        """Return a whole reply."""
        generate = partial(self._model(payload).generate_content, **self._arguments(payload, timeouts))
        return threads.within(timeouts.total, _generate, generate)

    def stream(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        """Return a stream."""
        replies: deque[dict[str, Any]] = deque()
        token = _replies.set(replies)
        try:
            ask = partial(self._model(payload).generate_content, **self._arguments(payload, timeouts), stream=True)
            events = threads.within(timeouts.total, ask)  # while headers arrive, nothing else looks at the deadline
        finally:
            _replies.reset(token)
        return (snake_case(replies.popleft()) if replies else _as_dict(event) for event in events)

    def model_names(self) -> list[str]:
        """Return the names of the models that generate text."""
        models = self._sdk.list_models(client=self._models)
        return [item.name for item in models if "generateContent" in item.supported_generation_methods]


def _set_up(session: Any, address: str) -> None:
    """Set the proxy of a session of `requests`, which knows no networks of IPv6 in NO_PROXY.

    Raises:
        ConnectionFailed: a variable of the environment is wrong; trying again cannot help.
    """
    try:
        proxy, bundle = network.proxy_for(address), network.check_bundle()
        network.check_proxy(proxy, socks_package="PySocks")
    except network.NetworkProblem as problem:
        raise http_clients.unusable(problem) from problem
    session.trust_env = False  # it would read the environment again for each request
    session.proxies = {} if proxy is None else {"http": proxy.url, "https": proxy.url}
    session.verify = bundle or True


def _generate(generate: Callable[[], Any]) -> Any:
    replies: deque[dict[str, Any]] = deque()
    token = _replies.set(replies)
    try:
        response = generate()
    finally:
        _replies.reset(token)
    return snake_case(replies.pop()) if replies else _as_dict(response)


def _record_reply(response: Any, *_: object, stream: bool = False, **__: object) -> None:
    """Record a reply, and raise an error: the SDK drops one with status 200, and breaks on one that is malformed."""
    replies = _replies.get()
    if not stream:
        _read_bounded(response)
    if response.status_code >= _REFUSED:
        raise reply.refusal(response.status_code, _json(response.content), response.headers)
    if response.status_code not in (200, 204) or replies is None:
        return
    if stream:
        response.iter_content = partial(_as_one_array, response.iter_content, response.headers, replies)
        return
    if is_blank(response.content):
        raise EmptyResponse("the reply has no body")
    gateway_hooks.raise_error(response.content, response.headers)
    body = _json(finish_reasons.with_names(response.content))
    if isinstance(body, dict):  # the SDK handles anything else
        replies.append(body)


def _read_bounded(response: Any) -> None:
    """Read a whole reply, whose size after decompression is bounded."""
    meter, pieces = http_hooks.meter(), []
    if meter is None:
        return
    for piece in response.iter_content(65536):
        meter.take(piece)
        pieces.append(piece)
    response._content = b"".join(pieces)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")


def _as_one_array(
    pieces: Callable[..., Iterator[bytes]], headers: Any, replies: deque[dict[str, Any]], **_: object
) -> Iterator[str]:
    """Yield the replies of a stream as the one array that the SDK reads, and record each."""
    decode, buffer, separator = codecs.getincrementaldecoder("utf-8")("replace"), "", "["
    meter = http_hooks.meter()
    for piece in pieces(None):
        if meter is not None:
            meter.take(piece)
        buffer += decode.decode(piece)
        while True:
            buffer = buffer[_BETWEEN.match(buffer).end() :]  # type: ignore[union-attr] # it matches nothing too
            try:
                value, end = json.JSONDecoder().raw_decode(buffer)
            except ValueError:  # it is not complete yet
                break
            gateway_hooks.raise_error(buffer[:end].encode(), headers)
            if isinstance(value, dict):
                replies.append(json.loads(finish_reasons.with_names(buffer[:end].encode())))
            yield separator + buffer[:end]
            buffer, separator = buffer[end:], ","
    if separator == "[" and is_blank(buffer):
        raise EmptyResponse("the stream has no events")
    yield buffer or (separator if separator == "[" else "") + "]"


def _as_dict(response: Any) -> dict[str, Any]:
    proto = response._result
    return type(proto).to_dict(proto, use_integers_for_enums=False)  # type: ignore[no-any-return] # proto-plus

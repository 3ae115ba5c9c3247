"""Trace the clients of SDKs and frameworks, and make traced HTTP clients for them."""

from __future__ import annotations

import importlib
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeVar

from src.models.errors import InvalidRequest
from src.models.raw_http import traced_http

if TYPE_CHECKING:
    from collections.abc import Iterator

Client = TypeVar("Client")

_log = logging.getLogger("moondev.observability")

# The attributes under which SDKs and frameworks hold their HTTP client, or the SDK's client that holds it.
_HOLDERS: Final = (
    "_client", "_api_client", "_httpx_client", "_async_httpx_client",  # openai, anthropic, groq, ollama; google.genai
    "client", "async_client", "root_client", "root_async_client", "_async_client",  # LangChain, instructor
    "_aclient", "_http_client", "_async_http_client", "http_client", "async_http_client",  # LlamaIndex
    "provider", "_provider", "model",  # pydantic-ai
)  # fmt: skip
_DEPTH: Final = 4
_SDKS: Final = ("openai", "anthropic", "groq")
_LIBRARIES: Final = ("httpx", "httpx2")


def traced(client: Client) -> Client:
    """Let the HTTP clients inside an SDK's client record what they send; return the client itself."""
    if client is None:
        return client
    http_clients = list(_http_clients(client))
    if not all([_is_traced(http_client) for http_client in http_clients] or [False]):
        _log.warning(
            "%s.%s is not traced: it holds no client of httpx or httpx2 that can be. Give it one of http_client()",
            type(client).__module__,
            type(client).__qualname__,
        )
    return client


def _is_traced(http_client: Any) -> bool:
    try:
        traced_http.trace(http_client)
    except (TypeError, ValueError):  # a class that cannot have a subclass, or not one without arguments of its own
        return False
    return True


def make(library: str, *, asynchronous: bool, options: dict[str, Any]) -> Any:
    """Return a traced HTTP client with the defaults of an SDK, or with those of an HTTP library.

    Raises:
        InvalidRequest: the name is not known.
    """
    prefix = "Async" if asynchronous else ""
    if library in _SDKS:
        # direct-call: allow (makes the SDK's HTTP client, which is then traced)
        http_client = getattr(importlib.import_module(library), f"Default{prefix}HttpxClient")(**options)
    elif library in _LIBRARIES:
        # direct-call: allow (makes an HTTP client, which is then traced)
        http_client = getattr(importlib.import_module(library), f"{prefix}Client")(**options)
    else:
        raise InvalidRequest(
            f"There is no HTTP client of {library!r}: name one of {', '.join((*_SDKS, *_LIBRARIES))}, or give the "
            "SDK's own client to ModelFactory.traced.",
            parameter="library",
        )
    traced_http.trace(http_client)
    return http_client


def _http_clients(client: object) -> Iterator[Any]:
    """Yield the HTTP clients that an object holds, where SDKs and frameworks hold them."""
    queue: deque[tuple[object, int]] = deque([(client, 0)])
    seen: set[int] = set()
    while queue:
        value, depth = queue.popleft()
        if id(value) in seen or type(value).__module__.startswith("unittest.mock"):
            continue
        seen.add(id(value))
        if traced_http.is_http_client(value):
            yield value
        elif depth < _DEPTH:
            _prepare(value)
            queue.extend((inner, depth + 1) for inner in map(_reader(value), _HOLDERS) if inner is not None)


def _reader(value: object) -> Any:
    def read(name: str) -> object:
        try:
            return getattr(value, name, None)
        except Exception:  # noqa: BLE001 - a property of the program's own object
            return None

    return read


def _prepare(value: Any) -> None:
    """Let a client hold the HTTP clients that it would make later, or would not use.

    google.genai sends its asynchronous requests through aiohttp where that is installed, else through httpx.
    LlamaIndex makes clients of the openai SDK when they are first used, or for each call.
    """
    module = type(value).__module__
    if module == "google.genai._api_client" and hasattr(value, "_use_aiohttp"):
        value._use_aiohttp = lambda: False
    elif module.startswith("llama_index.") and hasattr(value, "_get_credential_kwargs"):
        for name, asynchronous in (("_http_client", False), ("_async_http_client", True)):
            if getattr(value, name, True) is None:
                setattr(value, name, make("openai", asynchronous=asynchronous, options={}))

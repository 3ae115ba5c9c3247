"""Guard the routes by which a request can leave: HTTP libraries, raw sockets, commands.

Libraries are guarded where they send a request, not where they open a connection, since connections are reused. A
library that is imported later is guarded once it first opens a connection, which raises an audit event.
"""

from __future__ import annotations

import asyncio
import functools
import http.client
import inspect
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from src.models.guard import commands, grpc, judging

if TYPE_CHECKING:
    from types import FrameType

_Target = Callable[[Any, tuple[Any, ...], dict[str, Any]], tuple[Any, Any]]
_CLIENTS = (("httpx", "Client"), ("httpx2", "Client"), ("httpx", "AsyncClient"), ("httpx2", "AsyncClient"))
# Where a pool's thread runs a lookup for an event loop, without the caller's context: the loop's method is guarded.
_POOLS = (f"concurrent{os.sep}futures{os.sep}thread.py", f"_backends{os.sep}_asyncio.py")
_covered: set[tuple[str, str]] = set()


def cover() -> None:
    """Put the guard before the sending methods of the HTTP libraries that are imported."""
    _wrap("http.client", http.client.HTTPConnection, "putrequest", _http_client_target)
    for module, name in _CLIENTS:
        client = getattr(sys.modules.get(module), name, None)
        if client is not None:
            _wrap(module, client, "send", _httpx_target)
    session = getattr(sys.modules.get("aiohttp"), "ClientSession", None)
    if session is not None:
        _wrap("aiohttp", session, "_request", _aiohttp_target)
    _wrap("asyncio", asyncio.base_events.BaseEventLoop, "getaddrinfo", _lookup_target)


def _wrap(module: str, owner: Any, method: str, target: _Target) -> None:
    key = (module, owner.__name__)
    if key in _covered:
        return
    _covered.add(key)
    send = getattr(owner, method)

    def judge(self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if judging.mode() is not None and not judging.is_passing():
            host, port = target(self, args, kwargs)
            judging.judge(host, port, module)

    @functools.wraps(send)
    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        judge(self, args, kwargs)
        with judging.passing():
            return send(self, *args, **kwargs)

    @functools.wraps(send)
    async def guarded_async(self: Any, *args: Any, **kwargs: Any) -> Any:
        judge(self, args, kwargs)
        with judging.passing():
            return await send(self, *args, **kwargs)

    setattr(owner, method, guarded_async if inspect.iscoroutinefunction(send) else guarded)


def _http_client_target(connection: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    tunnel = getattr(connection, "_tunnel_host", None)
    if tunnel:
        return tunnel, getattr(connection, "_tunnel_port", None)
    url = urlsplit(str(kwargs.get("url") or (args[1] if len(args) > 1 else "")))
    if url.hostname:  # a whole address is the request line that a proxy gets
        return _with_port(url)
    return connection.host, connection.port


def _httpx_target(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    url = getattr(args[0] if args else kwargs.get("request"), "url", None)
    if url is None:
        return None, None
    return url.host, url.port or (443 if url.scheme == "https" else 80)


def _aiohttp_target(session: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    url = args[1] if len(args) > 1 else kwargs.get("str_or_url")
    parts = urlsplit(str(url))
    if not parts.hostname:  # relative to the session's base URL
        parts = urlsplit(str(getattr(session, "_base_url", None) or ""))
    return _with_port(parts)


def _lookup_target(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    host, port = (*args, None, None)[:2]
    return _as_text(host if args else kwargs.get("host")), _as_port(port if len(args) > 1 else kwargs.get("port"))


def _with_port(parts: SplitResult) -> tuple[Any, Any]:
    return parts.hostname, parts.port or (443 if parts.scheme in ("https", "wss") else 80)


def watch() -> None:
    """Listen to the interpreter's audit events, for requests that no library sends; this cannot be undone."""
    sys.addaudithook(_on_event)
    grpc.watch()


def _on_event(event: str, args: tuple[Any, ...]) -> None:
    if judging.mode() is None or judging.is_passing():
        return
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        cover()
        if not _is_pool_lookup(sys._getframe(1)):
            judging.judge(_as_text(args[0]), _as_port(args[1]) if len(args) > 1 else None, "socket")
    elif event in ("socket.connect", "socket.sendto"):
        cover()
        address = args[1]
        if isinstance(address, tuple) and len(address) > 1:
            judging.judge(_as_text(address[0]), _as_port(address[1]), "socket")
    elif event in commands.EVENTS:
        for host, port in commands.targets(event, args):
            judging.judge(host, port, "command")


def _is_pool_lookup(frame: FrameType | None) -> bool:
    """Tell whether a lookup is the whole task of a pool's thread."""
    outer = frame.f_back if frame is not None and frame.f_code.co_name == "getaddrinfo" else None
    return outer is not None and outer.f_code.co_filename.endswith(_POOLS)


def _as_text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else None


def _as_port(value: Any) -> int | None:
    text = _as_text(value)
    return value if isinstance(value, int) else int(text) if text is not None and text.isdecimal() else None

"""Cover the routes by which a request can leave: HTTP libraries, raw sockets, commands.

Libraries are covered where a request is sent, not where a connection opens, since connections are used again. One that
is loaded later is covered as soon as it first opens a connection, which the interpreter's audit events tell.
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
_covered: set[tuple[str, str]] = set()
_PLAIN = (("httpx", "Client"), ("httpx2", "Client"))
_ASYNC = (("httpx", "AsyncClient"), ("httpx2", "AsyncClient"))
# What runs a lookup that an event loop has handed to a thread, without the caller's context: the loop is covered.
_POOLS = (f"concurrent{os.sep}futures{os.sep}thread.py", f"_backends{os.sep}_asyncio.py")


def cover() -> None:
    """Put the guard before the sending methods of the HTTP libraries that are loaded."""
    _wrap("http.client", http.client.HTTPConnection, "putrequest", _of_connection)
    for module, owner in (*_PLAIN, *_ASYNC):
        kind = getattr(sys.modules.get(module), owner, None)
        if kind is not None:
            _wrap(module, kind, "send", _of_request)
    session = getattr(sys.modules.get("aiohttp"), "ClientSession", None)
    if session is not None:
        _wrap("aiohttp", session, "_request", _of_aiohttp)
    _wrap("asyncio", asyncio.base_events.BaseEventLoop, "getaddrinfo", _of_lookup)


def _wrap(module: str, owner: Any, method: str, target: _Target) -> None:
    key = (module, owner.__name__)
    if key in _covered:
        return
    _covered.add(key)
    real = getattr(owner, method)

    def judged(self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if judging.mode() is not None and not judging.is_passing():
            host, port = target(self, args, kwargs)
            judging.judge(host, port, module)

    @functools.wraps(real)
    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        judged(self, args, kwargs)
        with judging.passing():
            return real(self, *args, **kwargs)

    @functools.wraps(real)
    async def guarded_async(self: Any, *args: Any, **kwargs: Any) -> Any:
        judged(self, args, kwargs)
        with judging.passing():
            return await real(self, *args, **kwargs)

    setattr(owner, method, guarded_async if inspect.iscoroutinefunction(real) else guarded)


def _of_connection(connection: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    tunnel = getattr(connection, "_tunnel_host", None)
    if tunnel:
        return tunnel, getattr(connection, "_tunnel_port", None)
    asked = urlsplit(str(kwargs.get("url") or (args[1] if len(args) > 1 else "")))
    if asked.hostname:  # a proxy is asked for a whole address
        return _with_port(asked)
    return connection.host, connection.port


def _of_request(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    url = getattr(args[0] if args else kwargs.get("request"), "url", None)
    if url is None:
        return None, None
    return url.host, url.port or (443 if url.scheme == "https" else 80)


def _of_aiohttp(session: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    url = args[1] if len(args) > 1 else kwargs.get("str_or_url")
    parts = urlsplit(str(url))
    if not parts.hostname:  # it goes on from the session's own address
        parts = urlsplit(str(getattr(session, "_base_url", None) or ""))
    return _with_port(parts)


def _of_lookup(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    host, port = (*args, None, None)[:2]
    return _name(host if args else kwargs.get("host")), _number(port if len(args) > 1 else kwargs.get("port"))


def _with_port(parts: SplitResult) -> tuple[Any, Any]:
    return parts.hostname, parts.port or (443 if parts.scheme in ("https", "wss") else 80)


def watch() -> None:
    """Listen to the interpreter's audit events, for whatever has no library; it cannot be taken out again."""
    sys.addaudithook(_on_event)
    grpc.watch()


def _on_event(event: str, args: tuple[Any, ...]) -> None:
    if judging.mode() is None or judging.is_passing():
        return
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        cover()
        if not _is_handed(sys._getframe(1)):
            judging.judge(_name(args[0]), _number(args[1]) if len(args) > 1 else None, "socket")
    elif event in ("socket.connect", "socket.sendto"):
        cover()
        address = args[1]
        if isinstance(address, tuple) and len(address) > 1:
            judging.judge(_name(address[0]), _number(address[1]), "socket")
    elif event in commands.EVENTS:
        for host, port in commands.targets(event, args):
            judging.judge(host, port, "command")


def _is_handed(frame: FrameType | None) -> bool:
    """Tell whether a lookup is all that a pool's thread was given to do."""
    outer = frame.f_back if frame is not None and frame.f_code.co_name == "getaddrinfo" else None
    return outer is not None and outer.f_code.co_filename.endswith(_POOLS)


def _name(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else None


def _number(value: Any) -> int | None:
    text = _name(value)
    return value if isinstance(value, int) else int(text) if text is not None and text.isdecimal() else None

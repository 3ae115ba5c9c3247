"""Cover the routes by which a request can leave: HTTP libraries, raw sockets, commands.

Libraries are covered where a request is sent, not where a connection opens, since connections are used again. One that
is loaded later is covered as soon as it first opens a connection, which the interpreter's audit events tell.
"""

from __future__ import annotations

import functools
import http.client
import inspect
import sys
import threading
from typing import TYPE_CHECKING, Any

from src.models import guard

if TYPE_CHECKING:
    from collections.abc import Callable

_covered: set[tuple[str, str]] = set()
_PLAIN = (("httpx", "Client"), ("httpx2", "Client"))
_ASYNC = (("httpx", "AsyncClient"), ("httpx2", "AsyncClient"))
# Lookups by asyncio run on pool threads, without the caller's context: the library on top is covered instead.
_LOOKUP_THREADS = ("asyncio_", "AnyIO", "ThreadPoolExecutor")


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


def _wrap(module: str, owner: Any, method: str, target: Callable[[Any, tuple[Any, ...]], tuple[Any, Any]]) -> None:
    key = (module, owner.__name__)
    if key in _covered:
        return
    _covered.add(key)
    real = getattr(owner, method)

    def judged(self: Any, args: tuple[Any, ...]) -> None:
        if guard.mode() is not None and not guard.is_passing():
            host, port = target(self, args)
            guard.judge(host, port, module)

    @functools.wraps(real)
    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        judged(self, args)
        with guard.passing():
            return real(self, *args, **kwargs)

    @functools.wraps(real)
    async def guarded_async(self: Any, *args: Any, **kwargs: Any) -> Any:
        judged(self, args)
        with guard.passing():
            return await real(self, *args, **kwargs)

    setattr(owner, method, guarded_async if inspect.iscoroutinefunction(real) else guarded)


def _of_connection(connection: Any, _: tuple[Any, ...]) -> tuple[Any, Any]:
    tunnel = getattr(connection, "_tunnel_host", None)
    if tunnel:
        return tunnel, getattr(connection, "_tunnel_port", None)
    return connection.host, connection.port


def _of_request(_: Any, args: tuple[Any, ...]) -> tuple[Any, Any]:
    url = getattr(args[0] if args else None, "url", None)
    if url is None:
        return None, None
    return url.host, url.port or (443 if url.scheme == "https" else 80)


def _of_aiohttp(_: Any, args: tuple[Any, ...]) -> tuple[Any, Any]:
    from urllib.parse import urlsplit

    parts = urlsplit(str(args[1])) if len(args) > 1 else None
    if parts is None:
        return None, None
    return parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def watch() -> None:
    """Listen to the interpreter's audit events, for whatever has no library; it cannot be taken out again."""
    sys.addaudithook(_on_event)


def _on_event(event: str, args: tuple[Any, ...]) -> None:
    if guard.mode() is None or guard.is_passing():
        return
    if event == "socket.getaddrinfo":
        cover()
        if not threading.current_thread().name.startswith(_LOOKUP_THREADS):
            guard.judge(_name(args[0]), _number(args[1]), "socket")
    elif event == "socket.connect":
        cover()
        address = args[1]
        if isinstance(address, tuple) and len(address) > 1:
            guard.judge(_name(address[0]), _number(address[1]), "socket")
    elif event == "subprocess.Popen":
        _judge_command(args)


def _judge_command(args: tuple[Any, ...]) -> None:
    """Look for a provider's host in a command line, such as curl's."""
    words = args[1] if isinstance(args[1], list | tuple) else [args[1]]
    text = " ".join(_name(word) or "" for word in words)
    for host in guard.HOSTS:
        if host in text:
            guard.judge(host, None, "command")


def _name(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else None


def _number(value: Any) -> int | None:
    text = _name(value)
    return value if isinstance(value, int) else int(text) if text is not None and text.isdecimal() else None

"""Guard the routes by which a request can leave: HTTP libraries, sockets, commands.

Libraries are guarded where they send a request, not where they open a connection, since connections are reused: at once
where they are imported, else when they are. What a library sends behind that is judged where it reaches a socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, urlsplit

from src.models.guard import commands, curl, grpc, judging, sockets
from src.models.guard.imports import ImportHook

if TYPE_CHECKING:
    from types import FrameType

_Target = Callable[[Any, tuple[Any, ...], dict[str, Any]], tuple[Any, Any]]
# Where a pool's thread runs a lookup for an event loop, without the caller's context: the loop's method is guarded.
_POOLS = (f"concurrent{os.sep}futures{os.sep}thread.py", f"_backends{os.sep}_asyncio.py")
_GEVENT_POOL = f"{os.sep}gevent{os.sep}threadpool.py"  # its lookups are judged where a greenlet asks for them
_BETWEEN = (f"{os.sep}gevent{os.sep}", f"{os.sep}eventlet{os.sep}", f"{os.sep}models{os.sep}guard{os.sep}")


def cover() -> None:
    """Put the guard before the sending methods of the libraries that are imported, where it is not there yet."""
    for name, action in _ACTIONS.items():
        module = sys.modules.get(name)
        if module is not None:
            action(module)


def _cover_asyncio(_: Any) -> None:
    _wrap("asyncio", asyncio.base_events.BaseEventLoop, "getaddrinfo", _lookup_target)


def _cover_resolver(module: Any) -> None:
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        _wrap("socket", getattr(module, "Resolver", None), name, _resolver_target)


def _cover_http_client(module: Any) -> None:
    _wrap("http.client", getattr(module, "HTTPConnection", None), "putrequest", _http_client_target)


def _cover_httpx(module: Any) -> None:
    for name in ("Client", "AsyncClient"):
        _wrap(module.__name__.partition(".")[0], getattr(module, name, None), "send", _httpx_target)


def _cover_httpcore(module: Any) -> None:
    for name, method in (("ConnectionPool", "handle_request"), ("AsyncConnectionPool", "handle_async_request")):
        _wrap(module.__name__.partition(".")[0], getattr(module, name, None), method, _httpcore_target)


def _cover_aiohttp(module: Any) -> None:
    _wrap("aiohttp", getattr(module, "ClientSession", None), "_request", _aiohttp_target)


def _cover_sockets(_: Any) -> None:
    sockets.cover()


# What guards a module, by the module in which its classes are defined or handed on.
_ACTIONS: Final[dict[str, Callable[[Any], None]]] = {
    "socket": _cover_sockets, **dict.fromkeys(sockets.TLS_MODULES, _cover_sockets), "gevent._socket3": _cover_sockets,
    "gevent.resolver.thread": _cover_resolver, "asyncio": _cover_asyncio, "http.client": _cover_http_client,
    "httpx": _cover_httpx, "httpx._client": _cover_httpx, "httpx2": _cover_httpx, "httpx2._client": _cover_httpx,
    "httpcore": _cover_httpcore, "httpcore2": _cover_httpcore, "aiohttp": _cover_aiohttp,
    "aiohttp.client": _cover_aiohttp, "grpc": grpc.cover, "pycurl": curl.cover,
}  # fmt: skip


def _wrap(route: str, owner: Any, method: str, target: _Target) -> None:
    send = getattr(owner, method, None)
    if send is None or getattr(send, judging.MARK, False):
        return

    def is_provider(self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        if judging.mode() is None or judging.is_passing():
            return False
        host, port = target(self, args, kwargs)
        return judging.judge(host, port, route)

    @functools.wraps(send)
    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_provider(self, args, kwargs):  # it may be sent on to one: each connection is judged
            return send(self, *args, **kwargs)
        with judging.passing():
            return send(self, *args, **kwargs)

    @functools.wraps(send)
    async def guarded_async(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_provider(self, args, kwargs):
            return await send(self, *args, **kwargs)
        with judging.passing():
            return await send(self, *args, **kwargs)

    wrapper = guarded_async if inspect.iscoroutinefunction(send) else guarded
    setattr(wrapper, judging.MARK, True)
    with contextlib.suppress(ValueError, TypeError):  # libraries that patch this method, such as respx, read its names
        vars(wrapper)["__signature__"] = inspect.signature(send)
    setattr(owner, method, wrapper)


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


def _httpcore_target(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    url = getattr(args[0] if args else kwargs.get("request"), "url", None)
    if url is None:
        return None, None
    return _as_text(url.host), url.port or (443 if url.scheme == b"https" else 80)


def _aiohttp_target(session: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    url = args[1] if len(args) > 1 else kwargs.get("str_or_url")
    parts = urlsplit(str(url))
    if not parts.hostname:  # relative to the session's base URL
        parts = urlsplit(str(getattr(session, "_base_url", None) or ""))
    return _with_port(parts)


def _lookup_target(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    host, port = (*args, None, None)[:2]
    return _as_text(host if args else kwargs.get("host")), _as_port(port if len(args) > 1 else kwargs.get("port"))


def _resolver_target(resolver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    if _is_pool_lookup(sys._getframe(1)):
        return None, None
    return _lookup_target(resolver, args, kwargs)


def _with_port(parts: SplitResult) -> tuple[Any, Any]:
    return parts.hostname, parts.port or (443 if parts.scheme in ("https", "wss") else 80)


def watch() -> None:
    """Listen to the interpreter's audit events, for requests that no library sends; this cannot be undone."""
    ImportHook(_ACTIONS).install()
    sys.addaudithook(_on_event)


def _on_event(event: str, args: tuple[Any, ...]) -> None:
    if judging.mode() is None:
        return
    if event == "socket.connect":  # of a class that was made after all others were covered, perhaps
        sockets.cover_kind(type(args[0]))
    if judging.is_passing():
        return
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        if not _is_pool_lookup(sys._getframe(1)):
            judging.judge(_as_text(args[0]), _as_port(args[1]) if len(args) > 1 else None, "socket")
    elif event in ("socket.connect", "socket.sendto"):
        address = args[1]
        if isinstance(address, tuple) and len(address) > 1:
            judging.judge(_as_text(address[0]), _as_port(address[1]), "socket")
    elif event in commands.EVENTS:
        for host, port in commands.targets(event, args):
            judging.judge(host, port, "command")


def _is_pool_lookup(frame: FrameType | None) -> bool:
    """Tell whether a lookup is the whole task of a pool's thread."""
    if frame is None or frame.f_code.co_filename.endswith(_GEVENT_POOL):
        return frame is not None
    lookups = 0
    while frame is not None and (frame.f_code.co_name == "getaddrinfo" or _passes_lookups_on(frame)):
        frame, lookups = frame.f_back, lookups + 1
    return lookups > 0 and frame is not None and frame.f_code.co_filename.endswith(_POOLS)


def _passes_lookups_on(frame: FrameType) -> bool:
    """Tell whether code belongs to gevent, eventlet or the guard, which come between a lookup and its caller."""
    return any(part in frame.f_code.co_filename for part in _BETWEEN)


def _as_text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else None


def _as_port(value: Any) -> int | None:
    text = _as_text(value)
    return value if isinstance(value, int) else int(text) if text is not None and text.isdecimal() else None

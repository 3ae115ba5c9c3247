"""Judge bytes that are written to sockets: they name a request's host even where a proxy opens the connection.

Three things name the host: the request line that a proxy gets (`CONNECT host:port`, or a whole address), the Host
header of a plain request, and the name for which a TLS connection is made. Other bytes name none.
"""

from __future__ import annotations

import _socket
import _ssl
import asyncio.proactor_events
import asyncio.selector_events
import asyncio.sslproto
import functools
import re
import sys
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from src.models.guard import judging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Target = tuple[str | None, int | None]
_TRANSPORTS: Final = (
    (asyncio.selector_events, "_SelectorSocketTransport"),
    (asyncio.proactor_events, "_ProactorBaseWritePipeTransport"),
    (asyncio.sslproto, "_SSLProtocolTransport"),
)
TLS_MODULES: Final = ("ssl", "gevent.ssl", "eventlet.green.ssl")
_METHOD_INITIALS: Final = frozenset(b"GPHDOC")  # first letters of the HTTP methods
_REQUEST_LINE = re.compile(rb"(?:GET|POST|PUT|PATCH|HEAD|DELETE|OPTIONS|CONNECT) (\S{1,2000}) HTTP/1\.[01]\r\n")
_HOST = re.compile(rb"\r\nhost:[ \t]*([^\s]{1,300})[ \t]*\r\n", re.IGNORECASE)
_HEAD_BYTES: Final = 16_000  # bytes of a request's head that are read
_HTTPS: Final = 443
_C_SOCKET: Final[Any] = _socket.socket.__mro__[-2]  # the interpreter's own, whose methods cannot be replaced


class _GuardedSocketMeta(type):
    """Makes every socket of the interpreter an instance of the guarded class that replaces it."""

    def __instancecheck__(cls, item: object) -> bool:
        return isinstance(item, _C_SOCKET) if cls is _GuardedSocket else type.__instancecheck__(cls, item)

    def __subclasscheck__(cls, kind: type) -> bool:
        return issubclass(kind, _C_SOCKET) if cls is _GuardedSocket else type.__subclasscheck__(cls, kind)


class _GuardedSocket(_socket.socket, metaclass=_GuardedSocketMeta):
    """Stands in for `_socket.socket` once the guard is on, with methods that can be guarded."""

    __slots__ = ()


def cover() -> None:
    """Guard what sockets write and the TLS connections that are made, whoever defined their classes.

    gevent and eventlet replace `socket.socket`, `ssl.SSLSocket` and `ssl.SSLContext`, before the guard is switched on
    or after it; an eventlet program holds copies of both modules, too. All of their sockets write through a class whose
    base is the interpreter's own socket, and all of their contexts are of a class whose base is the interpreter's own.
    What a program makes of `_socket` itself, from then on, is of a class of the guard's.
    """
    for kind in _C_SOCKET.__subclasses__():
        cover_kind(kind)
    _socket.socket = _socket.SocketType = _GuardedSocket  # type: ignore[misc] # the interpreter allows it
    for owner in _tls_sockets():
        for name in ("send", "sendall", "write"):
            _wrap(owner, name, _judge_encrypted)
    for module, name in _TRANSPORTS:  # asyncio takes an error of the socket itself for a lost connection
        transport = getattr(module, name, None)
        if transport is not None:
            _wrap(transport, "write", _judge_bytes)
            _wrap(transport, "writelines", _judge_parts)
    for context in _ssl._SSLContext.__subclasses__():  # the public methods are replaced, and their globals are
        _wrap(context, "_wrap_socket", _judge_tls(position=3))
        _wrap(context, "_wrap_bio", _judge_tls(position=4))


def cover_kind(kind: type) -> None:
    """Guard what sockets of a class write, at the base class that wraps the interpreter's socket."""
    for owner in kind.__mro__:
        if _C_SOCKET in owner.__bases__:
            for name in ("send", "sendall"):
                _wrap(owner, name, _judge_bytes)
            if hasattr(owner, "sendmsg"):
                _wrap(owner, "sendmsg", _judge_parts)


def _tls_sockets() -> Iterator[type]:
    """Yield the imported classes of TLS sockets and their base classes."""
    for name in TLS_MODULES:
        socket_class = getattr(sys.modules.get(name), "SSLSocket", None)
        for owner in getattr(socket_class, "__mro__", ()):
            if "do_handshake" in vars(owner):
                yield owner


def _wrap(owner: Any, name: str, judge: Callable[[tuple[Any, ...], dict[str, Any]], None]) -> None:
    method = getattr(owner, name)
    if getattr(method, judging.MARK, False):
        return

    @functools.wraps(method)
    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        if judging.mode() is not None and not judging.is_passing():
            judge(args, kwargs)
        return method(self, *args, **kwargs)

    setattr(guarded, judging.MARK, True)
    setattr(owner, name, guarded)


def _judge_bytes(args: tuple[Any, ...], _: dict[str, Any]) -> None:
    if args:
        for host, port in _targets(args[0], 80):
            judging.judge(host, port, "socket")


def _judge_encrypted(args: tuple[Any, ...], _: dict[str, Any]) -> None:
    if args:
        for host, port in _targets(args[0], _HTTPS):
            judging.judge(host, port, "socket")


def _judge_parts(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    parts = args[0] if args else ()
    if isinstance(parts, list | tuple):
        _judge_bytes((b"".join(bytes(memoryview(part)[:_HEAD_BYTES]) for part in parts[:8]),), kwargs)


def _judge_tls(position: int) -> Callable[[tuple[Any, ...], dict[str, Any]], None]:
    """Return a judge of the name for which a connection is made; `position` is that of the name among the arguments."""

    def judge(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        name = args[position - 1] if len(args) >= position else kwargs.get("server_hostname")
        if isinstance(name, bytes):
            name = name.decode("ascii", "replace")
        if isinstance(name, str) and not kwargs.get("server_side"):
            judging.judge(name, _HTTPS, "TLS")

    return judge


def _targets(data: Any, default_port: int) -> list[_Target]:
    """Return the hosts that the head of a request names; nothing for any other bytes."""
    try:
        view = memoryview(data)
        if not view.nbytes or view.cast("B")[0] not in _METHOD_INITIALS:
            return []
        head = bytes(view.cast("B")[:_HEAD_BYTES])
    except (TypeError, ValueError):  # not bytes: the socket raises an error itself
        return []
    line = _REQUEST_LINE.match(head)
    if line is None:
        return []
    if head.startswith(b"CONNECT "):
        return [_address(line[1], _HTTPS)]
    host = _HOST.search(head)
    texts = [line[1]] if b"://" in line[1] else []
    return [*(_url(text) for text in texts), *([_address(host[1], default_port)] if host else [])]


def _address(text: bytes, default_port: int) -> _Target:
    """Return the host and port of `host:port` or `[address]:port`."""
    return _url(b"//" + text, default_port)


def _url(text: bytes, default_port: int = 80) -> _Target:
    try:
        parts = urlsplit(text.decode("latin-1"))
        return parts.hostname, parts.port or (_HTTPS if parts.scheme == "https" else default_port)
    except ValueError:
        return None, None

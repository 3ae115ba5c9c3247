"""Bound every read of a plain HTTP client by the deadline of the running call, headers of replies included.

The head of a request is sent together with its body, where that is short: each write wakes the server up.

A client's read timeout starts anew with every byte. `bounded_body` looks at the deadline between the pieces of a body;
while headers arrive, or `100 Continue` after `100 Continue`, no hook of the client runs. So its connections are wrapped
where they are made. (In asyncio the driver enforces the deadline.)
"""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_SHORT_BODY: Final = 32_768  # bytes; copying a longer body behind its head costs as much as another write


def install(client: Any, remaining_s: Callable[[], float | None]) -> None:
    """Have all connections that a plain client of httpx or httpx2 will make bound their reads.

    A transport of another kind, which a program has put in, stays as it is.

    Args:
        client: The client, which has not sent anything yet.
        remaining_s: Returns the seconds until the deadline of the running call, None where none runs.
    """
    transports = [getattr(client, "_transport", None), *getattr(client, "_mounts", {}).values()]
    for transport in transports:
        pool = getattr(transport, "_pool", None)
        backend = getattr(pool, "_network_backend", None)
        library = type(pool).__module__.partition(".")[0]
        if backend is not None and library in ("httpcore", "httpcore2"):
            pool._network_backend = _backend_class(library)(backend, remaining_s)  # type: ignore[union-attr]


class _Stream:
    """A connection whose reads and writes end at the deadline; mixed into the library's class of connections."""

    read_timeout: type[Exception]
    write_timeout: type[Exception]

    def __init__(self, stream: Any, remaining_s: Callable[[], float | None]) -> None:
        self._stream = stream
        self._remaining_s = remaining_s
        self._head = b""  # of a request whose body has not been written yet
        self.get_extra_info = stream.get_extra_info

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._head:
            self._write(b"", timeout)
        data: bytes = self._stream.read(max_bytes, self._within(timeout, self.read_timeout))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # A body follows, or an empty write that ends the request.
        if buffer[:5] == b"POST " and buffer[-4:] == b"\r\n\r\n" and not self._head:
            self._head = buffer
        elif buffer or self._head:
            self._write(buffer, timeout)

    def _write(self, buffer: bytes, timeout: float | None) -> None:
        head, self._head = self._head, b""
        if head and len(buffer) > _SHORT_BODY:
            self._stream.write(head, self._within(timeout, self.write_timeout))
        elif head:
            buffer = head + buffer
        self._stream.write(buffer, self._within(timeout, self.write_timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(self, *arguments: Any, **options: Any) -> Any:
        return type(self)(self._stream.start_tls(*arguments, **options), self._remaining_s)

    def _within(self, timeout: float | None, error: type[Exception]) -> float | None:
        remaining_s = self._remaining_s()
        if remaining_s is None:
            return timeout
        if remaining_s <= 0:
            raise error("the reply was not complete within the time allowed for the whole call")
        return remaining_s if timeout is None or remaining_s < timeout else timeout


class _Backend:
    """Makes such connections; mixed into the library's class of network backends."""

    stream: Callable[..., Any]

    def __init__(self, backend: Any, remaining_s: Callable[[], float | None]) -> None:
        self._backend = backend
        self._remaining_s = remaining_s

    def connect_tcp(self, *arguments: Any, **options: Any) -> Any:
        return self.stream(self._backend.connect_tcp(*arguments, **options), self._remaining_s)

    def connect_unix_socket(self, *arguments: Any, **options: Any) -> Any:
        return self.stream(self._backend.connect_unix_socket(*arguments, **options), self._remaining_s)

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


@lru_cache(maxsize=2)
def _backend_class(library: str) -> Callable[..., Any]:
    """Return the class of network backends for httpcore or its successor."""
    core: Any = sys.modules[library]
    errors = {"read_timeout": core.ReadTimeout, "write_timeout": core.WriteTimeout}
    stream = type("BoundedStream", (_Stream, core.NetworkStream), errors)
    return type("BoundedBackend", (_Backend, core.NetworkBackend), {"stream": stream})

"""Keep what runs in this process from connecting to other machines."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

_connect = socket.socket.connect


def _connect_here(self: socket.socket, address: object) -> None:
    host = address[0] if isinstance(address, tuple) else "127.0.0.1"
    if self.family in (socket.AF_INET, socket.AF_INET6) and not str(host).startswith(("127.", "::1", "localhost")):
        raise AssertionError(f"a test tried to reach {host}")
    return _connect(self, address)  # type: ignore[arg-type] # passed through


@contextmanager
def _connecting(connect: object) -> Iterator[None]:
    before = socket.socket.connect
    socket.socket.connect = connect  # type: ignore[method-assign, assignment] # for the block
    try:
        yield
    finally:
        socket.socket.connect = before  # type: ignore[method-assign] # as it was


def only() -> AbstractContextManager[None]:
    """Refuse to connect to other machines within the block."""
    return _connecting(_connect_here)


def unpatched() -> AbstractContextManager[None]:
    """Connect as Python does within the block."""
    return _connecting(_connect)

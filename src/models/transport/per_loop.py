"""Provide one client for each event loop, closed when its loop ends.

Connections cannot be shared between loops, and a client refers to its loop: if clients outlived their loops, each
`asyncio.run` would leave its sockets open for ever.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

Client = TypeVar("Client")


class PerLoop(Generic[Client]):
    """The clients of the running event loops.

    Args:
        make: Makes a client, in its loop.
        close: Closes it.
    """

    def __init__(self, make: Callable[[], Client], close: Callable[[Client], Awaitable[Any]]) -> None:
        self._make = make
        self._close = close
        self._entries: dict[asyncio.AbstractEventLoop, tuple[Client, AsyncGenerator[None, None]]] = {}

    def get(self) -> Client:
        """Return the client of the running loop."""
        loop = asyncio.get_running_loop()
        entry = self._entries.get(loop)
        if entry is None:
            for ended_loop in [known_loop for known_loop in list(self._entries) if known_loop.is_closed()]:
                self._entries.pop(ended_loop, None)
            client = self._make()
            entry = self._entries[loop] = client, _start(self._until_the_end(loop, client))
        return entry[0]

    def __len__(self) -> int:
        """Return the number of open clients."""
        return len(self._entries)

    async def _until_the_end(self, loop: asyncio.AbstractEventLoop, client: Client) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self._entries.pop(loop, None)
            await self._close(client)


def _start(keeper: AsyncGenerator[None, None]) -> AsyncGenerator[None, None]:
    """Start a generator in the running loop, which finalises it before the loop closes.

    docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.shutdown_asyncgens: asyncio.run does so.
    """
    try:
        keeper.__anext__().send(None)
    except StopIteration:  # it has yielded, and waits to be finalised
        return keeper
    raise AssertionError("the keeper waits before it yields")

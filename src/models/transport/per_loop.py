"""Keep one client for each event loop, and close it when its loop ends.

Connections cannot be shared between loops, and a client refers to its loop: kept for longer than that, each
`asyncio.run` would leave its sockets open for ever.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

Client = TypeVar("Client")


class PerLoop(Generic[Client]):
    """Hold the clients of the loops that run.

    Args:
        make: Makes a client, in its loop.
        close: Closes it.
    """

    def __init__(self, make: Callable[[], Client], close: Callable[[Client], Awaitable[Any]]) -> None:
        self._make = make
        self._close = close
        self._kept: dict[asyncio.AbstractEventLoop, tuple[Client, AsyncGenerator[None, None]]] = {}

    def get(self) -> Client:
        """Return the client of the running loop."""
        loop = asyncio.get_running_loop()
        kept = self._kept.get(loop)
        if kept is None:
            for ended in [known for known in list(self._kept) if known.is_closed()]:
                self._kept.pop(ended, None)
            client = self._make()
            kept = self._kept[loop] = client, _started(self._until_the_end(loop, client))
        return kept[0]

    def __len__(self) -> int:
        """Return how many clients are kept."""
        return len(self._kept)

    async def _until_the_end(self, loop: asyncio.AbstractEventLoop, client: Client) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self._kept.pop(loop, None)
            await self._close(client)


def _started(keeper: AsyncGenerator[None, None]) -> AsyncGenerator[None, None]:
    """Begin a generator in the running loop, which ends it before it closes itself.

    docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.shutdown_asyncgens: asyncio.run does so.
    """
    try:
        keeper.__anext__().send(None)
    except StopIteration:  # it has yielded, and waits to be ended
        return keeper
    raise AssertionError("the keeper waits before it yields")

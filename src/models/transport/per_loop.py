"""Provide one client for each event loop, closed when its loop ends, and keep few of them open.

Connections cannot be shared between loops, and a client refers to its loop: if clients outlived their loops, each
`asyncio.run` would leave its sockets open for ever. Beyond `MOST_OPEN` clients in one loop the one that has been idle
for longest is closed, and made again when its model is next called. The clients of a model that the program has dropped
are closed in their loops too: left to the search for garbage, which runs on any thread, their sockets would be closed
beneath a loop that still knows them by number.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

Client = TypeVar("Client")

MOST_OPEN = 64

_turns: Final = itertools.count()
# The entries of each running loop, and the tasks that close clients in it.
_by_loop: Final[weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.WeakSet[_Entry[Any]]]] = (
    weakref.WeakKeyDictionary()
)
_closing: Final[set[asyncio.Task[None]]] = set()


@dataclass(eq=False)
class _Entry(Generic[Client]):
    """A client in its loop; `users` counts the calls and streams that are under way.

    Attributes:
        client: The client.
        home: The mapping that holds this entry, by its loop.
        keeper: The generator that closes the client at the end of its loop, or when it is closed itself.
        users: How many calls and streams use the client.
        used_at: The turn of its last use.
    """

    client: Client
    home: dict[asyncio.AbstractEventLoop, _Entry[Client]]
    keeper: AsyncGenerator[None, None] | None = None
    users: int = 0
    used_at: int = 0

    def release(self) -> None:
        """End one use."""
        self.users -= 1


class PerLoop(Generic[Client]):
    """The clients of the running event loops; `with` it as long as the client of the running loop is used.

    Args:
        make: Makes a client, in its loop.
        close: Closes it.
    """

    def __init__(self, make: Callable[[], Client], close: Callable[[Client], Awaitable[Any]]) -> None:
        self._make = make
        self._close = close
        self._entries: dict[asyncio.AbstractEventLoop, _Entry[Client]] = {}
        # It holds the entries, so that no client becomes garbage together with its model.
        weakref.finalize(self, _close_idle, self._entries, os.getpid()).atexit = False

    def __enter__(self) -> Client:
        """Return the client of the running loop, which stays open until the end of the block."""
        entry = self._entry()
        entry.users += 1
        entry.used_at = next(_turns)
        return entry.client

    def __exit__(self, *_: object) -> None:
        """End the use of the client."""
        entry = self._entries.get(asyncio.get_running_loop())
        if entry is not None:
            entry.release()

    def hold(self, stream: Any) -> Any:
        """Return a stream that was opened with the client, which stays open as long as the stream is there."""
        entry = self._entry()
        entry.users += 1
        weakref.finalize(stream, entry.release).atexit = False
        return stream

    def __len__(self) -> int:
        """Return the number of open clients."""
        return len(self._entries)

    def _entry(self) -> _Entry[Client]:
        loop = asyncio.get_running_loop()
        entry = self._entries.get(loop)
        if entry is None:
            for ended_loop in [known_loop for known_loop in list(self._entries) if known_loop.is_closed()]:
                self._entries.pop(ended_loop, None)
            entry = self._entries[loop] = _Entry(client=self._make(), home=self._entries, used_at=next(_turns))
            entry.keeper = _start(_until_the_end(loop, entry, self._close))
            _count_open(loop, entry)
        return entry


async def _until_the_end(
    loop: asyncio.AbstractEventLoop, entry: _Entry[Client], close: Callable[[Client], Awaitable[Any]]
) -> AsyncGenerator[None, None]:
    """Close a client at the end of its loop. This knows nothing of the model, which may be dropped before."""
    try:
        yield
    finally:
        if entry.home.get(loop) is entry:
            del entry.home[loop]
        await close(entry.client)


def _close_idle(entries: dict[asyncio.AbstractEventLoop, _Entry[Any]], process: int) -> None:
    """Have each loop close the client of a model that is gone, unless a stream still uses it."""
    if process != os.getpid():
        return  # the loops are the parent's
    for loop, entry in list(entries.items()):
        if not entry.users:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(_close_soon, loop, entry)


def _close_soon(loop: asyncio.AbstractEventLoop, entry: _Entry[Any]) -> None:
    """Close a client in its loop, which is running."""
    keeper, entry.keeper = entry.keeper, None
    if keeper is not None:
        task = loop.create_task(_end(keeper))
        _closing.add(task)
        task.add_done_callback(_closing.discard)


def _count_open(loop: asyncio.AbstractEventLoop, newest: _Entry[Any]) -> None:
    """Count a client that was opened in a loop, and close the oldest idle ones of those that are too many."""
    entries = _by_loop.setdefault(loop, weakref.WeakSet())
    entries.add(newest)
    surplus = len(entries) - MOST_OPEN
    for entry in sorted(entries, key=lambda item: item.used_at) if surplus > 0 else ():
        if surplus <= 0:
            return
        if entry.users or entry is newest or entry.keeper is None:
            continue
        surplus -= 1
        entries.discard(entry)
        entry.home.pop(loop, None)  # its model makes another one from now on
        _close_soon(loop, entry)


async def _end(keeper: AsyncGenerator[None, None]) -> None:
    await keeper.aclose()


def _start(keeper: AsyncGenerator[None, None]) -> AsyncGenerator[None, None]:
    """Start a generator in the running loop, which finalises it before the loop closes.

    docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.shutdown_asyncgens: asyncio.run does so.
    """
    try:
        keeper.__anext__().send(None)
    except StopIteration:  # it has yielded, and waits to be finalised
        return keeper
    raise AssertionError("the keeper waits before it yields")

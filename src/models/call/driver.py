"""Perform the steps of a call, synchronously or in asyncio.

`_Progress` is the only place that advances the generator of steps: what a step returns or raises goes back into it.
`_perform` and `_aperform` differ in the lines that wait. A whole reply is driven as a stream that emits no chunks.
"""

from __future__ import annotations

import contextlib
import inspect
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from src.models.call.readiness import make_ready
from src.models.call.steps import END, Emit, Next, Open, Send, Sleep
from src.models.errors import ModelTimeout
from src.models.transport import http_hooks
from src.observability.store import background
from src.observability.store.background import Rows
from src.observability.store.connections import BUSY_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from src.models.call.steps import Step, Steps
    from src.models.types import Chunk, ModelResponse


_CANCELLED_STORING_S: Final = 0.25  # how long a cancelled call waits for its row


@dataclass(frozen=True, slots=True)
class _Close:
    """Close an event stream; only the driver yields this step."""

    events: Any


class _Progress:
    """A call that is being driven. Iterating over it yields the steps; the first one begins the call.

    Attributes:
        result: What the last step returned; the driver sets it.
        failure: What the last step raised, if it raised; the driver sets it.
        reply: What the steps returned, once they have ended.
        rows: Where the rows that other threads store are counted; None stores each at once.
    """

    def __init__(self, begin: Callable[[], Steps]) -> None:
        self._begin = begin
        self._steps: Steps | None = None
        self.rows: Rows | None = None
        self._events: Any = None
        self.result: Any = None
        self.failure: BaseException | None = None
        self.reply: ModelResponse | None = None

    def __iter__(self) -> Iterator[Step | _Close]:
        """Yield the steps until the call returns; raise what the call raises."""
        while True:
            try:
                step = self._beside(self._advance)
            except StopIteration as stop:
                self.reply = stop.value
                return
            self.result = self.failure = None
            if isinstance(step, Open):
                yield from self._close()  # a new attempt: the stream of the one before has failed
                if self.failure is not None:  # interrupted while closing, and so before the attempt
                    continue
            yield step
            if isinstance(step, Open):
                self._events = self.result

    def end(self) -> Iterator[_Close]:
        """End the steps, so that the generation is recorded; then yield what is left to be done."""
        if self._steps is not None:
            self._beside(self._steps.close)
        yield from self._close()

    def _advance(self) -> Any:
        """Take the call to its next step."""
        if self._steps is None:
            self._steps = self._begin()
        if self.failure is not None:
            return self._steps.throw(self.failure)
        return self._steps.send(self.result)

    def _beside(self, work: Callable[[], Any]) -> Any:
        """Do a part of the call; what it records is stored on other threads where that is wanted."""
        if self.rows is None:
            return work()
        with background.collecting(self.rows):
            return work()

    def _close(self) -> Iterator[_Close]:
        events, self._events = self._events, None
        if events is not None:
            yield _Close(events)


def drive(steps: Steps) -> ModelResponse:
    """Perform a call's steps and return its reply."""
    progress = _Progress(lambda: steps)
    for _ in _perform(progress):
        pass
    return _reply(progress)


async def adrive(begin: Callable[[], Steps]) -> ModelResponse:
    """Perform a call's steps in asyncio and return its reply."""
    progress = _Progress(begin)
    async for _ in _aperform(progress):
        pass
    return _reply(progress)


def stream(begin: Callable[[], Steps]) -> Iterator[Chunk]:
    """Yield a call's chunks; the call begins when the first one is requested."""
    return _perform(_Progress(begin))


def astream(begin: Callable[[], Steps]) -> AsyncIterator[Chunk]:
    """Do what `stream` does, in asyncio."""
    return _aperform(_Progress(begin))


def _reply(progress: _Progress) -> ModelResponse:
    assert progress.reply is not None  # noqa: S101 - the steps have ended without raising
    return progress.reply


def _perform(progress: _Progress) -> Iterator[Chunk]:
    try:
        for step in progress:
            if isinstance(step, Emit):
                yield step.chunk
                continue
            try:
                progress.result = do(step)
            except BaseException as error:  # noqa: BLE001 - handed to the call's own steps
                progress.failure = error
    finally:
        for closing in progress.end():
            do(closing)


async def _aperform(progress: _Progress) -> AsyncIterator[Chunk]:
    """Perform the steps in asyncio, and end when their rows are stored; other tasks of the loop go on meanwhile.

    Where an outer block collects the rows, as a swarm's decision does, that is not waited for here. After a
    cancellation it is for a moment only: what is recorded of the call may then be stored soon after.
    """
    import asyncio

    await make_ready()
    rows = progress.rows = Rows() if background.collected() is None else None
    longest_s = BUSY_S
    try:
        for step in progress:
            if isinstance(step, Emit):
                yield step.chunk
                continue
            try:
                progress.result = await ado(step)
            except BaseException as error:  # noqa: BLE001 - handed to the call's own steps
                progress.failure = error
    except asyncio.CancelledError:
        longest_s = 0.0 if background.is_stuck() else _CANCELLED_STORING_S
        raise
    finally:
        for closing in progress.end():
            await ado(closing)
        if rows is not None:
            await rows.astored(longest_s)


def do(step: Send | Sleep | Open | Next | _Close) -> Any:
    """Perform one step, with the call's generation as the current span."""
    if isinstance(step, Sleep):
        return time.sleep(step.seconds)
    if isinstance(step, _Close):
        return _close(step.events)
    import opentelemetry.context

    token = opentelemetry.context.attach(step.context)
    try:
        with _bounds(step):
            match step:
                case Send():
                    return step.model._send(step.payload, step.timeouts)
                case Open():
                    return step.model._open_stream(step.payload, step.timeouts)
                case Next():
                    return next(step.events, END)
    finally:
        opentelemetry.context.detach(token)


async def ado(step: Send | Sleep | Open | Next | _Close) -> Any:
    """Do what `do` does, in asyncio."""
    import asyncio

    if isinstance(step, Sleep):
        return await asyncio.sleep(step.seconds)
    if isinstance(step, _Close):
        return await _aclose(step.events)
    from opentelemetry import context as otel_context

    token = otel_context.attach(step.context)
    try:
        async with asyncio.timeout(step.timeouts.total) as deadline:
            with _bounds(step):
                return await _awaitable(step)
    except TimeoutError as error:
        if deadline.expired():
            raise ModelTimeout("no answer within the time allowed for the whole call") from error
        raise
    finally:
        otel_context.detach(token)


def _bounds(step: Send | Open | Next) -> http_hooks.within:
    return http_hooks.within(step.timeouts, step.model.reply_max_bytes, is_stream=type(step) is not Send)


def _awaitable(step: Send | Open | Next) -> Awaitable[Any]:
    match step:
        case Send():
            return step.model._asend(step.payload, step.timeouts)
        case Open():
            return step.model._aopen_stream(step.payload, step.timeouts)
        case Next():
            return anext(step.events, END)


def _close(events: Any) -> None:
    """Close an event stream; what closing raises must not replace the call's reply or error."""
    close = getattr(events, "close", None)
    if close is not None:
        with contextlib.suppress(Exception):
            close()


async def _aclose(events: Any) -> None:
    """Do what `_close` does, in asyncio: asynchronous generators have `aclose`, SDKs' streams an awaitable `close`."""
    close = getattr(events, "aclose", None) or getattr(events, "close", None)
    if close is not None:
        with contextlib.suppress(Exception):
            closing = close()
            if inspect.isawaitable(closing):
                await closing

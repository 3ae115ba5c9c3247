"""Perform the steps of a call, synchronously or in asyncio.

`_Progress` advances the generator of steps and is the only place that does; `stream` and `astream` perform each step
in their own way. A whole reply is a stream whose chunks nobody takes.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from src.models.call.steps import END, Emit, Next, Open, Send, Sleep
from src.models.errors import ModelTimeout
from src.models.transport import http_hooks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from src.models.call.steps import Steps
    from src.models.types import Chunk, ModelResponse


class _Progress:
    """Advance a call's steps: each step's result, or the exception that it raised, goes back into the generator.

    The call begins when its first step is asked for.

    Attributes:
        failure: What the step that was performed last raised, if it raised.
        reply: What the steps return, once they have ended.
    """

    def __init__(self, begin: Callable[[], Steps]) -> None:
        self._begin = begin
        self._steps: Steps | None = None
        self._result: Any = None
        self._events: Any = None
        self.failure: BaseException | None = None
        self.reply: ModelResponse | None = None

    def __iter__(self) -> Iterator[Any]:
        """Yield the steps until the call returns; raise what the call raises."""
        self._steps = steps = self._begin()
        while True:
            try:
                step = steps.throw(self.failure) if self.failure else steps.send(self._result)
            except StopIteration as stop:
                self.reply = stop.value
                return
            self._result = self.failure = None
            yield step

    def complete(self, step: Any, result: Any) -> None:
        """Note what a step returned."""
        self._result = result
        if isinstance(step, Open):
            self._events = result

    def end(self) -> Any:
        """End a call whose chunks are no longer taken; return how to close its event stream, if it has one."""
        if self._steps is not None:
            self._steps.close()
        return getattr(self._events, "aclose", None) or getattr(self._events, "close", None)


def drive(steps: Steps) -> ModelResponse:
    """Perform a call's steps and return its reply."""
    progress = _Progress(lambda: steps)
    for _ in _perform(progress):
        pass
    return _reply(progress)


async def adrive(steps: Steps) -> ModelResponse:
    """Perform a call's steps in asyncio and return its reply."""
    progress = _Progress(lambda: steps)
    async for _ in _aperform(progress):
        pass
    return _reply(progress)


def stream(begin: Callable[[], Steps]) -> Iterator[Chunk]:
    """Begin a call when its first chunk is asked for, and yield its chunks."""
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
                progress.complete(step, do(step))
            except BaseException as error:  # noqa: BLE001 - handed to the call's own steps
                progress.failure = error
    finally:
        close = progress.end()
        if close is not None:
            close()


async def _aperform(progress: _Progress) -> AsyncIterator[Chunk]:
    try:
        for step in progress:
            if isinstance(step, Emit):
                yield step.chunk
                continue
            try:
                progress.complete(step, await ado(step))
            except BaseException as error:  # noqa: BLE001 - handed to the call's own steps
                progress.failure = error
    finally:
        close = progress.end()
        if close is not None:
            await close()


def do(step: Any) -> Any:
    """Perform one step, under its observation as the current span."""
    if isinstance(step, Sleep):
        return time.sleep(step.seconds)
    from opentelemetry import context as otel_context

    token = otel_context.attach(step.context)
    try:
        with http_hooks.within(step.timeouts):
            match step:
                case Send():
                    return step.model._send(step.payload, step.timeouts)
                case Open():
                    return step.model._open_stream(step.payload, step.timeouts)
                case Next():
                    return next(step.events, END)
    finally:
        otel_context.detach(token)
    raise AssertionError(step)


async def ado(step: Any) -> Any:
    """Do what `do` does, in asyncio."""
    import asyncio

    if isinstance(step, Sleep):
        return await asyncio.sleep(step.seconds)
    from opentelemetry import context as otel_context

    token = otel_context.attach(step.context)
    try:
        async with asyncio.timeout(step.timeouts.total) as deadline:
            with http_hooks.within(step.timeouts):
                return await _awaitable(step)
    except TimeoutError as error:
        if deadline.expired():
            raise ModelTimeout("no answer within the time allowed for the whole call") from error
        raise
    finally:
        otel_context.detach(token)


def _awaitable(step: Any) -> Any:
    match step:
        case Send():
            return step.model._asend(step.payload, step.timeouts)
        case Open():
            return step.model._aopen_stream(step.payload, step.timeouts)
        case Next():
            return anext(step.events, END)
    raise AssertionError(step)

"""Do the steps of a call, plainly or in asyncio."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from src.models.call.lifecycle import END, Next, Open, Send, Sleep
from src.models.errors import ModelTimeout
from src.models.transport import http_hooks

if TYPE_CHECKING:
    from src.models.call.lifecycle import Steps
    from src.models.types import ModelResponse


def drive(steps: Steps) -> ModelResponse:
    """Do a call's steps plainly."""
    value: Any = None
    failure: BaseException | None = None
    while True:
        try:
            step = steps.throw(failure) if failure else steps.send(value)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return] # what `steps` returns
        value = failure = None
        try:
            value = do(step)
        except BaseException as error:  # noqa: BLE001 - handed to the call's own steps
            failure = error


async def adrive(steps: Steps) -> ModelResponse:
    """Do a call's steps in asyncio."""
    value: Any = None
    failure: BaseException | None = None
    while True:
        try:
            step = steps.throw(failure) if failure else steps.send(value)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return] # what `steps` returns
        value = failure = None
        try:
            value = await ado(step)
        except BaseException as error:  # noqa: BLE001 - handed to the call's own steps
            failure = error


def do(step: Any) -> Any:
    """Do one step, under its observation as the current span."""
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

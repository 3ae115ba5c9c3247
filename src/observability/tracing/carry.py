"""Carry the current observation into work that runs elsewhere: a thread, a pool, a process, a generator's steps."""

from __future__ import annotations

import contextvars
import functools
import inspect
from typing import TYPE_CHECKING, Any, TypeVar, cast

from opentelemetry import context as otel_context

from src.observability.spans.encoding import json_text
from src.observability.spans.scope import CONTEXT_KEY, RemoteParent, Scope
from src.observability.tracing import propagation

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Mapping
    from contextlib import AbstractContextManager

    from opentelemetry.context import Context

    F = TypeVar("F", bound=Callable[..., object])
    T = TypeVar("T")


def carry(func: F) -> F:
    """Return a function that runs `func` as part of the observation that is current now.

    For `Thread(target=carry(work))`, `pool.submit(carry(work), ...)`, `loop.run_in_executor(None, carry(work))`, and
    the same with processes: the result can be pickled wherever `func` can. Coroutine functions and generator functions,
    plain and async, keep the parent through all their steps and do not change their caller's context.
    """
    context = otel_context.get_current()
    if inspect.isasyncgenfunction(func):
        return cast("F", _async_generator(func, context))
    if inspect.isgeneratorfunction(func):
        return cast("F", _generator(func, context))
    if inspect.iscoroutinefunction(func):
        return cast("F", _coroutine(func, context))
    return cast("F", Carried(func, context))


def within(
    func: F,
    open_observation: Callable[[tuple[Any, ...], dict[str, Any]], AbstractContextManager[T]],
    on_yield: Callable[[T, object], None] | None = None,
) -> F:
    """Return a generator function, plain or async, whose steps all run inside one observation.

    `open_observation` is called with the arguments when the generator takes its first step; the observation ends with
    the generator. `on_yield` is called with the observation and each value that the generator yields.
    """
    if inspect.isasyncgenfunction(func):

        @functools.wraps(func)
        async def observed_async(*arguments: object, **options: object) -> AsyncGenerator[Any, Any]:
            with open_observation(arguments, options) as observation:
                async for item in func(*arguments, **options):
                    if on_yield is not None:
                        on_yield(observation, item)
                    yield item

        return cast("F", _async_generator(observed_async, None))

    @functools.wraps(func)
    def observed(*arguments: object, **options: object) -> Generator[Any, Any, Any]:
        with open_observation(arguments, options) as observation:
            generator = cast("Generator[Any, Any, Any]", func(*arguments, **options))
            record = None if on_yield is None else functools.partial(on_yield, observation)
            return (yield from _steps(generator, _in_this_context, record))

    return cast("F", _generator(observed, None))


class Carried:
    """A function with the context that it runs in. Pickling keeps the trace and the run's scope."""

    def __init__(self, func: Callable[..., Any], context: Context) -> None:
        self._func = func
        self._context = context
        functools.update_wrapper(self, func)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call the function."""
        token = otel_context.attach(self._context)
        try:
            return self._func(*arguments, **options)
        finally:
            otel_context.detach(token)

    def __reduce__(self) -> tuple[Any, ...]:
        headers = propagation.inject(context=self._context)
        scope = self._context.get(CONTEXT_KEY)
        return _unpickled, (self._func, dict(headers), _plain(scope) if isinstance(scope, Scope) else None)


def _unpickled(func: Callable[..., Any], headers: dict[str, str], scope: Scope | None) -> Carried:
    from opentelemetry import trace as otel_trace

    context = propagation.extract(headers, scope=False)
    ids = otel_trace.get_current_span(context).get_span_context()
    if ids.is_valid:
        context = otel_trace.set_span_in_context(RemoteParent(ids), context)
    if scope is not None:
        context = otel_context.set_value(CONTEXT_KEY, scope, context)
    return Carried(func, context)


def _plain(scope: Scope) -> Scope:
    """Return a scope that any process can unpickle: metadata that is no plain value becomes plain JSON data."""
    import orjson

    def simple(metadata: Mapping[str, object]) -> dict[str, object]:
        return {
            key: value if isinstance(value, str | int | float | bool | None) else orjson.loads(json_text(value))
            for key, value in metadata.items()
        }

    return Scope(
        session_id=scope.session_id,
        user_id=scope.user_id,
        tags=scope.tags,
        trace_name=scope.trace_name,
        agent=scope.agent,
        metadata=simple(scope.metadata),
        inner_metadata=simple(scope.inner_metadata),
        environment=scope.environment,
        release=scope.release,
        attributes=dict(scope.attributes),
        attributed=scope.attributed,
    )


def _coroutine(func: Callable[..., Any], context: Context) -> Callable[..., Any]:
    @functools.wraps(func)
    async def run(*arguments: Any, **options: Any) -> Any:
        token = otel_context.attach(context)
        try:
            return await func(*arguments, **options)
        finally:
            otel_context.detach(token)

    return run


def _generator(func: Callable[..., Any], context: Context | None) -> Callable[..., Any]:
    @functools.wraps(func)
    def run(*arguments: Any, **options: Any) -> Generator[Any, Any, Any]:
        # All steps run in one context of their own, so that an observation that is open between two of them does not
        # become the parent of what the caller opens there.
        own = contextvars.copy_context()
        if context is not None:
            own.run(otel_context.attach, context)
        return (yield from _steps(func(*arguments, **options), own.run))

    return run


def _in_this_context(step: Callable[..., Any], *values: Any) -> Any:
    return step(*values)


def _steps(
    generator: Generator[Any, Any, Any], run: Callable[..., Any], record: Callable[[Any], None] | None = None
) -> Generator[Any, Any, Any]:
    """Take a generator's steps through `run`; pass on what is sent, thrown and returned."""
    step: Callable[..., Any] = generator.send
    value: Any = None
    try:
        while True:
            try:
                item = run(step, value)
            except StopIteration as stop:
                return stop.value
            if record is not None:
                record(item)
            try:
                step, value = generator.send, (yield item)
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001 - thrown into the generator itself
                step, value = generator.throw, error
    finally:
        run(generator.close)


def _async_generator(func: Callable[..., Any], context: Context | None) -> Callable[..., Any]:
    @functools.wraps(func)
    async def run(*arguments: Any, **options: Any) -> AsyncGenerator[Any, Any]:
        # The steps of an async generator run in the context of whoever awaits them: the generator's own context is
        # attached for each step, and remembered for the next.
        generator = func(*arguments, **options)
        step, value, own = generator.asend, None, otel_context.get_current() if context is None else context
        try:
            while True:
                token = otel_context.attach(own)
                try:
                    item = await step(value)
                except StopAsyncIteration:
                    return
                finally:
                    own = otel_context.get_current()
                    otel_context.detach(token)
                try:
                    step, value = generator.asend, (yield item)
                except GeneratorExit:
                    raise
                except BaseException as error:  # noqa: BLE001 - thrown into the generator itself
                    step, value = generator.athrow, error
        finally:
            token = otel_context.attach(own)
            try:
                await generator.aclose()
            finally:
                otel_context.detach(token)

    return run

"""Define LangFuseTracker, through which programs use this process's pipeline or one of their own."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, TypeVar, cast

from src.observability import current

if TYPE_CHECKING:
    from collections.abc import Callable

    from langfuse import Langfuse
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

    from src.observability.delivery.exporter import Exporter
    from src.observability.pipeline import Pipeline
    from src.observability.settings import Settings
    from src.observability.spans.light_tracer import LightTracer
    from src.observability.spans.processor import SpoolProcessor
    from src.observability.spans.scope import Scope
    from src.observability.store.retention import Retention
    from src.observability.store.spool import Spool

    F = TypeVar("F", bound=Callable[..., object])

_tracker: LangFuseTracker | None = None


class LangFuseTracker:
    """Trace this process: one tracer provider (never the global one), one store, one exporter, one Langfuse client.

    A process normally has one: the first that is made without arguments, by the program or by the first observation
    (`get_tracker()`). It adds the Langfuse client and `trace_llm_call` to the `pipeline`, whose parts it shows.
    """

    def __init__(self, settings: Settings | None = None, *, spool: Spool | None = None) -> None:
        global _tracker  # noqa: PLW0603 - one tracker for a process
        self.pipeline = current.make_pipeline(settings, spool=spool)
        if current.existing_pipeline() is self.pipeline:
            _tracker = self

    @classmethod
    def of(cls, pipeline: Pipeline) -> LangFuseTracker:
        """Return a tracker of an existing pipeline."""
        tracker = cls.__new__(cls)
        tracker.pipeline = pipeline
        return tracker

    @property
    def settings(self) -> Settings:
        """Return the pipeline's settings."""
        return self.pipeline.settings

    @property
    def spool(self) -> Spool | None:
        """Return the store; this and the other parts are None where tracing is off."""
        return self.pipeline.spool

    @property
    def exporter(self) -> Exporter | None:
        """Return the exporter; None where there is no destination, or while offline."""
        return self.pipeline.exporter

    @property
    def retention(self) -> Retention | None:
        """Return the retention job, which deletes old rows."""
        return self.pipeline.retention

    @property
    def tracer(self) -> Tracer | None:
        """Return the tracer that opens spans."""
        return self.pipeline.tracer

    @property
    def provider(self) -> TracerProvider | None:
        """Return the tracer provider."""
        return self.pipeline.provider

    @property
    def processor(self) -> SpoolProcessor | None:
        """Return the span processor that stores spans when they end."""
        return self.pipeline.processor

    @property
    def light_tracer(self) -> LightTracer | None:
        """Return the tracer of light spans, which only our own code ends."""
        return self.pipeline.light_tracer

    @property
    def public_key(self) -> str:
        """Return the public key under which Langfuse's SDK registers our client."""
        return self.pipeline.public_key

    @property
    def client(self) -> Langfuse:
        """Return the Langfuse client on our tracer provider: its observations join our traces and our store.

        Use it for prompts, datasets and reads. It sends no observations itself; the exporter does.
        """
        return self.pipeline.own_client.get()

    def default_scope(self) -> Scope:
        """Return the scope of observations outside any agent run: this process's session and environment."""
        return self.pipeline.default_scope()

    def wake(self) -> None:
        """Tell the exporter, if there is one, that there is something to deliver. Never raises."""
        self.pipeline.wake()

    def trace_llm_call(self, func: F) -> F:
        """Trace a function, plain or async, that calls a model without the factory: one generation for each call.

        Input is the arguments, output the result; model and usage are read from the result where it is a reply of the
        openai or anthropic SDK, or the same as plain data. A generator function is one generation from its first step
        to its last, and the items that it yields are the output. For code that cannot use `ModelFactory` yet.
        """
        from src.observability.tracing import carry
        from src.observability.tracing.traced_functions import ForeignCall, observe_call

        if inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):
            return carry.within(func, lambda args, kwargs: observe_call(func, args, kwargs), ForeignCall.add)

        if inspect.iscoroutinefunction(func):

            @functools.wraps(func)
            async def traced_async(*args: object, **kwargs: object) -> object:
                with observe_call(func, args, kwargs) as call:
                    return call.finish(await func(*args, **kwargs))

            return cast("F", traced_async)

        @functools.wraps(func)
        def traced(*args: object, **kwargs: object) -> object:
            with observe_call(func, args, kwargs) as call:
                return call.finish(func(*args, **kwargs))

        return cast("F", traced)

    def flush(self, timeout_s: float = 10.0) -> int:
        """Deliver everything in the store now; return how many observations and scores are still undelivered.

        Without a destination nothing waits for delivery, and the result is 0. Where the store cannot be read, their
        number is unknown: that is logged, and the result is at least 1.
        """
        return self.pipeline.flush(timeout_s)

    def shutdown(self, timeout_s: float = 5.0) -> None:
        """Deliver what is possible within `timeout_s` seconds, then stop. The rest stays in the store."""
        self.pipeline.shutdown(timeout_s)


def get_tracker() -> LangFuseTracker:
    """Return this process's tracker, made by the first call."""
    return _tracker_of(current.get_pipeline())


def flush(timeout_s: float = 10.0) -> int:
    """Deliver everything in the store now, rows of other and of dead processes too.

    Returns how many observations and scores are still undelivered after at most `timeout_s` seconds: 0 where no
    destination is configured, since then nothing waits for delivery; at least 1 where the store cannot be read.
    """
    return get_tracker().flush(timeout_s)


def shutdown(timeout_s: float = 5.0) -> None:
    """Deliver what is possible within `timeout_s` seconds, then stop. The rest stays in the store."""
    get_tracker().shutdown(timeout_s)


def set_tracker(tracker: LangFuseTracker | None) -> LangFuseTracker | None:
    """Replace this process's tracker and return the old one; after None the next observation makes a new one."""
    global _tracker  # noqa: PLW0603 - one tracker for a process
    old = current.set_pipeline(tracker.pipeline if tracker is not None else None)
    previous = _tracker_of(old) if old is not None else None
    _tracker = tracker
    return previous


def _tracker_of(pipeline: Pipeline) -> LangFuseTracker:
    global _tracker  # noqa: PLW0603 - one tracker for a process
    tracker = _tracker
    if tracker is None or tracker.pipeline is not pipeline:
        tracker = _tracker = LangFuseTracker.of(pipeline)
    return tracker

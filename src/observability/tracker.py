"""Own the Langfuse client, the tracer provider and the way from a finished span to Langfuse."""

from __future__ import annotations

import functools
import importlib.metadata
import inspect
import logging
import os
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar, cast

from src.observability.attributes import RELEASE
from src.observability.settings import Settings
from src.observability.spans.scope import Scope, ours

if TYPE_CHECKING:
    from collections.abc import Callable

    from langfuse import Langfuse
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

    from src.observability.delivery.destinations import Destination
    from src.observability.delivery.exporter import Exporter
    from src.observability.spans.light_tracer import LightSpans
    from src.observability.spans.processor import SpoolProcessor
    from src.observability.store.retention import Keeper
    from src.observability.store.spool import Spool

    F = TypeVar("F", bound=Callable[..., object])

_NO_KEY = "pk-lf-not-set"

_log = logging.getLogger("moondev.observability")


class LangFuseTracker:
    """Trace this process: one tracer provider (never the global one), one spool, one exporter, one Langfuse client.

    A process normally has one: the first that is made without arguments, by the program or by the first observation
    (`get_tracker()`). Attributes: `settings`, `tracer` and `spool` (None where tracing is off), `exporter`, `client`.
    """

    def __init__(self, settings: Settings | None = None, *, spool: Spool | None = None) -> None:
        self.settings = settings or Settings.read_or_default()
        self.spool: Spool | None = None
        self.exporter: Exporter | None = None
        self.keeper: Keeper | None = None
        self.tracer: Tracer | None = None
        self.provider: TracerProvider | None = None
        self.processor: SpoolProcessor | None = None
        self.light: LightSpans | None = None
        self._client: Langfuse | None = None
        self._lock = threading.RLock()
        self._scope: Scope | None = None
        if not self.settings.tracing:
            _log.warning("MOONDEV_TRACING is off: model calls are not recorded anywhere.")
        else:
            self._start(spool)
        if settings is None and spool is None:
            _adopt(self)

    def _start(self, spool: Spool | None) -> None:
        from src.observability.attributes import SCOPE_NAME
        from src.observability.delivery import process_exit
        from src.observability.langfuse_sdk.import_hook import join
        from src.observability.spans.capture import Kept
        from src.observability.spans.light_tracer import LightSpans
        from src.observability.spans.processor import SpoolProcessor
        from src.observability.store.retention import Keeper
        from src.observability.store.spool import Spool

        settings = self.settings
        limit = settings.max_mb * 1024 * 1024
        self.spool = spool or Spool(settings.trace_db, sync=settings.sync, max_bytes=limit, later=True)
        process_exit.tell_losses(self.spool)
        self.exporter = self._make_exporter(self.spool)
        said = settings.keep_days_said
        self.keeper = Keeper(self.spool.path, settings.keep_days, self._destinations(), unsent_too=said)
        self.keeper.start()
        self.processor = SpoolProcessor(self.spool, self.default_scope, self.wake, Kept.of(settings))
        self.provider = self._make_provider(self.processor)
        version = _langfuse_version()
        scope = {"public_key": settings.langfuse_public_key} if settings.langfuse_public_key else None
        self.tracer = self.provider.get_tracer(SCOPE_NAME, version, attributes=scope)
        instrumentation = self.tracer._instrumentation_scope  # type: ignore[attr-defined] # of the SDK's tracer
        self.light = LightSpans(self.provider, self.processor, instrumentation, self.default_scope)
        self._say_where()
        join(self)

    def _make_provider(self, processor: SpoolProcessor) -> TracerProvider:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import SpanLimits, TracerProvider
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON

        from src.observability.spans.ids import RandomIds

        try:
            resource = Resource.create(self._resource_attributes())
        except RuntimeError:  # OpenTelemetry asks its detectors on threads, and none can start
            resource = Resource(self._resource_attributes())
        # Sampler and limits are said: variables that were set for other software must not thin an audit trail.
        limits = SpanLimits(
            max_span_attributes=512, max_events=512, max_links=512, max_event_attributes=512, max_link_attributes=512,
            max_attribute_length=SpanLimits.UNSET, max_span_attribute_length=SpanLimits.UNSET, max_attributes=512,
        )  # fmt: skip
        provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=resource,
            shutdown_on_exit=False,
            id_generator=RandomIds(),
            span_limits=limits,
        )
        provider._disabled = False
        provider.add_span_processor(processor)
        ours.add(provider._active_span_processor)
        return provider

    def _resource_attributes(self) -> dict[str, str]:
        """Return what stands once for all spans of this process; the release under both names that are read."""
        told = {"service.name": self.settings.service_name}
        if "deployment.environment" not in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
            told["deployment.environment.name"] = self.settings.environment
        if self.settings.release:
            told |= {RELEASE: self.settings.release, "service.version": self.settings.release}
        return told

    def _make_exporter(self, spool: Spool) -> Exporter | None:
        from src.observability.delivery import process_exit
        from src.observability.delivery.exporter import Exporter

        destinations = self._destinations()
        if self.settings.offline or not destinations:
            return None
        exporter = Exporter(spool, destinations)
        process_exit.watch(exporter, signals=self.settings.signals)
        return exporter

    def _destinations(self) -> list[Destination]:
        """Return where observations go; while offline, where they will go later."""
        from src.observability.delivery.destinations import langfuse_destination, otlp_destination

        settings = self.settings
        destinations = []
        if settings.langfuse_enabled and settings.langfuse_configured:
            key, secret = settings.langfuse_public_key or "", settings.langfuse_secret_key or ""
            alone = settings.langfuse_scores_only
            destinations.append(langfuse_destination(settings.langfuse_host, key, secret, scores_only=alone))
        if settings.otlp is not None:
            destinations.append(otlp_destination(settings.otlp))
        return destinations

    def wake(self) -> None:
        """Tell the exporter, if there is one, that there is something to deliver; never raises."""
        if self.exporter is None:
            return
        try:
            self.exporter.wake()
        except Exception as error:  # noqa: BLE001 - what is stored is delivered later
            _log.error("Delivery could not be started: %s", error)

    def _say_where(self) -> None:
        settings = self.settings
        if settings.capture == "full":
            _log.warning(
                "MOONDEV_CAPTURE is full: texts are stored and delivered as they are, with whatever secret stands in "
                "them, but for your own configured keys."
            )
        if self.exporter is not None or settings.offline or not settings.langfuse_enabled:
            return
        if self.spool is not None and self.spool.problem is not None:
            return
        keys = {
            "LANGFUSE_PUBLIC_KEY": settings.langfuse_public_key,
            "LANGFUSE_SECRET_KEY": settings.langfuse_secret_key,
        }
        missing = [name for name, value in keys.items() if not value]
        _log.warning(
            "%s: traces are kept locally in %s. Set %s to see them in Langfuse.",
            "Langfuse keys are not set" if len(missing) > 1 else f"{missing[0]} is not set, the other key is",
            settings.trace_db,
            " and ".join(missing),
        )

    def default_scope(self) -> Scope:
        """Return the scope of what runs outside any agent: this process's session and environment."""
        if self._scope is None:
            stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
            session = f"run-{stamp}-{os.urandom(4).hex()}"
            said = self.settings
            self._scope = Scope().narrowed(session_id=session, environment=said.environment, release=said.release)
        return self._scope

    @property
    def client(self) -> Langfuse:
        """Return the Langfuse client on our tracer provider: what it observes joins our traces and our spool.

        Use it for prompts, datasets and reads. It sends no observation by itself; the exporter does.
        """
        import langfuse  # noqa: F401 - outside the lock: loading it may make the client

        with self._lock:
            if self._client is None:
                self.make_client()
            manager: Any = self._client and self._client._resources
            if manager is not None and manager.tracer_provider is self.provider:
                manager._moondev = "asked"
            assert self._client is not None  # noqa: S101 - made above
            return self._client

    @property
    def public_key(self) -> str:
        """Return the key under which Langfuse's SDK knows our client."""
        return self.settings.langfuse_public_key or _NO_KEY

    def make_client(self, *, registered: bool = False) -> None:
        """Make the Langfuse client; `registered` where only its SDK asked, which may prefer another later."""
        from langfuse import Langfuse

        from src.observability.langfuse_sdk import joined_client, register
        from src.observability.langfuse_sdk.discard import DiscardingExporter

        settings = self.settings
        with self._lock:
            self._client = client = Langfuse(
                public_key=self.public_key,
                secret_key=settings.langfuse_secret_key or "sk-lf-not-set",
                base_url=settings.langfuse_host,
                environment=settings.environment,
                tracing_enabled=self.provider is not None,
                tracer_provider=self.provider,
                span_exporter=DiscardingExporter(),
                should_export_span=lambda _: False,  # else it would upload the media that it finds in spans
            )
            manager: Any = client._resources
            if manager is not None and self.spool is not None and manager.tracer_provider is self.provider:
                manager.add_score_task = functools.partial(joined_client.take_score, manager.add_score_task)
                joined_client.deliver_on_flush(manager, self)
                manager._moondev = "registered" if registered else "asked"
                register.silence(self.provider, self.public_key)

    def trace_llm_call(self, func: F) -> F:
        """Trace a function, plain or async, that calls a model without the factory: one generation for each call.

        Input is the arguments, output the result; model and usage are read off the result where it is a reply
        of the openai or anthropic SDK, or the same as plain data. A generator function is one generation from its first
        step to its last, and what it yields is the output. For code that cannot use `ModelFactory` yet.
        """
        from src.observability.tracing import carry
        from src.observability.tracing.traced_functions import ForeignCall, observe_call

        if inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):
            return carry.within(func, lambda args, kwargs: observe_call(func, args, kwargs), ForeignCall.hear)

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
        """Deliver now what waits; return how many observations and scores are still undelivered.

        Without a destination nothing waits for delivery, and the answer is 0. Where the store cannot be read, nobody
        knows how many: that is logged, and the answer is at least 1.
        """
        if self.exporter is None:
            return 0
        try:
            return self.exporter.flush(timeout_s)
        except sqlite3.Error as error:
            path = self.settings.trace_db
            _log.error("The trace store %s cannot be read, so what is undelivered is unknown: %s", path, error)
            return max(self.spool.losses if self.spool else 0, 1)

    def shutdown(self, timeout_s: float = 5.0) -> None:
        """Deliver what can be delivered within the time, then stop. What remains stays in the spool."""
        if self.exporter is not None:
            self.exporter.shutdown(timeout_s)
        if self.keeper is not None:
            self.keeper.stop()
        if self.spool is not None:
            self.spool.close()
        from src.observability.langfuse_sdk.import_hook import leave

        leave(self)


def _langfuse_version() -> str:
    """Return the version of Langfuse's SDK whose attribute format we write, without importing it."""
    try:
        return importlib.metadata.version("langfuse")
    except importlib.metadata.PackageNotFoundError:
        return "5.0.4"


_lock = threading.Lock()
_tracker: LangFuseTracker | None = None


def get_tracker() -> LangFuseTracker:
    """Return this process's tracker; the first call makes it."""
    tracker = _tracker
    return tracker if tracker is not None else _make_tracker()


def _make_tracker() -> LangFuseTracker:
    global _tracker  # noqa: PLW0603 - one tracker for a process
    with _lock:
        if _tracker is None:
            _tracker = LangFuseTracker()
        return _tracker


def _adopt(tracker: LangFuseTracker) -> None:
    """Have a tracker that the program made be this process's, where there is none yet."""
    global _tracker  # noqa: PLW0603 - one tracker for a process
    if _tracker is None:
        _tracker = tracker


def set_tracker(tracker: LangFuseTracker | None) -> Any:
    """Put another tracker in place of this process's, or None to have the next observation make one; return the old."""
    global _tracker
    with _lock:
        old, _tracker = _tracker, tracker
        return old

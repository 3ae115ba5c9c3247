"""Assemble what takes a span to its destinations: tracer provider, processor, store, exporter, retention."""

from __future__ import annotations

import functools
import logging
import os
import sqlite3
import time
from dataclasses import astuple
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from src.observability.attributes import RELEASE
from src.observability.langfuse_sdk.own_client import NO_KEY, OwnClient
from src.observability.settings import Settings
from src.observability.spans import calling_agent
from src.observability.spans.scope import Scope, own_processors
from src.observability.store import background

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

    from src.observability.alerts.background import Background
    from src.observability.delivery.destinations import Destination
    from src.observability.delivery.exporter import Exporter
    from src.observability.spans.light_tracer import LightTracer
    from src.observability.spans.processor import SpoolProcessor
    from src.observability.store.ledger_records import LedgerRecord
    from src.observability.store.records import ScoreRecord
    from src.observability.store.retention import Retention
    from src.observability.store.row_kinds import KindName
    from src.observability.store.spool import Spool

_log = logging.getLogger("moondev.observability")
_MOST_SCOPES = 1_000  # of agents that ask outside runs


class Pipeline:
    """One tracer provider (never the global one), one store, one exporter and one Langfuse client.

    A process normally has one (`current.get_pipeline()`). Where MOONDEV_TRACING is off, `spool`, `tracer`, `provider`,
    `processor`, `light_tracer`, `exporter` and `retention` are None.

    Args:
        settings: The settings; those of the environment where not given.
        spool: The store; the one that the settings name where not given.
        is_current: Tells whether a pipeline is this process's, or this process has none.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        spool: Spool | None = None,
        is_current: Callable[[Pipeline], bool] = lambda _: True,
    ) -> None:
        self.settings = settings or Settings.read_or_default()
        self.spool: Spool | None = None
        self.exporter: Exporter | None = None
        self.retention: Retention | None = None
        self.tracer: Tracer | None = None
        self.provider: TracerProvider | None = None
        self.processor: SpoolProcessor | None = None
        self.light_tracer: LightTracer | None = None
        self.alerts: Background | None = None
        self._scope: Scope | None = None
        self._scopes: dict[str | None, Scope] = {}
        self._is_current = is_current
        self.own_client = OwnClient(self)
        if not self.settings.tracing:
            _log.warning("MOONDEV_TRACING is off: model calls are not recorded anywhere.")
        else:
            self._start(spool)

    def _start(self, spool: Spool | None) -> None:
        from src.observability.alerts.start import watched
        from src.observability.attributes import SCOPE_NAME
        from src.observability.delivery import process_exit
        from src.observability.langfuse_sdk.import_hook import join
        from src.observability.spans.capture import CapturePolicy
        from src.observability.spans.light_tracer import LightTracer
        from src.observability.spans.processor import SpoolProcessor
        from src.observability.store.fullness import GRACE_S
        from src.observability.store.spool import Spool

        settings = self.settings
        self._logged_score_loss = False
        if settings.langfuse.debug:  # as Langfuse's SDK does
            logging.basicConfig(format="%(asctime)s - %(name)s - %(levelname)s - %(message)s")
            logging.getLogger("moondev").setLevel(logging.DEBUG)
        limit = settings.max_mb * 1024 * 1024
        grace_s = 0.0 if settings.max_mb_set else GRACE_S
        self.spool = spool or Spool(
            settings.trace_db, sync=settings.sync, max_bytes=limit, grace_s=grace_s, retry_open=True
        )
        process_exit.report_losses_at_exit(self.spool)
        destinations = self._destinations()
        self.exporter = self._make_exporter(self.spool, destinations)
        self.retention = self._make_retention(self.spool, destinations)
        self.retention.start()
        self.processor = SpoolProcessor(
            self.spool,
            self.caller_scope,
            functools.partial(self.wake, "observation"),
            CapturePolicy.from_settings(settings),
        )
        self.provider = self._make_provider(self.processor)
        scope = {"public_key": settings.langfuse_public_key} if settings.langfuse_public_key else None
        self.tracer = self.provider.get_tracer(SCOPE_NAME, _langfuse_version(), attributes=scope)
        instrumentation = self.tracer._instrumentation_scope  # type: ignore[attr-defined] # of the SDK's tracer
        self.light_tracer = LightTracer(self.provider, self.processor, instrumentation, self.caller_scope)
        self._log_destination()
        join(self)
        self.alerts = watched(settings)
        background.drain_at_exit()

    def _make_provider(self, processor: SpoolProcessor) -> TracerProvider:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import SpanLimits, TracerProvider
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON

        from src.observability.spans.ids import RandomIds

        try:
            resource = Resource.create(self._resource_attributes())
        except RuntimeError:  # OpenTelemetry runs its detectors on threads, and none can start
            resource = Resource(self._resource_attributes())
        # Sampler and limits are explicit: variables set for other software must not thin an audit trail.
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
        own_processors.add(provider._active_span_processor)
        return provider

    def _resource_attributes(self) -> dict[str, str]:
        """Return the resource of this process; it has the release under Langfuse's name and under OpenTelemetry's."""
        attributes = {"service.name": self.settings.service_name}
        if "deployment.environment" not in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
            attributes["deployment.environment.name"] = self.settings.environment
        if self.settings.release:
            attributes |= {RELEASE: self.settings.release, "service.version": self.settings.release}
        return attributes

    def _make_exporter(self, spool: Spool, destinations: list[Destination]) -> Exporter | None:
        from src.observability.delivery import process_exit
        from src.observability.delivery.exporter import Exporter

        if self.settings.offline or not destinations:
            return None
        exporter = Exporter(spool, destinations)
        process_exit.flush_at_exit(exporter, signals=self.settings.signals)
        return exporter

    def _make_retention(self, spool: Spool, destinations: list[Destination]) -> Retention:
        from src.observability.store.retention import Retention

        settings = self.settings
        accepted = {item.name: item.accepts for item in destinations}
        return Retention(spool.path, settings.keep_days, accepted, unsent_too=settings.keep_days_set)

    def _destinations(self) -> list[Destination]:
        """Return the destinations of observations; while offline, those that will receive them later."""
        from src.observability.delivery.destinations import langfuse_destination, otlp_destination

        settings = self.settings
        destinations = []
        if settings.langfuse_enabled and settings.langfuse_configured:
            key, secret = settings.langfuse_public_key or "", settings.langfuse_secret_key or ""
            destination = langfuse_destination(
                settings.langfuse_host,
                key,
                secret,
                scores_only=settings.langfuse_scores_only,
                switches=settings.langfuse,
            )
            destinations.append(destination)
        if settings.otlp is not None:
            endpoint = otlp_destination(settings.otlp)
            if any(endpoint.repeats(destination) for destination in destinations):
                _log.warning(
                    "%s is the Langfuse project of LANGFUSE_PUBLIC_KEY: what goes there as OTLP too would be counted "
                    "twice, so it is sent once. Name another endpoint, or set MOONDEV_OTLP=off.", endpoint.name,
                )  # fmt: skip
            else:
                destinations.append(endpoint)
        return destinations

    def _log_destination(self) -> None:
        """Warn where texts are stored with their secrets, or where nothing is delivered for lack of keys."""
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

    @property
    def public_key(self) -> str:
        """Return the public key under which Langfuse's SDK registers our client."""
        return self.settings.langfuse_public_key or NO_KEY

    def is_current(self) -> bool:
        """Tell whether this pipeline is this process's, or this process has none."""
        return self._is_current(self)

    def default_scope(self) -> Scope:
        """Return the scope of observations outside any agent run: this process's session and environment."""
        if self._scope is None:
            stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
            session = f"run-{stamp}-{os.urandom(4).hex()}"
            settings = self.settings
            self._scope = Scope().narrowed(
                session_id=session, environment=settings.environment, release=settings.release
            )
        return self._scope

    def caller_scope(
        self, received: Scope | None = None, *, agent: str | None = None, symbol: str | None = None
    ) -> Scope:
        """Return the scope of what opens outside any run: the process's, with the agent that asks.

        Args:
            received: The scope to add to, such as another process's session; the process's own where not set.
            agent: The agent, where the program names it; else MOONDEV_AGENT, else the calling module.
            symbol: What the call is about, where it says so.
        """
        named = agent or self.settings.agent
        name = calling_agent.plain(named) if named else calling_agent.calling_agent()
        if received is not None or symbol is not None:
            return (received or self.default_scope()).of_caller(name, symbol)
        scope = self._scopes.get(name)
        if scope is None:
            if len(self._scopes) >= _MOST_SCOPES:
                self._scopes.clear()
            scope = self._scopes[name] = self.default_scope().of_caller(name)
        return scope

    def store_score(self, name: str, value: float | str | bool, **fields: Any) -> str | None:
        """Store a score; return its id, or None where it could not be stored, which is counted as a loss and logged.

        Args:
            name: The score's name.
            value: Its value.
            **fields: As `spans.score_records.make` takes them.
        """
        from src.observability.spans import score_records

        if self.spool is None:
            return None
        try:
            record = score_records.make(name, value, settings=self.settings, default=self.caller_scope, **fields)
        except Exception as error:  # noqa: BLE001 - a score never breaks the traced code
            self._count_lost_score(name, error)
            return None
        rows = background.collected()
        if rows is None:
            return record.id if self._append_score(record) else None
        if not background.run(rows, partial(self._append_score, record, is_patient=True), len(record.comment or "")):
            self._count_lost_score(name, MemoryError("too many rows wait for the trace store"))
            return None
        return record.id

    def _append_score(self, record: ScoreRecord, *, is_patient: bool = False) -> bool:
        if self.spool is None:
            return False
        try:
            self.spool.append_score(record, is_patient=is_patient)
        except Exception as error:  # noqa: BLE001 - a score never breaks the traced code
            self._count_lost_score(record.name, error)
            return False
        self._logged_score_loss = False
        self.wake("score")
        return True

    def store_ledger(self, record: LedgerRecord) -> bool:
        """Store a record of the ledger; tell whether it is stored, or will be. A lost one is counted and logged."""
        if self.spool is None:
            return False
        rows = background.collected()
        if rows is None:
            return self._append_ledger(record)
        size = sum(len(text) for text in astuple(record) if isinstance(text, str))
        if background.run(rows, partial(self._append_ledger, record, is_patient=True), size):
            return True
        self.spool.count_loss()
        _log.error("A record of the ledger was lost: too many rows wait for the trace store.")
        return False

    def _append_ledger(self, record: LedgerRecord, *, is_patient: bool = False) -> bool:
        from src.observability.redaction import redact_text

        if self.spool is None:
            return False
        try:
            self.spool.append_ledger(record, is_patient=is_patient)
        except Exception as error:  # noqa: BLE001 - the ledger never breaks the traced code
            _log.error("A record of the ledger was lost: %s", redact_text(str(error)))
            return False
        return True

    def _count_lost_score(self, name: str, error: Exception) -> None:
        from src.observability.redaction import redact_text
        from src.observability.store.spool import SpoolError

        of_store = isinstance(error, SpoolError)
        if self.spool is not None and not of_store:  # the store has counted its own
            self.spool.count_loss()
        if not of_store or not self._logged_score_loss:  # a store that fails does so for all scores of a decision
            _log.error("The score %s was lost: %s", redact_text(str(name)), redact_text(str(error)))
        self._logged_score_loss = of_store

    def handle_signals(self) -> None:
        """Handle SIGTERM as the settings say, where the pipeline was made on another thread than the main one."""
        from src.observability.delivery import process_exit

        if self.exporter is not None and self.settings.signals:
            process_exit.handle_sigterm()

    def wake(self, kind: KindName | None = None) -> None:
        """Tell what works in the background that something was stored. Never raises."""
        if self.alerts is not None:
            self.alerts.wake()
        if self.exporter is None:
            return
        try:
            self.exporter.wake(kind)
        except Exception as error:  # noqa: BLE001 - the stored rows are delivered later
            _log.error("Delivery could not be started: %s", error)

    def flush(self, timeout_s: float = 10.0) -> int:
        """Deliver everything in the store now; return how many observations and scores are still undelivered.

        Without a destination nothing waits for delivery, and the result is 0. Where the store cannot be read, their
        number is unknown: that is logged, and the result is at least 1.
        """
        deadline = time.monotonic() + timeout_s
        unstored = background.drain(timeout_s)
        if self.exporter is None:
            return 0
        try:
            return unstored + self.exporter.flush(max(deadline - time.monotonic(), 0.0))
        except sqlite3.Error as error:
            path = self.settings.trace_db
            _log.error("The trace store %s cannot be read, so what is undelivered is unknown: %s", path, error)
            return max(self.spool.losses if self.spool else 0, 1)

    def shutdown(self, timeout_s: float = 5.0) -> None:
        """Deliver what is possible within `timeout_s` seconds, then stop. The rest stays in the store."""
        from src.observability.langfuse_sdk.import_hook import leave

        deadline = time.monotonic() + timeout_s
        background.drain(timeout_s)
        if self.exporter is not None:
            self.exporter.shutdown(max(deadline - time.monotonic(), 0.0))
        if self.retention is not None:
            self.retention.stop()
        if self.alerts is not None:
            self.alerts.stop()
        if self.spool is not None:
            self.spool.close()
        leave(self)


@functools.cache
def _langfuse_version() -> str:
    """Return the version of the installed Langfuse SDK, without importing it."""
    try:
        return version("langfuse")
    except PackageNotFoundError:
        return "5.0.4"

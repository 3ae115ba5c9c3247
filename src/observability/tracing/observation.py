"""Open observations of any type, as context managers or for the caller to end.

Every observation is stored when it ends, on the thread that ends it. Where tracing is off
(MOONDEV_TRACING=off), or could not start, an observation records nothing and its ids are None.
"""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

from opentelemetry import context as otel_context
from opentelemetry import trace as otel_trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from src.observability import attributes as names
from src.observability.current import existing_pipeline, get_pipeline
from src.observability.spans import double_counting, encoding
from src.observability.spans.light_span import LightSpan
from src.observability.spans.loose_json import key_text
from src.observability.spans.scope import CONTEXT_KEY, in_context
from src.observability.store.records import BILLED_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from opentelemetry.context import Context

    from src.observability.spans.scope import Scope

Type = Literal["agent", "generation", "embedding", "tool", "chain", "event", "span"]
Level = Literal["DEBUG", "DEFAULT", "WARNING", "ERROR"]
_LIGHT = frozenset({"generation", "embedding", "event"})
_METADATA: Final = names.METADATA
_TRACE_METADATA: Final = names.TRACE_METADATA
_NAMES: Final[dict[str, Any]] = vars(names)
_log = logging.getLogger("moondev.observability")


class Observation:
    """One observation; collects its attributes until it ends. Ending it twice does nothing.

    Attributes: `trace_id` (32 lower-case hex digits) and `id` (16), None where nothing is recorded;
    `context`, the OpenTelemetry context whose current span is this observation.
    """

    __slots__ = ("_attributes", "_began", "_failure", "_is_outer", "_metadata", "_span", "context", "id", "trace_id")

    def __init__(
        self,
        span: otel_trace.Span | None,
        context: Context,
        began_ns: int | None = None,
        *,
        is_outer: bool = False,
    ) -> None:
        self._span = span
        self._is_outer = is_outer  # its metadata is its trace's: it opens a run that is inside no other one
        self._attributes: dict[str, Any] = {}
        self._metadata: dict[str, object] = {}
        self._failure: str | None = None
        # Taken before the span's own time, so that a parent never ends before its child.
        self._began = time.perf_counter_ns() if began_ns is None else began_ns
        self.context = context
        self.trace_id: str | None = None
        self.id: str | None = None
        if span is not None:
            ids = span.get_span_context()
            self.trace_id = f"{ids.trace_id:032x}"
            self.id = f"{ids.span_id:016x}"

    @property
    def recording(self) -> bool:
        """Tell whether this observation is stored when it ends."""
        return self._span is not None

    @property
    def agent(self) -> str | None:
        """Return the agent that this observation belongs to, as far as it is known."""
        scope = getattr(self._span, "scope", None)
        return None if scope is None else scope.agent

    @property
    def environment(self) -> str | None:
        """Return the environment that this observation belongs to, as far as it is known."""
        scope = getattr(self._span, "scope", None)
        return None if scope is None else scope.attributes.get(names.ENVIRONMENT) or scope.environment

    def set(self, **attributes: Any) -> Observation:
        """Set attributes by the names of the `attributes` module, such as `set(MODEL="gpt-4o")`; None is left out."""
        collected = self._attributes
        for name, value in attributes.items():
            if value is not None:
                collected[_NAMES[name]] = value
        return self

    def set_default(self, **attributes: Any) -> Observation:
        """Set attributes as `set` does, but only those that have no value yet."""
        return self.set(**{key: value for key, value in attributes.items() if not self._has(getattr(names, key))})

    def _has(self, name: str) -> bool:
        return name in self._attributes or name in (getattr(self._span, "attributes", None) or {})

    def returned(self, result: Any) -> None:
        """Set a function's result as the output, unless there is one already; of a factory's reply, its text."""
        if self._span is not None and result is not None and not self._has(names.OUTPUT):
            is_factory_reply = getattr(result, "observation_id", None) is not None
            self.update(output=getattr(result, "content", None) if is_factory_reply else result)

    def update(
        self,
        *,
        input: object = None,  # noqa: A002 - the field's name in Langfuse
        output: object = None,
        metadata: Mapping[str, object] | None = None,
        level: Level | None = None,
        status_message: str | None = None,
    ) -> Observation:
        """Set input, output, metadata (added key by key), level or status message. Values may be anything."""
        if self._span is None:
            return self
        if input is not None:
            self._attributes[names.INPUT] = _text(input)
        if output is not None:
            self._attributes[names.OUTPUT] = _text(output)
        if level is not None:
            self._attributes[names.LEVEL] = level
        if status_message is not None:
            self._attributes[names.STATUS_MESSAGE] = status_message
        if metadata:
            self._metadata.update(encoding.mapping(metadata))
        if type(self._span) is not LightSpan:
            self._write(self._span)
        return self

    def _write(self, span: Any) -> None:
        """Set the collected attributes on a span of the SDK at once, so that what Langfuse's SDK sets later wins."""
        try:
            self._set_metadata(span)
            encoding.set_attributes(span, self._attributes)
            self._attributes, self._metadata = {}, {}
        except Exception:  # noqa: BLE001 - tracing never breaks the traced code
            _log.exception("An observation could not be updated.")

    def fail(self, message: str, category: str) -> Observation:
        """Mark the observation as failed: level ERROR, the message, and one word for the kind of failure."""
        if self._span is None:
            return self
        self.update(level="ERROR", status_message=message, metadata={names.ERROR_CATEGORY: category})
        self._attributes[names.ERROR_TYPE] = category
        self._failure = message
        return self

    def event(
        self,
        name: str,
        *,
        level: Level = "DEFAULT",
        status_message: str | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> None:
        """Store an event as a child of this observation, at once."""
        if self._span is not None:
            child = start(name, "event", context=self.context)
            child.update(level=level, status_message=status_message, metadata=metadata).end()

    def score(
        self,
        name: str,
        value: float | str | bool,
        *,
        comment: str | None = None,
        of_trace: bool = False,
    ) -> None:
        """Store a score on this observation, or on its trace as a whole."""
        if self.trace_id is not None:
            from src.observability.tracing.scores import score

            of = None if of_trace else self.id
            with self.current():
                score(name, value, trace_id=self.trace_id, observation_id=of, comment=comment)

    def end(self) -> None:
        """Store the observation; return when it is durable. Never raises."""
        span, self._span = self._span, None
        if span is None:
            return
        try:
            if type(span) is LightSpan:
                self._set_metadata(span)
                span.store(span, self._attributes, self._failure)
                return
            self._write(span)
            if self._failure is not None:
                span.set_status(Status(StatusCode.ERROR, self._failure))
            # Measured on the monotonic clock, so that a clock set back cannot make the duration negative.
            started = getattr(span, "start_time", None)
            span.end(None if started is None else started + time.perf_counter_ns() - self._began)
        except Exception:  # noqa: BLE001 - tracing never breaks the traced code
            _log.exception("An observation could not be ended.")

    def _set_metadata(self, span: Any) -> None:
        """Encode the metadata. Langfuse prefers a trace's to an observation's, so the outer run sets both.

        Any other observation is left without those: a server that keeps a table of traces would change its trace.
        """
        of_trace = span.scope.attributes if type(span) is LightSpan else span.attributes or {}
        collected, json_text = self._attributes, encoding.json_text
        replaced: set[str] = set()
        for key, value in self._metadata.items():
            if value is not None:
                name = key if type(key) is str else key_text(key)
                collected[_METADATA + name] = text = json_text(value)
                trace_name = _TRACE_METADATA + name
                if trace_name in of_trace and of_trace[trace_name] != text:
                    if self._is_outer:
                        collected[trace_name] = text
                    else:
                        replaced.add(trace_name)
        if replaced:
            encoding.remove_attributes(span, replaced)

    @contextmanager
    def current(self) -> Iterator[Observation]:
        """Make this observation the parent of what opens inside the block."""
        token = otel_context.attach(self.context)
        try:
            yield self
        finally:
            otel_context.detach(token)


def start(
    name: str,
    type: Type,  # noqa: A002 - the field's name in Langfuse
    *,
    context: Context | None = None,
    scope: Scope | None = None,
    agent: str | None = None,
    symbol: Callable[[], str | None] | None = None,
) -> Observation:
    """Open an observation under the current one (or under `context`); the caller ends it. Never raises.

    Generations and events are light spans: no user's code runs inside them that could write to their span.

    Args:
        name: Its name.
        type: Its type.
        context: The context that it opens in; the current one where not given.
        scope: The scope of a run that it opens.
        agent: Who asks, where no run is open; otherwise MOONDEV_AGENT or the calling module says.
        symbol: Returns what it is about; called where no run is open.
    """
    parent = context if context is not None else otel_context.get_current()
    pipeline = existing_pipeline()
    if pipeline is not None and pipeline.tracer is None:  # tracing is off
        return Observation(None, parent)
    return _start(name, type, parent, scope or _caller_scope(parent, agent, symbol), light=type in _LIGHT)


def _caller_scope(context: Context, agent: str | None, symbol: Callable[[], str | None] | None) -> Scope | None:
    """Return the scope of an observation outside any run, which its children inherit; None inside a run."""
    received = in_context(context)
    if received is not None and received.attributed:
        return None
    try:
        pipeline = get_pipeline()
        if pipeline.tracer is None:
            return None
        return pipeline.caller_scope(received, agent=agent, symbol=symbol() if symbol is not None else None)
    except Exception:  # noqa: BLE001 - tracing never breaks the traced code
        _log.exception("It is not known which agent asks; the observation names none.")
        return None


def _start(
    name: str,
    type: Type,  # noqa: A002 - as above
    context: Context | None = None,
    scope: Scope | None = None,
    *,
    light: bool = False,
) -> Observation:
    parent = context if context is not None else otel_context.get_current()
    is_outer = scope is not None and not scope.inner_metadata
    try:
        pipeline = get_pipeline()
        tracer, spans = pipeline.tracer, pipeline.light_tracer
        if tracer is None:
            return Observation(None, parent)
        if scope is not None:
            parent = otel_context.set_value(CONTEXT_KEY, scope, parent)
        if light and spans is not None and spans.has_single_processor:
            light_span = spans.start(name, parent)
            context = otel_trace.set_span_in_context(light_span, parent)
            observation = Observation(light_span, context, is_outer=is_outer)
            observation._attributes[names.TYPE] = type
            if type == "generation":
                parent_id = light_span.parent.span_id if light_span.parent else None
                double_counting.generation_started(light_span.get_span_context().span_id, parent_id)
            return observation
        kind = SpanKind.CLIENT if type in BILLED_TYPES else SpanKind.INTERNAL
        began_ns = time.perf_counter_ns()
        span = tracer.start_span(name, context=parent, kind=kind)
        mark = {names.OPERATION: "invoke_agent"} if type == "agent" else {}
        encoding.set_attributes(span, {names.TYPE: type, **mark})
        if type == "generation":
            above = otel_trace.get_current_span(parent).get_span_context()
            double_counting.generation_started(
                span.get_span_context().span_id, above.span_id if above.is_valid else None
            )
        return Observation(span, otel_trace.set_span_in_context(span, parent), began_ns, is_outer=is_outer)
    except Exception:  # noqa: BLE001 - tracing never breaks the traced code
        _log.exception("Tracing could not start; the traced code runs on without it.")
        return Observation(None, parent)


@contextmanager
def observe(
    name: str,
    type: Type,  # noqa: A002 - the field's name in Langfuse
    *,
    scope: Scope | None = None,
    input: object = None,  # noqa: A002 - the field's name in Langfuse
    metadata: Mapping[str, object] | None = None,
) -> Iterator[Observation]:
    """Open an observation as the parent of what opens inside the block; an exception fails it and propagates."""
    observation = _start(name, type, scope=scope).update(input=input, metadata=metadata)
    try:
        with observation.current():
            yield observation
    except BaseException as error:
        observation.fail(_message(error), getattr(error, "category", None) or builtins_category(error))
        raise
    finally:
        observation.end()


def builtins_category(error: BaseException) -> str:
    """Return the error category of an exception that is not a ModelError."""
    if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit) or type(error).__name__ == "CancelledError":
        return "cancelled"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ConnectionError):
        return "connection"
    return type(error).__name__


def _text(value: object) -> str:
    try:
        return encoding.text(value)
    except Exception:  # noqa: BLE001 - tracing never breaks the traced code
        _log.exception("A value could not be written to the trace.")
        return "[not encodable]"


def _message(error: BaseException) -> str:
    return str(error) or type(error).__name__

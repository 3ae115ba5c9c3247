"""Open agent, swarm and generation observations, as context managers or to be ended by hand.

Every observation is stored when it ends, on the thread that ends it. Where tracing is off
(MOONDEV_TRACING=off), or could not start, an observation records nothing and its ids are None.
"""

from __future__ import annotations

import functools
import inspect
import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from opentelemetry import context as otel_context
from opentelemetry import trace as otel_trace
from opentelemetry.trace import Status, StatusCode

from src.observability import attributes as names
from src.observability import carrying, encoding, second
from src.observability.langfuse_client import get_tracker
from src.observability.light import LightSpan
from src.observability.scope import CONTEXT_KEY, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from opentelemetry.context import Context

    F = TypeVar("F", bound=Callable[..., object])

Type = Literal["agent", "generation", "tool", "chain", "event", "span"]
Level = Literal["DEBUG", "DEFAULT", "WARNING", "ERROR"]
_LIGHT = frozenset({"generation", "event"})
_log = logging.getLogger("moondev.observability")


class Observation:
    """Collect what is known of one observation until it ends. Ending twice does nothing.

    Attributes: `trace_id` (32 lower-case hex digits) and `id` (16), None where nothing is recorded;
    `context`, the OpenTelemetry context whose current span is this observation.
    """

    __slots__ = ("_attributes", "_failure", "_metadata", "_span", "context", "id", "trace_id")

    def __init__(self, span: otel_trace.Span | None, context: Context) -> None:
        self._span = span
        self._attributes: dict[str, Any] = {}
        self._metadata: dict[str, object] = {}
        self._failure: str | None = None
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

    def set(self, **attributes: Any) -> Observation:
        """Set attributes by the names of the `attributes` module, such as `set(MODEL="gpt-4o")`; None is left out."""
        for name, value in attributes.items():
            if value is not None:
                self._attributes[getattr(names, name)] = value
        return self

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
            self._metadata.update(metadata)
        return self

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
        of_trace: bool = True,
    ) -> None:
        """Store a score on this observation's trace, or on the observation alone."""
        if self.trace_id is not None:
            from src.observability.scores import score

            score(
                name,
                value,
                trace_id=self.trace_id,
                observation_id=None if of_trace else self.id,
                comment=comment,
            )

    def end(self) -> None:
        """Store the observation. Returns when it is durable; never raises."""
        span, self._span = self._span, None
        if span is None:
            return
        try:
            for key, value in self._metadata.items():
                if value is not None:
                    self._attributes[names.METADATA + str(key)] = encoding.json_text(value)
            if type(span) is LightSpan:
                span.source.processor.end(span, self._attributes, self._failure)
                return
            encoding.set_attributes(span, self._attributes)
            if self._failure is not None:
                span.set_status(Status(StatusCode.ERROR, self._failure))
            span.end()
        except Exception:  # noqa: BLE001 - tracing never breaks the traced code
            _log.exception("An observation could not be ended.")

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
    start_ns: int | None = None,
) -> Observation:
    """Open an observation under the current one (or under `context`); end it by hand. Never raises.

    Generations and events are light: no user's code runs inside them that could write to their span.
    """
    return _start(name, type, context, scope, start_ns, light=type in _LIGHT)


def _start(
    name: str,
    type: Type,  # noqa: A002 - as above
    context: Context | None = None,
    scope: Scope | None = None,
    start_ns: int | None = None,
    *,
    light: bool = False,
) -> Observation:
    parent = context if context is not None else otel_context.get_current()
    try:
        tracker = get_tracker()
        tracer, spans = tracker.tracer, tracker.light
        if tracer is None:
            return Observation(None, parent)
        if scope is not None:
            parent = otel_context.set_value(CONTEXT_KEY, scope, parent)
        if light and spans is not None and start_ns is None and spans.unheard:
            begun = spans.start(name, parent)
            observation = Observation(begun, otel_trace.set_span_in_context(begun, parent))
            observation._attributes[names.TYPE] = type
            if type == "generation":
                second.opened(begun.get_span_context().span_id)
            return observation
        span = tracer.start_span(name, context=parent, start_time=start_ns)
        encoding.set_attributes(span, {names.TYPE: type})
        if type == "generation":
            second.opened(span.get_span_context().span_id)
        return Observation(span, otel_trace.set_span_in_context(span, parent))
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
    """Open an observation as the parent of what opens inside the block; an exception marks it and goes on."""
    observation = _start(name, type, scope=scope).update(input=input, metadata=metadata)
    try:
        with observation.current():
            yield observation
    except BaseException as error:
        observation.fail(_say(error), getattr(error, "category", None) or builtins_category(error))
        raise
    finally:
        observation.end()


def builtins_category(error: BaseException) -> str:
    """Return the word of our error categories that fits an exception which is not a ModelError."""
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


def _say(error: BaseException) -> str:
    return str(error) or type(error).__name__


def current_scope() -> Scope:
    """Return the scope of the run that this code is part of, else the process's own."""
    scope = otel_context.get_value(CONTEXT_KEY)
    return scope if isinstance(scope, Scope) else get_tracker().default_scope()


class observe_agent:  # noqa: N801 - used as a function: a context manager and a decorator
    """Open one agent run: the root of its trace, or a child where an agent runs inside another.

    Use as `with observe_agent("risk", trading_pair="BTC-USD") as run:` or as `@observe_agent("risk")`
    above a function, plain or async. Everything that opens inside carries its session, user, tags
    and metadata. The root is named `<agent_type>.run`.

    Args:
        agent_type: What kind of agent this is, such as `risk` or `trading`.
        agent_name: The agent's own name; the type where it has none.
        trading_pair: The symbol it looks at.
        session_id: One run of the process or loop; the process's own where not given.
        user_id: On whose behalf.
        tags: Added to the agent's type and the symbol.
        metadata: What is known at the start: market_data, position, ...
        input: What the run was given.
        name: Another name for the root, such as `trading_agent.swarm`.
    """

    def __init__(
        self,
        agent_type: str,
        *,
        agent_name: str | None = None,
        trading_pair: str | None = None,
        session_id: str | None = None,
        user_id: str | None = None,
        tags: Iterable[str] = (),
        metadata: Mapping[str, object] | None = None,
        input: object = None,  # noqa: A002 - the field's name in Langfuse
        name: str | None = None,
    ) -> None:
        self._name = name or f"{agent_type}.run"
        self._input = input
        self._run = {
            "agent_name": agent_name or agent_type,
            "agent_type": agent_type,
            "trading_pair": trading_pair,
        }
        self._metadata = dict(metadata or {})
        self._tags = (agent_type, trading_pair or "", *tags)
        self._session_id = session_id
        self._user_id = user_id
        self._open: list[Any] = []

    def _observe(self) -> Any:
        known = {key: value for key, value in self._run.items() if value is not None}
        try:
            scope = current_scope().narrowed(
                session_id=self._session_id,
                user_id=self._user_id,
                tags=self._tags,
                agent=self._run["agent_name"],
                metadata=known,
            )
        except Exception:  # noqa: BLE001 - tracing never breaks the traced code
            _log.exception("The run's scope could not be set; the agent runs on without it.")
            scope = None
        return observe(self._name, "agent", scope=scope, input=self._input, metadata={**known, **self._metadata})

    def __enter__(self) -> Observation:
        """Open the run."""
        manager = self._observe()
        self._open.append(manager)
        return cast("Observation", manager.__enter__())

    def __exit__(self, *failure: object) -> None:
        """End the run; an exception marks it as failed and goes on."""
        self._open.pop().__exit__(*failure)

    def __call__(self, func: F) -> F:
        """Run a function, plain or async, a generator or not, as one agent run each time it is called."""
        if inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):
            return carrying.within(func, self._observe)
        if inspect.iscoroutinefunction(func):

            @functools.wraps(func)
            async def run_async(*args: object, **kwargs: object) -> object:
                with self._observe():
                    return await func(*args, **kwargs)

            return cast("F", run_async)

        @functools.wraps(func)
        def run(*args: object, **kwargs: object) -> object:
            with self._observe():
                return func(*args, **kwargs)

        return cast("F", run)


def completion_start(ns: int) -> str:
    """Return a moment in nanoseconds since 1970 as Langfuse reads it: ISO 8601 in UTC, in quotes."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return f'"{time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))}.{rest // 1000:06d}Z"'

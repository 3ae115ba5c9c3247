"""Carry a trace from one process or host to another, in the headers of W3C Trace Context.

`inject` writes `traceparent` and `tracestate` (www.w3.org/TR/trace-context) of the current observation;
`continue_trace` makes what opens inside its block part of that trace. Nothing here raises into the traced code:
malformed headers are logged once, and a new trace starts.
"""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry import trace as otel_trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from src.observability.current import get_pipeline
from src.observability.spans.scope import CONTEXT_KEY, RemoteParent, Scope
from src.observability.tracing import baggage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, MutableMapping

    from opentelemetry.context import Context

    Carrier = Mapping[Any, Any] | Iterable[tuple[Any, Any]]

_log = logging.getLogger("moondev.observability")
_PROPAGATOR: Final = TraceContextTextMapPropagator()
_NAMES: Final = ("traceparent", "tracestate", "baggage")
_logged: set[str] = set()


def inject(
    carrier: MutableMapping[str, str] | None = None, *, scope: bool = False, context: Context | None = None
) -> MutableMapping[str, str]:
    """Write the current observation's trace context into headers, and return them.

    Args:
        carrier: The headers to write to; a new dict where it is not given.
        scope: Write the run's session, user and tags too, as `baggage`. Only for hosts of your own: whoever receives
            the headers can read them. Values that hold a secret are left out.
        context: Another context than the current one.
    """
    headers: MutableMapping[str, str] = {} if carrier is None else carrier
    try:
        _PROPAGATOR.inject(headers, context)
        if scope:
            members = baggage.encode(_scope_of(context), _trace_id(context))
            before = headers.get("baggage", "")
            if members:
                headers["baggage"] = f"{before},{members}" if before else members
    except Exception as error:  # noqa: BLE001 - tracing never breaks the traced code
        _warn_once("inject", "The trace could not be written into headers: %s.", type(error).__name__)
    return headers


def child_environment(base: Mapping[str, str] | None = None, *, scope: bool = True) -> dict[str, str]:
    """Return the environment for a child process in which `continue_trace()` finds this trace.

    The variables are TRACEPARENT, TRACESTATE and BAGGAGE, as OpenTelemetry names them. `base` is this process's
    own environment where it is not given.
    """
    environment = dict(os.environ if base is None else base)
    for name in _NAMES:
        environment.pop(name.upper(), None)
    return environment | {name.upper(): value for name, value in inject(scope=scope).items()}


@contextmanager
def continue_trace(carrier: Carrier | None = None, *, scope: bool | None = None) -> Iterator[None]:
    """Make what opens inside the block part of the trace that the headers name; without one, of a new trace.

    Args:
        carrier: Headers as a mapping or as pairs, str or bytes, in any case, WSGI's HTTP_ names too; this process's
            environment variables where it is not given.
        scope: Take session, user and tags from `baggage`. By default only those of the environment: anybody may have
            sent the headers.
    """
    token = otel_context.attach(extract(carrier, scope=scope))
    try:
        yield
    finally:
        otel_context.detach(token)


def extract(carrier: Carrier | None = None, *, scope: bool | None = None) -> Context:
    """Return the context that `continue_trace` makes current; see there."""
    try:
        headers = _read(os.environ if carrier is None else carrier)
        span = otel_trace.get_current_span(_PROPAGATOR.extract(headers, otel_context.Context()))
        if not span.get_span_context().is_valid:
            if headers.get("traceparent"):
                _warn_once("traceparent", "A malformed traceparent was received; a new trace begins. Logged once.")
            return _under(otel_trace.INVALID_SPAN, None)
        trusted = carrier is None if scope is None else scope
        content = baggage.decode(headers.get("baggage", "")) if trusted else baggage.EMPTY
        ids = span.get_span_context()
        is_ours = content.trace_id == f"{ids.trace_id:032x}"
        return _under(RemoteParent(ids) if is_ours else span, content.scope)
    except Exception as error:  # noqa: BLE001 - tracing never breaks the traced code
        _warn_once("extract", "No trace could be read from the headers (%s); a new one begins.", type(error).__name__)
        return _under(otel_trace.INVALID_SPAN, None)


def _under(span: otel_trace.Span, received: Scope | None) -> Context:
    """Return a context with the span as parent and, where one was received, the sender's scope."""
    context = otel_trace.set_span_in_context(span)
    if received is None:
        return context
    scope = _scope_of(context).narrowed(session_id=received.session_id, user_id=received.user_id, tags=received.tags)
    return otel_context.set_value(CONTEXT_KEY, scope, context)


def _scope_of(context: Context | None) -> Scope:
    scope = otel_context.get_value(CONTEXT_KEY, context)
    return scope if isinstance(scope, Scope) else get_pipeline().default_scope()


def _trace_id(context: Context | None) -> str:
    ids = otel_trace.get_current_span(context).get_span_context()
    return f"{ids.trace_id:032x}" if ids.is_valid else ""


def _read(carrier: Carrier) -> dict[str, str]:
    """Return our headers from a carrier of any kind, by their names in lower case."""
    pairs = carrier.items() if hasattr(carrier, "items") else carrier
    headers: dict[str, str] = {}
    for key, value in pairs:
        name = _text(key).lower().removeprefix("http_")
        if name not in _NAMES:
            continue
        text = _text(value).strip()
        if name in headers and name == "traceparent":
            text = "more than one" if text != headers[name] else text  # malformed, so that neither counts
        elif name in headers:
            text = f"{headers[name]},{text}"
        headers[name] = text
    return headers


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, list | tuple):
        return ",".join(_text(item) for item in value)
    return str(value)


def _warn_once(kind: str, message: str, *values: object) -> None:
    if kind not in _logged:
        _logged.add(kind)
        _log.warning(message, *values)

"""Carry a trace from one process or host to another, in the headers of W3C Trace Context.

`inject` writes `traceparent` and `tracestate` (www.w3.org/TR/trace-context) of the current observation;
`continue_trace` makes what opens inside its block part of that trace. Nothing here raises into the traced code: what is
malformed is logged once, and a new trace begins.
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
_said: set[str] = set()


def inject(
    carrier: MutableMapping[str, str] | None = None, *, scope: bool = False, context: Context | None = None
) -> MutableMapping[str, str]:
    """Write the current observation's place in its trace into headers, and return them.

    Args:
        carrier: Where to write; a new dict where it is not given.
        scope: Write the run's session, user and tags too, as `baggage`. Only for hosts of your own: who gets the
            headers can read them. Values that hold a secret are left out.
        context: Another context than the current one.
    """
    headers: MutableMapping[str, str] = {} if carrier is None else carrier
    try:
        _PROPAGATOR.inject(headers, context)
        if scope:
            told = baggage.encode(_scope_of(context), _trace_id(context))
            before = headers.get("baggage", "")
            if told:
                headers["baggage"] = f"{before},{told}" if before else told
    except Exception as error:  # noqa: BLE001 - tracing never breaks the traced code
        _say_once("inject", "The trace could not be written into headers: %s.", type(error).__name__)
    return headers


def child_environment(base: Mapping[str, str] | None = None, *, scope: bool = True) -> dict[str, str]:
    """Return an environment for a process to be started, in which `continue_trace()` finds this trace.

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
        carrier: Headers as a mapping or as pairs, texts or bytes, in any case, WSGI's HTTP_ names too. This process's
            environment variables where it is not given.
        scope: Take session, user and tags from `baggage`. By default only from the environment: headers may be
            anybody's.
    """
    token = otel_context.attach(extract(carrier, scope=scope))
    try:
        yield
    finally:
        otel_context.detach(token)


def extract(carrier: Carrier | None = None, *, scope: bool | None = None) -> Context:
    """Return the context that `continue_trace` makes current; see there."""
    try:
        known = _read(os.environ if carrier is None else carrier)
        found = _PROPAGATOR.extract(known, otel_context.Context())
        span = otel_trace.get_current_span(found)
        if not span.get_span_context().is_valid:
            if known.get("traceparent"):
                _say_once("traceparent", "A malformed traceparent came in; a new trace begins. Said once.")
            return _under(otel_trace.INVALID_SPAN, None)
        accepted = carrier is None if scope is None else scope
        told = baggage.decode(known.get("baggage", "")) if accepted else baggage.NOTHING
        ids = span.get_span_context()
        ours = told.trace_id == f"{ids.trace_id:032x}"
        return _under(RemoteParent(ids) if ours else span, told)
    except Exception as error:  # noqa: BLE001 - tracing never breaks the traced code
        _say_once("extract", "No trace could be read from the headers (%s); a new one begins.", type(error).__name__)
        return _under(otel_trace.INVALID_SPAN, None)


def _under(span: otel_trace.Span, told: baggage.Told | None) -> Context:
    context = otel_trace.set_span_in_context(span)
    if told is None or told.scope is None:
        return context
    scope = _scope_of(context).narrowed(
        session_id=told.scope.session_id, user_id=told.scope.user_id, tags=told.scope.tags
    )
    return otel_context.set_value(CONTEXT_KEY, scope, context)


def _scope_of(context: Context | None) -> Scope:
    found = otel_context.get_value(CONTEXT_KEY, context)
    return found if isinstance(found, Scope) else get_pipeline().default_scope()


def _trace_id(context: Context | None) -> str:
    ids = otel_trace.get_current_span(context).get_span_context()
    return f"{ids.trace_id:032x}" if ids.is_valid else ""


def _read(carrier: Carrier) -> dict[str, str]:
    """Return the headers that we know from a carrier of any kind, by their names in lower case."""
    pairs = carrier.items() if hasattr(carrier, "items") else carrier
    found: dict[str, str] = {}
    for key, value in pairs:
        name = _text(key).lower().removeprefix("http_")
        if name not in _NAMES:
            continue
        text = _text(value).strip()
        if name in found and name == "traceparent":
            text = "more than one" if text != found[name] else text
        elif name in found:
            text = f"{found[name]},{text}"
        found[name] = text
    return found


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, list | tuple):
        return ",".join(_text(item) for item in value)
    return str(value)


def _say_once(kind: str, message: str, *values: object) -> None:
    if kind not in _said:
        _said.add(kind)
        _log.warning(message, *values)

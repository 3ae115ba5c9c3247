"""Hold what every observation of a run carries: session, user, tags, environment, trace metadata."""

from __future__ import annotations

import hashlib
import sys
import weakref
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace as otel_trace

from src.observability import attributes as names
from src.observability.spans.encoding import json_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context

# The key under which a scope travels in OpenTelemetry's context, and so with it into threads and tasks.
CONTEXT_KEY: Final = "moondev.scope"
_LONGEST = 200
# How the keys begin under which Langfuse's propagate_attributes and OpenTelemetry's baggage keep theirs.
_THEIRS: Final = ("langfuse.propagated.", "baggage")


@dataclass(frozen=True, slots=True)
class Scope:
    """Hold the trace-level attributes of one run. `attributes` is what stands on each span."""

    session_id: str | None = None
    user_id: str | None = None
    tags: tuple[str, ...] = ()
    trace_name: str | None = None
    agent: str | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    environment: str | None = None
    release: str | None = None
    attributes: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    # What Langfuse's SDK propagated where a run said something else: the run is nearer, so it holds until they change.
    over: Mapping[str, object] = field(default_factory=dict)

    def narrowed(
        self,
        *,
        session_id: str | None = None,
        user_id: str | None = None,
        tags: tuple[str, ...] = (),
        trace_name: str | None = None,
        agent: str | None = None,
        metadata: Mapping[str, object] | None = None,
        environment: str | None = None,
        release: str | None = None,
    ) -> Scope:
        """Return this scope with some parts set anew; tags and metadata are added to those it has."""
        scope = replace(
            self,
            session_id=langfuse_id(session_id) or self.session_id,
            user_id=langfuse_id(user_id) or self.user_id,
            tags=tuple(dict.fromkeys([*self.tags, *(str(tag) for tag in tags if tag)])),
            trace_name=trace_name or self.trace_name,
            agent=agent or self.agent,
            metadata={**self.metadata, **(metadata or {})},
            environment=environment or self.environment,
            release=release or self.release,
        )
        return replace(scope, attributes=_attributes(scope))


def from_context(context: Context, default: Callable[[], Scope]) -> Scope:
    """Return the scope in a context, with what the program propagates through Langfuse's SDK: the nearer one wins."""
    found = context.get(CONTEXT_KEY)
    scope = found if isinstance(found, Scope) else default()
    theirs = langfuse_propagated(context)
    if not theirs:
        return scope
    told = {name: value for name, value in theirs.items() if scope.over.get(name) != value}
    if names.TRACE_TAGS in told:
        told[names.TRACE_TAGS] = tuple(dict.fromkeys((*scope.tags, *told[names.TRACE_TAGS])))
    return replace(scope, attributes={**scope.attributes, **told})


def overriding(scope: Scope, context: Context, *said: str) -> Scope:
    """Return the scope of a run that says some attributes itself, inside whatever Langfuse's SDK propagates there."""
    theirs = langfuse_propagated(context)
    return replace(scope, over={**scope.over, **{name: theirs[name] for name in said if name in theirs}})


def langfuse_propagated(context: Context) -> dict[str, Any]:
    """Return the attributes that Langfuse's SDK would put on a span, in its own way; nothing where it is not loaded."""
    if not any(type(key) is str and key.startswith(_THEIRS) for key in context):
        return {}
    theirs = sys.modules.get("langfuse._client.propagation")
    read = getattr(theirs, "_get_propagated_attributes_from_context", None)
    values = read(context) if read is not None else {}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


class OwnSpan(otel_trace.NonRecordingSpan):
    """Be known as one of ours without being a span of the SDK."""


class RemoteParent(OwnSpan):
    """Stand for an observation of ours in another process."""


def is_own_span(parent: otel_trace.Span) -> bool:
    """Tell whether a span is one of ours, of this process, of the one it was forked from, or of another."""
    if isinstance(parent, OwnSpan):
        return True
    # The processor tells, not the resource: that is made anew in a forked process.
    processor = getattr(parent, "_span_processor", None)
    if processor is None or processor in own_processors:
        return processor is not None
    scope = getattr(parent, "instrumentation_scope", None)
    return processor in joined_processors and scope is not None and scope.name == names.SCOPE_NAME


# What hands on the spans of our own tracer providers, and of others from which we store what Langfuse's SDK observes.
own_processors: weakref.WeakSet[object] = weakref.WeakSet()
joined_processors: weakref.WeakSet[object] = weakref.WeakSet()


def langfuse_id(text: str | None) -> str | None:
    """Return an id as Langfuse takes it: US-ASCII, at most 200 characters.

    One that must change for that ends in a digest of what it was, so that two of them stay two.
    """
    if text is None:
        return None
    whole = str(text)
    if whole.isascii() and len(whole) <= _LONGEST:
        return whole
    from src.observability.redaction import redact_text

    plain = redact_text(whole)  # before it is cut: half a secret would not be known any more
    digest = hashlib.sha256(whole.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{plain.encode('ascii', 'replace').decode('ascii')[: _LONGEST - 9]}-{digest}"


def _attributes(scope: Scope) -> dict[str, str | tuple[str, ...]]:
    given: dict[str, str | tuple[str, ...] | None] = {
        names.SESSION_ID: scope.session_id,
        names.USER_ID: scope.user_id,
        names.TRACE_TAGS: scope.tags or None,
        names.TRACE_NAME: scope.trace_name,
        names.AGENT_NAME: scope.agent,
        names.ENVIRONMENT: scope.environment,
        names.RELEASE: scope.release,
    }
    for key, value in scope.metadata.items():
        if value is not None:
            given[names.TRACE_METADATA + str(key)] = json_text(value)
    return {name: value for name, value in given.items() if value is not None}

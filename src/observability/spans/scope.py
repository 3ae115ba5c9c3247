"""Define the scope of a run: the session, user, tags, environment and trace metadata that each of its spans has."""

from __future__ import annotations

import hashlib
import sys
import weakref
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace as otel_trace

from src.observability import attributes as names
from src.observability.spans import calling_agent
from src.observability.spans.encoding import json_text
from src.observability.spans.loose_json import key_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context

# The key under which a scope travels in OpenTelemetry's context, and so with it into threads and tasks.
CONTEXT_KEY: Final = "moondev.scope"
_LONGEST_ID: Final = 200
# How the keys begin under which Langfuse's propagate_attributes and OpenTelemetry's baggage keep their values.
_PROPAGATED: Final = ("langfuse.propagated.", "baggage")


@dataclass(frozen=True, slots=True)
class Scope:
    """The trace-level attributes of one run.

    Attributes:
        session_id: The session.
        user_id: The user.
        tags: The trace's tags.
        trace_name: The trace's name.
        agent: The agent that runs.
        metadata: The trace's metadata.
        inner_metadata: The metadata of runs inside a run, which the trace does not get.
        environment: Where the run takes place, such as `production`.
        release: The version of the program.
        attributes: All of these as the attributes that each span gets.
        attributed: Whether it is known, or cannot be known, which agent asks: a run says so, or its caller did.
        overridden: The values that Langfuse's SDK propagated where the run set others. The run's values win as long as
            the SDK propagates these; once it propagates others, those were set later, and win.
    """

    session_id: str | None = None
    user_id: str | None = None
    tags: tuple[str, ...] = ()
    trace_name: str | None = None
    agent: str | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    inner_metadata: Mapping[str, object] = field(default_factory=dict)
    environment: str | None = None
    release: str | None = None
    attributes: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    attributed: bool = False
    overridden: Mapping[str, object] = field(default_factory=dict)

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
        """Return this scope with some parts replaced; tags and metadata are added to those it has.

        The metadata of a run inside a run are those of its observations alone: a Langfuse server that keeps a table of
        traces would take what came last for the trace's own. Source: processTraceEventList in its IngestionService.
        """
        kind = "metadata" if self.agent is None else "inner_metadata"
        added: dict[str, Any] = {kind: {**getattr(self, kind), **(metadata or {})}}
        scope = replace(
            self,
            session_id=langfuse_id(session_id) or self.session_id,
            user_id=langfuse_id(user_id) or self.user_id,
            tags=tuple(dict.fromkeys([*self.tags, *(str(tag) for tag in tags if tag)])),
            trace_name=trace_name or self.trace_name,
            agent=agent or self.agent,
            environment=environment or self.environment,
            release=release or self.release,
            attributed=self.attributed or agent is not None,
            **added,
        )
        return replace(scope, attributes=_attributes(scope))

    def of_caller(self, agent: str | None, symbol: str | None = None) -> Scope:
        """Return the scope of what an agent asks for outside any run, about a symbol where that is known."""
        if agent is None and symbol is None:
            return replace(self, attributed=True)
        kind = None if agent is None else calling_agent.agent_type(agent)
        run = {"agent_name": agent, "agent_type": kind, "trading_pair": symbol}
        scope = self.narrowed(
            tags=(kind or "", symbol or ""),
            agent=agent,
            metadata={key: value for key, value in run.items() if value is not None},
        )
        return replace(scope, attributed=True)


def in_context(context: Context) -> Scope | None:
    """Return the scope that a context holds."""
    value = context.get(CONTEXT_KEY)
    return value if isinstance(value, Scope) else None


def from_context(context: Context, attribute: Callable[[Scope | None], Scope]) -> Scope:
    """Return the scope in a context, with what the program propagates through Langfuse's SDK: the inner one wins.

    Args:
        context: The context.
        attribute: Returns the scope of what runs outside any agent's run, given the scope that was received there.
    """
    scope = in_context(context)
    if scope is None or not scope.attributed:
        scope = attribute(scope)
    propagated = langfuse_propagated(context)
    if not propagated:
        return scope
    newer = {name: value for name, value in propagated.items() if scope.overridden.get(name) != value}
    if names.TRACE_TAGS in newer:
        newer[names.TRACE_TAGS] = tuple(dict.fromkeys((*scope.tags, *newer[names.TRACE_TAGS])))
    return replace(scope, attributes={**scope.attributes, **newer})


def overriding(scope: Scope, context: Context, *attributes: str) -> Scope:
    """Return the scope of a run whose own values win over what Langfuse's SDK propagates in a context.

    Args:
        scope: The run's scope.
        context: The context that the run begins in.
        *attributes: The names of the attributes that the run sets.
    """
    propagated = langfuse_propagated(context)
    overridden = {name: propagated[name] for name in attributes if name in propagated}
    return replace(scope, overridden={**scope.overridden, **overridden})


def langfuse_propagated(context: Context) -> dict[str, Any]:
    """Return the attributes that Langfuse's SDK would put on a span; none where it is not loaded."""
    if not any(type(key) is str and key.startswith(_PROPAGATED) for key in context):
        return {}
    module = sys.modules.get("langfuse._client.propagation")
    read = getattr(module, "_get_propagated_attributes_from_context", None)
    values = read(context) if read is not None else {}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


class OwnSpan(otel_trace.NonRecordingSpan):
    """A span of ours that is not one of the SDK's."""


class RemoteParent(OwnSpan):
    """An observation of ours in another process."""


def is_own_span(parent: otel_trace.Span) -> bool:
    """Tell whether a span is one of ours: of this process, of its parent before a fork, or of another process."""
    if isinstance(parent, OwnSpan):
        return True
    # The resource cannot tell: a forked process makes a new one.
    processor = getattr(parent, "_span_processor", None)
    if processor is None or processor in own_processors:
        return processor is not None
    scope = getattr(parent, "instrumentation_scope", None)
    return processor in joined_processors and scope is not None and scope.name == names.SCOPE_NAME


# The span processors of our own tracer providers, and of others from which we store what Langfuse's SDK observes.
own_processors: weakref.WeakSet[object] = weakref.WeakSet()
joined_processors: weakref.WeakSet[object] = weakref.WeakSet()


def langfuse_id(text: str | None) -> str | None:
    """Return an id as Langfuse accepts it: US-ASCII, at most 200 characters.

    An id that must be changed for that ends in a digest of the original, so that different ids stay different.
    """
    if text is None:
        return None
    whole = str(text)
    if whole.isascii() and len(whole) <= _LONGEST_ID:
        return whole
    from src.observability.redaction import redact_text

    plain = redact_text(whole)  # before it is cut: half a secret would not be recognised
    digest = hashlib.sha256(whole.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{plain.encode('ascii', 'replace').decode('ascii')[: _LONGEST_ID - 9]}-{digest}"


def _attributes(scope: Scope) -> dict[str, str | tuple[str, ...]]:
    values: dict[str, str | tuple[str, ...] | None] = {
        names.SESSION_ID: scope.session_id,
        names.USER_ID: scope.user_id,
        names.TRACE_TAGS: scope.tags or None,
        names.TRACE_NAME: scope.trace_name,
        names.AGENT_NAME: scope.agent,
        names.ENVIRONMENT: scope.environment,
        names.RELEASE: scope.release,
    }
    inner = scope.inner_metadata
    for key, value in {**scope.metadata, **inner}.items():
        if value is not None:
            of_trace = key not in inner or (key in scope.metadata and scope.metadata[key] == value)
            values[(names.TRACE_METADATA if of_trace else names.METADATA) + key_text(key)] = json_text(value)
    return {name: value for name, value in values.items() if value is not None}

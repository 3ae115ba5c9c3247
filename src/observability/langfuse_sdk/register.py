"""Have what users observe with Langfuse's own SDK join our traces and our store, whoever made its client first.

Langfuse's SDK keeps one resource manager for each public key, and `@observe`, `get_client()` and `langfuse.openai` take
the one there is. So, as soon as both a tracker and that SDK are there: where no client was made yet, ours is; where the
program made one with our keys, its spans come to our store, redacted, in place of going out by themselves. A
client for another project delivers by itself, which is said once, but redacted.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import logging
import sys
import weakref
from importlib.abc import MetaPathFinder
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from typing_extensions import override

from src.observability.attributes import SCOPE_NAME
from src.observability.langfuse_sdk import other_projects as guarding
from src.observability.redaction import redact
from src.observability.spans import double_counting
from src.observability.spans import scope as scopes
from src.observability.spans.capture import Kept

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from opentelemetry.context import Context

    from src.observability.tracker import LangFuseTracker

_log = logging.getLogger("moondev.observability")
_REMEDY = (
    "Set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY to its keys in the environment or .env, "
    "or use get_tracker().client in its place."
)
_said: set[str] = set()
_own_key: str | None = None
_kept = Kept()


def join(tracker: LangFuseTracker) -> None:
    """Join with Langfuse's SDK now where it is loaded, else when it will be. Never raises."""
    if getattr(sys.modules.get("langfuse"), "Langfuse", None) is not None:
        settle(tracker)
    else:
        sys.meta_path.insert(0, _Watch(weakref.ref(tracker)))


class _Watch(MetaPathFinder):
    """Wait for the first import of Langfuse's SDK: importing it here would cost half a second for nothing."""

    def __init__(self, tracker: weakref.ref[LangFuseTracker]) -> None:
        self._tracker = tracker

    @override
    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find the SDK as it would be found without us, and settle when it has loaded."""
        if fullname != "langfuse":
            return None
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module
            spec.loader.exec_module = self._then_settle(load)  # type: ignore[assignment] # this one spec's own loader
        return spec

    def waits_for(self, tracker: LangFuseTracker) -> bool:
        """Tell whether it is this tracker that waits, or one that is gone."""
        return self._tracker() in (None, tracker)

    def _then_settle(self, load: Callable[[ModuleType], None]) -> Callable[[ModuleType], None]:
        def loaded(module: ModuleType) -> None:
            load(module)
            tracker = self._tracker()
            if tracker is not None and _current(tracker):
                settle(tracker)

        return loaded


def settle(tracker: LangFuseTracker) -> None:
    """Have the one Langfuse client of this program be ours, or join the one that it made. Never raises."""
    global _own_key, _kept  # noqa: PLW0603 - one tracker is current in a process
    _own_key = tracker.public_key
    if tracker.processor is not None:
        _kept = tracker.processor.kept
    try:
        from langfuse._client.resource_manager import LangfuseResourceManager as Managers

        with Managers._lock:
            _drop_stale(Managers, tracker)
            _watch_others(Managers)
            key = tracker.public_key
            own = Managers._instances.get(key)
            for other in Managers._instances:
                if other != key and getattr(Managers._instances[other], "tracing_enabled", True):
                    _leave_alone(other, Managers._instances[other])
            if own is None and not Managers._instances:
                tracker.make_client(registered=True)
            elif own is not None and own.tracer_provider is not tracker.provider:
                _take_over(own, tracker)
    except Exception as error:  # noqa: BLE001 - tracing never breaks the traced code, nor an import
        _say("settle", "Langfuse's own SDK could not be joined (%s): what it observes is not in the store.", error)


def take_score(send: Callable[..., None], body: dict[str, Any], *, force_sample: bool = False) -> None:
    """Store a score that was given to Langfuse's SDK; one that only it can express is sent by it, redacted."""
    from src.observability.tracing.scores import take

    if not take(body):
        send(redact(body), force_sample=force_sample)


def deliver_on_flush(manager: Any, tracker: LangFuseTracker) -> None:
    """Have `flush()` of a client of Langfuse's SDK deliver what is in our store, as the program means it."""
    manager.flush = functools.partial(_flush, manager.flush, manager, weakref.ref(tracker))


def _flush(theirs: Callable[[], None], manager: Any, reference: weakref.ref[LangFuseTracker]) -> None:
    tracker = reference()
    # Not while the SDK shuts down: at exit we deliver ourselves. Nor where a server fails: it is waited for elsewhere.
    if tracker is not None and tracker.exporter is not None and not manager._shutdown and not tracker.exporter.failing:
        try:
            tracker.flush()
        except Exception as error:  # noqa: BLE001 - tracing never breaks the traced code
            _log.warning("What is stored could not be delivered now: %s", type(error).__name__)
    theirs()


def silence(provider: Any, public_key: str) -> None:
    """Take the sender of Langfuse's SDK out of our provider: its spans are in the store, and it has nothing to send.

    What it would put on spans, `scope.of` does. With nobody else listening, generations can be light spans.
    """
    listeners = provider._active_span_processor
    senders = [item for item in listeners._span_processors if getattr(item, "public_key", None) == public_key]
    with listeners._lock:
        listeners._span_processors = tuple(item for item in listeners._span_processors if item not in senders)
    for sender in senders:
        sender.shutdown()


def leave(tracker: LangFuseTracker) -> None:
    """Take this tracker's own client out of Langfuse's register, so that a later tracker can put in its own."""
    for finder in list(sys.meta_path):
        if isinstance(finder, _Watch) and finder.waits_for(tracker):
            sys.meta_path.remove(finder)
    managers = _managers()
    if managers is not None:
        with managers._lock:
            own = managers._instances.get(tracker.public_key)
            if own is not None and own.tracer_provider is tracker.provider:
                _forget(managers, tracker.public_key)


def other_projects() -> tuple[str, ...]:
    """Return the public keys of Langfuse clients whose observations do not come to our store."""
    managers = _managers()
    return () if managers is None else tuple(key for key in managers._instances if key != _own_key)


def _managers() -> Any:
    module = sys.modules.get("langfuse._client.resource_manager")
    return getattr(module, "LangfuseResourceManager", None)


def _current(tracker: LangFuseTracker) -> bool:
    from src.observability import tracker as langfuse_client

    return langfuse_client._tracker in (None, tracker)


def _drop_stale(managers: Any, tracker: LangFuseTracker) -> None:
    """Forget the clients of earlier trackers of this process."""
    for key, manager in list(managers._instances.items()):
        if getattr(manager, "_moondev", None) is not None and manager.tracer_provider is not tracker.provider:
            _forget(managers, key)


def _forget(managers: Any, key: str) -> None:
    """Take a client of ours out of the register. It has nothing to deliver at exit, and is not kept for that."""
    atexit.unregister(managers._instances.pop(key).shutdown)


class _Instances(dict[str, Any]):
    """Keep Langfuse's clients; one that the program makes for another project takes the place of ours.

    With two of them the SDK would not know which is meant, and observe nothing.
    """

    @override
    def __setitem__(self, key: str, manager: Any) -> None:
        observes = getattr(manager, "tracing_enabled", True)  # else it is the SDK's stand-in for a client not found
        for known, own in list(self.items()):
            if observes and known != key and getattr(own, "_moondev", "") == "registered":
                self.pop(known)
        super().__setitem__(key, manager)
        if observes and key != _own_key:
            _leave_alone(key, manager)


def _watch_others(managers: Any) -> None:
    if type(managers._instances) is dict:
        managers._instances = _Instances(managers._instances)


def _leave_alone(key: str, manager: Any) -> None:
    """Let a client for another project deliver by itself, without secrets."""
    _say(
        f"other:{key}",
        "A Langfuse client for another project (%s) is in use: what is observed with it goes there by itself, past "
        "%s. %s",
        f"{key[:9]}..." if len(key) > 12 else key,
        _past(manager, key),
        _REMEDY,
    )


def _past(manager: Any, key: str) -> str:
    """Guard what a client sends by itself; return what its observations do not pass through."""
    if guarding.guard(manager, key, _kept):
        return "the local store (its secrets are redacted all the same)"
    return "redaction and the local store"


def _say(kind: str, message: str, *values: object) -> None:
    if kind not in _said:
        _said.add(kind)
        _log.warning(message, *values)


# A client that the program made with our keys.


def _take_over(manager: Any, tracker: LangFuseTracker) -> None:
    """Have the spans of a client that was made before us come to our store, in place of its own delivery."""
    provider = manager.tracer_provider
    if provider is None or tracker.processor is None:
        return
    key = tracker.public_key
    senders = guarding.senders(manager, key)
    if (
        manager.mask_otel_spans is not None
        or not senders
        or not all(hasattr(s, "_should_export_span") for s in senders)
    ):
        _say("take_over", "A Langfuse client was made before tracing began and could not be joined: what is observed "
             "with it is delivered by itself, past %s. %s", _past(manager, key), _REMEDY)  # fmt: skip
        return
    joined = _Joined(tracker, key)
    for sender in senders:
        sender._should_export_span = joined.unless_ours(sender._should_export_span)
    provider.add_span_processor(joined)
    scopes.also_ours.add(provider._active_span_processor)
    manager.add_score_task = functools.partial(take_score, manager.add_score_task)
    deliver_on_flush(manager, tracker)


class _Joined(SpanProcessor):
    """Stand in another tracer provider and hand on what Langfuse's SDK observes there with our keys."""

    def __init__(self, tracker: LangFuseTracker, public_key: str) -> None:
        self._tracker = weakref.ref(tracker)
        self._public_key = public_key

    def takes(self, span: ReadableSpan | Span) -> bool:
        """Tell whether a span is ours to store."""
        scope, tracker = span.instrumentation_scope, self._tracker()
        if scope is None or scope.name != SCOPE_NAME or tracker is None or not _current(tracker):
            return False
        return (scope.attributes or {}).get("public_key") == self._public_key

    def unless_ours(self, rule: Callable[[Any], bool]) -> Callable[[Any], bool]:
        """Return the sender's rule of what it sends, without what is stored here."""
        return lambda span: not self.takes(span) and rule(span)

    @override
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Put the run's session, user and tags on the span, where the program did not say others."""
        tracker = self._tracker()
        if tracker is None or tracker.processor is None:
            return
        if not self.takes(span):
            double_counting.started(span)
            return
        # What that SDK propagates is on the span already; the processor weighs it against what the run says.
        weighed = scopes.propagated(parent_context if parent_context is not None else otel_context.get_current())
        said = {name: value for name, value in (span.attributes or {}).items() if name not in weighed}
        tracker.processor.on_start(span, parent_context)
        span.set_attributes(said)

    @override
    def on_end(self, span: ReadableSpan) -> None:
        """Store the span; one of another instrumentation is only looked at, for a call that is counted twice."""
        tracker = self._tracker()
        if tracker is None or tracker.processor is None:
            return
        if self.takes(span):
            tracker.processor.on_end(span)
        else:
            double_counting.ended_elsewhere(span)

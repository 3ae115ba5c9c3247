"""Redact what a Langfuse client of the program's own sends by itself, before it is queued to be sent.

Such a client, for another project or with a mask of its own, delivers past our store. Its spans end on the thread that
runs the traced code; there each is replaced by a copy without secrets, so none waits or leaves as it was.
"""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, Status, StatusCode

from src.observability.spans.capture import CapturePolicy

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger("moondev.observability")
_kept = CapturePolicy()


def senders(manager: Any, public_key: str) -> list[Any]:
    """Return what sends spans for a client of Langfuse's SDK."""
    listeners = getattr(getattr(manager, "tracer_provider", None), "_active_span_processor", None)
    return [
        item
        for item in getattr(listeners, "_span_processors", ())
        if type(item).__name__ == "LangfuseSpanProcessor" and getattr(item, "public_key", None) == public_key
    ]


def keep(kept: CapturePolicy) -> None:
    """Set what may be kept of the texts that other clients send."""
    global _kept  # noqa: PLW0603 - one pipeline is current in a process
    _kept = kept


def guard(manager: Any, public_key: str) -> bool:
    """Have a client send redacted spans and scores only; tell whether its way of sending is one that we know."""
    kept = _kept
    found = senders(manager, public_key)
    if not found or not hasattr(manager, "add_score_task"):
        return False
    for sender in found:
        if not getattr(sender, "_moondev_guarded", False):
            sender._moondev_guarded = True
            sender.on_end = functools.partial(_end, sender.on_end, kept)
    if not getattr(manager, "_moondev_guarded", False):
        manager._moondev_guarded = True
        manager.add_score_task = functools.partial(_score, manager.add_score_task, kept)
    return True


def _end(send: Callable[[ReadableSpan], None], kept: CapturePolicy, span: ReadableSpan) -> None:
    try:
        clean = redacted(span, kept)
    except Exception as error:  # noqa: BLE001 - fail closed, and never into the traced code
        _log.error(
            "An observation for another project could not be redacted, and is not sent: %s", type(error).__name__
        )
        return
    send(clean)


def _score(send: Callable[..., None], kept: CapturePolicy, body: dict[str, Any], **options: Any) -> None:
    send(kept.values(body), **options)


def redacted(span: ReadableSpan, kept: CapturePolicy) -> ReadableSpan:
    """Return a copy of a span with what may be kept of its texts."""
    status = span.status
    if status.status_code is StatusCode.ERROR and status.description:
        status = Status(StatusCode.ERROR, kept.text(status.description))
    return ReadableSpan(
        name=kept.text(span.name),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=kept.values(span.attributes or {}),
        events=[
            Event(kept.text(event.name), kept.values(event.attributes or {}), event.timestamp) for event in span.events
        ],
        links=[Link(link.context, kept.values(link.attributes or {})) for link in span.links],
        kind=span.kind,
        status=status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )

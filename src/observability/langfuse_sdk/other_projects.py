"""Redact what the program's own Langfuse clients send, before it is queued.

Such a client, for another project or with a mask of its own, bypasses our store. Its spans end on the thread that runs
the traced code; there a redacted copy replaces each, so that no secret is queued or sent.
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
_capture = CapturePolicy()


def senders(manager: Any, public_key: str) -> list[Any]:
    """Return the processors that send spans for a client of Langfuse's SDK."""
    listeners = getattr(getattr(manager, "tracer_provider", None), "_active_span_processor", None)
    return [
        item
        for item in getattr(listeners, "_span_processors", ())
        if type(item).__name__ == "LangfuseSpanProcessor" and getattr(item, "public_key", None) == public_key
    ]


def set_capture(capture: CapturePolicy) -> None:
    """Set what other clients may send of texts."""
    global _capture  # noqa: PLW0603 - one pipeline is current in a process
    _capture = capture


def guard(manager: Any, public_key: str) -> bool:
    """Have a client send only redacted spans and scores; return False where it sends in a way that we do not know."""
    capture = _capture
    span_senders = senders(manager, public_key)
    if not span_senders or not hasattr(manager, "add_score_task"):
        return False
    for sender in span_senders:
        if not getattr(sender, "_moondev_guarded", False):
            sender._moondev_guarded = True
            sender.on_end = functools.partial(_send_span, sender.on_end, capture)
    if not getattr(manager, "_moondev_guarded", False):
        manager._moondev_guarded = True
        manager.add_score_task = functools.partial(_send_score, manager.add_score_task, capture)
    return True


def _send_span(send: Callable[[ReadableSpan], None], capture: CapturePolicy, span: ReadableSpan) -> None:
    try:
        clean = redacted(span, capture)
    except Exception as error:  # noqa: BLE001 - fail closed, and never into the traced code
        _log.error(
            "An observation for another project could not be redacted, and is not sent: %s", type(error).__name__
        )
        return
    send(clean)


def _send_score(send: Callable[..., None], capture: CapturePolicy, body: dict[str, Any], **options: Any) -> None:
    send(capture.values(body), **options)


def redacted(span: ReadableSpan, capture: CapturePolicy) -> ReadableSpan:
    """Return a copy of a span with its texts redacted, or left out, as `capture` says."""
    status = span.status
    if status.status_code is StatusCode.ERROR and status.description:
        status = Status(StatusCode.ERROR, capture.text(status.description))
    return ReadableSpan(
        name=capture.text(span.name),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=capture.values(span.attributes or {}),
        events=[
            Event(capture.text(event.name), capture.values(event.attributes or {}), event.timestamp)
            for event in span.events
        ],
        links=[Link(link.context, capture.values(link.attributes or {})) for link in span.links],
        kind=span.kind,
        status=status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )

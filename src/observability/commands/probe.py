"""Send one test observation to every destination, and read it back from those that allow it.

It carries a made-up key, so that it also checks redaction: what is read back must not contain the key.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from src.observability.commands.finding import Finding

if TYPE_CHECKING:
    from src.observability.delivery.destinations import Destination
    from src.observability.tracker import LangFuseTracker

NAME = "moondev.doctor"
_MADE_UP_KEY = "sk-ant-api03-" + "D0ct0rMadeUp" * 8
_PAUSE_S = 0.5


def probe(*, offline: bool, patience_s: float) -> list[Finding]:
    """Return what became of a test observation: in the store, at each destination, and read back from Langfuse.

    Args:
        offline: Ask no server.
        patience_s: How long to wait until it is delivered, and then again until Langfuse shows it.
    """
    from src.observability import get_tracker
    from src.observability.tracing.observation import observe

    tracker = get_tracker()
    if tracker.spool is None or tracker.spool.problem is not None:
        return []
    metadata = {"purpose": "test of the set-up"}
    with observe(NAME, "span", input={"made-up key": _MADE_UP_KEY}, metadata=metadata) as observation:
        observation.update(output="ok")
    trace_id = observation.trace_id or ""
    stored = _in_store(tracker, trace_id)
    if not stored.ok or offline or tracker.exporter is None:
        return [stored]
    return [stored, *_delivered(tracker, trace_id, patience_s)]


def _finding(name: str, ok: bool | None, detail: str) -> Finding:
    return Finding(part="test", name=name, ok=ok, detail=detail)


def _in_store(tracker: LangFuseTracker, trace_id: str) -> Finding:
    path = str(tracker.settings.trace_db)
    rows = tracker.spool.trace(trace_id) if tracker.spool is not None and trace_id else []
    if not rows:
        return _finding(path, False, "the test observation was not stored: the log says why")
    if tracker.settings.capture != "full" and any(_MADE_UP_KEY.encode() in row.span for row in rows):
        return _finding(path, False, "the test observation was stored, but its made-up key was not redacted")
    return _finding(path, True, "the test observation is stored, its made-up key is not")


def _delivered(tracker: LangFuseTracker, trace_id: str, patience_s: float) -> list[Finding]:
    """Deliver it, with the rows that wait before it, and return a finding for each destination."""
    from src.observability.store.records import Accepts

    assert tracker.exporter is not None  # noqa: S101 - the caller has checked
    assert tracker.spool is not None  # noqa: S101 - as above
    tracker.exporter.flush(patience_s)
    findings = []
    for destination in tracker.exporter.destinations:
        if not destination.observations:
            continue
        waiting = tracker.spool.pending(destination.name, Accepts.OBSERVATIONS)
        if waiting:
            detail = (
                f"the test observation was not taken within {patience_s:g} s; {waiting:,} wait. {destination.advice}"
            )
            findings.append(_finding(destination.name, False, detail))
        elif destination.kind == "langfuse":
            findings.append(_read_back(tracker, destination, trace_id, patience_s))
        else:
            findings.append(_finding(destination.name, True, "took the test observation (OTLP has no way to ask)"))
    return findings


def _read_back(tracker: LangFuseTracker, destination: Destination, trace_id: str, patience_s: float) -> Finding:
    """Ask Langfuse for the trace, until it shows it, by the route that it has."""
    from src.observability.delivery.requester import Requester
    from src.observability.delivery.sampling import Sample
    from src.observability.delivery.show_trace import show_trace
    from src.observability.network import display_url

    host = display_url(destination.api_url or "")
    if not Sample(destination.sample_rate).has(trace_id):
        return _finding(host, None, "does not get the test observation: LANGFUSE_SAMPLE_RATE leaves its trace out")
    deadline_s = time.monotonic() + patience_s
    with contextlib.closing(Requester(destination)) as server:
        while True:
            shown = show_trace(server.request, server.destination, trace_id)
            if shown.text is not None:
                if tracker.settings.capture != "full" and _MADE_UP_KEY in shown.text:
                    return _finding(host, False, "has the test observation, and its made-up key, which is a leak")
                detail = f"took the test observation and shows it by {shown.route}: trace {trace_id}"
                return _finding(host, True, detail)
            if shown.problem is not None:
                return _finding(host, None, f"took the test observation; {shown.problem}")
            if time.monotonic() > deadline_s:
                detail = (
                    f"took the test observation and does not show it by {shown.route} after {patience_s:g} s yet: "
                    f"trace {trace_id}"
                )
                return _finding(host, None, detail)
            time.sleep(_PAUSE_S)

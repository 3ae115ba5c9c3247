"""Send one test observation to every destination, and read it back from those that allow it.

It carries a made-up key, so that it also checks redaction: what is read back must not contain the key.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from src.observability.commands.finding import Finding

if TYPE_CHECKING:
    from src.observability.tracker import LangFuseTracker

NAME = "moondev.doctor"
_MADE_UP_KEY = "sk-ant-api03-" + "D0ct0rMadeUp" * 8
_PAUSE_S = 0.5
_REQUEST_S = 5.0


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
            findings.append(_read_back(tracker, trace_id, patience_s))
        else:
            findings.append(_finding(destination.name, True, "took the test observation (OTLP has no way to ask)"))
    return findings


def _read_back(tracker: LangFuseTracker, trace_id: str, patience_s: float) -> Finding:
    """Ask Langfuse for the trace until it shows it."""
    import httpx

    from src.observability.delivery.destinations import display_url

    settings = tracker.settings
    host, url = display_url(settings.langfuse_host), f"{settings.langfuse_host}/api/public/traces/{trace_id}"
    auth = (settings.langfuse_public_key or "", settings.langfuse_secret_key or "")
    deadline_s = time.monotonic() + patience_s
    while True:
        try:
            reply = httpx.get(url, auth=auth, timeout=_REQUEST_S)
        except httpx.HTTPError as error:
            return _finding(host, None, f"took the test observation; it cannot be read back: {error}")
        if reply.status_code == 200:
            if settings.capture != "full" and _MADE_UP_KEY in reply.text:
                return _finding(host, False, "has the test observation, and its made-up key, which is a leak")
            return _finding(host, True, f"took the test observation and shows it: trace {trace_id}")
        if reply.status_code != 404:
            detail = f"took the test observation; asked for it, it answers with HTTP {reply.status_code}"
            return _finding(host, None, detail)
        if time.monotonic() > deadline_s:
            detail = f"took the test observation and does not show it after {patience_s:g} s yet: trace {trace_id}"
            return _finding(host, None, detail)
        time.sleep(_PAUSE_S)

"""Check the set-up of tracing: settings, Langfuse, the store, other instrumentations. Never prints a key."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from src.observability.commands.counting import counted
from src.observability.commands.finding import Finding

if TYPE_CHECKING:
    from src.observability.settings import Settings
    from src.observability.tracker import LangFuseTracker

PROBE_S = 15.0  # Langfuse shows an observation some seconds after it took it
_RECENT_ROWS = 500
_DAMAGED = "a damaged store, kept; what could be read was moved to the new one. Move it elsewhere once you have seen it"


def of_tracing(*, offline: bool, probe_s: float = PROBE_S) -> list[Finding]:
    """Return all findings about tracing.

    Args:
        offline: Ask no server.
        probe_s: How long to wait until the test observation is delivered, and again until Langfuse shows it.
    """
    langfuse = _langfuse(offline=offline)
    failed = any(finding.ok is False for finding in langfuse)
    return [*langfuse, *_traces(offline=offline or failed, probe_s=probe_s), *_instrumentations()]


def _traces(*, offline: bool, probe_s: float) -> list[Finding]:
    """Return the findings about the store; a store that cannot be read is a finding too."""
    from src.observability import get_tracker
    from src.observability.commands.probe import probe

    try:
        return [*_store(), *probe(offline=offline, patience_s=probe_s), *_retention(), *_rate_limits()]
    except sqlite3.Error as error:
        return [_traces_finding(get_tracker(), ok=False, detail=f"the store cannot be read: {error}")]


def _traces_finding(tracker: LangFuseTracker, *, ok: bool | None, detail: str) -> Finding:
    return Finding(part="traces", name=str(tracker.settings.trace_db), ok=ok, detail=detail)


def _langfuse(*, offline: bool) -> list[Finding]:
    from src.observability.network import display_url
    from src.observability.settings import Settings, SettingsError

    try:
        settings = Settings.read()
    except SettingsError as error:
        return [Finding(part="settings", name=error.variable, ok=False, detail=str(error))]
    if not settings.langfuse_configured:
        ok, detail = None, "no keys: traces stay on this machine (LANGFUSE_PUBLIC_KEY, LANGFUSE_SECRET_KEY)"
    elif not settings.langfuse_delivers:
        ok, detail = None, f"switched off ({settings.langfuse_off or 'MOONDEV_TRACING'})"
    elif offline:
        ok, detail = True, "keys are set; not asked"
    else:
        ok, detail = _check_keys(settings)
    return [Finding(part="langfuse", name=display_url(settings.langfuse_host), ok=ok, detail=detail)]


def _check_keys(settings: Settings) -> tuple[bool | None, str]:
    """Ask Langfuse for the project that the keys belong to, which proves both its address and the keys."""
    from src.observability.delivery.destinations import langfuse_destination
    from src.observability.delivery.http_post import ask
    from src.observability.delivery.langfuse_server import read_route_of, version_of
    from src.observability.delivery.requester import Requester
    from src.observability.network import display_url

    key, secret = settings.langfuse_public_key or "", settings.langfuse_secret_key or ""
    server = Requester(langfuse_destination(settings.langfuse_host, key, secret, switches=settings.langfuse))
    with contextlib.closing(server):
        reply = server.request(lambda client, target: ask(client, target, "/api/public/projects"))
        if reply.status is None:
            return False, f"does not answer: {reply.detail}"
        if reply.status in (401, 403):
            return False, "refuses the keys: check LANGFUSE_SECRET_KEY and the host"
        if reply.status in (404, 405, 501):  # it may take OTLP and nothing else; the probe shows whether it does
            return None, f"answers, but does not say whose keys these are ({reply.status})"
        if reply.location is not None:
            return False, f"answers with HTTP {reply.status}: it has moved to {display_url(reply.location)}"
        if reply.status != 200:
            return False, f"answers with HTTP {reply.status}"
        version = version_of(server.request, server.destination)
        route = read_route_of(server.request, server.destination)
    facts = [f"version {version}" if version else "", f"shows observations by {route.value}" if route else ""]
    known = ", ".join(filter(None, facts))
    return True, "answers and takes the keys" + (f" ({known})" if known else "")


def _store() -> list[Finding]:
    from src.observability import get_tracker
    from src.observability.store.connections import connect
    from src.observability.store.file import damaged_copies
    from src.observability.store.fullness import GRACE_S, URGENT, fullness

    tracker = get_tracker()
    spool = tracker.spool
    if spool is None:
        return [_traces_finding(tracker, ok=None, detail="MOONDEV_TRACING is off")]
    damaged = [Finding(part="traces", name=str(path), ok=False, detail=_DAMAGED) for path in damaged_copies(spool.path)]
    if spool.problem is not None:
        return [_traces_finding(tracker, ok=False, detail=f"no call is recorded: {spool.problem}"), *damaged]
    stats = spool.stats()
    undelivered = dict(stats.undelivered)
    for destination in tracker.exporter.destinations if tracker.exporter else ():
        undelivered[spool.stored_name(destination.name)] = spool.pending(destination.name)
    waiting = ", ".join(f"{count:,} undelivered to {name}" for name, count in undelivered.items())
    parts = [counted(stats.observations, "observations"), f"{stats.bytes / 1e6:.1f} MB", waiting or "no destination"]
    if stats.set_aside:
        parts.append(f"{stats.set_aside:,} set aside (last: {stats.refusal})")
    if stats.losses:
        parts.append(f"{stats.losses:,} LOST")
    findings = [_traces_finding(tracker, ok=not stats.losses, detail=", ".join(parts)), *damaged]
    with connect(spool.path) as connection:
        grace_s = 0.0 if tracker.settings.max_mb_set else GRACE_S
        state = fullness(connection, tracker.settings.max_mb * 1024**2, grace_s)
    if state.level is not None:
        ok = None if state.level < URGENT else False
        findings.append(Finding(part="size", name="MOONDEV_TRACE_MAX_MB", ok=ok, detail=state.sentence))
    return findings


def _retention() -> list[Finding]:
    """Return for how long rows are kept, and which destinations old rows still wait for."""
    from src.observability import get_tracker
    from src.observability.store.retention import read_status

    tracker = get_tracker()
    if tracker.spool is None or tracker.spool.problem is not None:
        return []
    days = tracker.settings.keep_days
    retention = read_status(tracker.spool.path, days)
    parts = ["everything is kept" if days is None else f"delivered rows go after {days} days"]
    if retention.expired:
        parts.append(f"{retention.expired:,} have gone")
    if retention.waiting_for:
        parts.append(f"{retention.overdue:,} older ones still wait for {', '.join(retention.waiting_for)}")
    return [Finding(part="retention", name="MOONDEV_TRACE_KEEP_DAYS", ok=None, detail=", ".join(parts))]


def _instrumentations() -> list[Finding]:
    """Return which other instrumentations measure the same calls."""
    from src.observability.langfuse_sdk.patched_sdks import patched

    return [
        Finding(part="instrumentation", name=patch.sdk, ok=None, detail=f"also by {patch.by}: {patch.remedy}")
        for patch in patched()
    ]


def _rate_limits() -> list[Finding]:
    """Return each provider's rate limits, from the newest generation of any process that has them."""
    from src.observability import attributes as names
    from src.observability import get_tracker
    from src.observability.spans import otlp

    spool = get_tracker().spool
    if spool is None or spool.problem is not None:
        return []
    findings: dict[str, Finding] = {}
    for row in spool.rows_after(max(spool.last_seq() - _RECENT_ROWS, 0), limit=_RECENT_ROWS):
        if row.type != "generation" or row.provider is None:
            continue
        limits = otlp.decode_span(row.span).attributes.get(names.METADATA + "rate_limits")
        if isinstance(limits, str):
            at = datetime.fromtimestamp(row.end_ns / 1e9, UTC)
            detail = f"{_limits_in_words(json.loads(limits))} (told {at:%Y-%m-%d %H:%M:%S} UTC)"
            findings[row.provider] = Finding(part="rate limit", name=row.provider, ok=None, detail=detail)
    return list(findings.values())


def _limits_in_words(limits: dict[str, dict[str, float]]) -> str:
    """Return limits such as `requests 59 of 60 left, tokens 39,500 of 40,000 left`."""
    parts = []
    for kind, limit in limits.items():
        most = f" of {limit['limit']:,.0f}" if limit.get("limit") is not None else ""
        left = f"{limit['remaining']:,.0f}{most} left" if limit.get("remaining") is not None else f"at most{most[3:]}"
        parts.append(f"{kind.replace('_', ' ')} {left}")
    return ", ".join(parts)

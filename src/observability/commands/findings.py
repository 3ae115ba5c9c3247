"""Check what tracing is set up to do: settings, Langfuse, the store, other instrumentations. Never tells a key."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from src.observability.commands.finding import Finding

if TYPE_CHECKING:
    from src.observability.settings import Settings

_PATIENCE_S = 5.0
_RECENT = 500
_DAMAGED = "a damaged store, kept; what could be read was moved to the new one. Move it elsewhere once you have seen it"


def of_tracing(*, offline: bool) -> list[Finding]:
    """Return all findings about tracing; `offline` asks no server."""
    told = _langfuse(offline=offline)
    wrong = any(finding.ok is False for finding in told)
    return [*told, *_traces(offline=offline or wrong), *_second()]


def _traces(*, offline: bool) -> list[Finding]:
    """Return what the store says; a store that cannot be read is a finding too."""
    from src.observability import get_tracker
    from src.observability.commands.probe import probe

    try:
        return [*_store(), *probe(offline=offline), *_retention(), *_rate_limits()]
    except sqlite3.Error as error:
        return [Finding("traces", str(get_tracker().settings.trace_db), False, f"the store cannot be read: {error}")]


def _langfuse(*, offline: bool) -> list[Finding]:
    from src.observability.delivery.destinations import display_url
    from src.observability.settings import Settings, SettingsError

    try:
        settings = Settings.read()
    except SettingsError as error:
        return [Finding("settings", error.variable, False, str(error))]
    where = display_url(settings.langfuse_host)
    if not settings.langfuse_configured:
        detail = "no keys: traces stay on this machine (LANGFUSE_PUBLIC_KEY, LANGFUSE_SECRET_KEY)"
        return [Finding("langfuse", where, None, detail)]
    if not settings.langfuse_delivers:
        return [Finding("langfuse", where, None, "switched off (ENABLE_LANGFUSE, MOONDEV_OFFLINE)")]
    if offline:
        return [Finding("langfuse", where, True, "keys are set; not asked")]
    return [_ask_langfuse(settings)]


def _ask_langfuse(settings: Settings) -> Finding:
    """Ask for the project that the keys belong to: it proves address and keys at once."""
    import httpx

    from src.observability.delivery.destinations import display_url

    host, url = display_url(settings.langfuse_host), settings.langfuse_host
    auth = (settings.langfuse_public_key or "", settings.langfuse_secret_key or "")
    try:
        reply = httpx.get(f"{url}/api/public/projects", auth=auth, timeout=_PATIENCE_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Finding("langfuse", host, False, f"does not answer: {str(error) or type(error).__name__}")
    if reply.status_code in (401, 403):
        return Finding("langfuse", host, False, "refuses the keys: check LANGFUSE_SECRET_KEY and the host")
    if reply.status_code in (404, 405, 501):  # what takes OTLP need not have the rest; the test observation will tell
        return Finding("langfuse", host, None, f"answers, but does not say whose keys these are ({reply.status_code})")
    if reply.status_code != 200:
        return Finding("langfuse", host, False, f"answers with HTTP {reply.status_code}")
    return Finding("langfuse", host, True, "answers and takes the keys")


def _store() -> list[Finding]:
    from src.observability import get_tracker
    from src.observability.store.file import damaged_copies

    tracker = get_tracker()
    where = str(tracker.settings.trace_db)
    if tracker.spool is None:
        return [Finding("traces", where, None, "MOONDEV_TRACING is off")]
    kept = [Finding("traces", str(item), False, _DAMAGED) for item in damaged_copies(tracker.spool.path)]
    if tracker.spool.problem is not None:
        return [Finding("traces", where, False, f"no call is recorded: {tracker.spool.problem}"), *kept]
    stats = tracker.spool.stats()
    undelivered = dict(stats.undelivered)
    for destination in tracker.exporter.destinations if tracker.exporter else ():
        undelivered[destination.name] = tracker.spool.pending(destination.name)
    waiting = ", ".join(f"{count:,} undelivered to {name}" for name, count in undelivered.items())
    parts = [f"{stats.observations:,} observations", f"{stats.bytes / 1e6:.1f} MB", waiting or "no destination"]
    if stats.set_aside:
        parts.append(f"{stats.set_aside:,} set aside (last: {stats.refusal})")
    if stats.losses:
        parts.append(f"{stats.losses:,} LOST")
    return [Finding("traces", where, not stats.losses, ", ".join(parts)), *kept]


def _retention() -> list[Finding]:
    """Return how long rows are kept, and what keeps old ones from going."""
    from src.observability import get_tracker
    from src.observability.store.retention import read_status

    tracker = get_tracker()
    if tracker.spool is None or tracker.spool.problem is not None:
        return []
    days = tracker.settings.keep_days
    told = read_status(tracker.spool.path, days)
    parts = ["everything is kept" if days is None else f"delivered rows go after {days} days"]
    if told.expired:
        parts.append(f"{told.expired:,} have gone")
    if told.waiting_for:
        parts.append(f"{told.overdue:,} older ones still wait for {', '.join(told.waiting_for)}")
    return [Finding("retention", "MOONDEV_TRACE_KEEP_DAYS", None, ", ".join(parts))]


def _second() -> list[Finding]:
    """Return which other instrumentations measure the same calls."""
    from src.observability.langfuse_sdk.patched_sdks import patched

    return [Finding("instrumentation", patch.sdk, None, f"also by {patch.by}: {patch.remedy}") for patch in patched()]


def _rate_limits() -> list[Finding]:
    """Return what each provider last told of its rate limits, on whichever process's call."""
    from src.observability import attributes as names
    from src.observability import get_tracker
    from src.observability.spans import otlp

    spool = get_tracker().spool
    if spool is None or spool.problem is not None:
        return []
    told: dict[str, Finding] = {}
    for row in spool.rows_after(max(spool.last_seq() - _RECENT, 0), limit=_RECENT):
        if row.type != "generation" or row.provider is None:
            continue
        limits = otlp.decode_span(row.span).attributes.get(names.METADATA + "rate_limits")
        if isinstance(limits, str):
            at = datetime.fromtimestamp(row.end_ns / 1e9, UTC)
            detail = f"{_limits_in_words(json.loads(limits))} (told {at:%Y-%m-%d %H:%M:%S} UTC)"
            told[row.provider] = Finding("rate limit", row.provider, None, detail)
    return list(told.values())


def _limits_in_words(limits: dict[str, dict[str, float]]) -> str:
    """Return limits such as `requests 59 of 60 left, tokens 39,500 of 40,000 left`."""
    parts = []
    for kind, limit in limits.items():
        most = f" of {limit['limit']:,.0f}" if limit.get("limit") is not None else ""
        left = f"{limit['remaining']:,.0f}{most} left" if limit.get("remaining") is not None else f"at most{most[3:]}"
        parts.append(f"{kind.replace('_', ' ')} {left}")
    return ", ".join(parts)

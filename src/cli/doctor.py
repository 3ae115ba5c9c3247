"""Check the set-up: `moondev doctor`. Never prints a key."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from src.cli.console import out

if TYPE_CHECKING:
    from src.models.providers import Provider
    from src.observability.settings import Settings

_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """Hold what one check found. `ok` is None where there is nothing to be right or wrong."""

    part: str
    name: str
    ok: bool | None
    detail: str


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Ask no server.")] = False,
) -> None:
    """Check providers, Langfuse and the trace store. Exit code 1 where something that is configured does not work."""
    findings = [*_providers(offline=offline), *_langfuse(offline=offline), *_spool(), *_rate_limits()]
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        _show(findings)
    if any(finding.ok is False for finding in findings):
        raise typer.Exit(1)


def _providers(*, offline: bool) -> list[Finding]:
    from src.models.model_factory import PROVIDERS, ModelFactory

    set_up = {name: ModelFactory.is_model_available(name) for name in PROVIDERS}
    with ThreadPoolExecutor(max_workers=len(PROVIDERS)) as pool:
        return list(pool.map(lambda row: _provider(row, set_up[row.name], offline=offline), PROVIDERS.values()))


def _provider(row: Provider, set_up: bool, *, offline: bool) -> Finding:
    if not set_up:
        return Finding("provider", row.name, None, ModelFactoryText.not_set_up(row))
    if row.name == "local":
        return _local()
    address = row.address() or row.url or getattr(row.load(), "default_base_url", None)
    if offline or address is None:
        return Finding("provider", row.name, True, f"set up ({ModelFactoryText.key_variable(row)})")
    problem = _unreachable(address)
    if problem is None:
        return Finding("provider", row.name, True, f"set up ({ModelFactoryText.key_variable(row)}), {address} answers")
    if not row.needs_key:
        return Finding("provider", row.name, None, f"nothing answers at {address}")
    return Finding("provider", row.name, False, f"{address} does not answer: {problem}")


class ModelFactoryText:
    """Say in words how a provider is set up."""

    @staticmethod
    def not_set_up(row: Provider) -> str:
        """Name what is missing."""
        return f"not set up: set {' or '.join(row.keys)}" if row.keys else "not set up: run make .venv"

    @staticmethod
    def key_variable(row: Provider) -> str:
        """Name the variable that holds the key, never its value."""
        import os

        return next((name for name in row.keys if os.environ.get(name, "").strip()), "no key needed")


def _local() -> Finding:
    from src.models.model_factory import ModelFactory

    model = ModelFactory.get_model("local")
    if not model:
        return Finding("provider", "local", False, "the model file is missing; run: make .venv")
    return Finding("provider", "local", True, f"embedded, {model.model_name}")


def _unreachable(address: str) -> str | None:
    """Return why an address does not answer, or None. Any answer will do: no key is sent."""
    import httpx

    url = address if "://" in address else f"http://{address}"
    try:
        httpx.get(url, timeout=_PATIENCE_S, follow_redirects=False)
    except httpx.HTTPError as error:
        return str(error) or type(error).__name__
    except (httpx.InvalidURL, ValueError) as error:
        return f"not an address ({error})"
    return None


def _langfuse(*, offline: bool) -> list[Finding]:
    from src.observability.settings import Settings, SettingsError

    try:
        settings = Settings.read()
    except SettingsError as error:
        return [Finding("settings", error.variable, False, str(error))]
    if not settings.langfuse_configured:
        detail = "no keys: traces stay on this machine (LANGFUSE_PUBLIC_KEY, LANGFUSE_SECRET_KEY)"
        return [Finding("langfuse", settings.langfuse_host, None, detail)]
    if not settings.langfuse_delivers:
        return [Finding("langfuse", settings.langfuse_host, None, "switched off (ENABLE_LANGFUSE, MOONDEV_OFFLINE)")]
    if offline:
        return [Finding("langfuse", settings.langfuse_host, True, "keys are set; not asked")]
    return [_ask_langfuse(settings)]


def _ask_langfuse(settings: Settings) -> Finding:
    """Ask for the project that the keys belong to: it proves address and keys at once."""
    import httpx

    auth = (settings.langfuse_public_key or "", settings.langfuse_secret_key or "")
    try:
        reply = httpx.get(f"{settings.langfuse_host}/api/public/projects", auth=auth, timeout=_PATIENCE_S)
    except httpx.HTTPError as error:
        return Finding(
            "langfuse", settings.langfuse_host, False, f"does not answer: {str(error) or type(error).__name__}"
        )
    if reply.status_code in (401, 403):
        return Finding(
            "langfuse", settings.langfuse_host, False, "refuses the keys: check LANGFUSE_SECRET_KEY and the host"
        )
    if reply.status_code != 200:
        return Finding("langfuse", settings.langfuse_host, False, f"answers with HTTP {reply.status_code}")
    return Finding("langfuse", settings.langfuse_host, True, "answers and takes the keys")


def _spool() -> list[Finding]:
    from src.observability import get_tracker

    tracker = get_tracker()
    if tracker.spool is None:
        why = "MOONDEV_TRACING is off" if not tracker.settings.tracing else "it cannot be opened"
        return [Finding("traces", str(tracker.settings.trace_db), None if not tracker.settings.tracing else False, why)]
    stats = tracker.spool.stats()
    undelivered = dict(stats.undelivered)
    for destination in tracker.exporter.destinations if tracker.exporter else ():
        undelivered[destination.name] = tracker.spool.pending(destination.name)
    waiting = ", ".join(f"{count:,} undelivered to {name}" for name, count in undelivered.items())
    parts = [f"{stats.observations:,} observations", f"{stats.bytes / 1e6:.1f} MB", waiting or "no destination"]
    if stats.set_aside:
        parts.append(f"{stats.set_aside:,} set aside (refused for good)")
    if stats.losses:
        parts.append(f"{stats.losses:,} LOST")
    return [Finding("traces", str(tracker.settings.trace_db), not stats.losses, ", ".join(parts))]


_RECENT = 500


def _rate_limits() -> list[Finding]:
    """Return what each provider last told of its rate limits, on whichever process's call."""
    from src.observability import attributes as names
    from src.observability import get_tracker, otlp

    spool = get_tracker().spool
    if spool is None:
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


def _show(findings: list[Finding]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("", "part", "name", "finding"):
        table.add_column(title, no_wrap=title != "finding", overflow="fold")
    marks = {True: "[green]ok[/]", False: "[bold red]bad[/]", None: "[dim]-[/]"}
    for finding in findings:
        table.add_row(marks[finding.ok], finding.part, escape(finding.name), escape(finding.detail))
    out.print(table)

"""Check the set-up: `moondev doctor`. Never prints a key."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from src.observability.commands.finding import Finding, print_all

if TYPE_CHECKING:
    from src.models.providers import Provider

_TIMEOUT_S = 5.0


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Ask no server.")] = False,
    timeout: Annotated[
        float,
        typer.Option(min=0.0, help="Seconds to wait for the delivery of the test observation, then to see it."),
    ] = 15.0,
) -> None:
    """Check providers, Langfuse and the trace store, with one test observation.

    Exit code 1 where something that is configured does not work.
    """
    from src.observability.commands.setup_checks import of_tracing

    findings = [*_providers(offline=offline), *_own_prices(), *of_tracing(offline=offline, probe_s=timeout)]
    print_all(findings, as_json=as_json)


def _providers(*, offline: bool) -> list[Finding]:
    from concurrent.futures import ThreadPoolExecutor

    from src.models.model_factory import PROVIDERS, ModelFactory

    rows = list(PROVIDERS.values())
    missing = [ModelFactory.why_unavailable(row.name) for row in rows]
    with ThreadPoolExecutor(max_workers=len(rows)) as pool:
        return list(pool.map(lambda row, why: _provider(row, why, offline=offline), rows, missing))


def _provider(row: Provider, missing: str | None, *, offline: bool) -> Finding:
    from src.models.model_factory import ModelFactory

    if missing is not None:
        # A provider whose key is set, or the embedded model whose file is, is expected to work.
        configured = row.key() or (row.name == "local" and os.environ.get("MOONDEV_LOCAL_MODEL", "").strip())
        return _finding(row, False if configured else None, missing.removeprefix(f"{row.name} is "))
    if row.name == "local":
        return _finding(row, True, f"embedded, {ModelFactory.get_model('local').model_name}")
    adapter = ModelFactory.MODEL_IMPLEMENTATIONS[row.name]
    address = row.address() or row.url or getattr(adapter, "default_base_url", None)
    key = next((name for name in row.keys if os.environ.get(name, "").strip()), "no key needed")
    if offline or address is None:
        return _finding(row, True, f"set up ({key})")
    from src.observability.network import display_url

    problem, address = _unreachable(address), display_url(address)
    if problem is None:
        return _finding(row, True, f"set up ({key}), {address} answers")
    if not row.needs_key:
        return _finding(row, None, f"nothing answers at {address}")
    return _finding(row, False, f"{address} does not answer: {problem}")


def _own_prices() -> list[Finding]:
    """Return the finding about the user's own prices, where there are any."""
    from pathlib import Path

    from src.models.errors import InvalidRequest
    from src.models.pricing import user_prices

    configured = os.environ.get("MOONDEV_PRICES", "").strip()
    if not configured:
        return []
    try:
        count = len(user_prices.read(Path(configured).expanduser()))
    except InvalidRequest as error:
        return [Finding(part="prices", name="MOONDEV_PRICES", ok=False, detail=error.message)]
    return [Finding(part="prices", name="MOONDEV_PRICES", ok=True, detail=f"{count} tables")]


def _finding(row: Provider, ok: bool | None, detail: str) -> Finding:
    return Finding(part="provider", name=row.name, ok=ok, detail=detail)


def _unreachable(address: str) -> str | None:
    """Return why an address does not answer, or None where it does, with whatever status. No key is sent."""
    import httpx

    from src.models import guard
    from src.observability import network

    url = address if "://" in address else f"http://{address}"
    try:
        with guard.exempt():
            network.get(url, timeout=_TIMEOUT_S, follow_redirects=False)
    except httpx.HTTPError as error:
        return str(error) or type(error).__name__
    except (httpx.InvalidURL, ValueError) as error:
        return f"not an address ({error})"
    return None

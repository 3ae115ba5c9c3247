"""Check the set-up: `moondev doctor`. Never prints a key."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated

import typer

from src.observability.commands.findings import Finding, of_tracing, tell

if TYPE_CHECKING:
    from src.models.providers import Provider

_PATIENCE_S = 5.0


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Ask no server.")] = False,
) -> None:
    """Check providers, Langfuse and the trace store, with one test observation.

    Exit code 1 where something that is configured does not work.
    """
    tell([*_providers(offline=offline), *of_tracing(offline=offline)], as_json=as_json)


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

    from src.models import guard

    url = address if "://" in address else f"http://{address}"
    try:
        with guard.exempt():
            httpx.get(url, timeout=_PATIENCE_S, follow_redirects=False)
    except httpx.HTTPError as error:
        return str(error) or type(error).__name__
    except (httpx.InvalidURL, ValueError) as error:
        return f"not an address ({error})"
    return None

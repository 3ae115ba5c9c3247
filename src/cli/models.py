"""List models: `moondev models`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from src.observability.commands.console import escape, note, out, plain_table

if TYPE_CHECKING:
    from rich.table import Table

    from src.models.catalogue import KnownModel


def models(
    provider: Annotated[str | None, typer.Argument(help="Only this provider.", show_default=False)] = None,
    live: Annotated[bool, typer.Option("--live", help="Ask the provider which models it has now.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> None:
    """List known models with context, price and capabilities. Prices are US dollars per million tokens."""
    from src.models.catalogue import models as known_models
    from src.models.errors import ModelError, UnknownProvider
    from src.models.live_models import live_models
    from src.models.providers import PROVIDERS
    from src.models.suggestions import nearest

    if provider is not None and provider not in PROVIDERS:
        hint = nearest(provider, PROVIDERS)
        meant = f" Did you mean {hint}?" if hint else ""
        raise UnknownProvider(f"There is no provider {provider!r}. Known: {', '.join(PROVIDERS)}.{meant}")
    rows: list[tuple[str, KnownModel]] = []
    for name in [provider] if provider else list(PROVIDERS):
        try:
            listed = live_models(name) if live else known_models(name)
        except ModelError as error:
            if provider:
                raise
            note(str(error))
            continue
        rows += [(name, item) for item in listed]
    if as_json:
        for name, item in rows:
            typer.echo(json.dumps({"provider": name, **asdict(item), "can": _capabilities(name, item)}))
        return
    if not rows:
        note("No catalogue lists this provider's models. --live asks the provider.")
    else:
        out().print(_table(rows))


def _table(rows: list[tuple[str, KnownModel]]) -> Table:
    table = plain_table()
    for title in ("provider", "model", "context", "input", "output", "can"):
        numbers = title in ("context", "input", "output")
        table.add_column(title, justify="right" if numbers else "left", no_wrap=title != "can", overflow="fold")
    for name, item in rows:
        table.add_row(
            name,
            escape(item.name) + (" [dim](old)[/]" if item.deprecated else ""),
            "?" if item.context is None else f"{item.context:,}",
            _price(item.input_price),
            _price(item.output_price),
            ", ".join(word for word, supported in _capabilities(name, item).items() if supported),
        )
    return table


def _price(dollars: float | None) -> str:
    return "?" if dollars is None else f"${dollars:g}"


def _capabilities(provider: str, item: KnownModel) -> dict[str, Any]:
    capabilities = item.can(provider)
    return {
        "images": capabilities.images,
        "tools": capabilities.tools,
        "schema": capabilities.structured == "json_schema",
        "temperature": capabilities.temperature,
        "effort": capabilities.reasoning_effort,
    }

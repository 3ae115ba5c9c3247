"""List models: `moondev models`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from src.observability.commands.console import escape, note, print_json
from src.observability.commands.tables import Column, print_table

if TYPE_CHECKING:
    from src.models.catalogue import KnownModel

_COLUMNS = (
    Column("provider"),
    Column("model", least=20),
    Column("context", rank=1, right=True),
    Column("input", right=True),
    Column("output", right=True),
    Column("can", rank=2, least=12),
)

_TRAINING_COLUMNS = (
    Column("model", least=20),
    Column("trained until", rank=2),
    Column("released", rank=1),
    Column("counts after"),
    Column("source", least=24),
)


def models(
    provider: Annotated[str | None, typer.Argument(help="Only this provider.", show_default=False)] = None,
    live: Annotated[bool, typer.Option("--live", help="Ask the provider which models it has now.")] = False,
    training: Annotated[
        bool, typer.Option("--training", help="List until when models were trained, and who says so.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """List known models with context, price and capabilities. Prices are US dollars per million tokens."""
    if training:
        _show_training(provider, as_json=as_json)
        return
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
        print_json([{"provider": name, **asdict(item), "can": _capabilities(name, item)} for name, item in rows])
    elif rows:
        print_table(_COLUMNS, [_row(name, item) for name, item in rows])
    else:
        note("No catalogue lists this provider's models. --live asks the provider.")


def _show_training(provider: str | None, *, as_json: bool) -> None:
    """List the register of models: back-tests on a time that a model may have been trained on show no skill."""
    from src.judging.model_register import read_register

    rows = [
        (name, item) for name, item in sorted(read_register().items()) if provider in (None, name.partition(":")[0])
    ]
    if as_json:
        print_json(
            [
                {
                    "model": name,
                    "cutoff": item.cutoff and item.cutoff.isoformat(),
                    "release": item.release.isoformat(),
                    "counts_after": item.known_until.date().isoformat(),
                    "source": item.source,
                    "is_own": item.is_own,
                }
                for name, item in rows
            ]
        )
    elif rows:
        cells = [
            (
                escape(name), "?" if item.cutoff is None else f"{item.cutoff}", f"{item.release}",
                f"{item.known_until:%Y-%m-%d}", escape(item.source) + (" (yours)" if item.is_own else ""),
            )
            for name, item in rows
        ]  # fmt: skip
        print_table(_TRAINING_COLUMNS, cells)
    else:
        note("Nothing is known of these models' training: state it in the file that MOONDEV_MODEL_REGISTER names.")


def _row(provider: str, item: KnownModel) -> tuple[str, ...]:
    return (
        provider,
        escape(item.name) + (" [dim](old)[/]" if item.deprecated else ""),
        "?" if item.context is None else f"{item.context:,}",
        _price(item.input_price),
        _price(item.output_price),
        ", ".join(word for word, supported in _capabilities(provider, item).items() if supported),
    )


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

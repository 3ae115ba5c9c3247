"""List the models that providers are known to have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from src.models import capabilities, embedded_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from src.models.capabilities import Capabilities


# What catalogues and providers list beside models that answer a chat with text: other kinds, fine-tuned ones, and, for
# Gemini, what Google resells.
_OTHER = re.compile(
    r"(ada|babbage|curie|davinci|text-|ft:)|gpt-3\.5-turbo-instruct|"
    r".*\b(image|realtime|live|streaming|tts|transcribe|banana|embedding|whisper|dall-e|moderation|sora|veo|imagen)\b|"
    r".*\.ft-",
    re.IGNORECASE,
)
_OWN = {"gemini": re.compile(r"(models/)?(gemini|gemma|learnlm)")}


def is_chat_model(provider: str, name: str) -> bool:
    """Tell whether a model answers a chat with text, by its name."""
    own = _OWN.get(provider)
    return not _OTHER.match(name) and (own is None or own.match(name) is not None)


@dataclass(frozen=True, slots=True)
class KnownModel:
    """Describe one model: context in tokens, prices in US dollars per million tokens, None where unknown.

    A price in tiers is given as its first tier. `live` tells that the provider itself listed it.
    """

    name: str
    title: str = ""
    description: str = ""
    context: int | None = None
    input_price: float | None = None
    output_price: float | None = None
    deprecated: bool = False
    live: bool = False

    def can(self, provider: str) -> Capabilities:
        """Return what the model can do."""
        return capabilities.of(provider, self.name)

    def as_legacy(self) -> dict[str, Any]:
        """Return what existing agents read of a model."""
        told = {"description": self.title or self.name, "input_price": _dollars(self.input_price),
                "output_price": _dollars(self.output_price), "context_window": self.context}  # fmt: skip
        return {name: value for name, value in told.items() if value is not None}


def models(provider: str) -> tuple[KnownModel, ...]:
    """Return the models that a provider is known to have, by name; empty where no catalogue lists it."""
    if provider == "local":
        return (KnownModel(embedded_model.name(), input_price=0.0, output_price=0.0),)
    return _models(provider)


def known(provider: str) -> dict[str, dict[str, Any]]:
    """Return the known models as existing agents read `AVAILABLE_MODELS`: name to description and prices."""
    return {item.name: item.as_legacy() for item in models(provider)}


class _OfProvider(Protocol):
    """Describe a model, or a class of models, by its provider."""

    provider: ClassVar[str]


class Known:
    """Give a class or a model its provider's `AVAILABLE_MODELS`, read when it is looked at."""

    def __get__(self, model: _OfProvider | None, owner: type[_OfProvider]) -> Mapping[str, Mapping[str, Any]]:
        """Return them."""
        return known(model.provider if model is not None else owner.provider)


@lru_cache(maxsize=32)
def _models(provider: str) -> tuple[KnownModel, ...]:
    from src.models.pricing.prices import CATALOGUE_NAMES
    from src.models.providers import PROVIDERS

    name = CATALOGUE_NAMES.get(provider, provider)
    found = [_described(item) for item in _catalogue(name) if is_chat_model(provider, item.id)]
    row = PROVIDERS.get(provider)
    default = row.default_model if row else ""
    if default and default not in {item.name for item in found}:
        found.append(look_up(provider, default))
    return tuple(sorted(found, key=lambda item: item.name))


def _catalogue(name: str) -> Iterator[Any]:
    """Yield the catalogue's entries of a provider that answer with text."""
    from genai_prices import data_snapshot

    for provider in data_snapshot.get_snapshot().providers:
        if provider.id == name:
            yield from (model for model in provider.models if _price_of(model, "output_mtok") is not None)


def _described(model: Any, name: str | None = None) -> KnownModel:
    return KnownModel(
        name=name or model.id,
        title=model.name or "",
        description=" ".join((model.description or "").split()),
        context=model.context_window,
        input_price=_price_of(model, "input_mtok"),
        output_price=_price_of(model, "output_mtok"),
        deprecated=bool(model.deprecated),
    )


def _price_of(model: Any, kind: str) -> float | None:
    from datetime import UTC, datetime

    price = getattr(model.get_prices(datetime.now(UTC)), kind, None)
    if price is None:
        return None
    return float(getattr(price, "base", price))


def look_up(provider: str, name: str) -> KnownModel:
    """Return what the catalogue knows of a model by whichever of its names."""
    from genai_prices import data_snapshot

    from src.models.pricing.prices import CATALOGUE_NAMES

    try:
        _, model = data_snapshot.get_snapshot().find_provider_model(
            name, None, CATALOGUE_NAMES.get(provider, provider), None
        )
    except LookupError:
        return KnownModel(name)
    return _described(model, name)


def _dollars(price: float | None) -> str | None:
    return None if price is None else f"${price:g}/1M tokens"

"""List the models that the price catalogue knows of each provider."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from src.models import capabilities, embedded_model
from src.models.pricing import user_prices

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from src.models.capabilities import Capabilities
    from src.models.pricing.price_list import PriceList

# Names of listed models that do not answer a chat with text, and of fine-tuned models.
_NO_CHAT_MODEL = re.compile(
    r"(ada|babbage|curie|davinci|text-|ft:)|gpt-3\.5-turbo-instruct|"
    r".*\b(image|realtime|live|streaming|tts|transcribe|banana|embedding|whisper|dall-e|moderation|sora|veo|imagen)\b|"
    r".*\.ft-",
    re.IGNORECASE,
)
# The names of a provider's own models, where its list also has models of others.
_OWN_MODELS = {"gemini": re.compile(r"(models/)?(gemini|gemma|learnlm)")}

_SLOT_S = 600  # some prices depend on the hour


def is_chat_model(provider: str, name: str) -> bool:
    """Tell whether a model answers a chat with text, by its name."""
    own = _OWN_MODELS.get(provider)
    return not _NO_CHAT_MODEL.match(name) and (own is None or own.match(name) is not None)


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model with its context in tokens and its prices in US dollars per million tokens; None where unknown.

    A price in tiers is given as its first tier. `live` is set where the provider itself listed the model.
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
        """Return the model's capabilities."""
        return capabilities.of(provider, self.name)

    def as_legacy(self) -> dict[str, Any]:
        """Return the dictionary that existing agents read."""
        fields = {
            "description": self.title or self.name,
            "input_price": _dollars(self.input_price),
            "output_price": _dollars(self.output_price),
            "context_window": self.context,
        }
        return {name: value for name, value in fields.items() if value is not None}


def models(provider: str) -> tuple[KnownModel, ...]:
    """Return the known models of a provider, sorted by name; empty where the catalogue does not list it."""
    if provider == "local":
        return (KnownModel(name=embedded_model.name(), input_price=0.0, output_price=0.0),)
    table = user_prices.configured()
    return _models(provider, table, int(time.time() // _SLOT_S))


def legacy_models(provider: str) -> dict[str, dict[str, Any]]:
    """Return the known models in the form of `AVAILABLE_MODELS`: name to description and prices."""
    return {item.name: item.as_legacy() for item in models(provider)}


class _HasProvider(Protocol):
    """A model, or a class of models, of one provider."""

    provider: ClassVar[str]


class KnownModels:
    """A descriptor that returns the known models of the provider of a model or of its class."""

    def __get__(self, model: _HasProvider | None, owner: type[_HasProvider]) -> Mapping[str, Mapping[str, Any]]:
        """Return the known models."""
        return legacy_models(model.provider if model is not None else owner.provider)


@lru_cache(maxsize=32)
def _models(provider: str, table: object, slot: int) -> tuple[KnownModel, ...]:  # noqa: ARG001 - parts of the key
    from src.models.pricing.catalogue_prices import CATALOGUE_NAMES
    from src.models.providers import PROVIDERS

    name = CATALOGUE_NAMES.get(provider, provider)
    chat_models = [_known_model(provider, entry) for entry in _entries(name) if is_chat_model(provider, entry.id)]
    row = PROVIDERS.get(provider)
    default = row.default_model if row else ""
    if default and default not in {model.name for model in chat_models}:
        chat_models.append(look_up(provider, default))
    return tuple(sorted(chat_models, key=lambda model: model.name))


def _entries(name: str) -> Iterator[Any]:
    """Yield the catalogue's entries of a provider's models that answer with text."""
    from datetime import UTC, datetime

    from genai_prices import data_snapshot

    now = datetime.now(UTC)
    for provider in data_snapshot.get_snapshot().providers:
        if provider.id == name:
            yield from (entry for entry in provider.models if entry.get_prices(now).output_mtok is not None)


def _known_model(provider: str, entry: Any, name: str | None = None) -> KnownModel:
    """Return a model of the catalogue with the prices that its calls have, of the user's own table too."""
    from src.models.pricing.prices import known_prices

    name = name or entry.id
    prices = known_prices(provider, (name,), None, time.time())
    return KnownModel(
        name=name,
        title=entry.name or "",
        description=" ".join((entry.description or "").split()),
        context=entry.context_window,
        input_price=_per_million(prices, "input"),
        output_price=_per_million(prices, "output"),
        deprecated=bool(entry.deprecated),
    )


def _per_million(prices: PriceList | None, unit: str) -> float | None:
    rate = None if prices is None else prices.rates.get(unit)
    return None if rate is None else float(rate.dollars * 1_000_000)


def look_up(provider: str, name: str) -> KnownModel:
    """Return what the catalogue knows of a model, by any of its names."""
    from genai_prices import data_snapshot

    from src.models.pricing.catalogue_prices import CATALOGUE_NAMES

    try:
        _, entry = data_snapshot.get_snapshot().find_provider_model(
            name, None, CATALOGUE_NAMES.get(provider, provider), None
        )
    except LookupError:
        return KnownModel(name=name)
    return _known_model(provider, entry, name)


def _dollars(price: float | None) -> str | None:
    return None if price is None else f"${price:g}/1M tokens"

"""Suggest the nearest valid spelling of a provider, a model or an option."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from src.models.providers import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Iterable

# Names that users know providers by.
_ALIASES: Final = {
    "anthropic": "claude", "google": "gemini", "googleai": "gemini", "chatgpt": "openai", "gpt": "openai",
    "grok": "xai", "x.ai": "xai", "x-ai": "xai", "open-router": "openrouter", "llama": "ollama",
}  # fmt: skip
# How the names of models begin, for those that no catalogue lists.
_BEGINNINGS: Final = {
    "gpt": "openai", "o1": "openai", "o3": "openai", "o4": "openai", "claude": "claude", "gemini": "gemini",
    "grok": "xai", "deepseek": "deepseek", "llama": "ollama", "mistral": "ollama", "qwen": "ollama", "gemma": "ollama",
    "phi": "ollama", "smollm": "local",
}  # fmt: skip
_CUTOFF: Final = 0.6
_SLIP: Final = 0.8  # cloudflare, lambda and minimax are no slips of claude, ollama and gemini


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return which of the known names is spelled most like a name; None where none is like it."""
    matches = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=_CUTOFF)
    return matches[0] if matches else None


def of_model_type(model_type: str) -> str:
    """Return the call of `get_model` that is meant by a provider that does not exist; empty where none is likely.

    Args:
        model_type: The text in place of a provider: a misspelled one, or a model's name.
    """
    text = model_type.strip()
    for separator in (":", "/"):
        name, follows, rest = text.partition(separator)
        provider = _provider(name) if follows else None
        if provider is not None:
            return _call(provider, rest.strip())
    provider = _provider_of_model(text)
    if provider is not None:
        return _call(provider, text)
    provider = _provider(text)
    return "" if provider is None else _call(provider, "")


def _call(provider: str, model: str) -> str:
    arguments = f"{provider!r}, {model!r}" if model else repr(provider)
    return f" Did you mean get_model({arguments})?"


def _provider(name: str) -> str | None:
    """Return the provider that is meant by its name, an alias, or a name that is spelled much like its own."""
    lowered = name.strip().lower()
    if lowered in PROVIDERS:
        return lowered
    return _ALIASES.get(lowered) or nearest(lowered, PROVIDERS)


def misspelt_provider(name: str) -> str | None:
    """Return the provider that an alias or a typing error means; None for a correct name and for any other."""
    lowered = name.strip().lower()
    if lowered in PROVIDERS:
        return None
    return _ALIASES.get(lowered) or next(iter(difflib.get_close_matches(lowered, list(PROVIDERS), 1, _SLIP)), None)


def _provider_of_model(model: str) -> str | None:
    """Return the provider whose model a name is, by the catalogue of prices, else by how the name begins."""
    from genai_prices import data_snapshot

    from src.models.pricing.catalogue_prices import CATALOGUE_NAMES

    name = model.lower()
    if not name or name in _ALIASES:
        return None
    try:
        entry, _ = data_snapshot.get_snapshot().find_provider_model(name, None, None, None)
    except LookupError:
        return next((provider for start, provider in _BEGINNINGS.items() if name.startswith(start)), None)
    names = {catalogue: provider for provider, catalogue in CATALOGUE_NAMES.items()}
    provider = names.get(entry.id, entry.id)
    return provider if provider in PROVIDERS else None

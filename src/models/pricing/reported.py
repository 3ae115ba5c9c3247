"""Read the price of a reply that a provider itself reports in its usage."""

from __future__ import annotations

from typing import Any

from src.models.fields import field

TICKS_PER_DOLLAR = 10**10  # docs.x.ai/docs/api-reference: usage.cost_in_usd_ticks
# Provider: the field of its usage, and how many of its units are a dollar.
# openrouter.ai/docs/use-cases/usage-accounting
_FIELDS = {"openrouter": ("cost", 1), "xai": ("cost_in_usd_ticks", TICKS_PER_DOLLAR)}


def reported_usd(provider: str, usage: Any) -> float | None:
    """Return the price in US dollars that a provider reports; None where it reports none."""
    name, units = _FIELDS.get(provider, ("", 1))
    amount = field(usage, name) if name else None
    return amount / units if isinstance(amount, int | float) and not isinstance(amount, bool) else None

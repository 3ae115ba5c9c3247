"""Read the price that a provider itself reports in a reply's usage."""

from __future__ import annotations

from typing import Any, Final

from src.models.fields import field

# Each provider's field of the usage, and how many of its units make a dollar: as documented at
# openrouter.ai/docs/use-cases/usage-accounting and docs.x.ai/docs/api-reference.
_FIELDS: Final = {"openrouter": ("cost", 1), "xai": ("cost_in_usd_ticks", 10**10)}


def reported_usd(provider: str, usage: Any) -> float | None:
    """Return the price in US dollars that a provider reports; None where it reports none."""
    name, units_per_dollar = _FIELDS.get(provider, ("", 1))
    amount = field(usage, name) if name else None
    if not isinstance(amount, int | float) or isinstance(amount, bool):
        return None
    return amount / units_per_dollar

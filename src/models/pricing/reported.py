"""Read the price that a provider itself reports in a reply's usage."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from src.models.fields import field
from src.models.usage import REPORTED, Cost

_TICKS: Final = Decimal(10**10)
_SOURCE: Final = "provider"


def reported_cost(provider: str, usage: Any) -> Cost | None:
    """Return the cost that a provider reports; None where it reports none, or an impossible one.

    xAI reports a price in ticks, OpenRouter one in dollars: docs.x.ai/docs/api-reference,
    openrouter.ai/docs/use-cases/usage-accounting.
    """
    if provider == "xai":
        ticks = _amount(field(usage, "cost_in_usd_ticks"))
        return None if ticks is None else Cost(parts={REPORTED: ticks / _TICKS}, source=_SOURCE)
    return _openrouter(usage) if provider == "openrouter" else None


def _openrouter(usage: Any) -> Cost | None:
    """Return OpenRouter's charge, with what the provider behind charges to the user's own key of it.

    With an own key `cost` is OpenRouter's fee alone, often 0, and the provider bills `upstream_inference_cost` beside
    it. Otherwise `cost` is all, and the upstream cost repeats it or is missing. Older replies do not say which of both
    it is; they have an upstream cost only for own keys.
    """
    charge = _amount(field(usage, "cost"))
    details = field(usage, "cost_details")
    upstream = _amount(field(details, "upstream_inference_cost"))
    own_key = field(usage, "is_byok")
    if own_key is None:
        own_key = upstream is not None and upstream not in (0, charge)
    if not own_key:
        return None if charge is None else Cost(parts={REPORTED: charge}, source=_SOURCE)
    parts = {"openrouter_fee": charge, "upstream_inference": upstream}
    return Cost(
        parts={name: dollars for name, dollars in parts.items() if dollars is not None},
        unknown=tuple(name for name, dollars in parts.items() if dollars is None),
        source=_SOURCE,
    )


def _amount(value: Any) -> Decimal | None:
    """Return an amount of money; None for what is no number, or below zero."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        amount = Decimal(str(value))
    except ArithmeticError:
        return None
    return amount if amount.is_finite() and amount >= 0 else None

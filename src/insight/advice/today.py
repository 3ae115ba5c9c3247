"""Price recorded calls by what their tokens cost today."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from src.models.pricing.prices import price
from src.models.usage import Usage

if TYPE_CHECKING:
    from src.insight.facts.records import CallFact
    from src.models.usage import Cost

_S: Final = 1_000_000_000


class Today:
    """The prices of today, by provider and model.

    Args:
        now_ns: The present, in nanoseconds since 1970.
    """

    def __init__(self, now_ns: int) -> None:
        self._at = now_ns / _S
        self._last: CallFact | None = None
        self._last_usd: float | None = None
        self._rates: dict[tuple[str, str, int], dict[str, float] | None] = {}

    def usd(self, provider: str | None, model: str | None, usage: Usage) -> float | None:
        """Return what a usage costs today; None where a part of it has no known price."""
        if provider is None or model is None:
            return None
        return price(provider, (model,), usage, at=self._at).total

    def cost(self, call: CallFact) -> float | None:
        """Return what a call costs today: its tokens at today's rates; 0 for one that was free, None where unknown."""
        if call is not self._last:  # several kinds ask in turn for what the same call costs
            self._last, self._last_usd = call, self._cost(call)
        return self._last_usd

    def _cost(self, call: CallFact) -> float | None:
        if call.cost_nano == 0 and not call.unpriced:
            return 0.0
        rates = self.rates(call.provider, call.model, call.input_tokens or 0)
        if rates is None or call.input_tokens is None or call.output_tokens is None:
            return None
        cached, written = call.cached_tokens or 0, call.written_tokens or 0
        reasoning = call.reasoning_tokens or 0
        total = 0.0
        for name, count in (
            ("input", call.input_tokens - cached - written),
            ("input_cached_tokens", cached),
            ("input_cache_creation", written),
            ("output", call.output_tokens - reasoning),
            ("output_reasoning_tokens", reasoning),
        ):
            if count:
                if count < 0 or name not in rates:
                    return None
                total += count * rates[name]
        return total

    def rates(self, provider: str | None, model: str | None, prompt_tokens: int) -> dict[str, float] | None:
        """Return the dollars for a token of each kind, in a request with a prompt of this length; None where unknown.

        Prices that depend on the prompt's length change at thousands of tokens, so lengths are taken in thousands.
        """
        if provider is None or model is None:
            return None
        key = (provider, model, prompt_tokens // 1_000)
        if key not in self._rates:
            self._rates[key] = self._look_up(provider, model, prompt_tokens)
        return self._rates[key]

    def _look_up(self, provider: str, model: str, prompt_tokens: int) -> dict[str, float] | None:
        rest = max(prompt_tokens - 4, 1)
        usage = Usage(input=rest, input_cached_tokens=1, input_cache_creation=1, output=1, output_reasoning_tokens=1)
        cost: Cost = price(provider, (model,), usage, at=self._at)
        if "input" not in cost.parts or "output" not in cost.parts:
            return None
        counts = {"input": rest}
        return {name: float(dollars) / counts.get(name, 1) for name, dollars in cost.parts.items()}

"""Price recorded calls by what their tokens cost today."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from src.insight.facts.day_columns import NONE
from src.models.pricing.prices import price
from src.models.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.insight.facts.call_columns import Calls
    from src.models.usage import Cost

_S: Final = 1_000_000_000


class Today:
    """The prices of today, by provider and model.

    Args:
        now_ns: The present, in nanoseconds since 1970.
    """

    def __init__(self, now_ns: int) -> None:
        self._at = now_ns / _S
        self._last: Calls | None = None
        self._last_usd: Any = None
        self._rates: dict[tuple[str, str, int], dict[str, float] | None] = {}

    def usd(self, provider: str | None, model: str | None, usage: Usage) -> float | None:
        """Return what a usage costs today; None where a part of it has no known price."""
        if provider is None or model is None:
            return None
        return price(provider, (model,), usage, at=self._at).total

    def costs(self, calls: Calls) -> Any:
        """Return what calls cost today: their tokens at today's rates; 0 for free ones, not a number where unknown."""
        if calls is not self._last:  # several kinds ask in turn for what the same calls cost
            self._last, self._last_usd = calls, self._costs(calls)
        return self._last_usd

    def _costs(self, calls: Calls) -> Any:
        import numpy

        usd = numpy.full(len(calls), numpy.nan)
        is_measured = (calls["input_tokens"] != NONE) & (calls["output_tokens"] != NONE)
        lengths = numpy.where(is_measured, calls["input_tokens"], 0) // 1_000
        rows = numpy.flatnonzero(is_measured)
        for thousands, of_length in grouped_rows(lengths, rows):
            for (provider, model), group in calls.groups(("provider", "model"), of_length):
                rates = self.rates(provider, model, thousands * 1_000)
                if rates is not None:
                    usd[group] = _priced(calls, group, rates)
        usd[(calls["cost_nano"] == 0) & (calls["unpriced"] == 0)] = 0.0
        return usd

    def rates(self, provider: str | None, model: str | None, prompt_tokens: int) -> dict[str, float] | None:
        """Return the dollars for a token of each kind, in a request with a prompt of this length; None where unknown.

        Prices that depend on the prompt's length change above whole thousands of tokens, so one length stands for all
        between two of these.
        """
        if provider is None or model is None:
            return None
        key = (provider, model, prompt_tokens // 1_000)
        if key not in self._rates:
            self._rates[key] = self._look_up(provider, model, prompt_tokens // 1_000 * 1_000 + 500)
        return self._rates[key]

    def _look_up(self, provider: str, model: str, prompt_tokens: int) -> dict[str, float] | None:
        rest = max(prompt_tokens - 4, 1)
        usage = Usage(input=rest, input_cached_tokens=1, input_cache_creation=1, output=1, output_reasoning_tokens=1)
        cost: Cost = price(provider, (model,), usage, at=self._at)
        if "input" not in cost.parts or "output" not in cost.parts:
            return None
        counts = {"input": rest}
        return {name: float(dollars) / counts.get(name, 1) for name, dollars in cost.parts.items()}


def grouped_rows(values: Any, rows: Any) -> Iterator[tuple[int, Any]]:
    """Yield the different values at some places, and the places of each in their order."""
    import numpy

    own = values[rows]
    for value in numpy.unique(own).tolist():
        yield value, rows[own == value]


def token_counts(calls: Calls, rows: Any) -> dict[str, Any]:
    """Return the tokens of calls by their kind of price; those that are not known count as none."""
    import numpy

    names = ("input_tokens", "cached_tokens", "written_tokens", "output_tokens", "reasoning_tokens")
    counts = (calls[name][rows] for name in names)
    total_in, cached, written, total_out, reasoning = (numpy.where(part == NONE, 0, part) for part in counts)
    return {
        "input": total_in - cached - written,
        "input_cached_tokens": cached,
        "input_cache_creation": written,
        "output": total_out - reasoning,
        "output_reasoning_tokens": reasoning,
    }


def _priced(calls: Calls, rows: Any, rates: dict[str, float]) -> Any:
    """Return what calls cost at rates; not a number where a rate lacks, or a count makes no sense."""
    import numpy

    total = numpy.zeros(len(rows))
    for name, counts in token_counts(calls, rows).items():
        rate = rates.get(name, numpy.nan)
        total += numpy.where(counts == 0, 0.0, numpy.where(counts < 0, numpy.nan, counts * rate))
    return total

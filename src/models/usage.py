"""Define the usage of a call and its cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# The exclusive buckets of a usage: three of its input, two of its output.
BUCKETS: Final = ("input", "input_cached_tokens", "input_cache_creation", "output", "output_reasoning_tokens")
# The name of a cost's part that a provider reported as one amount, and of unreported usage among the unknown parts.
REPORTED: Final = "reported"
NO_USAGE: Final = "usage"


def _add(left: int | None, right: int | None) -> int | None:
    if left is None:
        return right
    return left if right is None else left + right


def _merge_side(earlier: tuple[int | None, ...], later: tuple[int | None, ...]) -> tuple[int | None, ...]:
    """Return the counts of one side of a usage, of its input or its output, after a later event reports them again.

    A later event that repeats or omits the first count only adds to the others. Otherwise its counts replace the
    earlier ones, unless those have the same sum and break it down further.
    """
    if later[0] is None or later[0] == earlier[0]:
        return tuple(old if new is None else new for old, new in zip(earlier, later, strict=True))
    earlier_parts = [count for count in earlier if count is not None]
    later_parts = [count for count in later if count is not None]
    is_finer = len(earlier_parts) > len(later_parts) and sum(earlier_parts) == sum(later_parts)
    return earlier if is_finer else later


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts in buckets that exclude one another and sum up to the provider's total. Unknown is None, not 0.

    `input` excludes tokens that were read from or written to a prompt cache, `output` excludes reasoning.

    `units` counts what is billed apart from that: parts of the buckets that have prices of their own (such as
    `input_audio_tokens`, `input_cache_creation_1h`), and what is no token (such as `web_searches`). `contradiction`
    says why the provider's counts cannot all be true; such a usage is not priced. Neither is compared.
    """

    input: int | None = None
    input_cached_tokens: int | None = None
    input_cache_creation: int | None = None
    output: int | None = None
    output_reasoning_tokens: int | None = None
    units: Mapping[str, int] = field(default_factory=dict, compare=False)
    contradiction: str | None = field(default=None, compare=False)

    @property
    def input_tokens(self) -> int | None:
        """Return all input tokens, cached ones included; None where the provider reported none."""
        cached, written = self.input_cached_tokens, self.input_cache_creation
        if cached is None and written is None:  # of most calls
            return self.input
        return _add(_add(self.input, cached), written)

    @property
    def output_tokens(self) -> int | None:
        """Return all output tokens, reasoning included; None where the provider reported none."""
        reasoning = self.output_reasoning_tokens
        return self.output if reasoning is None else _add(self.output, reasoning)

    @property
    def total_tokens(self) -> int | None:
        """Return the sum of all buckets; None where either side is unknown."""
        input_tokens, output_tokens = self.input_tokens, self.output_tokens
        return None if input_tokens is None or output_tokens is None else input_tokens + output_tokens

    @property
    def is_known(self) -> bool:
        """Tell whether any bucket is known."""
        return (
            self.input is not None
            or self.output is not None
            or self.input_cached_tokens is not None
            or self.input_cache_creation is not None
            or self.output_reasoning_tokens is not None
        )

    def details(self) -> dict[str, int]:
        """Return the buckets that are known, by the names that Langfuse shows."""
        buckets = {name: getattr(self, name) for name in BUCKETS}
        return {name: count for name, count in buckets.items() if count is not None}

    def updated(self, later: Usage) -> Usage:
        """Return this usage with what a later event of the same stream reports, of the input and of the output."""
        old, new = self._counts(), later._counts()
        counts = _merge_side(old[:3], new[:3]) + _merge_side(old[3:], new[3:])
        earlier = None if later.total_tokens is not None else self.contradiction  # of counts that are now replaced
        return self._of_counts(counts, {**self.units, **later.units}, later.contradiction or earlier)

    def _counts(self) -> tuple[int | None, ...]:
        return tuple(getattr(self, name) for name in BUCKETS)

    @classmethod
    def _of_counts(cls, counts: tuple[int | None, ...], units: Mapping[str, int], contradiction: str | None) -> Usage:
        return cls(**dict(zip(BUCKETS, counts, strict=True)), units=units, contradiction=contradiction)

    def __add__(self, other: Usage) -> Usage:
        """Sum two usages bucket by bucket; a bucket unknown on one side keeps the other's count."""
        pairs = zip(self._counts(), other._counts(), strict=True)
        names = dict.fromkeys((*self.units, *other.units))
        units = {name: self.units.get(name, 0) + other.units.get(name, 0) for name in names}
        counts = tuple(_add(left, right) for left, right in pairs)
        return self._of_counts(counts, units, self.contradiction or other.contradiction)

    # Existing agents read usage as a dictionary with the provider's field names.

    def _legacy(self) -> dict[str, int | None]:
        counts = {
            "prompt_tokens": self.input_tokens,
            "completion_tokens": self.output_tokens,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "total_tokens": self.total_tokens,
        }
        return {**counts, **self.details()}

    def __getitem__(self, name: str) -> int | None:
        """Return a count by a provider's field name, such as `usage["completion_tokens"]`."""
        return self._legacy()[name]

    def get(self, name: str, default: int | None = None) -> int | None:
        """Return a count by a provider's field name, or `default` where it is unknown."""
        count = self._legacy().get(name)
        return default if count is None else count


@dataclass(frozen=True, slots=True)
class Cost:
    """What was billed, in US dollars: the parts that have a known price, and the names of those that have none.

    With unknown parts the cost is at least `known`, and `total` is None. A cost without any parts is 0.

    Attributes:
        parts: Dollars by the unit that is billed, such as `input`, `output`, `web_searches`.
        unknown: The names of what was, or may have been, billed at an unknown price.
        source: Where the prices come from: `provider`, `genai-prices 0.2.3`, `own table`, `local`.
        date: The day of the prices.
    """

    parts: Mapping[str, Decimal] = field(default_factory=dict, hash=False)
    unknown: tuple[str, ...] = ()
    source: str | None = None
    date: str | None = None

    @property
    def known(self) -> float:
        """Return the sum of the parts that have a known price."""
        return float(sum(self.parts.values(), Decimal(0)))

    @property
    def total(self) -> float | None:
        """Return the whole cost, None where some part of it is unknown."""
        return None if self.unknown else self.known

    usd = total

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing of the cost is unknown."""
        return not self.unknown

    @property
    def details(self) -> dict[str, float]:
        """Return the dollars by unit with the `total` of what is known; an entry `unknown` alone where nothing is.

        Langfuse's server takes a total from `total` alone as long as there are other units than input and output, and
        counts a cost without one as 0: less than what is known.
        """
        if self.unknown and not self.parts:
            return {"unknown": 0.0}
        if self.parts.keys() <= {REPORTED}:
            return {"total": self.known}
        return {**{unit: float(dollars) for unit, dollars in self.parts.items()}, "total": self.known}

    def __add__(self, other: Cost) -> Cost:
        """Sum two costs part by part; what is unknown of one is unknown of the sum."""
        if not self.parts and not self.unknown and self.source is None:
            return other
        if not other.parts and not other.unknown and other.source is None:
            return self
        units = dict.fromkeys((*self.parts, *other.parts))
        sources = dict.fromkeys(source for source in (self.source, other.source) if source)
        return Cost(
            parts={unit: self.parts.get(unit, Decimal(0)) + other.parts.get(unit, Decimal(0)) for unit in units},
            unknown=tuple(dict.fromkeys((*self.unknown, *other.unknown))),
            source=", ".join(sources) or None,
            date=self.date or other.date,
        )

"""Define what questions to the facts file return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from src.insight.facts.schema import NANO
from src.observability.commands.counting import counted
from src.observability.store.records import BILLED_TYPES

_TOKENS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over observations.

    Attributes:
        n: How many observations.
        errors: How many of them ended in an error.
        unpriced: How many have a cost that is not known, or not in whole.
        cost_nano: The known costs, in billionths of a dollar.
        unmeasured: How many that a provider bills have no known tokens.
        input_tokens: The known input tokens, those from caches included.
        output_tokens: The known output tokens, reasoning included.
        cached_tokens: The input tokens that were read from caches.
        written_tokens: The input tokens that were written to caches.
        reasoning_tokens: The output tokens that were reasoning.
        duration_us: The sum of the durations, in microseconds.
        first_tokens: How many were streamed and have a time to the first token.
        first_token_us: The sum of those times.
        attempts: How many requests were sent, where that is known.
        retried: How many observations needed more than one attempt.
        repaired: How many replies did not fit and were shown to the model again.
        cut: How many replies were cut at the limit of tokens.
    """

    n: int
    errors: int
    unpriced: int
    cost_nano: int
    unmeasured: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    written_tokens: int
    reasoning_tokens: int
    duration_us: int
    first_tokens: int
    first_token_us: int
    attempts: int
    retried: int
    repaired: int
    cut: int

    @property
    def cost_usd(self) -> float:
        """Return the known part of the cost; with `unpriced` it is the least that all can have cost."""
        return self.cost_nano / NANO

    @property
    def mean_ms(self) -> float | None:
        """Return the mean duration."""
        return self.duration_us / self.n / _TOKENS if self.n else None


@dataclass(frozen=True, slots=True)
class Row:
    """The totals of one group; `key` has a text for each dimension, None for observations without one."""

    key: tuple[str | None, ...]
    totals: Totals


@dataclass(frozen=True, slots=True)
class Point:
    """The totals of one day or hour of a group; `start_ns` is its beginning, in UTC."""

    start_ns: int
    key: tuple[str | None, ...]
    totals: Totals


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Quantiles of durations, in milliseconds.

    Attributes:
        n: How many durations.
        values_ms: The quantile for each share that was asked for; empty where n is 0.
        is_exact: Whether they were computed from the durations themselves (linear between neighbours, as numpy's). Else
            they come from histograms, and are off by a tenth at most.
    """

    n: int
    values_ms: tuple[float, ...]
    is_exact: bool


class Fact(NamedTuple):
    """One observation as the facts file knows it; None for what is not known.

    A tuple, since hundreds of thousands are made at once: a dataclass of so many fields takes ten times as long.

    `cost_nano` is the known part of its cost; `unpriced` says that another part is unknown. `tags` is a JSON list,
    `retried` has categories with commas between them.
    """

    seq: int
    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    type: str
    start_ns: int
    duration_us: int
    error: bool
    category: str | None
    agent: str | None
    model: str | None
    requested_model: str | None
    provider: str | None
    symbol: str | None
    session: str | None
    user: str | None
    environment: str | None
    prompt_name: str | None
    prompt_version: str | None
    finish_reason: str | None
    retried: str | None
    member: str | None
    vote: str | None
    tags: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    written_tokens: int | None
    reasoning_tokens: int | None
    cost_nano: int | None
    unpriced: bool
    first_token_us: int | None
    attempts: int | None
    headroom: float | None
    confidence: float | None
    repaired: bool

    @property
    def cost_usd(self) -> float | None:
        """Return the known part of the cost."""
        return None if self.cost_nano is None else self.cost_nano / NANO


@dataclass(frozen=True, slots=True)
class Gap:
    """Rows of the store that were deleted before the facts file had read them.

    Attributes:
        kind: `observation` or `score`.
        first: The first of their numbers.
        last: The last of their numbers.
        n: How many.
        noticed_ns: When that was noticed.
    """

    kind: str
    first: int
    last: int
    n: int
    noticed_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How far the facts file has read its store.

    Attributes:
        exists: Whether there is a facts file of this store; the rest is empty without one.
        observations: How many observations it holds.
        behind: How many observations of the store it has not read.
        scores_behind: How many scores of the store it has not read.
        refreshed_ns: When it last read the store to its end; None where it never has.
        first_day: The first day that it has totals of, in days since 1970; None where it has none.
        expired: How many observations count in daily totals alone, since the store has deleted them.
        gaps: What the store had deleted before it was read.
        doubtful: How many observations were left out, since nobody can tell whether they were counted before.
        bytes: The size of the facts file.
    """

    exists: bool
    observations: int = 0
    behind: int = 0
    scores_behind: int = 0
    refreshed_ns: int | None = None
    first_day: int | None = None
    expired: int = 0
    gaps: tuple[Gap, ...] = ()
    doubtful: int = 0
    bytes: int = 0

    @property
    def is_current(self) -> bool:
        """Tell whether nothing of the store was left unread."""
        return self.exists and not (self.behind or self.scores_behind)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Return what somebody who reads figures must know of their completeness; nothing where nothing lacks."""
        remarks = []
        if self.behind or self.scores_behind:
            what = f"{counted(self.behind, 'observations')} and {counted(self.scores_behind, 'scores')}"
            remarks.append(f"{what} are not counted yet: `moondev insight refresh` reads them all.")
        missing = sum(gap.n for gap in self.gaps if gap.kind == "observation")
        if missing:
            remarks.append(f"{missing:,} observations were deleted from the store before they could be counted.")
        if self.doubtful:
            remarks.append(f"{self.doubtful:,} observations came back with an older file, and are not counted again.")
        return tuple(remarks)


@dataclass(frozen=True, slots=True)
class TraceFacts:
    """One trace: the facts of all of its observations, in the order of their starts."""

    trace_id: str
    facts: tuple[Fact, ...]

    @property
    def root(self) -> Fact:
        """Return the observation that has no parent here; the first one where several have none."""
        spans = {fact.span_id for fact in self.facts}
        return next((fact for fact in self.facts if fact.parent_span_id not in spans), self.facts[0])

    @property
    def calls(self) -> tuple[Fact, ...]:
        """Return what a provider bills."""
        return tuple(fact for fact in self.facts if fact.type in BILLED_TYPES)

    @property
    def cost_nano(self) -> int:
        """Return the known costs, in billionths of a dollar."""
        return sum(fact.cost_nano or 0 for fact in self.facts)

    @property
    def unpriced(self) -> int:
        """Return how many observations have a cost that is not known in whole."""
        return sum(fact.unpriced for fact in self.facts)

    @property
    def errors(self) -> int:
        """Return how many observations ended in an error."""
        return sum(fact.error for fact in self.facts)


@dataclass(frozen=True, slots=True)
class ScoreFact:
    """One score; `value` is set of numbers and booleans, `text` of categories."""

    id: str
    name: str
    type: str
    trace_id: str | None
    span_id: str | None
    session: str | None
    environment: str | None
    timestamp_ns: int
    value: float | None
    text: str | None


@dataclass(frozen=True, slots=True)
class ScoreTotals:
    """The scores of one name on one day; `text` is a category, None for numbers, whose sum is `total`."""

    day: int
    name: str
    type: str
    environment: str | None
    text: str | None
    n: int
    total: float

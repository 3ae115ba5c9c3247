"""Sum up calls by agent, model, prompt, day and the like, with latency and intervals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

from src.insight.facts.schema import DAY_NS
from src.judging.statistics import UNKNOWN, Interval, wilson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from src.insight.facts.filters import Dimension, Filter
    from src.insight.facts.reader import FactsReader
    from src.insight.facts.records import Percentiles, Totals

By = Literal[
    "agent", "model", "provider", "symbol", "prompt", "day", "session", "user", "environment", "requested", "member",
    "category",
]  # fmt: skip
# What can be grouped by, as the dimensions of the facts; `day` is none of them.
DIMENSIONS: Final[Mapping[str, tuple[Dimension, ...]]] = {
    "agent": ("agent",),
    "model": ("model",),
    "provider": ("provider",),
    "symbol": ("symbol",),
    "prompt": ("prompt_name", "prompt_version"),
    "session": ("session",),
    "user": ("user",),
    "environment": ("environment",),
    "requested": ("requested_model",),
    "member": ("member",),
    "category": ("category",),
}
BY: Final = (*DIMENSIONS, "day")
SHARES: Final = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Latency:
    """Quantiles of times in milliseconds; None where there are no times.

    Attributes:
        n: How many times.
        p50_ms: The median.
        p95_ms: What 95% stay below.
        p99_ms: What 99% stay below.
        is_exact: Whether they come from the times themselves; else from histograms, off by a twentieth at most.
    """

    n: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    is_exact: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The figures of one group of calls.

    Attributes:
        key: What they have in common; None for calls without it.
        totals: Their sums.
        latency: How long they took, retries included.
        first_token: How long streamed ones took until their first token.
        error_share: The share that ended in an error, with Wilson's interval.
    """

    key: str | None
    totals: Totals
    latency: Latency = Latency()
    first_token: Latency = Latency()
    error_share: Interval = UNKNOWN

    @property
    def cost_usd(self) -> float | None:
        """Return the known part of the cost, the least it can be where calls are unpriced; None where none is known."""
        return None if self.totals.unpriced and not self.totals.cost_nano else self.totals.cost_usd

    @property
    def cache_share(self) -> float | None:
        """Return the share of the known input tokens that came from a provider's cache; None without any."""
        return self.totals.cached_tokens / self.totals.input_tokens if self.totals.input_tokens else None


def groups(reader: FactsReader, filter_: Filter, by: str | None) -> list[Group]:
    """Return the figures of each group: days in their order, else the largest cost first.

    Args:
        reader: The facts.
        filter_: Which calls.
        by: One of `BY`; None puts all into one group without a key, which is there even where it is empty.

    Raises:
        ValueError: `by` is none of them.
    """
    if by is None:
        return [_with_share(_latencies(reader, filter_, (), {(): Group(key=None, totals=reader.totals(filter_))})[()])]
    if by == "day":
        return _days(reader, filter_)
    if by not in DIMENSIONS:
        raise ValueError(f"--by is {by!r:.40}: give one of {', '.join(BY)}.")
    dimensions = DIMENSIONS[by]
    rows = {row.key: Group(key=key_text(row.key), totals=row.totals) for row in reader.grouped(filter_, dimensions)}
    return [_with_share(group) for group in _latencies(reader, filter_, dimensions, rows).values()]


def key_text(parts: Sequence[str | None]) -> str | None:
    """Return the parts of a key as one text; None where it has none. A prompt's version follows its name."""
    texts = [part for part in parts if part is not None]
    return " ".join(texts) if texts else None


def _with_share(group: Group) -> Group:
    return replace(group, error_share=wilson(group.totals.errors, group.totals.n))


def _latencies(
    reader: FactsReader,
    filter_: Filter,
    dimensions: Sequence[Dimension],
    rows: Mapping[tuple[str | None, ...], Group],
) -> dict[tuple[str | None, ...], Group]:
    durations = reader.percentiles(filter_, dimensions, SHARES)
    streamed = any(row.totals.first_tokens for row in rows.values())
    first = reader.percentiles(filter_, dimensions, SHARES, "first_token") if streamed else {}
    return {
        key: replace(row, latency=latency_of(durations.get(key)), first_token=latency_of(first.get(key)))
        for key, row in rows.items()
    }


def latency_of(percentiles: Percentiles | None) -> Latency:
    """Return quantiles at `SHARES` by their names."""
    if percentiles is None or not percentiles.n:
        return Latency()
    p50, p95, p99 = percentiles.values_ms
    return Latency(n=percentiles.n, p50_ms=p50, p95_ms=p95, p99_ms=p99, is_exact=percentiles.is_exact)


def _days(reader: FactsReader, filter_: Filter) -> list[Group]:
    """Return the figures of each day that has calls; quantiles by day are asked for one by one."""
    days = []
    for point in reader.series(filter_, "day"):
        end_ns = point.start_ns + DAY_NS
        since = point.start_ns if filter_.since_ns is None else max(point.start_ns, filter_.since_ns)
        until = end_ns if filter_.until_ns is None else min(end_ns, filter_.until_ns)
        within = replace(filter_, since_ns=since, until_ns=until)
        group = Group(key=day_text(point.start_ns), totals=point.totals)
        days.append(_with_share(_latencies(reader, within, (), {(): group})[()]))
    return days


def day_text(ns: int) -> str:
    """Return the day of a time, such as 2026-11-30, in UTC."""
    return f"{datetime.fromtimestamp(ns / 1e9, UTC):%Y-%m-%d}"

"""Put the results of several markets together."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from src.judging.backtest.results import decider_data, rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.judging.accuracy import Accuracy, Judged
    from src.judging.backtest.plan import Estimate
    from src.judging.backtest.results import Result


@dataclass(frozen=True, slots=True)
class MarketsResult:
    """What a back-test of several markets showed: each by itself, and the deciders by all of them."""

    results: tuple[Result, ...]
    rows: tuple[Accuracy, ...]
    wall_s: float

    @property
    def run_id(self) -> str:
        """Return an id that follows from those of the markets' runs."""
        return run_id_of([item.run_id for item in self.results])

    @property
    def symbol(self) -> str:
        """Return all symbols, with commas."""
        return ",".join(item.symbol for item in self.results)

    @property
    def decisions(self) -> int:
        """Return how many decisions there are."""
        return sum(item.decisions for item in self.results)

    @property
    def failed(self) -> int:
        """Return how many of them failed."""
        return sum(item.failed for item in self.results)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data: one market's fields for all together, and each market's beside."""
        counts = ("decisions", "abstained", "failed", "resolved", "calls", "cost_usd")
        return {
            "run_id": self.run_id,
            "symbol": self.symbol,
            **{name: sum(getattr(item, name) for item in self.results) for name in counts},
            "wall_s": self.wall_s,
            "by_decider": [decider_data(row) for row in self.rows],
            "by_symbol": [item.to_dict() for item in self.results],
        }


def together(results: Sequence[Result], *, wall_s: float) -> MarketsResult:
    """Return the results of several markets as one.

    Decisions of the same day count as one block in every interval, since markets move together.
    """
    groups: dict[str, list[Judged]] = {}
    for result in results:
        for name, items in result.judged.items():
            groups.setdefault(name, []).extend(items)
    return MarketsResult(results=tuple(results), rows=tuple(rows_of(groups)), wall_s=wall_s)


def run_id_of(run_ids: Sequence[str]) -> str:
    """Return the id of several runs together, which is its own for a single one."""
    if len(run_ids) == 1:
        return run_ids[0]
    return hashlib.sha256("/".join(sorted(run_ids)).encode()).hexdigest()[:16]


def sum_of(estimates: Sequence[Estimate]) -> Estimate:
    """Return what several markets may take together."""
    costs = [item.cost_usd for item in estimates]
    known = [cost for cost in costs if cost is not None]
    return replace(
        estimates[0],
        decisions=sum(item.decisions for item in estimates),
        calls=sum(item.calls for item in estimates),
        input_tokens=sum(item.input_tokens for item in estimates),
        output_tokens=sum(item.output_tokens for item in estimates),
        cost_usd=sum(known) if len(known) == len(costs) else None,
    )

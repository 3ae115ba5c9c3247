"""Judge a back-test, and compare its deciders: hits, returns, and the way of the money."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from src.agents.risk_rules import Limits
from src.judging.accuracy import Accuracy, accuracy_of, grouped, with_discoveries
from src.judging.backtest.portfolio import HOLDING, Portfolios
from src.judging.costs import costs_of_venue
from src.judging.grouping import judged
from src.judging.paper.terms import START_USD
from src.judging.report import HEADLINE_BOOKS, row_data
from src.judging.resolving import Rules, resolve
from src.observability.ledger import LedgerReader
from src.observability.store.reader import StoreReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from src.judging.accuracy import Judged
    from src.judging.backtest.plan import Plan
    from src.judging.backtest.runner import Progress
    from src.judging.paper.curve import Curve
    from src.judging.prices import PriceSeries
    from src.observability.ledger import Entry
    from src.observability.store.ledger_records import DecisionRecord
    from src.observability.store.spool import Spool

_COUNTED: Final = (
    "n", "hit_rate", "hit_low", "hit_high", "baseline_hit_rate", "skill", "skill_low", "skill_high", "brier",
    "brier_skill", "net_return_mean", "net_return_low", "net_return_high", "max_drawdown", "cost_usd", "decisions",
    "abstained", "failed", "stands_out", "verdict",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Equity:
    """The way of one dollar: its value at the close of bars; the times are those of their opens, in ns since 1970."""

    name: str
    times_ns: tuple[int, ...]
    values: tuple[float, ...]

    @property
    def end(self) -> float:
        """Return the last value; 1 where nothing happened."""
        return self.values[-1] if self.values else 1.0

    @property
    def drawdown(self) -> float:
        """Return the deepest fall from a highest point, as a fraction of it."""
        highest, deepest = 1.0, 0.0
        for value in self.values:
            highest = max(highest, value)
            deepest = max(deepest, 1 - value / highest)
        return deepest


@dataclass(frozen=True, slots=True)
class Result:
    """What a back-test showed: its deciders by name, the way of their money, and of holding and of cash.

    `open` says for which reasons how many outcomes are not known, `judged` are the decisions behind each decider's row.
    """

    run_id: str
    symbol: str
    decisions: int
    abstained: int
    failed: int
    resolved: int
    calls: int
    cost_usd: float
    wall_s: float
    rows: tuple[Accuracy, ...]
    equities: tuple[Equity, ...]
    open: tuple[tuple[str, int], ...] = ()
    judged: dict[str, list[Judged]] = field(default_factory=dict, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data, as `--json` prints it."""
        return {
            "run_id": self.run_id,
            "symbol": self.symbol,
            "decisions": self.decisions,
            "abstained": self.abstained,
            "failed": self.failed,
            "resolved": self.resolved,
            "open": dict(self.open),
            "calls": self.calls,
            "cost_usd": self.cost_usd,
            "wall_s": self.wall_s,
            "by_decider": [decider_data(row) for row in self.rows],
            "equity": [{"name": item.name, "end": item.end, "max_drawdown": item.drawdown} for item in self.equities],
        }


def decider_data(row: Accuracy) -> dict[str, Any]:
    """Return a decider's row as plain data."""
    data = row_data(row)
    return {"decider": row.key, **{name: data[name] for name in _COUNTED}, "inside": row.inside}


def rows_of(groups: Mapping[str, Sequence[Judged]]) -> list[Accuracy]:
    """Return each decider's row; one that may have been trained on the time never stands out."""
    rows = []
    for row in with_discoveries(accuracy_of(key, items) for key, items in groups.items()):
        inside = sum(item.book not in HEADLINE_BOOKS for item in groups[row.key])
        rows.append(replace(row, inside=inside, stands_out=row.stands_out and not inside))
    return rows


def judge_run(
    plan: Plan,
    prices: PriceSeries,
    spool: Spool,
    *,
    rules: Rules,
    progress: Progress,
    calls: int | None = None,
    score: Callable[..., object] | None = None,
) -> Result:
    """Resolve a run's decisions, and return what they show.

    Args:
        plan: The run.
        prices: What its decisions are judged by.
        spool: The store with the ledger.
        rules: By what they are judged.
        progress: How far the back-test came.
        calls: How many models this run asked; all that the progress counts where not given.
        score: Writes a score, as `src.observability.score` does; None writes none.
    """
    reader = LedgerReader(StoreReader(spool.path))
    resolution = resolve(
        reader.entries(run_id=plan.run_id), prices, spool, rules=rules, resolved_ns=time.time_ns(), score=score
    )
    # A later attempt at a decision that had failed takes its place.
    entries = list(
        {(item.decision.agent, item.decision.as_of_ns): item for item in reader.entries(plan.run_id)}.values()
    )
    groups = grouped((entry.decision.agent or "unknown", judged(entry)) for entry in entries)
    rows = rows_of(groups)
    return Result(
        run_id=plan.run_id,
        symbol=plan.symbol,
        decisions=len(entries),
        abstained=sum(entry.decision.status == "abstained" for entry in entries),
        failed=sum(entry.decision.status == "failed" for entry in entries),
        resolved=resolution.resolved,
        calls=progress.calls if calls is None else calls,
        cost_usd=sum(entry.decision.cost_usd or 0.0 for entry in entries),
        wall_s=time.monotonic() - progress.started,
        rows=tuple(rows),
        equities=tuple(_equities(entries, plan, prices, spool, rules)),
        open=tuple(resolution.reasons.most_common()),
        judged=groups,
    )


def _equities(entries: Sequence[Entry], plan: Plan, prices: PriceSeries, spool: Spool, rules: Rules) -> list[Equity]:
    """Return the way of a dollar in each decider's book, by buying and holding, and in cash.

    Books hold the risk agent's share of the equity in one market at most; so does holding, in a line of its own.
    """
    costs = costs_of_venue(None, fee_bps=rules.fee_bps, spread_bps=rules.spread_bps, slippage_bps=rules.slippage_bps)
    portfolios = Portfolios(plan, prices, costs, spool, funding=rules.funding)
    by_decider: dict[str, list[DecisionRecord]] = {}
    for entry in entries:
        by_decider.setdefault(entry.decision.agent or "unknown", []).append(entry.decision)
    equities = [_of_one(name, portfolios.curve(name, made)) for name, made in sorted(by_decider.items())]
    if prices.first_at_or_after(plan.times_us[0] * 1000) < len(prices):
        share = float(Limits().max_position_share or 1)
        equities.append(_of_one(HOLDING, portfolios.holding()))
        equities.append(_of_one(f"{HOLDING}, {share:.0%}", portfolios.holding(share)))
    return [*equities, Equity("cash", (), ())]


def _of_one(name: str, curve: Curve) -> Equity:
    """Return a curve as the way of one dollar."""
    start = float(START_USD)
    return Equity(name, curve.times_ns, tuple(value / start for value in curve.values))

"""Resolve the ledger's decisions by a series of prices, and score them where they were made."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from src.agents.market.symbols import may_be, same_symbol
from src.judging.costs import costs_of_venue
from src.judging.outcomes import StillOpen, judge
from src.observability.ledger import parse_horizons, score_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from src.judging.prices import FundingSeries, PriceSeries
    from src.observability.ledger import Entry, Horizon
    from src.observability.store.ledger_records import DecisionRecord, OutcomeRecord
    from src.observability.store.spool import Spool

_BATCH: Final = 1_000
# A reference price further from the series' own close at that time is of another market, unit or adjustment.
_LARGEST_GAP: Final = 0.1
OTHER_SYMBOL: Final = "the prices are of another symbol"
UNNAMED_SYMBOL: Final = "the prices name no symbol, and the decision no price: name it with --symbol"
DISAGREEING: Final = "its price differs from the series' by more than a tenth: another market, unit or adjustment"


@dataclass(frozen=True, slots=True)
class Rules:
    """By what decisions are judged.

    Attributes:
        horizons: Instead of the decisions' own.
        symbol: The symbol of the prices, where they name none, or another spelling.
        fee_bps: Instead of the venue's usual fee.
        spread_bps: The whole spread.
        slippage_bps: The slippage of each fill.
        funding: Funding rates, of a perpetual contract.
    """

    horizons: tuple[Horizon, ...] = ()
    symbol: str | None = None
    fee_bps: float | None = None
    spread_bps: float | None = None
    slippage_bps: float | None = None
    funding: FundingSeries | None = None

    def __post_init__(self) -> None:
        """Refuse costs that are none, before any decision is judged.

        Raises:
            ValueError: one of them is none; the message names it.
        """
        costs_of_venue(None, fee_bps=self.fee_bps, spread_bps=self.spread_bps, slippage_bps=self.slippage_bps)


@dataclass(slots=True)
class Resolution:
    """How many decisions times horizons were resolved now or before, and why others stay open.

    Attributes:
        resolved: Those that are judged by these prices, whether anew or as before.
        changed: Those of them whose outcome is new, or another than before.
        reasons: How many stay open for which reason.
    """

    resolved: int = 0
    changed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def open(self) -> int:
        """Return how many stay open."""
        return sum(self.reasons.values())


def resolve(
    entries: Iterable[Entry],
    prices: PriceSeries,
    spool: Spool,
    *,
    rules: Rules,
    resolved_ns: int,
    score: Callable[..., object] | None = None,
) -> Resolution:
    """Judge decisions, and store what is new of it: the same prices again change nothing.

    Args:
        entries: The decisions with their present outcomes.
        prices: What they are judged by.
        spool: Where outcomes are stored.
        rules: By what they are judged.
        resolved_ns: The time, in nanoseconds since 1970.
        score: Writes a score, as `src.observability.score` does; None writes none.

    Raises:
        SpoolError: the outcomes could not be stored.
    """
    resolution = Resolution()
    for part in _parts(entries):
        fresh: list[tuple[DecisionRecord, OutcomeRecord]] = []
        for entry in part:
            fresh.extend((entry.decision, item) for item in _judged(entry, prices, rules, resolved_ns, resolution))
        if fresh:
            spool.append_ledger_rows([outcome for _, outcome in fresh])
            resolution.changed += len(fresh)
        if score is not None:
            for decision, outcome in fresh:
                write_scores(decision, outcome, score)
    return resolution


def refuse_several_symbols(entries: Iterable[Entry], prices: PriceSeries, rules: Rules) -> None:
    """Refuse prices that name no symbol, and that decisions on several could be judged by.

    Raises:
        ValueError: there are such decisions; the message names their symbols.
    """
    if (rules.symbol or prices.symbol) is not None:
        return
    symbols: list[str] = []
    for entry in entries:
        decision = entry.decision
        if decision.symbol in symbols or decision.status != "decided" or _mismatch(decision, prices, rules) is not None:
            continue
        if not any(same_symbol(decision.symbol, name) for name in symbols):
            symbols.append(decision.symbol)
    if len(symbols) > 1:
        raise ValueError(
            f"The prices of {prices.source} name no symbol, and fit decisions on {', '.join(sorted(symbols)[:10])}: "
            "say which one they are of, with --symbol."
        )


def _parts(entries: Iterable[Entry]) -> Iterator[Sequence[Entry]]:
    part: list[Entry] = []
    for entry in entries:
        part.append(entry)
        if len(part) == _BATCH:
            yield part
            part = []
    if part:
        yield part


def _judged(
    entry: Entry, prices: PriceSeries, rules: Rules, resolved_ns: int, resolution: Resolution
) -> Iterator[OutcomeRecord]:
    """Yield the outcomes of a decision that are new, or other than before; count the rest."""
    decision = entry.decision
    if decision.status != "decided":
        return
    horizons = rules.horizons or parse_horizons(decision.horizons)
    mismatch = _mismatch(decision, prices, rules)
    costs = costs_of_venue(
        decision.venue, fee_bps=rules.fee_bps, spread_bps=rules.spread_bps, slippage_bps=rules.slippage_bps
    )
    for horizon in horizons:
        outcome = (
            StillOpen(mismatch)
            if mismatch is not None
            else judge(decision, horizon, prices, costs=costs, resolved_ns=resolved_ns, funding=rules.funding)
        )
        before = entry.outcomes.get(horizon.name)
        if isinstance(outcome, StillOpen):
            if before is None:
                resolution.reasons[outcome.reason] += 1
            continue
        resolution.resolved += 1
        if before is None or replace(before, resolved_ns=resolved_ns) != outcome:
            yield outcome


def _mismatch(decision: DecisionRecord, prices: PriceSeries, rules: Rules) -> str | None:
    """Return why prices may not be those of a decision's market; None where they are."""
    symbol = rules.symbol or prices.symbol
    if symbol is not None and not may_be(symbol, decision.symbol):
        return OTHER_SYMBOL
    if decision.price is None:
        return UNNAMED_SYMBOL if symbol is None else None
    at = prices.last_before(decision.as_of_ns)
    if at is not None:
        price = float(prices.close[at])
    elif symbol is None and (first := prices.first_at_or_after(decision.as_of_ns)) < len(prices):
        price = float(prices.open[first])  # whose bars these are is known by the price alone
    else:
        return None  # there is no bar before the decision to compare with
    return None if abs(price / decision.price - 1) <= _LARGEST_GAP else DISAGREEING


def score_names(decision: DecisionRecord, horizon: str) -> Mapping[str, str]:
    """Return the names of a horizon's scores: plain ones for the main horizon, else with the horizon at their end."""
    suffix = "" if decision.horizons.split(",")[0] == horizon else f".{horizon}"
    return {name: f"outcome.{name}{suffix}" for name in ("return_net", "correct", "brier")}


def write_scores(decision: DecisionRecord, outcome: OutcomeRecord, score: Callable[..., object]) -> None:
    """Write an outcome as scores on the decision's own observation, by ids and a date that a correction has too."""
    if decision.trace_id is None:
        return
    names = score_names(decision, outcome.horizon)
    values = {"return_net": outcome.net, "correct": outcome.correct, "brier": outcome.brier}
    for key, value in values.items():
        if value is not None:
            score(
                names[key],
                value,
                trace_id=decision.trace_id,
                observation_id=decision.observation_id,
                score_id=score_id(decision.id, names[key]),
                timestamp_ns=decision.time_ns,
                comment=f"{decision.action} {decision.symbol}, {outcome.horizon}, {outcome.exit_reason}",
                environment=decision.environment,
            )

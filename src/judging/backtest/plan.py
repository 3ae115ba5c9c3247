"""Plan a back-test: at which times who decides, under which id, and what that may cost."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from src.agents.market.bars import columns_of
from src.agents.prompts import agent_prompt, built_in
from src.agents.prompts.trading import NAME
from src.judging.backtest.as_of import as_us

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.judging.backtest.as_of import Replay
    from src.judging.backtest.deciders import Decider
    from src.observability.ledger import Horizon

_NAMESPACE: Final = uuid.UUID("0e2c2b5c-31a7-4b0e-8df1-0c9f3d2a7b55")
_US: Final = 1_000_000
_OUTPUT_TOKENS: Final = 120  # about what a decision takes
_CHARACTERS_PER_TOKEN: Final = 3.5  # of a prompt that is mostly numbers


@dataclass(frozen=True, slots=True)
class Plan:
    """A planned back-test.

    Attributes:
        run_id: The same for the same prices, deciders, times and prompt, so that a run goes on where it ended.
        symbol: The market's symbol.
        times_us: When decisions are made, in microseconds since 1970.
        skipped: How many times were left out, since no bar had closed since the time before.
        horizons: By what they are judged.
    """

    run_id: str
    symbol: str
    times_us: tuple[int, ...]
    skipped: int
    horizons: tuple[Horizon, ...]

    @property
    def session_id(self) -> str:
        """Return the session in which its decisions are traced."""
        return f"backtest-{self.run_id}"

    @property
    def horizon_names(self) -> str:
        """Return the horizons as the ledger writes them."""
        return ",".join(horizon.name for horizon in self.horizons)

    def decision_id(self, decider: str, time_us: int) -> str:
        """Return the id of a decision, the same each time the run is made."""
        return uuid.uuid5(_NAMESPACE, f"{self.run_id}/{decider}/{time_us}").hex


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run may take; money is None where the price of a model is not known."""

    decisions: int
    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    unpriced: tuple[str, ...] = ()


def make_plan(
    replay: Replay,
    deciders: Sequence[Decider],
    *,
    every: Horizon,
    horizons: tuple[Horizon, ...],
    first: datetime | None = None,
    last: datetime | None = None,
    label: str = "",
) -> Plan:
    """Return the plan.

    Args:
        replay: The market.
        deciders: Who decides.
        every: The time between two decisions.
        horizons: By what they are judged.
        first: The first time; as soon as every decider has enough bars where not given.
        last: The last time; the end of the prices where not given.
        label: What else tells this run from others, such as a placebo.

    Raises:
        ValueError: there is no time at which all deciders have enough bars.
    """
    fewest = max(decider.fewest_bars for decider in deciders)
    step_us = every.seconds * _US
    if every.seconds < replay.bar_s:
        raise ValueError(
            f"--every {every.name} is shorter than a bar ({replay.bar_s} s): decisions between two bars see the same."
        )
    begin, end = _span(replay, step_us, first, last)
    times, skipped, before = [], 0, -1
    for time_us in range(begin, end + 1, step_us):
        closed = replay.closed_at(time_us)
        if closed < fewest:
            continue
        if closed == before:
            skipped += 1
            continue
        before = closed
        times.append(time_us)
    if not times:
        raise ValueError(_no_time(replay, begin, end, every, fewest))
    run_id = _run_id(replay, deciders, [every.seconds, [item.seconds for item in horizons], times[0], times[-1], label])
    return Plan(run_id=run_id, symbol=replay.symbol, times_us=tuple(times), skipped=skipped, horizons=horizons)


def _no_time(replay: Replay, begin: int, end: int, every: Horizon, fewest: int) -> str:
    """Return why there is no time at which all deciders have enough bars."""
    if begin > end:
        return (
            f"No time of --every {every.name} lies in the prices, which go from {_day(replay.first_us)} to "
            f"{_day(end)} UTC. Give more prices, or a shorter --every."
        )
    newest = end - (end - begin) % (every.seconds * _US)
    return (
        f"No decision can be made from {_day(begin)} to {_day(end)} UTC: the deciders need {fewest} closed bars "
        f"before, and at {_day(newest)}, the last time of --every {every.name}, there are {replay.closed_at(newest)}. "
        "Give more prices, or a later --to."
    )


def _span(replay: Replay, step_us: int, first: datetime | None, last: datetime | None) -> tuple[int, int]:
    """Return the first time at which a decision may be made, and the last one."""
    begin = replay.first_us if first is None else as_us(first)
    end = replay.end_us if last is None else as_us(last)
    if begin > end and first is not None and last is not None:
        raise ValueError(f"--from {_day(begin)} is after --to {_day(end)}.")
    if begin > replay.end_us:
        raise ValueError(f"--from {_day(begin)} is after the last bar, which closes at {_day(replay.end_us)} UTC.")
    begin += -begin % step_us if first is None else 0
    return begin, end


def _run_id(replay: Replay, deciders: Sequence[Decider], rest: list[Any]) -> str:
    digest = hashlib.sha256()
    columns = columns_of(replay.candles.bars)
    for name in ("time_us", "open", "high", "low", "close"):
        digest.update(getattr(columns, name).tobytes())
    if not replay.has_even_bars:
        digest.update(replay.closed_us.tobytes())
    names = [decider.name for decider in deciders]
    prompt = next((item.prompt for item in deciders if item.prompt is not None), None) or built_in(NAME)
    instructions = prompt.digest if prompt.kind == "chat" or prompt.config else prompt.text
    digest.update(json.dumps([replay.symbol, names, instructions, rest]).encode())
    return digest.hexdigest()[:16]


def _day(time_us: int) -> str:
    return f"{datetime.fromtimestamp(time_us / _US, UTC):%Y-%m-%d %H:%M}"


def estimate(plan: Plan, replay: Replay, models: Sequence[str], *, decided: int, deciders: int) -> Estimate:
    """Return what the rest of a run may take.

    Args:
        plan: The plan.
        replay: The market.
        models: The models, as provider:model, each asked once at each time.
        decided: How many decisions are in the ledger already.
        deciders: How many deciders there are.
    """
    from src.agents.market_view import market_view

    whole = len(plan.times_us) * deciders
    left = (whole - decided) / whole if whole else 0.0
    times = round(len(plan.times_us) * left)
    if not models:
        return Estimate(decisions=whole - decided, calls=0, input_tokens=0, output_tokens=0, cost_usd=0.0)
    view = replay.view(plan.times_us[0])
    text = market_view(plan.symbol, view.candles, now=view.as_of).snapshot.to_prompt()
    tokens = round((len(text) + len(agent_prompt(NAME).text)) / _CHARACTERS_PER_TOKEN)
    costs = {model: _price_of_call(model, tokens) for model in models}
    unpriced = tuple(model for model, cost in costs.items() if cost is None)
    known = sum(cost for cost in costs.values() if cost is not None)
    return Estimate(
        decisions=whole - decided,
        calls=times * len(models),
        input_tokens=times * len(models) * tokens,
        output_tokens=times * len(models) * _OUTPUT_TOKENS,
        cost_usd=None if unpriced else known * times,
        unpriced=unpriced,
    )


def _price_of_call(model: str, input_tokens: int) -> float | None:
    from src.agents.base_agent import as_model
    from src.models.pricing.prices import price
    from src.models.usage import Usage

    made = as_model(model)
    if made._is_free(made.model_name):
        return 0.0
    usage = Usage(input=input_tokens, output=_OUTPUT_TOKENS)
    return price(made.provider, (made.model_name,), usage).total


def as_data(figures: Estimate) -> dict[str, Any]:
    """Return an estimate as plain data."""
    return {**asdict(figures), "unpriced": list(figures.unpriced)}

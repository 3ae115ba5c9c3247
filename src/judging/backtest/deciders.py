"""Define who decides in a back-test: rules that cost nothing, models, and swarms of them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final, Protocol

from src.agents.prompts import agent_prompt
from src.agents.prompts.trading import NAME
from src.agents.trading_agent import TradingAgent
from src.judging.backtest.agents import PREFIX, UserAgent
from src.judging.backtest.choices import Choice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from src.agents.ledger_entries import Circumstances
    from src.agents.swarm.voting import Vote
    from src.judging.backtest.as_of import AsOfView
    from src.prompts import Prompt

RULES: Final = ("hold", "random#SEED", "momentum", "cross")
_MOMENTUM_BARS: Final = 20
_FAST_BARS: Final = 20
_SLOW_BARS: Final = 50
WINDOW: Final = 500  # bars of a view


class Decider(Protocol):
    """Who decides on a market.

    Attributes:
        name: Its name, as reports show it.
        models: The models that it asks for each decision.
        fewest_bars: How many bars it needs.
        is_free: Whether it asks no model at all.
        trained_models: The models whose training its decisions may repeat.
        prompt: The prompt that it asks them with; None where it asks none, or not with a prompt of ours.
    """

    name: str
    models: tuple[str, ...]
    fewest_bars: int
    is_free: bool
    trained_models: tuple[str, ...]
    prompt: Prompt | None

    def decide(self, view: AsOfView, where: Circumstances) -> Choice:
        """Return its choice; `where` says how the decision is kept."""


class Rule:
    """A rule: no model is asked.

    Args:
        name: Its name, such as rule:momentum.
        fewest_bars: How many bars it needs.
        choose: Returns BUY, SELL or NOTHING.
    """

    models: tuple[str, ...] = ()
    is_free = True
    trained_models: tuple[str, ...] = ()
    prompt: Prompt | None = None

    def __init__(self, name: str, fewest_bars: int, choose: Callable[[AsOfView], str]) -> None:
        self.name = name
        self.fewest_bars = fewest_bars
        self._choose = choose

    def decide(self, view: AsOfView, where: Circumstances) -> Choice:  # noqa: ARG002 - the runner writes it
        """Return the rule's choice, without a confidence of its own: 50."""
        return Choice(action=self._choose(view), confidence=50.0)


class Models:
    """One model, or a swarm of them, through the trading agent."""

    fewest_bars = 10
    is_free = False

    def __init__(self, name: str, models: Sequence[str]) -> None:
        self.name = name
        self.models = self.trained_models = tuple(models)
        self.prompt: Prompt | None = agent_prompt(NAME)  # for the whole run, whatever is put into use meanwhile
        self._agent = TradingAgent(list(models), name=name, prompt=self.prompt)

    def decide(self, view: AsOfView, where: Circumstances) -> Choice:
        """Ask the models."""
        asked: list[Vote] = []
        result = self._agent.decide(view.symbol, view.candles, now=view.as_of, where=where, on_vote=asked.append)
        has_votes = result.has_quorum
        is_failed = any(vote.error_category for vote in result.votes)
        return Choice(
            action=str(result.action),
            confidence=result.confidence,
            status="decided" if has_votes else "failed" if is_failed else "abstained",
            cost_usd=result.cost_usd or 0.0,
            cost_unknown=result.unpriced > 0,
            calls=len(asked),
            is_written=result.decision_id is not None,
        )


def deciders_named(names: Sequence[str], *, swarm: bool) -> list[Decider]:
    """Return the deciders of names: `rule:...`, `agent:...`, or provider:model; with `swarm` all models together.

    Raises:
        ValueError: a name is no rule or agent, or none is given.
        UnknownProvider: a name is no model.
    """
    rules: list[Decider] = [_rule(name) for name in names if name.startswith("rule:")]
    rules += [UserAgent(name.removeprefix(PREFIX)) for name in names if name.startswith(PREFIX)]
    models = [name for name in names if not name.startswith(("rule:", PREFIX))]
    if not names:
        raise ValueError("--models names no model: give provider:model or rule:momentum, separated by commas.")
    if swarm and models:
        return [*rules, Models(f"swarm({'+'.join(models)})", models)]
    return [*rules, *(Models(name, [name]) for name in models)]


def _rule(name: str) -> Rule:
    kind, _, seed = name.removeprefix("rule:").partition("#")
    if kind == "random":
        return Rule(f"rule:random#{seed or 0}", 1, lambda view: _random(seed or "0", view))
    if not seed and kind == "hold":
        return Rule(name, 1, lambda _: "BUY")
    if not seed and kind == "momentum":
        return Rule(name, _MOMENTUM_BARS + 1, _momentum)
    if not seed and kind == "cross":
        return Rule(name, _SLOW_BARS, _cross)
    raise ValueError(f"{name!r:.60} is no rule: give one of {', '.join(f'rule:{rule}' for rule in RULES)}.")


def _random(seed: str, view: AsOfView) -> str:
    return random.Random(f"{seed}/{view.as_of.timestamp():.0f}").choice(("BUY", "SELL"))  # noqa: S311 - no secret


def _momentum(view: AsOfView) -> str:
    closes = view.closes
    return _sign(closes[-1] - closes[-1 - _MOMENTUM_BARS])


def _cross(view: AsOfView) -> str:
    closes = view.closes
    return _sign(closes[-_FAST_BARS:].mean() - closes[-_SLOW_BARS:].mean())


def _sign(difference: float) -> str:
    return "BUY" if difference > 0 else "SELL" if difference < 0 else "NOTHING"

"""Define the members of a swarm."""

from __future__ import annotations

import math
import numbers
from collections import Counter
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator


@dataclass(frozen=True, slots=True)
class Member:
    """One member: `model` as provider:model. `brief` ends its prompt, `seed` makes its replies repeatable.

    `fallbacks` are asked in turn where the model fails; the member has one vote and one generation all the same.

    Raises:
        ValueError: the weight is no finite number above 0.
    """

    model: str
    weight: float = 1.0
    brief: str = ""
    seed: int | None = None
    label: str = ""
    fallbacks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a weight with which no vote can be counted, before anything is asked and paid for."""
        weight: object = self.weight
        is_number = isinstance(weight, numbers.Real | Decimal) and not isinstance(weight, bool)
        if not is_number or not 0 < _as_float(self.weight) < math.inf:
            name = self.label or self.model
            raise ValueError(f"The weight of {name} is {weight!r}: give a finite number above 0, such as 1 or 2.5.")
        if not isinstance(weight, int | float):  # a fraction, a decimal, a number of numpy's: results are JSON
            object.__setattr__(self, "weight", float(self.weight))


def _as_float(weight: float) -> float:
    try:
        return float(weight)
    except OverflowError:
        return math.inf


_BRIEFS = (
    "Follow the trend: weigh moving averages and MACD most.",
    "Expect a return to the mean: weigh RSI and Bollinger position most.",
    "Protect capital: weigh volatility and drawdown most, and trade only on clear signs.",
)


def labelled(members: Iterable[str | Member]) -> tuple[Member, ...]:
    """Return the members with unique labels; those that name the same model get #1, #2, ...

    Raises:
        ValueError: there is none, one names no model, or their weights cannot be added up.
    """
    unlabelled = [item if isinstance(item, Member) else Member(model=str(item).strip()) for item in members]
    if not unlabelled:
        raise ValueError("A trading agent needs at least one member, such as openai:gpt-4o or local.")
    if any(not member.model for member in unlabelled):
        raise ValueError("A member's name is empty: give provider:model, such as openai:gpt-4o.")
    if not math.isfinite(sum(float(member.weight) for member in unlabelled)):
        raise ValueError("The weights of the members are too large to be added up: give smaller ones.")
    total = Counter(member.label or member.model for member in unlabelled)
    numbered = {name: _numbered(name, total) for name in total}
    names = [member.label or member.model for member in unlabelled]
    return tuple(
        replace(member, label=next(numbered[name]) if total[name] > 1 else name)
        for member, name in zip(unlabelled, names, strict=True)
    )


def _numbered(name: str, taken: Container[str]) -> Iterator[str]:
    """Return name#1, name#2, ... without those that a member has as its own label."""
    return (label for label in (f"{name}#{number}" for number in count(1)) if label not in taken)


def default_members() -> tuple[Member, ...]:
    """Return every configured provider's default model, or three local members where no key is set."""
    from src.agents.base_agent import keyed_providers
    from src.models.model_factory import ModelFactory

    keyed = keyed_providers()
    if keyed:
        return labelled(f"{name}:{ModelFactory.DEFAULT_MODELS[name]}" for name in keyed)
    return labelled(Member(model="local", brief=brief, seed=seed) for seed, brief in enumerate(_BRIEFS, start=1))

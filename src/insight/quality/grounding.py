"""Check the numbers in a model's reasoning against those in its prompt.

What is claimed is little, and that strictly: a number that is called absent does not stand in the prompt, rounded or
not, and is no difference or percentage of two numbers there. It may still be right. A number that stands in the prompt
may be cited for the wrong thing: that is not judged.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from src.insight.quality.numbers import Quantity, claims, quantities

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MOST_NUMBERS: Final = 400  # of a prompt, whose pairs are looked at; of a longer one derived numbers are not judged
_SLACK: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Grounding:
    """What became of the numbers in one reasoning.

    Attributes:
        stated: How many stand in the prompt, exactly or rounded.
        derived: How many are a difference or a percentage of two numbers there.
        absent: Those that are neither, as they are written.
        unjudged: How many may be derived from more numbers than are looked at.
    """

    stated: int
    derived: int
    absent: tuple[str, ...]
    unjudged: int = 0

    @property
    def judged(self) -> int:
        """Return how many numbers were judged."""
        return self.stated + self.derived + len(self.absent)

    @property
    def share(self) -> float | None:
        """Return the share of the judged numbers that have a ground; None where there are none."""
        return None if not self.judged else (self.stated + self.derived) / self.judged


def grounding(prompt: Iterable[str], reasoning: str) -> Grounding:
    """Return what becomes of a reasoning's numbers.

    Args:
        prompt: The texts that the model was shown.
        reasoning: What it gave as its reasons.
    """
    claimed = list(claims(reasoning))
    if not claimed:
        return Grounding(stated=0, derived=0, absent=())
    numbers = [item for text in prompt for item in quantities(text)]
    values = sorted({item.value for item in numbers})
    stated = derived = unjudged = 0
    absent = []
    for claim in claimed:
        if _is_stated(claim, numbers, values):
            stated += 1
        elif len(values) > _MOST_NUMBERS:
            unjudged += 1
        elif _is_derived(claim, values):
            derived += 1
        else:
            absent.append(claim.text)
    return Grounding(stated=stated, derived=derived, absent=tuple(absent), unjudged=unjudged)


def _is_stated(claim: Quantity, numbers: Sequence[Quantity], values: Sequence[float]) -> bool:
    """Tell whether a number stands in the prompt: at the claim's own precision, or as a share of 1 for a percentage."""
    if _holds(values, claim.value, claim.unit):
        return True
    if claim.is_percent:
        return _holds(values, claim.value / 100, claim.unit / 100)
    # A prompt's percentage may be cited as a share of 1.
    return any(item.is_percent and _holds((item.value / 100,), claim.value, claim.unit) for item in numbers)


def _holds(values: Sequence[float], value: float, unit: float) -> bool:
    """Tell whether one of the sorted values becomes a value when it is rounded, or cut off, at its last digit."""
    slack = abs(value) * _SLACK
    place = bisect.bisect_left(values, value - unit / 2 - slack)
    return place < len(values) and (values[place] < value + unit - slack or values[place] <= value + unit / 2 + slack)


def _is_derived(claim: Quantity, values: Sequence[float]) -> bool:
    """Tell whether a number is a difference of two numbers, or a change or ratio in percent, as precise as it is."""
    if claim.is_percent:
        for base in values:
            if base == 0:
                continue
            share = claim.value / 100
            # The change from one number to another, up or down, and the one as a percentage of the other.
            for factor in (1 + share, 1 - share, share):
                if factor > 0 and _near(values, base * factor, base * claim.unit / 200):
                    return True
        return False
    return any(_near(values, base + claim.value, claim.unit / 2) for base in values)


def _near(values: Sequence[float], value: float, reach: float) -> bool:
    place = bisect.bisect_left(values, value - reach)
    return place < len(values) and values[place] <= value + reach

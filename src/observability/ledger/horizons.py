"""Read horizons, such as 24h and 7d: how long after its entry a decision is judged."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_FORM: Final = re.compile(r"([1-9][0-9]{0,5})([smhdw])")


class HorizonError(ValueError):
    """A text is no horizon; the message names it and shows the form."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """A span of time after a decision's entry; `name` is its text, such as 24h."""

    name: str
    seconds: int


@lru_cache(maxsize=256)
def parse_horizon(text: str) -> Horizon:
    """Return the horizon that a text names: a whole number with s, m, h, d or w.

    Raises:
        HorizonError: it names none.
    """
    name = str(text).strip()
    match = _FORM.fullmatch(name)
    if match is None:
        raise HorizonError(
            f"{name!r:.40} is no horizon: give a whole number with s, m, h, d or w, such as 90m, 24h or 7d."
        )
    return Horizon(name=name, seconds=int(match[1]) * _SECONDS[match[2]])


def parse_horizons(texts: str | Iterable[str]) -> tuple[Horizon, ...]:
    """Return the horizons of a text with commas, or of several texts; each length once, in their order.

    Raises:
        HorizonError: one of them is not a horizon, or there is none.
    """
    if not isinstance(texts, str | Iterable):
        parse_horizon(str(texts))  # a number alone has no unit
    names = texts.split(",") if isinstance(texts, str) else [name for text in texts for name in str(text).split(",")]
    horizons: dict[int, Horizon] = {}
    for horizon in map(parse_horizon, names):
        horizons.setdefault(horizon.seconds, horizon)
    if not horizons:
        raise HorizonError("No horizon is named: give one, such as 24h.")
    return tuple(horizons.values())

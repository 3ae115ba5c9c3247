"""Shrink lots until all limits hold, in whole ticks and as little as that allows."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from src.agents.risk.money import rounded_down

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True)
class Lot:
    """One position: what it is exposed to, and its size, negative for a short one."""

    exposure: str
    size: Decimal


@dataclass(frozen=True, slots=True)
class Caps:
    """The largest sizes in US dollars: of one exposure on one side, and of the account; None is none."""

    exposure: Decimal | None = None
    gross: Decimal | None = None
    net: Decimal | None = None
    long: Decimal | None = None
    short: Decimal | None = None


def sides(lots: Iterable[Lot]) -> tuple[Decimal, Decimal]:
    """Return the totals of the long lots and of the short ones, both of at least 0."""
    sizes = [lot.size for lot in lots]
    return total(size for size in sizes if size > 0), total(-size for size in sizes if size < 0)


def total(sizes: Iterable[Decimal]) -> Decimal:
    """Return the sum of sizes."""
    return sum(sizes, Decimal(0))


def reduced(lots: Sequence[Lot], caps: Caps, tick: Decimal) -> list[Decimal]:
    """Return for each lot the size at which all caps hold, none larger than before.

    A group of lots that is too large shrinks in proportion, to the largest multiple of the tick that its cap allows.
    """
    sizes = [abs(lot.size) for lot in lots]
    groups: dict[tuple[str, bool], list[int]] = {}
    for place, lot in enumerate(lots):
        if lot.size:
            groups.setdefault((lot.exposure, lot.size > 0), []).append(place)
    for group in groups.values():
        _fit(sizes, group, caps.exposure, tick)
    longs = [place for place, lot in enumerate(lots) if lot.size > 0]
    shorts = [place for place, lot in enumerate(lots) if lot.size < 0]
    _fit(sizes, longs, caps.long, tick)
    _fit(sizes, shorts, caps.short, tick)
    _fit(sizes, [*longs, *shorts], caps.gross, tick)
    if caps.net is not None:
        _fit_net(sizes, longs, shorts, caps.net, tick)
    return [-size if size and lot.size < 0 else size for lot, size in zip(lots, sizes, strict=True)]


def _fit(sizes: list[Decimal], places: Sequence[int], cap: Decimal | None, tick: Decimal) -> None:
    """Shrink the lots at these places so that their sum is at most the cap."""
    whole = total(sizes[place] for place in places)
    if cap is None or whole <= cap:
        return
    ticks = {place: sizes[place] * cap // (whole * tick) for place in places}
    spare = cap // tick - total(ticks.values())
    remainders = {place: sizes[place] * cap - ticks[place] * whole * tick for place in places}
    for place in sorted(places, key=lambda place: -remainders[place]):
        if spare > 0 and (ticks[place] + 1) * tick <= sizes[place]:
            ticks[place] += 1
            spare -= 1
    for place in places:
        sizes[place] = ticks[place] * tick


def _fit_net(sizes: list[Decimal], longs: Sequence[int], shorts: Sequence[int], cap: Decimal, tick: Decimal) -> None:
    """Shrink the larger side until it exceeds the other by at most the cap."""
    for _ in range(2):
        long, short = (total(sizes[place] for place in side) for side in (longs, shorts))
        if abs(long - short) <= cap:
            return
        larger, smaller_total = (longs, short) if long > short else (shorts, long)
        _fit(sizes, larger, smaller_total + cap, tick)
        excess = total(sizes[place] for place in longs) - total(sizes[place] for place in shorts)
        if abs(excess) <= cap:
            return
        for place in (*longs, *shorts):  # fractions of a tick keep the sides apart: only whole ticks can meet
            sizes[place] = rounded_down(sizes[place], tick)

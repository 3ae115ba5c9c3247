"""Match fills to decisions by market, side and time; what fits two decisions belongs to neither, and is listed."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from src.judging.fills.markets import is_same_market, market_of
from src.judging.fills.positions import follow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from src.judging.fills.positions import Parts
    from src.judging.fills.records import Fill
    from src.observability.ledger import Entry
    from src.observability.store.ledger_records import DecisionRecord, ResultRecord

_SIDES: Final = {"BUY": 1, "SELL": -1}
# A position of which less than this share is open has ended: fees and lot sizes leave crumbs.
_CRUMBS: Final = Decimal("0.01")
OPEN: Final = "its position is still open"
UNKNOWN_FEES: Final = "a fee has no known price"
SEVERAL_MARKETS: Final = "its fills are on several markets"
UNCLEAR: Final = (
    "a long and a short position were open, and the export does not say which of them a fill belongs to: give one "
    "with the position's side, such as the interface's answer"
)
AMBIGUOUS: Final = "some of its fills may be another decision's"


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """An order whose fills fit several decisions."""

    place: str
    market: str
    side: str
    time_ns: int
    amount: float
    decisions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Earned:
    """What one decision earned: `reason` says why that is not known yet; `is_new` that the ledger says otherwise."""

    decision: DecisionRecord
    source: str
    pnl_usd: float | None
    net_return: float | None
    time_ns: int
    details: Mapping[str, Any]
    reason: str | None = None
    is_new: bool = True


@dataclass(slots=True)
class Matched:
    """What came of matching.

    Attributes:
        earned: What decisions earned, with those of which it is not known yet.
        ambiguous: The orders that fit several decisions.
        fills: How many fills there were.
        matched: How many of them belong to a decision.
        closing: How many only closed positions.
        from_before: How many closed something from before the file.
        unmatched: How many opened a position for no decision.
        without_fills: How many decisions of the file's time have none.
    """

    earned: list[Earned] = field(default_factory=list)
    ambiguous: list[Ambiguous] = field(default_factory=list)
    fills: int = 0
    matched: int = 0
    closing: int = 0
    from_before: int = 0
    unmatched: int = 0
    without_fills: int = 0


@dataclass(frozen=True, slots=True)
class _Group:
    """Decisions on one market and side, by time."""

    times: tuple[int, ...]
    entries: tuple[Entry, ...]


class _Decisions:
    """Looks up the decisions that fills may belong to."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        groups: defaultdict[tuple[str, int], list[Entry]] = defaultdict(list)
        for entry in entries:
            record = entry.decision
            side = _SIDES.get(record.action)
            if side is not None and record.status == "decided" and record.environment != "backtest":
                groups[market_of(record.symbol).base, side].append(entry)
        self._groups = {}
        for key, members in groups.items():
            members.sort(key=lambda entry: entry.decision.time_ns)
            times = tuple(entry.decision.time_ns for entry in members)
            self._groups[key] = _Group(times=times, entries=tuple(members))

    def near(self, fill: Fill, window_ns: int) -> list[Entry]:
        """Return the decisions on a fill's market and side that were made within a time before it."""
        group = self._groups.get((fill.market.base, fill.side))
        if group is None:
            return []
        first = bisect_left(group.times, fill.time_ns - window_ns)
        last = bisect_right(group.times, fill.time_ns + fill.resolution_ns - 1)
        return [
            entry
            for entry in group.entries[first:last]
            if is_same_market(market_of(entry.decision.symbol), fill.market)
            and entry.decision.venue in (None, fill.venue)
        ]

    def between(self, first_ns: int, last_ns: int) -> list[Entry]:
        """Return all decisions of a time."""
        return [
            entry
            for group in self._groups.values()
            for entry in group.entries
            if first_ns <= entry.decision.time_ns <= last_ns
        ]


def match(
    fills: Sequence[Fill],
    entries: Iterable[Entry],
    *,
    window_s: float,
    fee_prices: Mapping[str, Decimal] | None = None,
    files: Sequence[str] = (),
) -> Matched:
    """Return what decisions earned by fills.

    Args:
        fills: The fills, oldest first.
        entries: The decisions, with what is known of them.
        window_s: How long after a decision its orders begin.
        fee_prices: What fees in other currencies are worth, in dollars.
        files: The files' names.
    """
    decisions = _Decisions(entries)
    result = Matched(fills=len(fills))
    owners, known, doubtful = _owners(fills, decisions, int(window_s * 1e9), result)
    followed = follow(fills, lambda fill: owners.get(fill.place), fee_prices or {})
    result.closing, result.from_before = followed.closing, followed.from_before
    result.matched = sum(part.fills for part in followed.parts.values())
    result.unmatched = sum(place not in doubtful for place in followed.untagged)
    doubted = {name for item in result.ambiguous for name in item.decisions}
    markets = Counter(name for name, _, _ in followed.parts)
    for (name, venue, _), part in followed.parts.items():
        reason = AMBIGUOUS if name in doubted else SEVERAL_MARKETS if markets[name] > 1 else None
        if (venue, part.market) in followed.unclear:
            reason = reason or UNCLEAR
        result.earned.append(_earned(known[name], part, venue, reason=reason, files=files))
    if fills:
        in_time = decisions.between(fills[0].time_ns, fills[-1].time_ns)
        with_fills = set(owners.values()) | doubted
        result.without_fills = sum(entry.decision.id not in with_fills for entry in in_time)
    result.earned.sort(key=lambda item: item.decision.time_ns)
    return result


def _owners(
    fills: Sequence[Fill], decisions: _Decisions, window_ns: int, result: Matched
) -> tuple[dict[str, str], dict[str, Entry], set[str]]:
    """Return the decision of each fill by its place, the decisions by their ids, and the places of doubtful fills.

    All fills of an order belong to one decision: the one that the first of them follows.
    """
    orders: defaultdict[tuple[object, ...], list[Fill]] = defaultdict(list)
    for fill in fills:
        key = (fill.venue, fill.market, fill.side, fill.order_id or fill.place)
        orders[key].append(fill)
    owners: dict[str, str] = {}
    known: dict[str, Entry] = {}
    doubtful: set[str] = set()
    for members in orders.values():
        candidates = decisions.near(members[0], window_ns)
        if len(candidates) == 1:
            known[candidates[0].decision.id] = candidates[0]
            owners.update((fill.place, candidates[0].decision.id) for fill in members)
        elif candidates:
            doubtful.update(fill.place for fill in members)
            first = members[0]
            result.ambiguous.append(
                Ambiguous(
                    place=first.place,
                    market=first.market.name,
                    side="BUY" if first.side > 0 else "SELL",
                    time_ns=first.time_ns,
                    amount=float(sum(fill.amount for fill in members)),
                    decisions=tuple(entry.decision.id for entry in candidates),
                )
            )
    return owners, known, doubtful


def _earned(entry: Entry, part: Parts, venue: str, *, reason: str | None, files: Sequence[str]) -> Earned:
    reason = reason or (OPEN if part.closed_share < 1 - _CRUMBS else UNKNOWN_FEES if part.unknown_fees else None)
    source = f"fills:{venue}"
    pnl_usd = float(part.net) if part.market.in_dollars and reason is None else None
    net_return = float(part.net / part.closed_value) if reason is None else None
    details = {
        "files": list(files),
        "market": part.market.name,
        "amount": float(part.opened),
        "closed_share": float(part.closed_share),
        "entry": float(part.entry_value / part.opened),
        "exit": float(part.exit_value / part.closed) if part.closed else None,
        "gross": float(part.gross),
        "fees": float(part.fees),
        "currency": part.market.quote,
        "fills": part.fills,
        "unknown_fees": sorted(currency or "without a currency" for currency in part.unknown_fees),
        "excludes": sorted(part.excludes),
    }
    before = entry.results.get(source)
    return Earned(
        decision=entry.decision,
        source=source,
        pnl_usd=pnl_usd,
        net_return=net_return,
        time_ns=part.last_ns or part.first_ns,
        details=details,
        reason=reason,
        is_new=before is None or not _is_same(before, pnl_usd, net_return),
    )


def _is_same(before: ResultRecord, pnl_usd: float | None, net_return: float | None) -> bool:
    return (before.pnl_usd, before.net_return) == (pnl_usd, net_return)


def as_data(item: Earned) -> dict[str, Any]:
    """Return what a decision earned as plain data."""
    return {
        "decision": item.decision.id,
        "time": datetime.fromtimestamp(item.decision.time_ns / 1e9, UTC).isoformat(),
        "symbol": item.decision.symbol,
        "action": item.decision.action,
        "agent": item.decision.agent,
        "source": item.source,
        "pnl_usd": item.pnl_usd,
        "net_return": item.net_return,
        "known": item.reason is None,
        "reason": item.reason,
        "is_new": item.is_new,
        **json.loads(json.dumps(dict(item.details))),
    }

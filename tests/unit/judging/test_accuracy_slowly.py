"""Every figure of the report, computed again in another way: plain loops, textbook formulas, exact sums."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

import pytest

from src.judging.accuracy import DAY_NS
from src.observability.ledger import Entry, MemberVote, write_votes
from src.observability.store.ledger_records import DecisionRecord, OutcomeRecord
from tests.long import rounds
from tests.unit.judging.ledgers import report_of

if TYPE_CHECKING:
    from src.judging.report import Report

SIGN = {"BUY": 1, "SELL": -1, "NOTHING": 0}
MEMBERS = {"a:x": 1.0, "b:y": 2.0, "c:z": 0.5}
COSTS = '{"fee_bps": 10.0, "spread_bps": 4.0, "slippage_bps": 3.0}'
ROUND_TRIP = (2 * 10 + 4 + 2 * 3) / 10_000


def ledger(seed: int, count: int) -> list[Entry]:
    """Return decisions of some days, in no order of time, with every kind of end that one can have."""
    chance = random.Random(seed)
    places = chance.sample(range(count * 3), count)
    return [entry(chance, number, place) for number, place in enumerate(places)]


def entry(chance: random.Random, number: int, place: int) -> Entry:
    votes = [
        MemberVote(
            member=name,
            action=chance.choice([None, "BUY", "BUY", "SELL", "NOTHING"]),
            confidence=chance.choice([None, 0.0, 55.0, 60.0, 73.0, 100.0]),
            weight=weight,
            cost_usd=chance.choice([None, 0.01, 0.02]),
            error=chance.choice([None, "timeout"]),
        )
        for name, weight in MEMBERS.items()
        if chance.random() < 0.9
    ]
    status = chance.choices(["decided", "abstained", "failed"], [8, 1, 1])[0]
    record = DecisionRecord(
        id=str(number),
        time_ns=place * DAY_NS // 5,
        as_of_ns=place * DAY_NS // 5,
        symbol="BTC-USD",
        action=chance.choice(list(SIGN)) if status == "decided" else "NOTHING",
        status=status,  # type: ignore[arg-type]
        confidence=chance.choice([None, 0.0, 49.9, 50.0, 62.5, 89.0, 90.0, 100.0]),
        votes=write_votes(votes),
        cost_usd=chance.choice([None, 0.0, 0.25]),
        cost_unknown=chance.random() < 0.1,
        book=chance.choice(["live", "inside", None]),
    )
    if chance.random() < 0.15:
        return Entry(decision=record)
    move = chance.choice([0.0, chance.gauss(0, 0.02), chance.gauss(0, 0.02)])
    gross = SIGN[record.action] * move
    outcome = OutcomeRecord(
        decision_id=record.id, horizon="24h", entry_ns=0, entry=100.0, exit_ns=1, exit=100 * (1 + move),
        exit_reason=chance.choice(["horizon", "horizon", "stop"]), gross=gross, correct=None, brier=None, costs=COSTS,
        net=gross - ROUND_TRIP * abs(SIGN[record.action]), source="s", resolved_ns=1,
    )  # fmt: skip
    return Entry(decision=record, outcomes={"24h": outcome})


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return Wilson's interval by Newcombe's formula for method 3."""
    z = 1.959963984540054
    p = hits / n
    middle, half = 2 * n * p + z * z, z * math.sqrt(z * z + 4 * n * p * (1 - p))
    return (middle - half) / (2 * (n + z * z)), (middle + half) / (2 * (n + z * z))


def binomial(hits: int, n: int, share: float) -> float:
    """Return how likely it is to hit so many, or as unlikely a number."""
    weights = [math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(n + 1)]
    return sum(weight for weight in weights if weight <= weights[hits] * (1 + 1e-7))


Choice = tuple[float, str, str, "float | None", "float | None", "float | None"]


def compared(row: Any, choices: list[Choice]) -> None:
    """Compare a row with its figures by hand: choices are time, status, action, confidence, move and net."""
    trades = sorted(item for item in choices if item[1] == "decided" and item[2] != "NOTHING" and item[4] is not None)
    n = len(trades)
    assert (row.decisions, row.n) == (len(choices), n)
    for status in ("abstained", "failed"):
        assert getattr(row, status) == len([item for item in choices if item[1] == status])
    assert row.open == len([item for item in choices if item[1] == "decided" and item[4] is None])
    active = [item for item in choices if item[1] == "decided" and item[2] != "NOTHING"]
    assert row.coverage == pytest.approx(len(active) / len(choices))
    if not n:
        assert row.hit_rate.value is None
        return
    moves = [item[4] or 0.0 for item in trades]
    hits = [SIGN[item[2]] * move > 0 for item, move in zip(trades, moves, strict=True)]
    low, high = wilson(sum(hits), n)
    assert (row.hit_rate.value, row.hit_rate.low, row.hit_rate.high) == pytest.approx((sum(hits) / n, low, high))
    rose, fell = (sum(move > 0 for move in moves) / n, sum(move < 0 for move in moves) / n)
    assert (row.always_long, row.baseline_hit_rate) == pytest.approx((rose, max(rose, fell)))
    long = sum(item[2] == "BUY" for item in trades) / n
    chance = long * rose + (1 - long) * fell
    assert row.skill.value == pytest.approx(sum(hits) / n - chance)
    if 0 < chance < 1:
        assert row.p_value == pytest.approx(binomial(sum(hits), n, chance))
    nets = [item[5] or 0.0 for item in trades]
    assert row.net_total == pytest.approx(math.fsum(nets))
    assert row.net_return.value == pytest.approx(math.fsum(nets) / n)
    assert row.long_return == pytest.approx(math.fsum(moves) / n - ROUND_TRIP)
    sums = [math.fsum(nets[:end]) for end in range(n + 1)]
    falls = [sums[first] - sums[last] for first in range(n + 1) for last in range(first, n + 1)]
    assert row.max_drawdown == pytest.approx(max(falls))
    calibration(row, [(item[3] / 100, hit) for item, hit in zip(trades, hits, strict=True) if item[3] is not None])


def calibration(row: Any, stated: list[tuple[float, bool]]) -> None:
    if not stated:
        assert row.brier is None
        return
    n = len(stated)
    brier = sum((p - hit) ** 2 for p, hit in stated) / n
    share = sum(hit for _, hit in stated) / n
    loss = -sum(math.log(min(max(p if hit else 1 - p, 0.01), 0.99)) for p, hit in stated) / n
    assert (row.brier, row.log_loss) == pytest.approx((brier, loss))
    if 0 < share < 1:
        reference = sum((share - hit) ** 2 for _, hit in stated) / n
        assert row.brier_skill == pytest.approx(1 - brier / reference)
    classes: dict[int, list[tuple[float, bool]]] = {}
    for p, hit in stated:
        low = max(bound for bound in (0, 50, 60, 70, 80, 90) if p * 100 >= bound - 1e-9)
        classes.setdefault(low, []).append((p, hit))
    assert [item.low for item in row.reliability] == sorted(classes)
    for item in row.reliability:
        members = classes[item.low]
        assert item.n == len(members)
        assert item.mean_confidence == pytest.approx(sum(p for p, _ in members) / len(members))
        assert item.hit_rate.value == pytest.approx(sum(hit for _, hit in members) / len(members))


def moved(item: Entry) -> float | None:
    outcome = item.outcomes.get("24h")
    return None if outcome is None else outcome.exit / outcome.entry - 1


def own(item: Entry) -> Choice:
    record, outcome = item.decision, item.outcomes.get("24h")
    net = None if outcome is None else outcome.net
    return record.as_of_ns, record.status, record.action, record.confidence, moved(item), net


def other(item: Entry, action: str | None, confidence: float | None = None, error: str | None = None) -> Choice:
    """Return what another action would have come to; a stop of the consensus says nothing of it."""
    outcome = item.outcomes.get("24h")
    move = moved(item) if outcome is not None and outcome.exit_reason == "horizon" else None
    net = None if move is None else SIGN[action or "NOTHING"] * move - ROUND_TRIP * abs(SIGN[action or "NOTHING"])
    status = "decided" if action else "failed" if error else "abstained"
    return item.decision.as_of_ns, status, action or "NOTHING", confidence, move, net


def ballot(votes: list[tuple[float, str | None]]) -> str | None:
    """Count votes with fractions of tenths, so that nothing is rounded; None without a majority of the weight."""
    tenths = [(round(weight * 10), action) for weight, action in votes]
    total = sum(weight for weight, _ in tenths)
    cast: dict[str, int] = {}
    for weight, action in tenths:
        if action is not None:
            cast[action] = cast.get(action, 0) + weight
    if not total or 2 * sum(cast.values()) <= total:
        return None
    best = max(cast.values())
    winners = [action for action, weight in cast.items() if weight == best]
    return winners[0] if len(winners) == 1 else "NOTHING"


def check(report: Report, entries: list[Entry]) -> None:
    compared(report.total, [own(item) for item in entries])
    for book in report.books:
        compared(book, [own(item) for item in entries if (item.decision.book or "unknown") == book.key])
    together = [item for item in entries if len(item.votes) > 1]
    rows = {row.key: row for row in report.swarm}
    assert len(rows) == 2 + 2 * len(MEMBERS)
    compared(rows["swarm"], [other(i, i.decision.action if i.decision.status == "decided" else None) for i in together])
    compared(rows["plain vote"], [other(i, ballot([(1, v.action) for v in i.votes])) for i in together])
    for name in MEMBERS:
        votes = [next((vote for vote in item.votes if vote.member == name), None) for item in together]
        alone = [
            other(item, vote.action, vote.confidence, vote.error) if vote else other(item, None)
            for item, vote in zip(together, votes, strict=True)
        ]
        compared(rows[f"{name} alone"], alone)
        rest = [ballot([(v.weight, v.action) for v in item.votes if v.member != name]) for item in together]
        compared(rows[f"without {name}"], [other(item, action) for item, action in zip(together, rest, strict=True)])
    dissent(report, entries)
    inaction(report, entries)
    costs = [item.decision.cost_usd for item in entries if item.decision.cost_usd is not None]
    assert report.total.cost_usd == (pytest.approx(math.fsum(costs)) if costs else None)
    assert report.total.cost_unknown == any(item.decision.cost_unknown for item in entries)


def dissent(report: Report, entries: list[Entry]) -> None:
    hits: dict[bool, list[bool]] = {True: [], False: []}
    for item in entries:
        _, status, action, _, move, _ = own(item)
        cast = [vote.action for vote in item.votes if vote.action]
        if status == "decided" and action != "NOTHING" and move is not None and len(item.votes) > 1 and cast:
            hits[all(vote == cast[0] for vote in cast)].append(SIGN[action] * move > 0)
    for is_alike, figure, count in (
        (True, report.total.agreed, report.total.n_agreed), (False, report.total.split, report.total.n_split),
    ):  # fmt: skip
        assert count == len(hits[is_alike])
        if count:
            assert figure.value == pytest.approx(sum(hits[is_alike]) / count)


def inaction(report: Report, entries: list[Entry]) -> None:
    quiet = [moved(item) for item in entries if item.decision.status == "decided" and item.decision.action == "NOTHING"]
    moves = [abs(move) for move in quiet if move is not None]
    assert report.total.inaction.n == len(moves)
    if moves:
        assert report.total.inaction.mean_move == pytest.approx(math.fsum(moves) / len(moves))
        assert report.total.inaction.missed == pytest.approx(sum(move > ROUND_TRIP for move in moves) / len(moves))


@pytest.mark.parametrize("seed", range(rounds(5, 200)))
def test_every_figure_is_what_plain_arithmetic_says(seed: int) -> None:
    entries = ledger(seed, random.Random(seed).choice([3, 20, 60]))
    check(report_of(entries), entries)


def test_an_interval_is_that_of_a_bootstrap_of_blocks_done_by_hand() -> None:
    """The same resampling in plain loops, with chances of its own: the bounds agree to a tenth of the width."""
    entries = [item for item in ledger(7, 150) if item.decision.status == "decided"]
    total = report_of(entries).total
    trades = sorted(item for item in map(own, entries) if item[2] != "NOTHING" and item[4] is not None)
    days: dict[int, list[float]] = {}
    for time_ns, _, _, _, _, net in trades:
        days.setdefault(int(time_ns) // DAY_NS, []).append(net or 0.0)
    sums = [(math.fsum(nets), len(nets)) for _, nets in sorted(days.items())]
    length = min(max(2, 2, math.ceil(len(sums) ** (1 / 3))), len(sums) // 3)
    chance = random.Random(1)
    means = sorted(_resampled_mean(sums, length, chance) for _ in range(rounds(1_500, 5_000)))
    low, high = (means[int(share * len(means))] for share in (0.025, 0.975))
    width = high - low
    assert total.net_return.low == pytest.approx(low, abs=width / 10)
    assert total.net_return.high == pytest.approx(high, abs=width / 10)


def _resampled_mean(sums: list[tuple[float, int]], length: int, chance: random.Random) -> float:
    drawn: list[tuple[float, int]] = []
    while len(drawn) < len(sums):
        start = chance.randrange(len(sums))
        block = [sums[(start + step) % len(sums)] for step in range(length)]
        drawn.extend(block[: len(sums) - len(drawn)])
    return sum(total for total, _ in drawn) / sum(count for _, count in drawn)

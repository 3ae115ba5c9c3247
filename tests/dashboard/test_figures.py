"""Every figure equals one that is computed from the raw rows by a second, slow way: over random stores and filters."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dashboard.cases import (
    FILTERS,
    SEEDS,
    Case,
    Row,
    bound,
    cost_of,
    decided,
    made_cases,
    near,
    quantile,
    total_of,
)
from tests.long import rounds
from tests.unit.judging.slow_report import make_report

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Case]]:
    yield from made_cases(tmp_path_factory)


@settings(max_examples=rounds(3, 300))
@given(place=st.integers(0, len(SEEDS) - 1), filters=FILTERS)
def test_pages_on_calls(cases: list[Case], place: int, filters: dict[str, str]) -> None:
    case = cases[place]
    rows = case.chosen(filters)
    if rows:
        total = case.figures("cost", filters)
        assert int(total["calls"]) == len(rows)
        assert near(total["cost_usd"], bound(rows)[0])
        assert near(total["errors"], sum(row["level"] == "ERROR" for row in rows) / len(rows))
        for name in ("input_tokens", "output_tokens"):
            is_known = any(row[name] is not None for row in rows)
            assert near(total[name], total_of(rows, name) if is_known else None)
    groups: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["model"]].append(row)
    costs = {row["model"]: row for row in case.csv("/cost/groups.csv", {**filters, "by": "model"})} if rows else {}
    times = {row["model"]: row for row in case.csv("/latency/groups.csv", {**filters, "by": "model"})} if rows else {}
    errors = {row["model"]: row for row in case.csv("/errors/groups.csv", {**filters, "by": "model"})} if rows else {}
    assert costs.keys() == times.keys() == errors.keys() == groups.keys()
    for model, group in groups.items():
        usd, is_unknown = bound(group)
        assert near(costs[model]["cost_usd"], usd)
        assert costs[model]["cost_usd_at_least"] == is_unknown
        assert near(costs[model]["per_call"], None if is_unknown == "true" else (usd or 0.0) / len(group))
        assert int(costs[model]["unpriced"]) == sum(bool(row["cost_unknown"]) for row in group)
        took = [(row["end_ns"] - row["start_ns"]) // 1_000 / 1_000 for row in group]
        for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99)):
            assert math.isclose(float(times[model][name]), quantile(took, share), abs_tol=0.002)
        assert near(errors[model]["error_rate"], sum(row["level"] == "ERROR" for row in group) / len(group))
        limited = sum(row["error_category"] == "rate_limit" for row in group)
        assert int(errors[model]["rate_limited"]) == limited


@settings(max_examples=rounds(3, 300))
@given(place=st.integers(0, len(SEEDS) - 1), filters=FILTERS)
def test_traces_and_sessions(cases: list[Case], place: int, filters: dict[str, str]) -> None:
    case = cases[place]
    rows = case.chosen(filters, calls=False)
    if not rows:
        return
    total = case.figures("traces", filters)
    assert int(total["traces"]) == len({row["trace_id"] for row in rows})
    assert int(total["calls"]) == sum(row["type"] == "generation" for row in rows)
    assert near(total["cost_usd"], cost_of(rows))
    listed = case.csv("/traces/traces.csv", filters)
    wanted = {row["trace_id"] for row in rows}
    assert {row["trace_id"] for row in listed} == wanted
    for line in listed[:5]:
        whole = [row for row in case.rows if row["trace_id"] == line["trace_id"]]
        assert int(line["observations"]) == len(whole)
        assert near(line["cost_usd"], cost_of(whole))
    for line in case.csv("/sessions/sessions.csv", filters):
        inside = [row for row in rows if row["session_id"] == line["session"]]
        assert int(line["calls"]) == sum(row["type"] == "generation" for row in inside)
        assert near(line["cost_usd"], cost_of(inside))


@settings(max_examples=rounds(2, 200))
@given(place=st.integers(0, len(SEEDS) - 1), filters=FILTERS, horizon=st.sampled_from((None, "24h", "4h")))
def test_pages_on_decisions(cases: list[Case], place: int, filters: dict[str, str], horizon: str | None) -> None:
    case = cases[place]
    entries = [entry for entry in case.entries if decided(entry, filters)]
    address = {**filters, **({"horizon": horizon} if horizon else {})}
    listed = case.csv("/decisions/decisions.csv", address)
    assert {row["id"] for row in listed} == {entry.decision.id for entry in entries}
    if not entries:
        return
    outcomes = [entry.outcomes.get(horizon or "24h") for entry in entries if entry.decision.status == "decided"]
    trades = [outcome for outcome in outcomes if outcome is not None and outcome.correct is not None]
    total = case.figures("decisions", address)
    assert int(total["resolved"]) == len(trades)
    assert near(total["net_return"], statistics.fmean(item.net for item in trades) if trades else None)
    assert near(total["hit_rate"], sum(bool(item.correct) for item in trades) / len(trades) if trades else None)
    equity = case.csv("/decisions/equity.csv", address)
    assert len(equity) == len(trades)
    if equity:
        assert near(equity[0]["net_sum"], math.fsum(item.net for item in trades))


@pytest.mark.parametrize(("by", "horizon"), [("agent", None), ("model", "4h"), ("confidence", None)])
def test_accuracy_is_that_of_the_report(cases: list[Case], by: str, horizon: str | None) -> None:
    case = cases[0]
    report = make_report(case.entries, by, horizon=horizon)
    listed = case.csv("/accuracy/groups.csv", {"by": by, **({"horizon": horizon} if horizon else {})})
    assert [row["key"] for row in listed] == [row.key for row in report.rows]
    for line, row in zip(listed, report.rows, strict=True):
        assert (int(line["n"]), int(line["decisions"])) == (row.n, row.decisions)
        for name in ("hit_rate", "skill", "net_return"):
            interval = getattr(row, name)
            for key, value in ((name, interval.value), (f"{name}_low", interval.low), (f"{name}_high", interval.high)):
                assert near(line[key], value)


def test_the_swarm_is_that_of_the_report(cases: list[Case]) -> None:
    for case in cases:
        rows = {row.key: row for row in make_report(case.entries).swarm}
        listed = {row["way"]: row for row in case.csv("/swarm/ways.csv", {})}
        names = {"the swarm": "swarm", "equal weights": "plain vote"}
        assert {names.get(way, way) for way in listed} == rows.keys()
        for way, line in listed.items():
            row = rows[names.get(way, way)]
            assert int(line["n"]) == row.n
            assert near(line["hit_rate"], row.hit_rate.value)
            assert near(line["net_return"], row.net_return.value)
            assert near(line["net_return_low"], row.net_return.low)
            assert near(line["net_total"], row.net_total if row.n else None)
        for line in case.csv("/swarm/members.csv", {}):
            added = rows["swarm"].net_total - rows[f"without {line['member']}"].net_total
            assert near(line["value"], added)
            paid = [vote.cost_usd for entry in case.entries for vote in entry.votes if vote.member == line["member"]]
            known = math.fsum(cost for cost in paid if cost is not None)
            assert near(line["cost_usd"], None if not known and None in paid else known)


def test_two_members_beside_one_another(cases: list[Case]) -> None:
    case = cases[0]
    for line in case.csv("/swarm/pairs.csv", {}):
        both = differed = 0
        for entry in case.entries:
            votes = {vote.member: vote.action for vote in entry.votes}
            a, b = votes[line["first"]], votes[line["second"]]
            if a and b:
                both, differed = both + 1, differed + (a != b)
        assert (int(line["both"]), int(line["differed"])) == (both, differed)

"""Every figure equals one that is computed from the raw rows by a second, slow way: over random stores and filters."""

from __future__ import annotations

import csv
import io
import math
import sqlite3
import statistics
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.dashboard import Content, open_stores
from src.insight.facts.job import refresh
from src.judging.report import make_report
from src.observability.ledger import LedgerReader
from src.observability.store.reader import StoreReader
from tests.dashboard.conftest import opened
from tests.dashboard.sample import AGENTS, BEGAN_NS, MEMBERS, NS, SYMBOLS, fill
from tests.long import IS_LONG, rounds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.testclient import TestClient

SEEDS = (11, 12) if IS_LONG else (11,)
MODELS = tuple(member.partition(":")[2] for member in MEMBERS)


def stamp(hours: int) -> str:
    """Return a time so many hours after the beginning, as addresses have it."""
    return datetime.fromtimestamp(BEGAN_NS // NS + hours * 3_600, UTC).strftime("%Y-%m-%dT%H:%M:%S")


TIMES = st.integers(24, 24 + 60)  # hours after the beginning
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "agent": st.sampled_from((*AGENTS, "nobody")),
        "model": st.sampled_from(MODELS),
        "symbol": st.sampled_from(SYMBOLS),
        "since": TIMES.map(stamp),
        "until": st.integers(80, 24 * 150).map(stamp),
    },
)
Row = dict[str, Any]


def _ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS


class Case:
    """One store, its raw rows, and the dashboard on it."""

    def __init__(self, path: Path, client: TestClient) -> None:
        self.path = path
        self.client = client
        with sqlite3.connect(path) as connection:
            connection.row_factory = sqlite3.Row
            self.rows = [dict(row) for row in connection.execute("SELECT * FROM observations")]
        self.entries = list(LedgerReader(StoreReader(path)).entries())

    def chosen(self, filters: dict[str, str], *, calls: bool = True) -> list[Row]:
        return [row for row in self.rows if _fits(row, filters) and (row["type"] == "generation" or not calls)]

    def csv(self, address: str, filters: dict[str, str]) -> list[Row]:
        answer = self.client.get(f"{address}?{urlencode(filters)}" if filters else address)
        assert answer.status_code == 200, answer.text[-500:]
        return list(csv.DictReader(io.StringIO(answer.text)))

    def figures(self, page: str, filters: dict[str, str]) -> dict[str, str]:
        return {row["figure"]: row["value"] for row in self.csv(f"/{page}/figures.csv", filters)}


def _fits(row: Row, filters: dict[str, str]) -> bool:
    if any(row[name] != filters[name] for name in ("agent", "model", "symbol") if name in filters):
        return False
    if "since" in filters and row["start_ns"] < _ns(filters["since"]):
        return False
    return "until" not in filters or row["start_ns"] < _ns(filters["until"])


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Case]]:
    from contextlib import ExitStack

    with ExitStack() as stack:
        made = []
        for seed in SEEDS:
            path = fill(tmp_path_factory.mktemp("figures") / "traces.db", 50, seed=seed)
            refresh(path)
            content = Content(stores=open_stores([path]), seconds=120)
            made.append(Case(path, stack.enter_context(opened(content))))
        yield made


def near(text: str, value: float | None) -> bool:
    if value is None or text == "":
        return text == "" and value is None
    return math.isclose(float(text), value, rel_tol=1e-9, abs_tol=1e-9)


def _sum(rows: list[Row], name: str) -> float:
    return math.fsum(row[name] for row in rows if row[name] is not None)


def _quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


@settings(max_examples=rounds(3, 300))
@given(place=st.integers(0, len(SEEDS) - 1), filters=FILTERS)
def test_pages_on_calls(cases: list[Case], place: int, filters: dict[str, str]) -> None:
    case = cases[place]
    rows = case.chosen(filters)
    if rows:
        total = case.figures("cost", filters)
        assert int(total["calls"]) == len(rows)
        assert near(total["cost_usd"], _sum(rows, "cost_usd"))
        assert near(total["errors"], sum(row["level"] == "ERROR" for row in rows) / len(rows))
        assert int(total["input_tokens"]) == _sum(rows, "input_tokens")
        assert int(total["output_tokens"]) == _sum(rows, "output_tokens")
    groups: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["model"]].append(row)
    costs = {row["model"]: row for row in case.csv("/cost/groups.csv", {**filters, "by": "model"})} if rows else {}
    times = {row["model"]: row for row in case.csv("/latency/groups.csv", {**filters, "by": "model"})} if rows else {}
    errors = {row["model"]: row for row in case.csv("/errors/groups.csv", {**filters, "by": "model"})} if rows else {}
    assert costs.keys() == times.keys() == errors.keys() == groups.keys()
    for model, group in groups.items():
        assert near(costs[model]["cost_usd"], _sum(group, "cost_usd"))
        assert int(costs[model]["unpriced"]) == sum(bool(row["cost_unknown"]) for row in group)
        took = [(row["end_ns"] - row["start_ns"]) // 1_000 / 1_000 for row in group]
        for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99)):
            assert math.isclose(float(times[model][name]), _quantile(took, share), abs_tol=0.002)
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
    assert near(total["cost_usd"], _sum(rows, "cost_usd"))
    listed = case.csv("/traces/traces.csv", filters)
    wanted = {row["trace_id"] for row in rows}
    assert {row["trace_id"] for row in listed} == wanted
    for line in listed[:5]:
        whole = [row for row in case.rows if row["trace_id"] == line["trace_id"]]
        assert int(line["observations"]) == len(whole)
        assert near(line["cost_usd"], _sum(whole, "cost_usd"))
    for line in case.csv("/sessions/sessions.csv", filters):
        inside = [row for row in rows if row["session_id"] == line["session"]]
        assert int(line["calls"]) == sum(row["type"] == "generation" for row in inside)
        assert near(line["cost_usd"], _sum(inside, "cost_usd"))


@settings(max_examples=rounds(2, 200))
@given(place=st.integers(0, len(SEEDS) - 1), filters=FILTERS, horizon=st.sampled_from((None, "24h", "4h")))
def test_pages_on_decisions(cases: list[Case], place: int, filters: dict[str, str], horizon: str | None) -> None:
    case = cases[place]
    entries = [entry for entry in case.entries if _decided(entry, filters)]
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


def _decided(entry: Any, filters: dict[str, str]) -> bool:
    decision = entry.decision
    if "model" in filters and all(vote.model != filters["model"] for vote in entry.votes):
        return False
    row = {"agent": decision.agent, "symbol": decision.symbol, "start_ns": decision.as_of_ns}
    return _fits({**row, "model": filters.get("model")}, filters)


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
            assert near(line["cost_usd"], math.fsum(cost for cost in paid if cost is not None))


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

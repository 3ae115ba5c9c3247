"""The figures of the other pages, computed from the raw rows by a second, slow way: over random stores and filters."""

from __future__ import annotations

import math
import re
import sqlite3
import statistics
from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from src.dashboard import Content, open_stores
from src.dashboard.data.answers import answers_of
from src.dashboard.data.ledger import Ledger
from src.dashboard.data.limits import Limits
from src.insight.facts import headroom
from src.insight.ledger.chosen import Chosen
from src.observability.ledger import MemberVote, write_votes
from src.observability.store.spool import Spool
from tests.dashboard.cases import FILTERS, SEEDS, Case, Row, bound, decided, made_cases, near, quantile, total_of
from tests.dashboard.conftest import opened
from tests.dashboard.sample import BEGAN_NS, MEMBERS, NS, Maker
from tests.long import rounds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY_NS = 86_400 * NS
PLACES = st.integers(0, len(SEEDS) - 1)
ENTRY_FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "member": st.sampled_from(MEMBERS),
        "book": st.sampled_from(("live", "inside", "after")),
        "action": st.sampled_from(("BUY", "SELL", "NOTHING")),
        "outcome": st.sampled_from(("right", "wrong", "open")),
        "prompt": st.sampled_from(("trading 1", "trading 2", "none")),
        "session": st.sampled_from(("loop-0", "loop-2")),
        "horizon": st.sampled_from(("24h", "4h")),
    },
)
CALL_FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(("ok", "error")),
        "provider": st.sampled_from(("openai", "ollama")),
        "prompt": st.sampled_from(("trading", "none")),
        "session": st.sampled_from(("loop-0", "loop-1")),
        "min_ms": st.sampled_from(("900", "2500")),
        "min_usd": st.sampled_from(("0.001", "0.004")),
        "environment": st.sampled_from(("paper", "live")),
    },
)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Case]]:
    yield from made_cases(tmp_path_factory)


def _took_ms(row: Row) -> float:
    return float((row["end_ns"] - row["start_ns"]) // 1_000 / 1_000)


def _failed(rows: list[Row]) -> int:
    return sum(row["level"] == "ERROR" for row in rows)


def _by(rows: list[Row], *names: str) -> dict[tuple[Any, ...], list[Row]]:
    groups: defaultdict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in names)].append(row)
    return groups


def _day(ns: int) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(ns // DAY_NS * 86_400, UTC):%Y-%m-%dT%H:%M:%S}.000000000Z"


@settings(max_examples=rounds(1, 40))
@given(place=PLACES, filters=FILTERS)
@example(place=0, filters={})
def test_overview_and_days(cases: list[Case], place: int, filters: dict[str, str]) -> None:
    case = cases[place]
    rows = case.chosen(filters)
    if not rows:
        return
    total = case.figures("overview", filters)
    assert (int(total["calls"]), int(total["decisions"])) == (
        len(rows), sum(decided(entry, filters) for entry in case.entries)
    )  # fmt: skip
    assert near(total["cost_usd"], bound(rows)[0])
    assert math.isclose(float(total["p95_ms"]), quantile([_took_ms(row) for row in rows], 0.95), abs_tol=0.002)
    for line in case.csv("/overview/agents.csv", filters):
        group = _by(rows, "agent")[line["agent"],]
        assert int(line["calls"]) == len(group)
        assert near(line["error_rate"], _failed(group) / len(group))
        assert math.isclose(float(line["p50_ms"]), quantile([_took_ms(row) for row in group], 0.5), abs_tol=0.002)
    for page, name, column in (("overview", "agent", "cost"), ("cost", "model", "days")):
        days: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in rows:
            days[_day(row["start_ns"]), row[name]].append(row)
        listed = {(row["day"], row["key"]): row for row in case.csv(f"/{page}/{column}.csv", filters)}
        assert listed.keys() == days.keys()
        for key, group in days.items():
            usd, is_unknown = bound(group)
            assert near(listed[key]["cost_usd"], usd)
            assert listed[key]["cost_usd_at_least"] == is_unknown


@settings(max_examples=rounds(1, 40))
@given(place=PLACES, filters=CALL_FILTERS)
@example(place=0, filters={})
@example(place=0, filters={"min_ms": "900", "min_usd": "0.001"})
def test_filters_of_calls(cases: list[Case], place: int, filters: dict[str, str]) -> None:
    case = cases[place]
    rows = [row for row in case.chosen({}) if _is_call_of(row, filters)]
    if not rows:
        return
    total = case.figures("cost", filters)
    assert int(total["calls"]) == len(rows)
    assert near(total["cost_usd"], bound(rows)[0])
    failed = [row for row in rows if row["level"] == "ERROR"]
    if filters.get("status") != "ok":
        listed = {row["category"]: row for row in case.csv("/errors/categories.csv", filters)}
        counts = Counter(row["error_category"] for row in failed)
        assert {name: int(row["errors"]) for name, row in listed.items()} == counts
        assert all(near(row["rate"], counts[name] / len(rows)) for name, row in listed.items())
        by_day = Counter((_day(row["start_ns"]), row["error_category"]) for row in failed)
        days = case.csv("/errors/days.csv", filters)
        assert {(row["day"], row["key"]): int(row["errors"]) for row in days} == by_day
    for line in case.csv("/latency/groups.csv", {**filters, "by": "prompt"}):
        group = _by(rows, "prompt_name", "prompt_version")[line["prompt_name"], line["prompt_version"]]
        assert int(line["n"]) == len(group)
        assert math.isclose(float(line["mean_ms"]), statistics.fmean(map(_took_ms, group)), abs_tol=0.002)


def _is_call_of(row: Row, filters: dict[str, str]) -> bool:
    columns = {"provider": "provider", "prompt": "prompt_name", "session": "session_id", "environment": "environment"}
    if any(row[columns[name]] != value for name, value in filters.items() if name in columns):
        return False
    if "status" in filters and (row["level"] == "ERROR") != (filters["status"] == "error"):
        return False
    if "min_ms" in filters and (row["end_ns"] - row["start_ns"]) // 1_000 < float(filters["min_ms"]) * 1_000:
        return False
    return "min_usd" not in filters or (row["cost_usd"] is not None and row["cost_usd"] >= float(filters["min_usd"]))


@settings(max_examples=rounds(1, 40))
@given(place=PLACES, filters=FILTERS)
@example(place=0, filters={})
def test_rate_limits(cases: list[Case], place: int, filters: dict[str, str]) -> None:
    case = cases[place]
    rows = case.chosen(filters)
    if not rows:
        return
    if "since" not in filters:  # then the newest seven days of all that is stored, or until the filter's end
        until = filters.get("until")
        last_ns = _ns(until) - 1 if until else max(row["start_ns"] for row in case.rows)
        rows = [row for row in rows if row["start_ns"] // DAY_NS > last_ns // DAY_NS - 7]
    reporting = [row for row in rows if row["provider"] != "ollama"]  # which tells none
    shares = {row["span_id"]: _left(row["span_id"]) for row in reporting}
    least = {key: min(min(shares[row["span_id"]]) for row in group) for key, group in _by(reporting, "model").items()}
    listed: defaultdict[str, list[Row]] = defaultdict(list)
    for line in case.csv("/errors/headroom.csv", filters):
        listed[line["model"]].append(line)
    assert {name: sum(int(line["n"]) for line in lines) for name, lines in listed.items()} == Counter(
        row["model"] for row in reporting
    )
    assert all(
        near(repr(min(float(line["least"]) for line in listed[name])), value) for (name,), value in least.items()
    )
    newest = {name: max(group, key=lambda row: row["start_ns"]) for (name,), group in _by(reporting, "model").items()}
    for line in case.csv("/errors/limits.csv", filters):
        requests, tokens = _left(newest[line["model"]]["span_id"])
        assert near(line["share"], requests if line["kind"] == "requests" else tokens)
        assert int(line["limit"]) == (500 if line["kind"] == "requests" else 40_000)


def test_rate_limits_by_day(cases: list[Case], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headroom, "_HOURLY_NS", -1)
    case = cases[0]
    shares: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for row in case.chosen({}):
        if row["provider"] != "ollama":
            shares[_day(row["start_ns"]), row["model"]].append(min(_left(row["span_id"])))
    lines = case.csv("/errors/headroom.csv", {})
    assert {(line["start"], line["model"]): int(line["n"]) for line in lines} == {
        key: len(items) for key, items in shares.items()
    }
    for line in lines:
        items = shares[line["start"], line["model"]]
        assert near(line["least"], min(items))
        assert near(line["mean"], statistics.fmean(items))


def _ns(text: str) -> int:
    from datetime import UTC, datetime

    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS


def _left(span_id: str) -> tuple[float, float]:
    number = int(span_id, 16)
    return number % 500 / 500, number % 39_000 / 40_000


@settings(max_examples=rounds(1, 40))
@given(place=PLACES, filters=FILTERS)
@example(place=0, filters={})
def test_prompts_and_quality(cases: list[Case], place: int, filters: dict[str, str]) -> None:
    case = cases[place]
    rows = case.chosen(filters)
    for line in case.csv("/prompts/calls.csv", filters) if rows else ():
        group = _by(rows, "prompt_name", "prompt_version")[line["prompt_name"], line["prompt_version"]]
        known = [row for row in group if row["input_tokens"] is not None]
        assert (int(line["calls"]), int(line["repaired"])) == (len(group), sum(row["repaired"] for row in group))
        assert int(line["cut"]) == sum(row["finish_reason"] == "length" for row in group)
        assert near(line["cost_usd"], bound(group)[0])
        assert near(line["tokens_in"], total_of(known, "input_tokens") / len(known) if known else None)
    by_prompt: defaultdict[str, list[Any]] = defaultdict(list)
    for entry in case.entries:
        if decided(entry, filters):
            by_prompt[f"trading {entry.decision.prompt_version}"].append(entry)
    listed = {row["prompt"]: row for row in case.csv("/prompts/accuracy.csv", filters)}
    assert {name: int(row["decisions"]) for name, row in listed.items()} == {
        name: len(group) for name, group in by_prompt.items()
    }
    counts = Counter((row["model"], _form(row)) for row in rows)
    for line in case.csv("/quality/groups.csv", {**filters, "by": "model"}) if rows else ():
        for form in ("valid", "repaired", "refused", "cut", "failed", "empty", "malformed"):
            assert int(line[form]) == counts[line["model"], form], form
        assert near(line["valid_share"], counts[line["model"], "valid"] / int(line["calls"]))


def _form(row: Row) -> str:
    if row["level"] == "ERROR":
        return "failed"
    reason = row["finish_reason"].lower()
    return "refused" if reason == "content_filter" else "cut" if reason == "length" else (
        "repaired" if row["repaired"] else "valid"
    )  # fmt: skip


@settings(max_examples=rounds(1, 40))
@given(place=PLACES, filters=ENTRY_FILTERS)
@example(place=0, filters={"outcome": "right"})
@example(place=0, filters={"horizon": "4h"})
def test_filters_of_decisions(cases: list[Case], place: int, filters: dict[str, str]) -> None:
    case = cases[place]
    wanted = [entry for entry in case.entries if _is_decision_of(entry, filters)]
    listed = case.csv("/decisions/decisions.csv", filters)
    assert [row["id"] for row in listed] == [entry.decision.id for entry in wanted][::-1]
    by_id = {entry.decision.id: entry for entry in wanted}
    for line in listed:
        assert (line["outcome"] or None) == _result(by_id[line["id"]], filters.get("horizon") or "24h")
    if wanted:
        priced = case.csv("/decisions/prices.csv", filters)
        symbols = Counter(entry.decision.symbol for entry in wanted)
        assert len(priced) == max(symbols.values())
    classes: defaultdict[int, list[bool]] = defaultdict(list)
    for entry in wanted if "outcome" not in filters else ():
        outcome = entry.outcomes.get(filters.get("horizon") or "24h")
        confidence = entry.decision.confidence
        correct = outcome.correct if outcome is not None and entry.decision.status == "decided" else None
        if correct is not None and confidence is not None:
            classes[max(bound for bound in (0, 50, 60, 70, 80, 90) if confidence >= bound)].append(correct)
    if "outcome" not in filters:
        lines = case.csv("/accuracy/calibration.csv", filters)
        assert {int(line["confidence"].split("-")[0]): int(line["n"]) for line in lines} == {
            low: len(items) for low, items in classes.items()
        }
        for line in lines:
            assert near(line["hit_rate"], statistics.fmean(classes[int(line["confidence"].split("-")[0])]))


def _result(entry: Any, horizon: str) -> str | None:
    outcome = entry.outcomes.get(horizon)
    if entry.decision.status != "decided":
        return None
    if outcome is None:
        return "open"
    return None if outcome.correct is None else "right" if outcome.correct else "wrong"


def _is_decision_of(entry: Any, filters: dict[str, str]) -> bool:
    decision = entry.decision
    values = {"book": decision.book, "action": decision.action, "session": decision.session_id,
              "prompt": f"trading {decision.prompt_version}",
              "outcome": _result(entry, filters.get("horizon") or "24h")}  # fmt: skip
    if any(filters[name] != value for name, value in values.items() if name in filters):
        return False
    return "member" not in filters or any(vote.member == filters["member"] for vote in entry.votes)


@settings(max_examples=rounds(1, 40))
@given(place=PLACES, filters=FILTERS)
@example(place=0, filters={})
def test_models_beside_one_another(cases: list[Case], place: int, filters: dict[str, str]) -> None:
    case = cases[place]
    entries = [entry for entry in case.entries if decided(entry, filters)]
    votes: defaultdict[str, list[tuple[Any, Any]]] = defaultdict(list)
    for entry in entries:
        for vote in entry.votes:
            votes[vote.model or ""].append((entry, vote))
    listed = {row["model"]: row for row in case.csv("/models/models.csv", filters)}
    assert listed.keys() == votes.keys()
    for model, line in listed.items():
        trades = [_hit(entry, vote) for entry, vote in votes[model]]
        hits = [hit for hit in trades if hit is not None]
        costs = [vote.cost_usd for _, vote in votes[model]]
        paid = math.fsum(cost for cost in costs if cost is not None)
        assert (int(line["decisions"]), int(line["n"])) == (len(votes[model]), len(hits))
        assert near(line["hit_rate"], statistics.fmean(hits) if hits else None)
        assert near(line["cost_usd"], None if None in costs and not paid else paid)  # at least 0 says nothing
        assert near(line["latency_ms"], statistics.median(vote.latency_ms for _, vote in votes[model]))
    pair = {**{name: value for name, value in filters.items() if name != "model"}, "model": "gpt-4o",
            "other": "llama3.2"}  # fmt: skip
    both = [entry for entry in case.entries if decided(entry, {**filters, "model": "gpt-4o"})]
    if both:
        rows = case.csv("/models/pairs.csv", pair)
        assert len(rows) == len(both)
        same = sum(_answer_of(entry, "gpt-4o") == _answer_of(entry, "llama3.2") for entry in both)
        assert sum(row["same"] == "yes" for row in rows) == same
        text = case.client.get("/models", params=pair).text
        counts = re.search(r"([0-9,]+) questions of the same symbol, time and prompt; ([0-9,]+) answered", text)
        assert counts is not None
        assert counts.groups() == (str(len(both)), str(len(both) - same))


def test_the_two_models_that_answered_most_questions_both_stand_beside_one_another(tmp_path: Path) -> None:
    votes = ("ab", "abc", "bc", "bc", "bc", "aab", "c", "")  # a and b share 3 questions, b and c 4, a and c 1
    path = tmp_path / "t.db"
    spool, (_, decision, _) = Spool(path), Maker(1).run(1)
    for number, names in enumerate(votes):
        cast = write_votes([MemberVote(member=f"{name}{place}", action="BUY", model=f"model {name}")
                            for place, name in enumerate(names)])  # fmt: skip
        spool.append_ledger(replace(decision, id=f"{number:032x}", as_of_ns=BEGAN_NS + number * DAY_NS, votes=cast))
    spool.close()
    (store,) = open_stores([path])
    columns = Ledger().of(store, Limits(300), is_whole=True)
    counts = answers_of(Chosen(columns, numpy.arange(len(columns)))).common()
    assert counts == {("model a", "model b"): 3, ("model a", "model c"): 1, ("model b", "model c"): 4}
    with opened(Content(stores=(store,))) as client:
        assert "The same questions: model b and model c<" in client.get("/models").text
        text = client.get("/models?model=model+a").text
        assert "The same questions: model a and model b<" in text
        assert "3 questions of the same symbol, time and prompt; 0 answered differently" in text


def _answer_of(entry: Any, model: str) -> str:
    vote = next(vote for vote in entry.votes if vote.model == model)
    return vote.action or ("failed" if vote.error else "abstained")


def _hit(entry: Any, vote: Any) -> bool | None:
    outcome = entry.outcomes.get("24h")
    if vote.action not in ("BUY", "SELL") or outcome is None or outcome.exit_reason != "horizon":
        return None
    return bool((outcome.exit > outcome.entry) if vote.action == "BUY" else (outcome.exit < outcome.entry))


def test_a_trace_and_what_budgets_have_spent(cases: list[Case], monkeypatch: pytest.MonkeyPatch) -> None:
    from src.models.limits import budgets

    case = cases[0]
    for trace_id in {row["trace_id"] for row in case.rows[:20]}:
        whole = [row for row in case.rows if row["trace_id"] == trace_id]
        shown = case.client.get(f"/traces/{trace_id}/rows.json").json()
        assert shown["count"] == len(whole)
        assert near(repr(math.fsum(cost or 0 for cost in shown["cost"])), total_of(whole, "cost_usd"))
        assert sum(tokens or 0 for tokens in shown["tokens"]) == (
            total_of(whole, "input_tokens") + total_of(whole, "output_tokens")
        )
        assert max(shown["took"]) == max((row["end_ns"] - row["start_ns"]) // 1_000 for row in whole)
    monkeypatch.setenv("MOONDEV_BUDGET_DAY_USD", "5")
    (budget,) = budgets.current()
    spent = {BEGAN_NS // NS: 1_250_000_000, BEGAN_NS // NS + 86_400: 500_000_000}
    with sqlite3.connect(case.path) as connection:
        connection.executemany("INSERT INTO budget_spent VALUES (?, ?, ?, 0)",
                               [(budget.key, start, amount) for start, amount in spent.items()])  # fmt: skip
    rows = case.csv("/budget/by-day-1.csv", {})
    assert [(row["start"], float(row["spent_usd"])) for row in rows] == [
        (_day(start * NS), amount / 1e9) for start, amount in spent.items()
    ]
    assert all(float(row["limit_usd"]) == 5 for row in rows)

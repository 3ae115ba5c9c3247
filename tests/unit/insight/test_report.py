"""Reports say what the raw rows say; what is unknown never counts as nothing, and noise is not called a change."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import pytest

from src.insight.facts.filters import Filter
from src.insight.facts.job import refresh
from src.insight.facts.reader import NOTHING, FactsReader
from src.insight.figures.groups import BY
from src.insight.figures.noise import blocks_of, changes, judged
from src.insight.report import documents
from src.insight.report.content import make_report, others
from src.insight.report.plain import report_data
from src.judging.statistics import discoveries, student_half, student_p, wilson
from src.observability.store.spool import Spool
from tests.long import rounds
from tests.unit.insight.stores import BEGAN_NS, DAY_NS, DAYS, as_older_program, random_record

if TYPE_CHECKING:
    from pathlib import Path

    from src.insight.facts.records import Totals
    from src.observability.store.records import SpanRecord

END_NS = BEGAN_NS + DAYS * DAY_NS


def filled(path: Path, records: list[SpanRecord], rng: random.Random) -> Path:
    spool = Spool(path)
    for record in records:
        spool.append(as_older_program(record) if rng.random() < 0.3 else record)
    spool.close()
    refresh(path)
    return path


def key_of(record: SpanRecord, by: str) -> str | None:
    facts = record.facts
    keys: dict[str, str | None] = {
        "agent": record.agent,
        "model": record.model,
        "provider": record.provider,
        "symbol": facts.symbol,
        "prompt": " ".join(filter(None, (facts.prompt_name, facts.prompt_version))) or None,
        "day": f"{datetime.fromtimestamp(record.start_ns / 1e9, UTC):%Y-%m-%d}",
        "session": record.session_id,
        "user": facts.user_id,
        "environment": facts.environment,
        "requested": facts.requested_model,
        "member": facts.member,
        "category": record.error_category,
    }
    return keys[by]


def slow(records: list[SpanRecord]) -> dict[str, Any]:
    """Return a group's figures, from the records themselves."""
    costs = [Decimal(str(item.cost_usd)) for item in records if item.cost_usd is not None]
    unpriced = sum(item.is_unpriced for item in records)
    durations = [(item.end_ns - item.start_ns) // 1_000 / 1_000 for item in records]
    p50, p95 = np.percentile(durations, (50, 95)) if durations else (None, None)
    return {
        "calls": len(records),
        "errors": sum(item.level == "ERROR" for item in records),
        "input_tokens": sum(item.input_tokens or 0 for item in records),
        "output_tokens": sum(item.output_tokens or 0 for item in records),
        "cost_usd": None if unpriced and not sum(costs) else pytest.approx(float(sum(costs)), abs=1e-12),
        "unpriced": unpriced,
        "p50_ms": None if p50 is None else pytest.approx(p50),
        "p95_ms": None if p95 is None else pytest.approx(p95),
    }


@pytest.mark.parametrize("seed", range(rounds(3, 100)))
def test_rows_equal_a_slow_recount_and_sum_to_the_total(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    records = [random_record(number, rng) for number in range(rng.randrange(1, 150))]
    path = filled(tmp_path / "t.db", records, rng)
    calls = [item for item in records if item.type == "generation"]
    with FactsReader(path) as reader:
        for by in BY[: BY.index("member")] + BY[BY.index("member") + 1 :]:  # members are by name in older rows
            first, last = sorted(BEGAN_NS + rng.randrange(DAYS * DAY_NS) for _ in range(2))
            chosen = rng.choice([Filter(), Filter(since_ns=first, until_ns=last), Filter(model="a", until_ns=last)])
            data = report_data(make_report(reader, chosen, by, now_ns=END_NS))
            wanted = [
                item
                for item in calls
                if (chosen.since_ns or 0) <= item.start_ns < (chosen.until_ns or 2**62)
                and chosen.model in (None, item.model)
            ]
            groups: defaultdict[str | None, list[SpanRecord]] = defaultdict(list)
            for item in wanted:
                groups[key_of(item, by)].append(item)
            assert {row["key"] for row in data["rows"]} == set(groups)
            for row in [data["total"], *data["rows"]]:
                expected = slow(wanted if row is data["total"] else groups[row["key"]])
                assert {name: row[name] for name in expected} == expected
            for name in ("calls", "errors", "input_tokens", "output_tokens", "unpriced", "retried", "repaired", "cut"):
                assert sum(row[name] for row in data["rows"]) == data["total"][name], name
            known = sum(row["cost_usd"] or 0.0 for row in data["rows"])
            assert known == pytest.approx(data["total"]["cost_usd"] or 0.0, abs=1e-12)
            errors = Counter(item.error_category for item in wanted if item.level == "ERROR")
            assert {item["category"]: item["n"] for item in data["errors"]} == errors
            json.dumps(data, allow_nan=False)


def test_groups_beyond_the_shown_ones_are_summed_up(tmp_path: Path) -> None:
    rng = random.Random(1)
    records = [replace(random_record(number, rng), model=f"m{number % 7}", type="generation") for number in range(60)]
    with FactsReader(filled(tmp_path / "t.db", records, rng)) as reader:
        report = make_report(reader, Filter(), "model", now_ns=END_NS)
    shown = report.groups[:3]
    rest = others(report.groups, 3)
    assert rest is not None
    assert rest.n + sum(row.totals.n for row in shown) == report.total.totals.n == 60
    assert rest.cost_nano + sum(row.totals.cost_nano for row in shown) == report.total.totals.cost_nano
    assert others(report.groups, 7) is None


def test_an_empty_store_has_a_total_of_nothing(tmp_path: Path) -> None:
    with FactsReader(filled(tmp_path / "t.db", [], random.Random(0))) as reader:
        report = make_report(reader, Filter(since_ns=BEGAN_NS), "agent", now_ns=END_NS)
    data = report_data(report)
    assert (data["total"]["calls"], data["total"]["cost_usd"], data["total"]["p50_ms"]) == (0, 0.0, None)
    assert data["rows"] == []
    assert data["comparison"] is None
    assert "<svg" not in documents.page(report)


def test_only_recorded_time_is_compared(tmp_path: Path) -> None:
    rng = random.Random(6)
    records = [
        replace(random_record(number, rng), type="generation", start_ns=BEGAN_NS + number * DAY_NS // 8)
        for number in range(8 * 30)
    ]
    records = [replace(item, end_ns=item.start_ns + 1) for item in records]
    with FactsReader(filled(tmp_path / "t.db", records, rng)) as reader:
        now_ns = BEGAN_NS + 30 * DAY_NS
        # Thirty days of eight calls; the period before reaches back beyond the first, this one beyond the present.
        late = Filter(since_ns=BEGAN_NS + 10 * DAY_NS, until_ns=now_ns + 10 * DAY_NS)
        comparison = make_report(reader, late, None, now_ns=now_ns).comparison
        assert comparison is not None
        assert (comparison.since_ns, comparison.until_ns) == (BEGAN_NS, late.since_ns)
        calls = next(item for item in comparison.total if item.measure == "calls a day")
        assert (calls.before.value, calls.now.value, calls.verdict) == (8, 8, "noise")
        assert make_report(reader, Filter(since_ns=BEGAN_NS), None, now_ns=now_ns).comparison is None


HOSTILE = '<script>alert(1)</script>|\x1b[31m"\u202e](http://evil)'


def test_documents_show_hostile_names_as_text(tmp_path: Path) -> None:
    rng = random.Random(2)
    records = [replace(random_record(number, rng), model=HOSTILE, type="generation") for number in range(9)]
    with FactsReader(filled(tmp_path / "t.db", records, rng)) as reader:
        report = make_report(reader, Filter(), "model", now_ns=END_NS)
    page, text = documents.page(report), documents.markdown(report)
    for document in (page, text):
        assert "<script" not in document
        assert "\x1b" not in document
        assert "\u202e" not in document
    assert "](" not in text.replace("\\]", "")
    for address in ("src=", "href=", "url(", "@import", "http://", "https://"):
        assert address not in page.replace("http://evil", "")
    drawings = page.split("<svg")[1:]
    assert len(drawings) >= 3
    for drawing in drawings:
        ElementTree.fromstring("<svg" + drawing.split("</svg>")[0] + "</svg>")  # noqa: S314 - our own page


def totals(n: int, errors: int = 0, cost_nano: int = 0, duration_us: int = 0) -> Totals:
    return replace(NOTHING, n=n, errors=errors, cost_nano=cost_nano, duration_us=duration_us)


def verdicts(old: list[Totals], new: list[Totals]) -> dict[str, str]:
    begin = len(old) * DAY_NS
    before = blocks_of({day * DAY_NS: item for day, item in enumerate(old)}, 0, begin, DAY_NS)
    now = blocks_of(
        {begin + day * DAY_NS: item for day, item in enumerate(new)}, begin, begin + len(new) * DAY_NS, DAY_NS
    )
    return {item.measure: item.verdict for item in judged([changes(before, now, "day")])[0]}


def test_a_clear_change_is_told_and_noise_is_not() -> None:
    rng = np.random.default_rng(3)
    counts = rng.poisson(400, 20)
    old = [totals(int(n), errors=int(rng.binomial(n, 0.02)), cost_nano=int(n) * 10**6) for n in counts[:10]]
    new = [totals(int(n), errors=int(rng.binomial(n, 0.08)), cost_nano=int(n) * 10**6) for n in counts[10:]]
    assert verdicts(old, new)["errors"] == "up"
    assert verdicts(new, old)["errors"] == "down"
    assert verdicts(old, old[::-1])["errors"] == "noise"
    assert verdicts(old, new)["known cost a call"] == "noise"  # the same each day
    assert verdicts(old, [replace(item, cost_nano=item.cost_nano * 2) for item in new])["known cost a call"] == "up"


def test_few_calls_or_days_are_not_enough() -> None:
    few, short = [totals(5, errors=1)] * 8, [totals(100, errors=1)] * 5
    assert set(verdicts(few, few).values()) == {"not enough"}
    assert set(verdicts(short, short * 2).values()) == {"not enough"}


def test_no_error_in_a_period_is_no_proof_that_none_can_happen() -> None:
    """Days that are alike have no variance between them; six errors of sixty calls, then none, may still be chance."""
    assert verdicts([totals(10, errors=1)] * 6, [totals(10)] * 6)["errors"] == "noise"
    assert verdicts([totals(100, errors=10)] * 6, [totals(100)] * 6)["errors"] == "down"


def test_random_weeks_are_rarely_called_different() -> None:
    """Of many pairs of weeks in which only chance differs, at most a twentieth (and some) may show a change."""
    rng = np.random.default_rng(4)
    wrong = 0
    for _ in range(150):
        share = rng.beta(4, 60, 14)  # days differ by more than single calls would
        days = [
            totals(int(n), errors=int(rng.binomial(n, p)), duration_us=int(rng.gamma(50, n * 2e4)))
            for n, p in zip(rng.poisson(300, 14), share, strict=True)
        ]
        wrong += any(verdict in ("up", "down") for verdict in verdicts(days[:7], days[7:]).values())
    assert wrong <= 15


def test_days_that_are_covered_in_part_count_in_part() -> None:
    half = blocks_of({0: totals(50), DAY_NS: totals(100)}, DAY_NS // 2, 2 * DAY_NS, DAY_NS)
    assert half.coverage == [0.5, 1.0]
    (calls,) = [item for item in changes(half, half, "day") if item.measure == "calls a day"]
    assert calls.now.value == 100


@pytest.mark.parametrize(
    ("count", "total", "bounds"),
    [
        (0, 5, (0.0, 0.434482464783)),
        (3, 7, (0.158219855251, 0.749541635472)),
        (50, 50, (0.928652400867, 1.0)),
        (1, 1_000, (0.000176546371, 0.005642558598)),
    ],
)
def test_intervals_are_those_of_scipy_stats(count: int, total: int, bounds: tuple[float, float]) -> None:
    interval = wilson(count, total)
    assert (interval.low, interval.high) == pytest.approx(bounds, abs=1e-11)


def test_tests_are_those_of_scipy_stats() -> None:
    assert student_half(6.5) == pytest.approx(2.4020020079102764)
    assert student_p(-2.5, 8.2) == pytest.approx(0.03626036416732506)
    assert discoveries([0.001, 0.04, None, 0.5, 0.012]) == [True, False, False, False, True]
    assert discoveries([None, None]) == [False, False]

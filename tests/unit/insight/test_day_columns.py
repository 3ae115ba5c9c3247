"""What columns of whole days answer is what single facts answer, whatever is asked, and however days change."""

from __future__ import annotations

import functools
import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import numpy
import pytest

from src.insight.facts import day_columns, headroom, job
from src.insight.facts.filters import Dimension, Filter
from src.insight.facts.reader import FactsReader
from src.insight.facts.schema import facts_path
from src.observability.store.retention import Retention
from src.observability.store.spool import Spool
from tests.long import rounds
from tests.unit.insight.stores import BEGAN_NS, DAY_NS, DAYS, random_record

if TYPE_CHECKING:
    from pathlib import Path

_CHOICES: dict[str, tuple[Any, ...]] = {
    "model": ("a", "", ("a", "b"), "nobody"),
    "symbol": ("BTC-USD",),
    "session": ("", "nobody"),
    "user": ("",),
    "status": ("ok", "error"),
    "without_environment": ("paper", "nowhere"),
    "tag": ("x", "a, b", "nothing"),
    "min_cost_usd": (-1.0, 0.0, 0.001),
    "min_latency_ms": (1.0, 900.0),
    "type": (None, "agent"),
    "finish_reason": ("length", ""),
}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(day_columns, "LEAST_FACTS", 1)
    return tmp_path / "t.db"


def fill(path: Path, rng: random.Random, first: int, count: int) -> None:
    spool = Spool(path)
    for number in range(first, first + count):
        spool.append(random_record(number, rng))
    spool.close()


def random_filter(rng: random.Random) -> Filter:
    values = {name: rng.choice(choices) for name, choices in _CHOICES.items() if rng.random() < 0.2}
    times = sorted(BEGAN_NS + rng.randrange(-DAY_NS, (DAYS + 1) * DAY_NS) for _ in range(2))
    if rng.random() < 0.5:
        values["since_ns"] = rng.choice((times[0], times[0] // DAY_NS * DAY_NS))
    if rng.random() < 0.5:
        values["until_ns"] = rng.choice((times[1], times[1] // DAY_NS * DAY_NS))
    return Filter(**values)


def answers(path: Path, questions: list[tuple[Filter, tuple[Dimension, ...]]]) -> list[Any]:
    """Return the answers to questions; a group's order among equals says nothing."""
    result: list[Any] = []
    with FactsReader(path) as facts:
        for filter_, by in questions:
            result.append({row.key: row.totals for row in facts.grouped(filter_, by)})
            days = facts.series(filter_, "day", by)
            result.append({(point.start_ns, point.key): point.totals for point in days})
            if not facts.expired_in(filter_):
                hours = facts.series(filter_, "hour", by)
                result.append({(point.start_ns, point.key): point.totals for point in hours})
            result.append(facts.percentiles(filter_, by))
            result.append(facts.percentiles(filter_, by, measure="first_token"))
    return result


def kept_days(path: Path) -> set[int]:
    with closing(sqlite3.connect(facts_path(path))) as connection:
        return {row[0] for row in connection.execute("SELECT DISTINCT day FROM day_columns")}


def without_columns(path: Path) -> None:
    with closing(sqlite3.connect(facts_path(path))) as connection, connection:
        connection.execute("DELETE FROM day_columns")


@pytest.mark.parametrize("seed", range(rounds(4, 300)))
def test_columns_answer_as_single_facts_do(store: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr("src.insight.facts.quantiles.MOST_EXACT", rng.choice((0, 40, 50_000)))
    fill(store, rng, 0, 150)
    job.refresh(store)
    if rng.random() < 0.5:
        expire_half(store)
    assert kept_days(store)
    dimensions = get_args(Dimension)
    questions = [(random_filter(rng), tuple(rng.sample(dimensions, rng.choice((0, 1, 2, 3))))) for _ in range(12)]
    by_columns = answers(store, questions)
    without_columns(store)
    assert by_columns == answers(store, questions)


def expire_half(path: Path) -> None:
    clock = functools.partial(float, (BEGAN_NS + DAYS * DAY_NS // 2) / 1e9 + 86_400)
    Retention(path, 1, unsent_too=True, clock=clock, pause=lambda _: False).run_once(force=True)
    job.refresh(path)


@pytest.mark.parametrize("seed", range(rounds(3, 300)))
def test_a_reader_that_was_asked_before_answers_as_a_new_one(store: Path, seed: int) -> None:
    rng = random.Random(seed)
    fill(store, rng, 0, 150)
    job.refresh(store)
    if rng.random() < 0.7:
        expire_half(store)
    filters = [replace(random_filter(rng), session=None) for _ in range(3)]
    filters += [replace(filter_, status=status) for filter_ in filters for status in (None, "ok", "error")]
    finest: tuple[Dimension, ...] = ("status", "category", "model", "member")
    coarser = [tuple(rng.sample(finest, rng.choice((0, 1, 2)))) for _ in range(3)]
    questions = [(filter_, by) for filter_ in filters for by in (finest, finest[:3], *coarser)]
    assert answers(store, questions) == [item for question in questions for item in answers(store, [question])]


def amounts(path: Path, filters: list[Filter], limit: int) -> list[list[int | None]]:
    """Return the amounts of the dearest, cheapest, longest and shortest facts; which of equals says nothing."""
    result: list[list[int | None]] = []
    with FactsReader(path) as facts:
        for filter_ in filters:
            for ascending in (False, True):
                dearest = facts.rows(filter_, "cost", limit, ascending=ascending)
                longest = facts.rows(filter_, "duration", limit, ascending=ascending)
                result += [[item.cost_nano for item in dearest], [item.duration_us for item in longest]]
                assert len(set(dearest)) == len(dearest)
    return result


@pytest.mark.parametrize("seed", range(rounds(3, 300)))
def test_the_dearest_and_the_longest_are_those_of_single_facts(store: Path, seed: int) -> None:
    rng = random.Random(seed)
    fill(store, rng, 0, 150)
    job.refresh(store)
    filters, limit = [Filter(type=None), *(random_filter(rng) for _ in range(6))], rng.choice((1, 5, 40, 400))
    by_columns = amounts(store, filters, limit)
    assert len(by_columns[0]) > 0
    without_columns(store)
    assert by_columns == amounts(store, filters, limit)


def test_a_reader_counts_what_comes_between_its_questions(store: Path) -> None:
    rng = random.Random(2)
    fill(store, rng, 0, 60)
    job.refresh(store)
    with FactsReader(store) as facts:
        facts.grouped(Filter(type=None), ("model",))
        fill(store, rng, 60, 5)
        job.refresh(store)
        assert facts.totals(Filter(type=None)).n == 65


@pytest.mark.parametrize("seed", range(rounds(3, 300)))
def test_attempts_that_failed_are_counted_in_columns_as_in_single_facts(store: Path, seed: int) -> None:
    rng = random.Random(seed)
    fill(store, rng, 0, 150)
    job.refresh(store)
    by: tuple[Dimension, ...] = ("symbol", "category")
    filters = [Filter(), *(random_filter(rng) for _ in range(6)), Filter(category=("timeout", "rate_limit"))]
    by_columns = retries_of(store, filters, by)
    assert by_columns[0]
    without_columns(store)
    assert by_columns == retries_of(store, filters, by)


def retries_of(path: Path, filters: list[Filter], by: tuple[Dimension, ...]) -> list[Any]:
    with FactsReader(path) as facts:
        return [facts.retries(filter_, by) for filter_ in filters]


@pytest.mark.parametrize("seed", range(rounds(4, 300)))
def test_rate_limits_by_columns_are_those_by_single_facts(
    store: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(headroom, "_HOURLY_NS", (0, DAY_NS, 3 * DAY_NS)[seed % 3])
    fill(store, rng, 0, 150)
    job.refresh(store)
    with closing(sqlite3.connect(facts_path(store))) as connection, connection:
        # Shares whose sums are exact.
        connection.execute("UPDATE facts SET headroom = (start_ns / 1000 % 11) / 16.0 WHERE headroom IS NOT NULL")
        connection.execute(
            "DELETE FROM day_columns WHERE name IN ('headroom', 'span')"
        )  # as an earlier program kept days
    job.refresh(store)
    filters = [
        Filter(),
        *(random_filter(rng) for _ in range(8)),
        Filter(since_ns=BEGAN_NS),
        Filter(since_ns=BEGAN_NS + 3 * DAY_NS),
    ]
    by_columns = headrooms(store, filters)
    assert by_columns[0].points
    with FactsReader(store) as facts:
        for filter_, figures in zip(filters, by_columns, strict=True):
            assert_newest(facts, replace(filter_, since_ns=figures.since_ns), figures)
    without_columns(store)
    assert by_columns == headrooms(store, filters)


def assert_newest(facts: FactsReader, filter_: Filter, figures: headroom.HeadroomFigures) -> None:
    """Compare the step, and the newest call of each provider and model, with what all facts say."""
    reporting = [fact for fact in facts.rows(filter_, limit=1_000) if fact.headroom is not None]  # the newest first
    newest = {(fact.provider, fact.model): fact.start_ns for fact in reversed(reporting)}
    assert sorted(newest.items(), key=str) == sorted(
        (((item.provider, item.model), item.start_ns) for item in figures.newest), key=str
    )
    last_ns = facts.rows(Filter(type=None), limit=1)[0].start_ns if filter_.until_ns is None else filter_.until_ns
    is_short = not reporting or last_ns - reporting[-1].start_ns <= headroom._HOURLY_NS
    assert figures.step == ("hour" if is_short else "day")


def headrooms(path: Path, filters: list[Filter]) -> list[headroom.HeadroomFigures]:
    with FactsReader(path) as facts:
        return [replace(item, points=tuple(sorted(item.points, key=str))) for item in map(facts.headroom, filters)]


def test_a_day_whose_facts_change_loses_its_columns_until_the_next_refresh(store: Path) -> None:
    rng = random.Random(1)
    fill(store, rng, 0, 120)
    job.refresh(store)
    before = kept_days(store)
    assert len(before) > 2
    question: list[tuple[Filter, tuple[Dimension, ...]]] = [(Filter(type=None), ("member", "vote"))]
    fill(store, rng, 120, 5)  # on days that are kept already
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(day_columns, "LEAST_FACTS", 10**9)
        job.refresh(store)
    assert kept_days(store) < before
    between = answers(store, question)
    job.refresh(store)
    assert kept_days(store) >= before
    assert answers(store, question) == between
    assert sum(totals.n for totals in between[0].values()) == 125


def unpacked(body: bytes) -> Any:
    return day_columns._widened(numpy.frombuffer(body, day_columns._TYPES[body[0]], offset=1))


def test_amounts_beyond_the_exact_floats_are_summed_exactly() -> None:
    values = unpacked(day_columns._packed([2**62 - 1, None, -5, 3]))
    assert values.tolist() == [2**62 - 1, day_columns.NONE, -5, 3]
    assert day_columns._added(values[[0, 3]], numpy.array([0, 0]), 1) == [2**62 + 2]
    assert unpacked(day_columns._packed([-128, None, 127])).tolist() == [-128, day_columns.NONE, 127]

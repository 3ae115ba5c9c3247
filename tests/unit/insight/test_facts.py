"""Test that facts and daily totals say what the raw rows say, whatever happens to the store."""

from __future__ import annotations

import contextlib
import functools
import random
import sqlite3
import threading
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from src.insight.facts import job, quantiles
from src.insight.facts.filters import Filter, conditions
from src.insight.facts.opening import open_facts
from src.insight.facts.reader import FactsReader
from src.insight.facts.schema import facts_path
from src.insight.report.content import make_report
from src.insight.report.plain import report_data
from src.observability.store.retention import Retention
from src.observability.store.spool import Spool
from tests.long import rounds
from tests.unit.insight.stores import (
    BEGAN_NS,
    DAY_NS,
    DAYS,
    MEASURES,
    Recount,
    as_older_program,
    field,
    random_record,
    random_score,
    sums,
)

if TYPE_CHECKING:
    from pathlib import Path

    from src.insight.facts.filters import Dimension
    from src.insight.facts.records import Row
    from src.observability.store.records import ScoreRecord, SpanRecord

DIMENSIONS: tuple[Dimension, ...] = (
    "type", "status", "category", "agent", "model", "provider", "symbol", "environment", "prompt_name",
    "prompt_version",
)  # fmt: skip
FACTS_ALONE: tuple[Dimension, ...] = ("session", "user", "requested_model")


@pytest.mark.parametrize("seed", range(rounds(5, 300)))
def test_figures_equal_a_slow_recount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(job, "_STEP", rng.choice([1, 7, 40, 1_000]))
    path = tmp_path / "t.db"
    spool, recount = Spool(path), Recount(path)
    records: dict[str, SpanRecord] = {}
    scores: list[ScoreRecord] = []
    for _ in range(rng.randrange(2, 5)):
        for number in range(len(records), len(records) + rng.randrange(60)):
            record = random_record(number, rng)
            records[record.span_id] = record
            spool.append(as_older_program(record) if rng.random() < 0.3 else record)
        for number in range(len(scores), len(scores) + rng.randrange(40)):
            scores.append(random_score(number, rng))
            spool.append_score(scores[-1])
        if rng.random() < 0.8:
            recount.look(records, scores)
            job.refresh(path)
        if rng.random() < 0.6:
            now_s = (BEGAN_NS + rng.randrange(DAYS * DAY_NS)) / 1e9 + 86_400
            clock = functools.partial(float, now_s)
            Retention(path, 1, unsent_too=True, clock=clock, pause=lambda _: False).run_once(force=True)
        if rng.random() < 0.3:
            recount.look(records, scores)
            job.refresh(path)  # else nobody could tell later which rows were counted
            _salvage(spool, rng)
            recount.look(records, scores)
            job.refresh(path)
    spool.close()
    recount.look(records, scores)
    assert job.refresh(path).is_current
    with FactsReader(path) as reader:
        _check_totals(reader, recount, rng)
        _check_latency(reader, recount)
        _check_retries(reader, recount, rng)
        _check_single_facts(reader, recount)
        _check_scores(reader, recount)
        _check_report(reader, recount)
        assert reader.freshness().observations == len(recount.present)
        assert reader.freshness().expired == len(recount.seen) - len(recount.present)


def _salvage(spool: Spool, rng: random.Random) -> None:
    """Have the store replaced as a damaged one is: what a destination lacks is moved, under other numbers."""
    for kind, acknowledge in (("observations", spool.acknowledge), ("scores", spool.acknowledge_scores)):
        with contextlib.closing(sqlite3.connect(spool.path)) as connection:
            numbers = [row[0] for row in connection.execute(f"SELECT seq FROM {kind} ORDER BY seq")]  # noqa: S608
        acknowledge("langfuse:http://host:k", rng.choice([0, *numbers[:-1]]))
    with contextlib.closing(sqlite3.connect(spool.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    assert spool.recover(error)
    for thread in threading.enumerate():
        if thread.name == "spool-salvage":
            thread.join(60)


def _check_report(reader: FactsReader, recount: Recount) -> None:
    """What reports print are these figures, of calls alone."""
    calls = [record for record in recount.seen.values() if record.type == "generation"]
    expected = sums(calls, ("model",))
    data = report_data(make_report(reader, Filter(), "model", now_ns=BEGAN_NS + DAYS * DAY_NS))
    assert {row["key"]: row["calls"] for row in data["rows"]} == {key: group["n"] for (key,), group in expected.items()}
    for row in data["rows"]:
        group = expected[row["key"],]
        for name in ("errors", "input_tokens", "output_tokens", "unpriced", "retried", "repaired", "cut"):
            assert row[name] == group[name], name
        assert round((row["cost_usd"] or 0.0) * 10**9) == group["cost_nano"]


def _by_key(rows: list[Row]) -> dict[tuple[Any, ...], dict[str, int]]:
    return {row.key: {name: getattr(row.totals, name) for name in MEASURES} for row in rows}


def _check_totals(reader: FactsReader, recount: Recount, rng: random.Random) -> None:
    """Daily totals count what the store has deleted too; single facts count the rest."""
    seen, present = list(recount.seen.values()), list(recount.present.values())
    assert _by_key(reader.grouped(Filter(type=None), DIMENSIONS)) == sums(seen, DIMENSIONS)
    assert _by_key(reader.grouped(Filter(type=None), FACTS_ALONE)) == sums(present, FACTS_ALONE)
    days = {(point.start_ns // DAY_NS,): point for point in reader.series(Filter(type=None))}
    assert {key: point.totals.n for key, point in days.items()} == {
        key: group["n"] for key, group in sums(seen, ("day",)).items()
    }
    for _ in range(8):
        first, last = sorted(BEGAN_NS + rng.randrange(-DAY_NS, (DAYS + 1) * DAY_NS) for _ in range(2))
        model = rng.choice([None, "a", "", ("a", "b")])
        chosen = Filter(since_ns=first, until_ns=last, model=model, status=rng.choice([None, "ok", "error"]))
        since, until = reader.effective_range(chosen)
        assert since is not None
        assert until is not None
        assert since <= first
        assert until >= last
        matching = [item for item in seen if since <= item.start_ns < until and _matches(item, chosen)]
        assert _by_key(reader.grouped(chosen, ("agent",))) == sums(matching, ("agent",))


def test_a_file_of_the_format_before_keeps_the_sums_of_what_retention_deleted(tmp_path: Path) -> None:
    path, rng = tmp_path / "t.db", random.Random(5)
    spool = Spool(path)
    for number in range(60):
        spool.append(random_record(number, rng))
    job.refresh(path)
    with FactsReader(path) as reader:
        before = reader.grouped(Filter(), ("model",))
    clock = functools.partial(float, (BEGAN_NS + 2 * DAYS * DAY_NS) / 1e9)
    Retention(path, 1, unsent_too=True, clock=clock, pause=lambda _: False).run_once(force=True)
    with contextlib.closing(sqlite3.connect(facts_path(path), isolation_level=None)) as connection:
        connection.execute("DROP TABLE day_columns")
        connection.execute("PRAGMA user_version = 1")
    job.refresh(path)
    spool.close()
    with FactsReader(path) as reader:
        assert reader.freshness().observations < 60
        assert _by_key(reader.grouped(Filter(), ("model",))) == _by_key(before)


def test_a_session_is_read_by_its_index(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    spool, rng = Spool(path), random.Random(4)
    for number in range(9):
        spool.append(random_record(number, rng))
    spool.close()
    job.refresh(path)
    with contextlib.closing(open_facts(path)) as facts:
        where, values = conditions(facts, Filter(session="s1"))
        statement = f"EXPLAIN QUERY PLAN SELECT sum(n) FROM (SELECT 1 AS n FROM facts WHERE 1 {where})"  # noqa: S608
        plan = facts.execute(statement, values)
        assert "facts_session" in str(plan.fetchall())


def _check_retries(reader: FactsReader, recount: Recount, rng: random.Random) -> None:
    first, last = sorted(BEGAN_NS + rng.randrange(DAYS * DAY_NS) for _ in range(2))
    for chosen in (Filter(), Filter(since_ns=first, until_ns=last), Filter(since_ns=first, category="timeout")):
        since, until = reader.effective_range(chosen)
        expected: Counter[tuple[Any, ...]] = Counter()
        for record in recount.seen.values():
            if (since is None or since <= record.start_ns) and (until is None or record.start_ns < until):
                for category in (record.facts.retried or "").split(","):
                    if category and chosen.category in (None, category):
                        expected[record.model, category] += 1
        assert reader.retries(chosen, ("model", "category")) == expected
    expected = Counter()
    for record in recount.present.values():
        if record.facts.symbol == "BTC-USD" and record.facts.retried:
            expected[field(record, "user"),] += len(record.facts.retried.split(","))
    assert reader.retries(Filter(symbol="BTC-USD"), ("user",)) == expected


def _matches(record: SpanRecord, chosen: Filter) -> bool:
    models = (chosen.model,) if isinstance(chosen.model, str) else chosen.model
    return (
        record.type == "generation"
        and (models is None or (record.model or "") in models)
        and chosen.status in (None, field(record, "status"))
    )


def _check_latency(reader: FactsReader, recount: Recount) -> None:
    durations: defaultdict[tuple[Any, ...], list[float]] = defaultdict(list)
    for record in recount.seen.values():
        if record.type == "generation":
            durations[(record.model,)].append((record.end_ns - record.start_ns) // 1_000 / 1_000)
    figures = reader.percentiles(Filter(), ("model",), (0.5, 0.95))
    assert {key: group.n for key, group in figures.items()} == {key: len(items) for key, items in durations.items()}
    for key, group in figures.items():
        if group.is_exact:
            assert group.values_ms == pytest.approx(np.percentile(durations[key], (50, 95)))
        else:
            nearest = np.percentile(durations[key], (50, 95), method="inverted_cdf")
            assert all(value <= 1.1 * most + 0.002 for value, most in zip(group.values_ms, nearest, strict=True))


def test_percentiles_of_a_long_period_come_from_histograms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantiles, "MOST_READ", 20)
    path, rng = tmp_path / "t.db", random.Random(5)
    spool = Spool(path)
    for number in range(90):
        spool.append(random_record(number, rng))
    spool.close()
    job.refresh(path)
    with FactsReader(path) as reader:
        (all_n,) = (item.n for item in reader.percentiles(Filter()).values())
        assert not any(item.is_exact for item in reader.percentiles(Filter(), ("model",)).values())
        newest = reader.rows(Filter(), limit=1)[0].start_ns
        short = reader.percentiles(Filter(since_ns=newest - DAY_NS // 24)).values()
        assert short
        assert all(item.is_exact and item.n < all_n for item in short)
        session = next(fact.session for fact in reader.rows(Filter(), limit=90) if fact.session)
        assert all(item.is_exact for item in reader.percentiles(Filter(session=session)).values())


def _check_single_facts(reader: FactsReader, recount: Recount) -> None:
    facts = {fact.span_id: fact for fact in reader.rows(Filter(type=None), limit=10_000)}
    assert facts.keys() == recount.present.keys()
    for span_id, record in recount.present.items():
        fact, stated = facts[span_id], record.facts
        for name in ("type", "category", "model", "agent", "provider", "session", "user"):
            assert getattr(fact, name) == field(record, name)
        for name in ("requested_model", "symbol", "environment", "prompt_name", "prompt_version", "finish_reason",
                     "headroom", "attempts", "retried", "tags"):  # fmt: skip
            assert getattr(fact, name) == getattr(stated, name), name
    tagged = [item for item in recount.present.values() if item.facts.tags == '["x","a, b"]']
    assert len(reader.rows(Filter(type=None, tag="a, b"), limit=10_000)) == len(tagged)
    assert not reader.rows(Filter(type=None, tag="a"))


def _check_scores(reader: FactsReader, recount: Recount) -> None:
    days = {(item.day, item.name, item.type, item.environment, item.text): item for item in reader.score_days()}
    expected = {key: entry for key, entry in recount.score_sums.items() if entry[0]}
    assert {key: item.n for key, item in days.items()} == {key: entry[0] for key, entry in expected.items()}
    assert all(days[key].total == pytest.approx(entry[1]) for key, entry in expected.items())
    assert len(reader.scores(limit=10_000)) == len(recount.scores)

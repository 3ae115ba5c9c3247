"""Filters on traces choose what a slow reading of every record chooses, whichever program stored it."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from src.cli.text_search import numbers_with
from src.insight.texts.index import refresh_texts
from src.observability.commands.trace_lists import newest_traces
from src.observability.search import text_index
from src.observability.search.conditions import ScoreCondition, TraceFilter
from src.observability.search.matching import matching, single_conditions
from src.observability.search.summaries import listings
from src.observability.spans import otlp
from src.observability.store.reader import StoreReader
from src.observability.store.records import SpanFacts
from src.observability.store.spool import Spool
from tests.long import rounds
from tests.unit.insight.stores import BEGAN_NS, DAY_NS, DAYS, as_older_program, random_record
from tests.unit.observability.records import ENVELOPE, score_record, span_record

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from src.observability.search.summaries import TraceListing
    from src.observability.search.text_index import Numbers
    from src.observability.store.records import ScoreRecord, SpanRecord


def random_filter(rng: random.Random) -> TraceFilter:
    """Return a filter with one to three conditions."""
    choices: dict[str, list[Any]] = {
        "agent": ["momentum", "MOMENTUM", "nobody"],
        "model": ["a", "A", "b", "openai:a", "a-2026", "claude:b", ":a"],
        "provider": ["openai", "Claude"],
        "symbol": ["BTC-USD", "btc-usd", "XRP-USD"],
        "session_id": ["s", "S"],
        "user_id": ["u1", "U1"],
        "environment": ["paper", "DEFAULT"],
        "category": ["timeout", "rate_limit"],
        "tag": ["x", "a, b", "a"],
        "status": ["ok", "error"],
        "since_ns": [BEGAN_NS + rng.randrange(DAYS * DAY_NS)],
        "until_ns": [BEGAN_NS + rng.randrange(DAYS * DAY_NS)],
        "min_cost_usd": [0.0, 0.005, 0.02],
        "min_latency_ms": [0.0, 5.0, 3_600_000.0],
        "score": [
            ScoreCondition("pnl"),
            ScoreCondition("pnl", ">=", 1.5),
            ScoreCondition("pnl", "!=", 0.0),
            ScoreCondition("outcome", "=", "WIN"),
            ScoreCondition("outcome", "=", 1.0),
        ],
    }
    names = rng.sample(sorted(choices), rng.randrange(1, 4))
    return TraceFilter(**{name: rng.choice(choices[name]) for name in names})


def fits(record: SpanRecord, wanted: TraceFilter) -> bool:
    """Tell whether an observation fulfils the conditions on observations."""
    facts = record.facts
    names = {record.model, facts.requested_model} if record.model is not None else set()
    owned = {f"{record.provider}:{name}" for name in names if name and record.provider}
    pairs = [
        (wanted.agent, {record.agent}), (wanted.provider, {record.provider}), (wanted.symbol, {facts.symbol}),
        (wanted.environment, {facts.environment}), (wanted.category, {record.error_category}),
        (wanted.tag, set(json.loads(facts.tags or "[]"))), (wanted.model, names | owned),
    ]  # fmt: skip
    return (
        all(value is None or value.lower() in {str(item).lower() for item in held} for value, held in pairs)
        and wanted.session_id in (None, record.session_id)
        and wanted.user_id in (None, facts.user_id)
    )


def fits_whole(records: list[SpanRecord], scores: list[ScoreRecord], wanted: TraceFilter) -> bool:
    start_ns, end_ns = min(item.start_ns for item in records), max(item.end_ns for item in records)
    failed = any(item.level == "ERROR" for item in records)
    return (
        any(fits(item, wanted) for item in records)
        and (wanted.since_ns is None or start_ns >= wanted.since_ns)
        and (wanted.until_ns is None or start_ns < wanted.until_ns)
        and (wanted.min_cost_usd is None or sum(item.cost_usd or 0 for item in records) >= wanted.min_cost_usd - 1e-15)
        and (wanted.min_latency_ms is None or (end_ns - start_ns) / 1e6 >= wanted.min_latency_ms)
        and wanted.status in (None, "error" if failed else "ok")
        and (wanted.score is None or any(is_scored(item, wanted.score) for item in scores))
    )


def is_scored(score: ScoreRecord, wanted: ScoreCondition) -> bool:
    if score.name != wanted.name:
        return False
    if wanted.comparison is None:
        return True
    if isinstance(score.value, str):
        return isinstance(wanted.value, str) and score.value.lower() == wanted.value.lower()
    if isinstance(wanted.value, str) or wanted.value is None:
        return False
    return score.value >= wanted.value if wanted.comparison == ">=" else score.value != wanted.value


def ids_of(
    reader: StoreReader, wanted: TraceFilter, limit: int | None = None, numbers: Numbers | None = None
) -> list[str]:
    nothing: list[str] = []
    return reader.ask(lambda db: matching(db, wanted, limit, numbers=numbers), nothing)


def spans_of(reader: StoreReader, wanted: TraceFilter) -> list[str]:
    """Return the observations that fulfil a filter by themselves, as `tail` chooses them."""

    def read(connection: sqlite3.Connection) -> list[str]:
        conditions, values = single_conditions(connection, wanted)
        where = " AND ".join(["1", *conditions])
        rows = connection.execute(f"SELECT o.span_id FROM observations o WHERE {where} ORDER BY o.seq", values)  # noqa: S608
        return [row[0] for row in rows]

    nothing: list[str] = []
    return reader.ask(read, nothing)


@pytest.mark.parametrize("seed", range(rounds(4, 200)))
def test_each_filter_chooses_what_a_slow_reading_chooses(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    spool = Spool(tmp_path / "t.db")
    records = [random_record(number, rng) for number in range(rng.randrange(1, 160))]
    rng.shuffle(records)
    latest: dict[tuple[str, str], ScoreRecord] = {}
    for record in records:
        spool.append(as_older_program(record) if rng.random() < 0.4 else record)
    for number in range(40):
        score = score_record(
            id=f"s{rng.randrange(30)}", trace_id=rng.choice(records).trace_id, name=rng.choice(["pnl", "outcome"]),
            value=0.0,
        )  # fmt: skip
        value = rng.choice(["win", "loss"]) if score.name == "outcome" else rng.choice([-1.0, 0.0, 1.5, 2.0])
        latest[score.id, score.name] = replace(score, value=value, timestamp_ns=number)
        spool.append_score(latest[score.id, score.name])
    spool.close()
    traces: defaultdict[str, list[SpanRecord]] = defaultdict(list)
    for record in records:
        traces[record.trace_id].append(record)
    reader = StoreReader(spool.path)
    for _ in range(25):
        wanted = random_filter(rng)
        places = {item.trace_id: place for place, item in enumerate(records) if fits(item, wanted)}
        expected = [
            trace
            for trace in sorted(places, key=lambda trace: -places[trace])
            if fits_whole(traces[trace], [item for item in latest.values() if item.trace_id == trace], wanted)
        ]
        assert ids_of(reader, wanted) == expected, wanted
        assert ids_of(reader, wanted, 2) == expected[:2]
        alone = wanted._replace(score=None)
        assert spans_of(reader, alone) == [
            item.span_id for item in records if fits(item, alone) and fits_whole([item], [], alone)
        ]


def test_totals_tell_unknown_costs_from_none(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "t.db")
    trace = f"{7:032x}"
    root = span_record(1, trace_id=trace, type="agent", cost_usd=None, cost_unknown=False, input_tokens=None, agent="a")
    priced = span_record(2, trace_id=trace, parent_span_id=root.span_id, cost_usd=0.1)
    other = span_record(3, trace_id=trace, parent_span_id=root.span_id, cost_usd=0.2, level="ERROR")
    unknown = span_record(4, trace_id=f"{8:032x}", cost_usd=None, cost_unknown=True)
    for record in (priced, other, root, unknown):
        spool.append(replace(record, facts=SpanFacts(symbol="BTC-USD", environment="paper", repaired=False)))
    spool.append_score(score_record(trace_id=trace, name="pnl", value=2.0, id="x"))
    spool.append_score(score_record(trace_id=trace, name="pnl", value=3.0, id="x"))  # replaces it
    spool.append_score(score_record(trace_id=trace, name="vote", value="BUY", data_type="CATEGORICAL", id="y",
                                    observation_id=priced.span_id))  # fmt: skip
    spool.append_score(score_record(trace_id=trace, name="vote", value="SELL", data_type="CATEGORICAL", id="z",
                                    observation_id=other.span_id))  # fmt: skip
    spool.close()
    empty: list[TraceListing] = []
    reader = StoreReader(spool.path)
    whole, nothing = reader.ask(lambda db: list(listings(db, [trace, "gone", unknown.trace_id])), empty)
    assert (whole.cost_usd, whole.cost_unknown, whole.calls, whole.errors, whole.status) == (0.3, False, 2, 1, "error")
    assert (whole.name, whole.agent, whole.symbol, whole.environment) == ("n1", "a", "BTC-USD", "paper")
    assert whole.scores == {"pnl": 3.0, "vote": ["BUY", "SELL"]}
    assert (nothing.cost_usd, nothing.cost_unknown, nothing.status) == (None, True, "ok")


TEXTS = {
    "plain": ("The stop-loss is at 64,100.", None),
    "messages": (json.dumps([{"role": "user", "content": "Ärger im Anflug:\nSTOP-loss"}], ensure_ascii=False), None),
    "long": ("word " * 9_000 + "needle in it", None),  # stored packed
    "reply": ("x", '{"action": "BUY", "reasoning": "Kelvin \u212a and \\"quotes\\", needle"}'),
    "other": ("nothing", None),
}


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with the texts, and an index of them."""
    path = tmp_path_factory.mktemp("texts") / "t.db"
    spool = Spool(path)
    for number, (name, (prompt, reply)) in enumerate(TEXTS.items(), 1):
        attributes = {"langfuse.observation.input": prompt} | ({"langfuse.observation.output": reply} if reply else {})
        span = otlp.encode_span(
            trace_id=number, span_id=number, parent_span_id=None, name=name, kind=1, start_ns=1, end_ns=2,
            attributes=attributes,
        )  # fmt: skip
        error = "It was Refused." if name == "other" else None
        spool.append(
            span_record(
                number, trace_id=f"{number:032x}", name=name, span=span, envelope=ENVELOPE, status_message=error
            )
        )
    spool.close()
    refresh_texts(path)
    return path


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("stop-loss", {"plain", "messages"}),
        ("STOP-LOSS", {"plain", "messages"}),
        ("oss is", {"plain"}),
        ("loss stop", set()),
        ("64,100", {"plain"}),
        ("ärger im", {"messages"}),
        ("anflug:\nstop", {"messages"}),  # a line end, which JSON escapes
        ("needle in it", {"long"}),
        ('"quotes"', {"reply"}),
        ("kelvin k", {"reply"}),
        ("refused", {"other"}),  # its error
        ("%", set()),
    ],
)
def test_a_text_is_looked_for_in_inputs_outputs_and_errors(texts: Path, text: str, names: set[str]) -> None:
    reader = StoreReader(texts)
    ids = ids_of(reader, TraceFilter(text=text))
    assert {list(TEXTS)[int(trace, 16) - 1] for trace in ids} == names
    if len(text) >= 3:
        with numbers_with(texts, text) as numbers:
            assert numbers is not None
            assert ids_of(reader, TraceFilter(text=text), numbers=numbers) == ids


@pytest.mark.parametrize("has_index", [True, False])
def test_a_search_that_ends_early_says_how_far_it_looked(
    texts: Path, monkeypatch: pytest.MonkeyPatch, *, has_index: bool
) -> None:
    monkeypatch.setattr(text_index, "_lookups", [numbers_with] if has_index else [])
    monkeypatch.setattr(text_index, "LEAST", 1)
    reader, wanted = StoreReader(texts), TraceFilter(text="stop-loss")
    whole = newest_traces(reader, wanted, 20, search_s=600.0)
    assert ([item.name for item in whole.traces], whole.remark) == (["messages", "plain"], None)
    # The newest candidate alone; without an index that is the newest observation.
    short = newest_traces(reader, wanted, 20, search_s=-1.0)
    assert [item.name for item in short.traces] == (["messages"] if has_index else [])
    older = list(TEXTS).index("messages") if has_index else len(TEXTS) - 1
    assert f": {older} older observations may have the text too" in (short.remark or "")
    assert ("insight refresh" in (short.remark or "")) is not has_index
    # What was asked for is there: nothing is missing.
    enough = newest_traces(reader, wanted, 1, search_s=-1.0)
    assert (enough.remark is None) is has_index
    # What has few candidates is looked up whatever the time.
    monkeypatch.setattr(text_index, "LEAST", 2_000)
    assert newest_traces(reader, wanted, 20, search_s=-1.0) == whole

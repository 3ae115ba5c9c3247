"""What is said of replies without labels is little and holds: forms, numbers, agreement, drift, scores."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from src.insight.facts.filters import Filter
from src.insight.facts.job import refresh
from src.insight.facts.reader import FactsReader
from src.insight.quality.content import make_quality, quality_data, quality_notes, quality_tables
from src.insight.quality.drift import drifts
from src.insight.quality.forms import form_of
from src.insight.quality.grounding import grounding
from src.insight.quality.numbers import claims, quantities
from src.insight.quality.scoring import score_replies
from src.observability.spans.rows import span_record as record_of
from src.observability.store.reader import StoreReader
from src.observability.store.spool import Spool
from tests.unit.insight.stores import BEGAN_NS, DAY_NS
from tests.unit.observability.records import ENVELOPE, score_record

if TYPE_CHECKING:
    from pathlib import Path

    from src.observability.store.records import SpanRecord

PROMPT = "Close 64,987.5, SMA 20: 64100.25, RSI 71.23, change 0.023, volume 1,250,000. High 66000, low 60000."


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("65,000 = 65000 = 65k = 0.065M", [65_000] * 4),
        ("$1,234.50 and €2.5bn", [1_234.5, 2.5e9]),
        ("fell -2.3% or 230 bps, 3 percent", [2.3, 2.3, 3]),
        ("on 2026-11-30 at 12:30, v1.2.3, gpt-4o, RSI-14, Q3, 3rd, 10/12, 12,5", []),
        ("1. buy 120\n2) sell 130", [120, 130]),
        ("1e-3, 0.00012, 1_000_000, 1\u202f234", [0.001, 0.00012, 1e6, 1_234]),
    ],
)
def test_numbers_are_read_as_quantities(text: str, values: list[float]) -> None:
    assert [item.value for item in quantities(text)] == pytest.approx(values)


@pytest.mark.parametrize(
    "text",
    [
        "Three bars, 3 higher lows, SMA 12.5 is", "target 70,000", "a stop-loss at $61,234", "take profit near 71k",
        "70% chance", "confidence: 80%", "probability of 65%", "volume 1 234 567 up",
    ],
)  # fmt: skip
def test_proposals_beliefs_and_doubtful_numbers_are_no_claims(text: str) -> None:
    assert [item.text for item in claims(text)] in ([], ["12.5"])


@pytest.mark.parametrize(
    ("reasoning", "stated", "derived", "absent"),
    [
        ("Price 65k holds above the SMA of 64,100; RSI 71 (71.2).", 4, 0, ()),
        ("Up 2.3%, volume 1.25M, about 65,000.", 3, 0, ()),
        ("It trades at 64,988, or 64,987.", 2, 0, ()),
        ("10% below its high, in a range of 6,000.", 0, 2, ()),
        ("The price of 69,000 is near 65,000, RSI 71.3.", 0, 0, ("69,000", "71.3")),
        ("It fell 31.7% from 90k.", 0, 0, ("31.7%", "90k")),
        ("Momentum is strong.", 0, 0, ()),
    ],
)
def test_numbers_are_grounded_in_the_prompt(reasoning: str, stated: int, derived: int, absent: tuple[str, ...]) -> None:
    result = grounding([PROMPT], reasoning)
    if "near 65,000" in reasoning:  # «near» allows 64,987.5
        stated = 1
    assert (result.stated, result.derived, result.absent) == (stated, derived, absent)


def test_of_a_prompt_with_very_many_numbers_derived_ones_are_not_judged() -> None:
    table = " ".join(f"{n}.5" for n in range(1_000, 2_000))
    result = grounding([table], "1,000.5 it was, 33.3% off and 77,777 in all")
    assert (result.stated, result.unjudged, result.absent) == (1, 2, ())
    assert result.share == 1.0


@pytest.mark.parametrize(
    ("words", "form"),
    [
        ({}, "valid"),
        ({"is_repaired": True}, "repaired"),
        ({"finish_reason": "length", "is_repaired": True}, "cut"),
        ({"finish_reason": "MAX_TOKENS"}, "cut"),
        ({"finish_reason": "SAFETY"}, "refused"),
        ({"has_failed": True, "category": "content_blocked"}, "refused"),
        ({"has_failed": True, "category": "malformed_response", "is_repaired": True}, "malformed"),
        ({"has_failed": True, "category": "empty_response"}, "empty"),
        ({"has_failed": True, "category": "timeout"}, "failed"),
    ],
)
def test_each_reply_has_one_form(words: dict[str, Any], form: str) -> None:
    reply = {"category": None, "has_failed": False, "finish_reason": "stop", "is_repaired": False} | words
    assert form_of(**reply) == form


def call(
    number: int, *, reply: str | None, day: int = 0, model: str = "m", prompt: str = PROMPT, repaired: str = "false"
) -> SpanRecord:
    """Return a member's call as the program stores it; without a reply it has failed."""
    from src.observability.spans import otlp

    start_ns = BEGAN_NS + day * DAY_NS + number * 1_000_000_000
    attributes: dict[str, Any] = {
        "langfuse.observation.type": "generation", "gen_ai.provider.name": "p", "gen_ai.request.model": model,
        "langfuse.observation.model.name": model, "langfuse.observation.prompt.name": "trading",
        "langfuse.observation.prompt.version": "1", "langfuse.environment": "paper",
        "langfuse.observation.input": json.dumps([{"role": "user", "content": prompt}]),
        "langfuse.observation.metadata.repaired": repaired,
    }  # fmt: skip
    if reply is None:
        attributes |= {"langfuse.observation.level": "ERROR", "error.type": "empty_response"}
    else:
        attributes |= {"langfuse.observation.output": reply, "gen_ai.response.model": model}
    ids: dict[str, Any] = {
        "trace_id": number + 1, "span_id": number + 1, "parent_span_id": None, "name": "p:m", "start_ns": start_ns,
        "end_ns": start_ns + 5, "attributes": attributes, "status_code": 0, "status_message": "",
    }  # fmt: skip
    return record_of(**ids, envelope=ENVELOPE, span=otlp.encode_span(**ids, kind=1))


def answer(action: str, reasoning: str = "") -> str:
    return json.dumps({"action": action, "confidence": 60, "reasoning": reasoning})


def stored(path: Path, records: list[SpanRecord]) -> StoreReader:
    spool = Spool(path)
    for record in records:
        spool.append(record)
    spool.close()
    refresh(path)
    return StoreReader(path)


def test_a_report_counts_forms_grounds_and_agreement(tmp_path: Path) -> None:
    records = [
        call(0, reply=answer("BUY", "RSI 71.2")),
        call(1, reply=answer("BUY", "price 69,123")),
        call(2, reply=answer("SELL", "because")),
        call(3, reply=None),
        call(4, reply="plain words, 99.9 of them", prompt="other", model="n"),
        call(5, reply=answer("BUY"), repaired="true"),
    ]
    store = stored(tmp_path / "t.db", records)
    with FactsReader(tmp_path / "t.db") as reader:
        quality = make_quality(reader, store, Filter(), None, sample=100, now_ns=BEGAN_NS + DAY_NS)
    data = quality_data(quality)
    assert {name: data["total"][name] for name in ("n", "valid", "repaired", "empty")} == {
        "n": 6, "valid": 4, "repaired": 1, "empty": 1,
    }  # fmt: skip
    assert data["total"]["valid_share"] == pytest.approx(4 / 6)
    first = next(item for item in data["grounding"] if item["key"] == "trading 1 m")
    assert (first["replies"], first["stated"], first["absent"]) == (2, 1, 1)
    assert first["examples"] == [{"trace_id": f"{2:032x}", "observation_id": f"{2:016x}", "numbers": ["69,123"]}]
    (agreement,) = data["agreement"]  # BUY, BUY, SELL and BUY to the same request: three of six pairs agree
    assert (agreement["requests"], agreement["answers"], agreement["agreement"]) == (1, 4, 0.5)
    json.dumps(data, allow_nan=False)
    assert all(len(row) == len(table.headings) for table in quality_tables(quality) for row in table.rows)
    assert any("69,123" in note for note in quality_notes(quality))


def test_each_reply_is_scored_once_under_an_id_that_stays(tmp_path: Path) -> None:
    records = [call(0, reply=answer("BUY", "69,123")), call(1, reply=None)]
    store = stored(tmp_path / "t.db", records)
    spool = Spool(tmp_path / "t.db")

    def score(name: str, value: Any, *, score_id: str, **fields: Any) -> str:
        kind = "BOOLEAN" if isinstance(value, bool) else "CATEGORICAL" if isinstance(value, str) else "NUMERIC"
        spool.append_score(score_record(id=score_id, name=name, value=value, data_type=kind, **fields))
        return score_id

    with FactsReader(tmp_path / "t.db") as reader:
        quality = make_quality(reader, store, Filter(), None, sample=10, now_ns=BEGAN_NS + DAY_NS)
    assert score_replies(quality.replies, store, score) == 5
    assert score_replies(quality.replies, store, score) == 0
    spool.close()
    nothing: list[Any] = []
    statement = "SELECT id, value, observation_id, timestamp_ns FROM scores"
    rows = store.ask(lambda db: db.execute(statement).fetchall(), nothing)
    assert {(row[0], row[1]) for row in rows} == {
        (f"reply_form:{1:016x}", "valid"), (f"valid_at_once:{1:016x}", 1), (f"numbers_grounded:{1:016x}", 0.0),
        (f"reply_form:{2:016x}", "empty"), (f"valid_at_once:{2:016x}", 0),
    }  # fmt: skip
    ends = {record.span_id: record.end_ns for record in records}
    assert all(ends[row[2]] == row[3] for row in rows)


def test_a_changed_mix_of_actions_is_told_by_days(tmp_path: Path) -> None:
    rng = random.Random(5)
    records: list[SpanRecord] = []
    for day in range(14):
        mixes = {"turned": (8, 1, 1) if day < 7 else (1, 8, 1), "same": (3, 3, 3), "rare": (1, 1, 1)}
        # One market a day: votes of a day are the same, and so weeks differ by chance.
        mixes["daily"] = rng.choice([(9, 0, 0), (0, 9, 0), (0, 0, 9)])
        for model, mix in mixes.items():
            for action in rng.choices(("BUY", "SELL", "NOTHING"), mix, k=1 if model == "rare" else 12):
                records.append(call(len(records), reply=answer(action), day=day, model=model))
    stored(tmp_path / "t.db", [replace(record) for record in records])
    with FactsReader(tmp_path / "t.db") as reader:
        week = Filter(since_ns=BEGAN_NS + 7 * DAY_NS, until_ns=BEGAN_NS + 14 * DAY_NS)
        items = drifts(reader, week, None, now_ns=BEGAN_NS + 20 * DAY_NS)
    assert {item.key: item.verdict for item in items} == {
        "turned": "changed", "same": "noise", "rare": "not enough", "daily": "noise",
    }  # fmt: skip
    turned = next(item for item in items if item.key == "turned")
    assert (sum(turned.before.values()), sum(turned.now.values()), turned.days_before, turned.days_now) == (
        84,
        84,
        7,
        7,
    )

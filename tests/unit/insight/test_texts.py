"""Test that searches find what stands in the store, all of it and nothing else."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from src.insight.texts.index import refresh_texts, text_state
from src.insight.texts.schema import TextSettings, texts_path
from src.insight.texts.search import Search
from src.insight.texts.signatures import MOST_BYTES
from src.observability.settings import SettingsError
from src.observability.spans import otlp
from src.observability.store.retention import Retention
from src.observability.store.spool import Spool
from tests.unit.observability.records import BEGAN_NS, sendable_record, span_record

if TYPE_CHECKING:
    from pathlib import Path

    from src.observability.store.records import SpanRecord

LARGE = TextSettings(enabled=True, max_bytes=2**40)


def record(number: int, *, input_: str = "", output: str = "", error: str | None = None) -> SpanRecord:
    attributes = {"langfuse.observation.input": input_, "langfuse.observation.output": output}
    start_ns = BEGAN_NS + number * 1_000_000
    span = otlp.encode_span(
        trace_id=number + 1, span_id=number + 1, parent_span_id=None, name="n", kind=1, start_ns=start_ns,
        end_ns=start_ns + 1, attributes=attributes,
    )  # fmt: skip
    return span_record(number, start_ns=start_ns, end_ns=start_ns + 1, span=span, status_message=error)


def numbers(path: Path, text: str) -> list[int]:
    with Search(path, text) as search:
        seqs = [hit.seq for hit in search.hits()]
        assert search.remarks == ()
    return seqs


def test_the_index_finds_what_reading_all_texts_finds(tmp_path: Path) -> None:
    rng = random.Random(3)
    words = [
        "BTC",
        "Stop",
        "loss",
        "straße",
        "İstanbul",
        'said "buy"',
        "zeile\nzwei",
        "0.618",
        "买入",
        "a" * 2_000,
        "éé",
    ]
    texts = [" ".join(rng.choices(words, k=rng.randrange(1, 6))) for _ in range(1_100)]
    spool = Spool(tmp_path / "t.db")
    for number, text in enumerate(texts):
        stored = json.dumps(text, ensure_ascii=False) if number % 2 else text
        spool.append(record(number, input_=stored if number % 3 else "", output="" if number % 3 else stored))
    assert refresh_texts(spool.path, settings=LARGE).upto == 1_100  # more than one block
    for query in [*words, "stop LOSS", "buy", "loss straße", "zwei 0.6", "a" * 500]:
        expected = [number + 1 for number, text in enumerate(texts) if query.casefold() in text.casefold()]
        assert numbers(spool.path, query) == expected[::-1], query
    spool.close()


def test_errors_long_texts_and_what_is_not_indexed_yet_are_found_too(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "t.db")
    spool.append(record(0, error="the gateway timed out"))
    noise = np.random.default_rng(1).integers(33, 127, MOST_BYTES, dtype=np.uint8).tobytes().decode()
    spool.append(record(1, input_=noise + " needle at the end"))
    refresh_texts(spool.path, settings=LARGE)
    spool.append(record(2, output="a needle that is new"))
    assert numbers(spool.path, "gateway TIMED") == [1]
    assert numbers(spool.path, "needle") == [3, 2]
    with Search(spool.path, "needle") as search:
        first = next(search.hits())
    assert (first.field, first.excerpt, first.trace_id) == ("output", "a needle that is new", f"{2:032x}")
    spool.close()


def test_what_retention_deletes_leaves_no_bit(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "t.db")
    for number in range(40):
        spool.append(record(number, input_=f"secret plan number {number:04}"))
    refresh_texts(spool.path, settings=LARGE)
    assert len(numbers(spool.path, "secret plan")) == 40
    later_s = BEGAN_NS / 1e9 + 10 * 86_400
    Retention(spool.path, 1, unsent_too=True, clock=lambda: later_s, pause=lambda _: False).run_once(force=True)
    refresh_texts(spool.path, settings=LARGE)
    assert numbers(spool.path, "secret plan") == [40]
    empty = tmp_path / "other.db"
    other = Spool(empty)
    for number in range(40):
        other.append(record(number, input_="secret plan number 0039" if number == 39 else ""))
    refresh_texts(empty, settings=LARGE)
    assert bits(spool.path) == bits(empty)
    spool.close()
    other.close()


def bits(path: Path) -> list[tuple[int, bytes]]:
    import sqlite3

    with sqlite3.connect(texts_path(path)) as connection:
        rows: list[tuple[int, bytes]] = connection.execute("SELECT id, content FROM bits ORDER BY id").fetchall()
    return rows


def test_a_search_says_what_the_index_has_no_room_for(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "t.db")
    for number in range(1_030):
        spool.append(record(number, input_="needle"))
    refresh_texts(spool.path, settings=TextSettings(enabled=True, max_bytes=1))
    with Search(spool.path, "needle") as search:
        assert [hit.seq for hit in search.hits()] == [1_030, 1_029, 1_028, 1_027, 1_026, 1_025]
        assert "MOONDEV_SEARCH_MAX_MB" in search.remarks[0]
    spool.close()


def test_another_file_of_the_store_is_indexed_anew_and_off_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    for text in ("first", "second"):
        spool = Spool(path)
        spool.append(record(0, input_=f"the {text} text"))
        spool.close()
        refresh_texts(path, settings=LARGE)
        assert numbers(path, f"{text} text") == [1]
        path.unlink()
    Spool(path).close()
    assert refresh_texts(path, settings=TextSettings(enabled=False, max_bytes=1)).enabled is False
    assert not texts_path(path).exists()


def test_short_searches_and_wrong_settings_are_refused(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "t.db")
    spool.append(sendable_record(0))
    with pytest.raises(ValueError, match="three characters"):
        Search(spool.path, "ab")
    for name, value in (("MOONDEV_SEARCH_INDEX", "maybe"), ("MOONDEV_SEARCH_MAX_MB", "0")):
        with pytest.raises(SettingsError, match=name):
            TextSettings.read({name: value})
    assert text_state(spool.path).behind == 1
    spool.close()

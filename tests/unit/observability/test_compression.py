"""Test that long spans take little of the store, and are read as they were written."""

from __future__ import annotations

import random
import sqlite3
from typing import TYPE_CHECKING

import pytest

from src.observability.store import compression
from src.observability.store.spool import Spool
from tests.unit.observability.records import span_record

if TYPE_CHECKING:
    from pathlib import Path

TEXT = b"".join(b"2026-01-01T%02d:%02d:00Z,%d\n" % (at // 60 % 24, at % 60, at * 7919 % 100_000) for at in range(4_000))
NOISE = random.Random(1).randbytes(100_000)


def stored_payloads(path: Path) -> list[bytes]:
    with sqlite3.connect(path) as connection:
        return [row[0] for row in connection.execute("SELECT span FROM payloads ORDER BY seq")]


@pytest.mark.parametrize("span", [b"\x0ashort", TEXT, NOISE], ids=["short", "text", "noise"])
def test_spans_are_read_and_delivered_as_they_were_written(tmp_path: Path, span: bytes) -> None:
    spool = Spool(tmp_path / "t.db")
    spool.append(span_record(span=span))
    assert spool.trace("0" * 32)[0].span == span
    assert spool.rows_after(0)[0].span == span
    assert spool.read_batch("d").rows == ((1, span_record().envelope, span),)


def test_long_texts_take_less_than_half_and_incompressible_spans_stay(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "t.db")
    for span in (b"\x0ashort", TEXT, NOISE):
        spool.append(span_record(span=span))
    short, text, noise = stored_payloads(tmp_path / "t.db")
    assert (short, noise) == (b"\x0ashort", NOISE)
    assert len(text) < len(TEXT) / 2


def test_a_batch_is_bounded_by_what_is_sent_not_by_what_is_stored(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "t.db")
    for _ in range(4):
        spool.append(span_record(span=TEXT))
    assert len(spool.read_batch("d", max_bytes=2 * len(TEXT)).rows) == 2


def test_without_lz4_nothing_is_compressed_and_reading_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path / "t.db")
    spool.append(span_record(span=TEXT))
    monkeypatch.setattr(compression, "_lz4", None)
    spool.append(span_record(span=TEXT + b"."))
    assert stored_payloads(tmp_path / "t.db")[1] == TEXT + b"."
    with pytest.raises(RuntimeError, match="pip install lz4"):
        spool.trace("0" * 32)

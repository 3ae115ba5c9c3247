"""`moondev insight`: how far the figures go, in words and as JSON, and what is said of a store that fills up."""

from __future__ import annotations

import json
import logging
import random
from typing import TYPE_CHECKING, Any

import pytest

from src.cli import main
from src.insight.facts.schema import facts_path
from src.insight.texts.schema import texts_path
from src.observability.store.spool import Spool
from tests.commands import Screen, run_app
from tests.unit.observability.records import sendable_record, span_record

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "t.db"
    monkeypatch.setenv("MOONDEV_TRACE_DB", str(path))
    return path


def fill(path: Path, count: int) -> None:
    spool = Spool(path)
    for number in range(count):
        spool.append(sendable_record(number))
    spool.close()


def insight(*words: str, **options: Any) -> Screen:
    return run_app(main, "insight", *words, **options)


def test_before_during_and_after_a_refresh_it_says_how_far_the_figures_go(store: Path) -> None:
    screen = insight()
    assert (screen.code, screen.out) == (0, "")
    assert "There is no trace store" in screen.err
    fill(store, 3)
    assert "3 observations" in insight().err
    document = json.loads(insight("refresh", "--json").out)
    assert (document["observations"], document["is_current"], document["texts"]["upto"]) == (3, True, 3)
    assert (document["first_day"], document["gaps"], document["remarks"]) == ("2025-11-24", [], [])
    assert document["store_size"]["only_here"] == 3
    lines = insight(width=80, terminal=True).out.splitlines()
    assert max(map(len, lines)) <= 80 + len(str(store))
    assert any("observations  3" in line for line in lines)
    fill(store, 1)
    assert json.loads(insight("status", "--json").out)["behind"] == 1


def test_a_rebuild_begins_anew_and_a_search_index_can_be_switched_off(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, 3)
    assert insight("refresh", "--no-texts").code == 0
    assert not texts_path(store).exists()
    assert insight("refresh").code == 0
    assert texts_path(store).exists()
    monkeypatch.setenv("MOONDEV_SEARCH_INDEX", "off")
    before = facts_path(store).stat().st_ino
    assert "off (MOONDEV_SEARCH_INDEX)" in insight("refresh", "--rebuild").out
    assert not texts_path(store).exists()
    assert facts_path(store).stat().st_ino != before


def test_wrong_input_is_one_line_with_code_2(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for words in (["refresh", "--budget", "-1"], ["refresh", "--budget", "soon"], ["renew"]):
        screen = insight(*words)
        assert (screen.code, screen.out, screen.err.count("\n")) == (2, "", 1), screen.err
    store.write_text("a text that is no database, and long enough for one " * 20)
    assert insight("refresh").code == 2
    assert insight().code == 2
    monkeypatch.setenv("MOONDEV_SEARCH_MAX_MB", "many")
    store.unlink()
    fill(store, 1)
    screen = insight("refresh")
    assert screen.code == 2
    assert "MOONDEV_SEARCH_MAX_MB" in screen.err


@pytest.mark.parametrize("delivered", [True, False])
def test_long_before_the_size_limit_somebody_is_told(
    store: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, *, delivered: bool
) -> None:
    monkeypatch.setenv("MOONDEV_TRACE_MAX_MB", "16")
    spool = Spool(store, max_bytes=16 * 1024**2)
    noise = random.Random(1)
    with caplog.at_level(logging.WARNING, "moondev.spool"):
        for number in range(245):  # 64 KB that cannot be packed: 96% of the limit
            spool.append(span_record(number, span=b"\x0a" + noise.randbytes(65_536)))
            if delivered and not number % 20:
                spool.acknowledge("langfuse:http://host:k", spool.last_seq())
        if delivered:
            spool.acknowledge("langfuse:http://host:k", spool.last_seq())
    shares = [record.getMessage() for record in caplog.records if "of the limit" in record.getMessage()]
    warning = json.loads(insight("status", "--json").out)["store_size"]["warning"]
    if delivered:
        assert warning is None
        assert all("are still to be delivered" in share for share in shares)
    else:
        assert [share.partition("%")[0][-2:-1] for share in shares] == ["7", "9"]
        assert "only copy" in shares[1]
        assert "only copy" in warning
    for words in (("traces", "list", "--json"), ("decisions", "--json"), ("report", "--json")):
        screen = run_app(main, *words)
        json.loads(screen.out)
        assert ("only copy" in " ".join(screen.err.split())) is not delivered, words
    assert spool.stats().losses == 0
    spool.close()

"""`moondev traces tail` as its user runs it, in this process."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

from src.observability.store.spool import Spool
from tests.integration.traces_command.runs import TRACES, generation, moondev, record
from tests.unit.observability.records import score_record

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_tail_prints_a_document_in_each_line() -> None:
    screen = moondev("traces", "tail", "--from-start", "--json", "--count", str(2 * TRACES))
    rows = [json.loads(line) for line in screen.out.splitlines()]
    assert len(rows) == 2 * TRACES
    assert rows[1]["name"] == "momentum.run"
    assert (rows[0]["cost_usd"], rows[0]["cost_unknown"], rows[0]["error_category"]) == (None, True, "timeout")
    assert "\x1b" not in screen.out


def test_tail_prints_what_fits_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    from src.observability.commands import following

    monkeypatch.setattr(following, "_LOOKED_AT", 3)  # most looks find nothing
    options = ("--status", "error", "--symbol", "btc-usd", "--category", "timeout", "--search", "price 64")
    screen = moondev("traces", "tail", "--from-start", "--json", "--count", "3", *options)
    rows = [json.loads(line) for line in screen.out.splitlines()]
    assert [int(row["trace_id"], 16) - 1 for row in rows] == [5, 15, 25]
    assert {(row["name"], row["symbol"], row["level"]) for row in rows} == {("openai:gpt-4o", "BTC-USD", "ERROR")}
    wrong = moondev("traces", "tail", "--status", "bad")
    assert (wrong.code, wrong.out) == (2, "")
    assert "--status is 'bad'" in wrong.err


def test_tail_prints_what_has_a_score_also_one_that_comes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--from-start", "--json", "--count", "4", "--score", "pnl>1.75")
    rows = [json.loads(line) for line in moondev("traces", "tail", *options).out.splitlines()]
    assert [int(row["trace_id"], 16) - 1 for row in rows] == [28, 28, 29, 29]
    spool = Spool(tmp_path / "t.db")
    for trace in range(3):
        spool.append(generation(trace, failed=False))
        spool.append(record(trace, 0, None, "momentum.run", {}))
    monkeypatch.setenv("MOONDEV_TRACE_DB", str(spool.path))

    looks: list[float] = []
    real_sleep = time.sleep  # for threads of other tests

    def comes(seconds: float) -> None:
        """Write scores while the command waits: some replace others, and one is of an observation alone."""
        if threading.current_thread() is not threading.main_thread():
            real_sleep(seconds)
            return
        looks.append(seconds)
        assert len(looks) < 5
        scores = ((0, None, -4.0), (0, None, 4.0), (1, 12, -1.0), (2, None, 2.0), (2, None, -3.0))
        for number, (trace, span, value) in enumerate(scores):
            spool.append_score(
                score_record(id=f"s{trace}", name="pnl", value=value, trace_id=f"{trace + 1:032x}",
                             observation_id=None if span is None else f"{span:016x}", timestamp_ns=number)
            )  # fmt: skip

    monkeypatch.setattr(time, "sleep", comes)
    screen = moondev("traces", "tail", "--json", "--count", "3", "--score", "pnl<0")
    spool.close()
    rows = [json.loads(line) for line in screen.out.splitlines()]
    assert [(int(row["trace_id"], 16) - 1, row["name"]) for row in rows] == [
        (1, "openai:gpt-4o"), (2, "openai:gpt-4o"), (2, "momentum.run"),
    ]  # fmt: skip


def test_tail_never_sleeps_while_rows_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from src.observability.commands import following

    monkeypatch.setattr(following, "_PAGE", 7)
    slept: list[float] = []
    tail, sleep = threading.current_thread(), time.sleep

    def count_own(seconds: float) -> None:
        """Count how often the command sleeps; threads of other tests may sleep as they like."""
        slept.append(seconds) if threading.current_thread() is tail else sleep(seconds)

    monkeypatch.setattr(time, "sleep", count_own)
    moondev("traces", "tail", "--from-start", "--count", str(2 * TRACES - 1))
    assert slept == []

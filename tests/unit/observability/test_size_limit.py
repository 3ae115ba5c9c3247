"""The size limit takes what is nowhere else, or not judged yet, last, and only once somebody was told long before."""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from src.observability.store.connections import connect
from src.observability.store.fullness import GRACE_S, NOTICE, fullness
from src.observability.store.ledger_records import DecisionRecord, OutcomeRecord
from src.observability.store.spool import Spool
from tests.unit.observability.records import sendable_record

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = 400_000
NOW_S = 1_764_000_000.0


@pytest.fixture(autouse=True)
def roomy_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be room, whatever the machine has: rows go at once where the disk is nearly full."""
    usage: Any = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2**40))


def fill(spool: Spool, first: int, end: int) -> None:
    for number in range(first, end):
        spool.append(sendable_record(number, size=10_000))


def numbers(spool: Spool) -> list[int]:
    with connect(spool.path) as connection:
        return [row[0] for row in connection.execute("SELECT seq FROM observations ORDER BY seq")]


def noticed(spool: Spool) -> bool:
    with connect(spool.path) as connection:
        return connection.execute("SELECT 1 FROM counters WHERE name = ?", (NOTICE,)).fetchone() is not None


def test_what_is_only_here_goes_a_week_after_the_first_notice(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    now = [NOW_S]
    spool = Spool(tmp_path / "t.db", max_bytes=LIMIT, grace_s=GRACE_S, clock=lambda: now[0])
    with caplog.at_level(logging.WARNING, "moondev.spool"):
        fill(spool, 0, 30)
        assert noticed(spool)
        now[0] += 6 * 86_400
        fill(spool, 30, 80)
    assert spool.stats().bytes > LIMIT
    assert len(numbers(spool)) == 80
    messages = [record.getMessage() for record in caplog.records if record.name == "moondev.spool"]
    assert "only copy; these stay until 2025-12-01 16:00 UTC" in messages[0]
    assert messages[-1].startswith(f"The trace store {spool.path}: 1")  # above 100%
    now[0] += 86_400
    with caplog.at_level(logging.ERROR, "moondev.spool"):
        fill(spool, 80, 90)
    assert spool.stats().bytes < 1.1 * LIMIT
    assert numbers(spool)[0] > 1
    assert "reached its limit" in caplog.text
    spool.close()


def test_a_limit_that_comes_near_no_more_begins_its_notice_anew(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "t.db", max_bytes=LIMIT, grace_s=GRACE_S)
    fill(spool, 0, 35)
    assert noticed(spool)
    spool.acknowledge("langfuse:http://host:k", spool.last_seq() - 1)
    spool.close()
    wider = Spool(tmp_path / "t.db", max_bytes=4 * LIMIT, grace_s=GRACE_S)
    fill(wider, 35, 36)
    assert not noticed(wider)
    wider.close()


def test_a_nearly_full_disk_takes_no_grace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage: Any = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2**29))
    spool = Spool(tmp_path / "t.db", max_bytes=LIMIT, grace_s=GRACE_S)
    fill(spool, 0, 80)
    assert spool.stats().bytes < 1.1 * LIMIT
    spool.close()


def decided(spool: Spool, number: int) -> str:
    """Record the decision of an observation's trace; return its id."""
    record = sendable_record(number)
    name = f"{number:032x}"
    spool.append_ledger(
        DecisionRecord(
            id=name, time_ns=record.start_ns, as_of_ns=record.start_ns, symbol="BTC-USD", action="BUY",
            horizons="24h,7d", trace_id=record.trace_id,
        )
    )  # fmt: skip
    return name


def resolve(spool: Spool, decision: str, horizon: str) -> None:
    spool.append_ledger(
        OutcomeRecord(
            decision_id=decision, horizon=horizon, entry_ns=1, entry=1.0, exit_ns=2, exit=1.0, exit_reason="horizon",
            gross=0.0, net=0.0, correct=None, brier=None, costs="{}", source="test", resolved_ns=3,
        )
    )  # fmt: skip


@pytest.mark.parametrize("grace_s", [0.0, GRACE_S])
def test_traces_of_open_decisions_outlast_delivered_ones(tmp_path: Path, grace_s: float) -> None:
    spool = Spool(tmp_path / "t.db", max_bytes=LIMIT, grace_s=grace_s)
    fill(spool, 0, 10)
    open_one, half, whole = (decided(spool, number) for number in (1, 3, 5))
    resolve(spool, half, "24h")
    for horizon in ("24h", "7d"):
        resolve(spool, whole, horizon)
    for number in range(10, 80):
        fill(spool, number, number + 1)
        spool.acknowledge("langfuse:http://host:k", spool.last_seq())
    assert numbers(spool)[:2] == [2, 4]
    assert 6 not in numbers(spool)
    assert spool.stats().bytes < 1.1 * LIMIT
    with connect(spool.path) as connection:
        state = fullness(connection, LIMIT, grace_s)
    assert (state.unjudged, state.only_here) == (2, 0)
    assert "2 old decisions have no outcome yet" in state.sentence
    assert state.level is not None
    spool.close()
    for name, horizon in ((open_one, "24h"), (open_one, "7d"), (half, "7d")):
        resolve(spool, name, horizon)
    spool.close()
    later = Spool(tmp_path / "t.db", max_bytes=LIMIT, grace_s=grace_s)
    for number in range(80, 90):
        fill(later, number, number + 1)
        later.acknowledge("langfuse:http://host:k", later.last_seq())
    assert numbers(later)[0] > 40
    assert later.stats().losses == 0
    later.close()


def test_open_decisions_alone_are_lost_only_after_the_notice(tmp_path: Path) -> None:
    now = [NOW_S]
    spool = Spool(tmp_path / "t.db", max_bytes=LIMIT, grace_s=GRACE_S, clock=lambda: now[0])
    for number in range(60):
        fill(spool, number, number + 1)
        decided(spool, number)
        spool.acknowledge("langfuse:http://host:k", spool.last_seq())
    spool.close()
    assert len(numbers(spool)) > 50
    now[0] += GRACE_S + 1
    fill(spool, 60, 70)
    assert spool.stats().bytes < 1.1 * LIMIT
    assert spool.stats().losses == 0  # they are delivered
    spool.close()

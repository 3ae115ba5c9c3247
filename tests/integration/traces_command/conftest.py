"""A store of thirty runs, which the commands of each test read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from src.observability import tracker
from src.observability.store.ledger_records import DecisionRecord
from src.observability.store.spool import Spool
from tests.integration.traces_command.runs import TRACES, generation, record
from tests.unit.observability.records import score_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of thirty runs, of which every fifth has a failed call."""
    path = tmp_path_factory.mktemp("store") / "traces.db"
    spool = Spool(path)
    for trace in range(TRACES):
        spool.append(generation(trace, failed=trace % 5 == 0))
        spool.append(record(trace, 0, None, "momentum.run", {"langfuse.observation.type": "agent"}))
        spool.append_score(
            score_record(id=f"s{trace}", trace_id=f"{trace + 1:032x}", name="pnl", value=trace / 10 - 1.0)
        )
    spool.append_ledger(
        DecisionRecord(id="d", time_ns=1, as_of_ns=1, symbol="BTC-USD", action="BUY", confidence=70.0,
                       trace_id=f"{TRACES:032x}", votes='[["openai:gpt-4o","BUY",70]]')
    )  # fmt: skip
    spool.close()
    return path


@pytest.fixture(autouse=True)
def _here(store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MOONDEV_TRACE_DB", str(store))
    monkeypatch.setenv("MOONDEV_OFFLINE", "1")
    outer = tracker.set_tracker(None)
    yield
    used = tracker.set_tracker(outer)
    if used is not None:
        used.shutdown()

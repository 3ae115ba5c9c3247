"""A fuzzer's run that is killed goes on where it stopped, and its figures are of all programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.migration.fuzz.judge import OTHER, SAME, VOID
from tests.migration.fuzz.records import PROGRAMS, SUMMARY, UNJUDGED, Records

if TYPE_CHECKING:
    from pathlib import Path


WHY = ["what it sends is traced where it is made", "its client is traced, and stays: line 4: why"]


def record(seed: int, kind: str = SAME, *, moved: int = 1) -> dict[str, Any]:
    return {
        "seed": seed, "kind": kind, "calls": 1, "moved": moved, "attempts_differ": False, "left": 1 - moved,
        "review": 0, "tags": ["sdk:openai"], "lines": [], "reasons": [] if moved else WHY, "version": "abc",
    }  # fmt: skip


def fault(seed: int) -> dict[str, Any]:
    return {
        **record(seed, OTHER), "category": "other: keys", "lines": ["printed 'a', now 'b'"], "sites": [],
        "files": {"main.py": "old text"}, "after": {"main.py": "new text"}, "scripts": {}, "environment": {},
    }  # fmt: skip


def test_a_killed_run_keeps_what_it_judged_and_judges_the_rest(tmp_path: Path) -> None:
    killed = Records(tmp_path)
    killed.add(record(1))
    killed.add(fault(2))
    with (tmp_path / PROGRAMS).open("a", encoding="utf-8") as file:
        file.write('{"seed": 3, "kind": "sa')
    with Records(tmp_path) as resumed:
        assert [seed for seed in (1, 2, 3) if not resumed.is_judged(seed)] == [3]
        resumed.add(record(3, moved=0))
    summary = json.loads((tmp_path / SUMMARY).read_text("utf-8"))
    assert (summary["programs"], summary["calls"], summary["moved"], summary["faults"]) == (3, 3, 2, [2])
    assert summary["why_left"] == {"line N: why": 1}
    assert summary["versions"] == {"abc": 3}
    assert summary == Records(tmp_path).summary()


def test_a_program_whose_judging_failed_is_judged_again(tmp_path: Path) -> None:
    with Records(tmp_path) as records:
        records.add({"seed": 5, "kind": UNJUDGED, "lines": ["Traceback"], "version": "abc"})
        assert not records.is_judged(5)
        assert records.summary()["programs"] == 0
        records.add(record(5))
        assert records.is_judged(5)
    assert Records(tmp_path).summary()["kinds"] == {SAME: 1}


def test_a_program_that_does_not_work_counts_no_calls(tmp_path: Path) -> None:
    with Records(tmp_path) as records:
        records.add(record(7, VOID, moved=0))
        assert (records.summary()["programs"], records.summary()["calls"]) == (1, 0)


def test_a_fault_is_a_text_to_read_as_soon_as_it_is_judged(tmp_path: Path) -> None:
    Records(tmp_path).add(fault(9))
    text = (tmp_path / "fault-9.txt").read_text("utf-8")
    assert "old text" in text
    assert "new text" in text
    assert "printed 'a', now 'b'" in text

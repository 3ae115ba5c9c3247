"""What takes long is computed beside the pages, which say how far that is, and show the last result meanwhile."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from src.dashboard import Content, open_stores
from src.dashboard.data.background import Background, Progress, Result
from src.dashboard.data.limits import Limits, TookTooLong
from src.dashboard.pages import advice
from tests.dashboard.conftest import opened
from tests.unit.insight import advised_store as made
from tests.unit.insight.advised_store import DAYS, Recorder
from tests.unit.insight.stores import DAY_NS

if TYPE_CHECKING:
    from pathlib import Path


class Work:
    """A computation that ends when it is let."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.has_begun = threading.Event()
        self.count = 0
        self.error: Exception | None = None

    def __call__(self, limits: Limits, progress: Progress) -> str:
        for _ in progress.each(range(3), "days", limits):
            pass
        self.has_begun.set()
        self.gate.wait(60)
        self.has_begun.clear()
        if self.error is not None:
            raise self.error
        self.count += 1
        return f"result {self.count}"


def ask(background: Background, work: Work, version: int, *, waits: bool = False) -> Result[str]:
    return background.ask("key", version, work, Limits(600), waits=waits)  # from now on


def ended(background: Background, work: Work, version: int) -> Result[str]:
    work.gate.set()
    return ask(background, work, version, waits=True)


def test_a_question_is_answered_at_once_and_the_last_result_stays_until_the_next_one_is_there() -> None:
    background, work = Background(), Work()
    assert ask(background, work, 1).value is None
    assert work.has_begun.wait(60)
    assert ask(background, work, 1).progress == "3 days are gone through"
    assert ended(background, work, 1).value == "result 1"
    assert ask(background, work, 1) == ask(background, work, 1)
    assert work.count == 1

    work.gate.clear()
    newer = ask(background, work, 2)
    assert (newer.value, newer.is_newest) == ("result 1", False)
    assert newer.progress is not None
    last = ended(background, work, 2)
    assert (last.value, last.is_newest, last.progress) == ("result 2", True, None)


def test_what_came_while_it_was_computed_is_not_said_to_be_in_it() -> None:
    background, work = Background(), Work()
    ask(background, work, 1)
    assert work.has_begun.wait(60)
    work.gate.set()
    first = ask(background, work, 2, waits=True)
    assert (first.value, first.is_newest) == ("result 1", False)


def test_an_error_is_raised_to_who_asks_and_the_next_question_tries_again() -> None:
    background, work = Background(), Work()
    work.error = OSError("the disk is gone")
    with pytest.raises(OSError, match="the disk is gone"):
        ended(background, work, 1)
    work.error = None
    assert ended(background, work, 1).value == "result 1"


def test_who_waits_waits_no_longer_than_a_question_may_take() -> None:
    background, work = Background(), Work()
    with pytest.raises(TookTooLong):
        background.ask("key", 1, work, Limits(0.05), waits=True)
    work.gate.set()


def test_advice_on_many_calls_says_how_far_it_is_and_then_as_of_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advice, "_FEW", 0)
    store = Recorder(tmp_path / "t.db", (time.time_ns() // DAY_NS - DAYS) * DAY_NS)
    made.failures(store)
    path = store.close()
    with opened(Content(stores=open_stores([path]))) as client:
        first = client.get("/advice").text
        assert "are gone through, once; so far" in first
        assert '<meta http-equiv="refresh" content="2">' in first
        csv = client.get("/advice/findings.csv").text  # waits
        assert "stop paying for calls that fail" in csv
        page = client.get("/advice").text
        assert "As of 20" in page
        assert "counted since" not in page
        assert "http-equiv" not in page
        store = Recorder(path)
        store.call("anew", time.time_ns(), 0.1)
        store.close()
        later = client.get("/advice").text
        assert "what came since is being counted" in later
        assert "stop paying for calls that fail" in later

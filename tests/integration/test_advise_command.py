"""`moondev advise` as its user runs it: in a terminal, as JSON, as Markdown, and where there is nothing to say."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from src.cli import main
from src.observability.store.spool import Spool
from tests import periods
from tests.commands import Screen, run_app
from tests.unit.insight import advised_store as made
from tests.unit.insight.advised_store import DAYS, Recorder
from tests.unit.insight.stores import DAY_NS

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "[bold]\x1b[2Jagent\u202e|](http://evil)"


def advise(*words: str | Path, **options: Any) -> Screen:
    return run_app(main, "advise", *words, **options)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    periods.wait_for_room(room_s=90)  # only whole days are advised on, and days end in UTC
    store = Recorder(tmp_path_factory.mktemp("advise") / "t.db", (time.time_ns() // DAY_NS - DAYS) * DAY_NS)
    made.failures(store)
    for day in range(DAYS):
        for number in range(2):
            store.call(HOSTILE, store.at(day, 60 + number), 0.5, category="timeout")
    return store.close()


@pytest.fixture
def store(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOONDEV_TRACE_DB", str(recorded))
    return recorded


@pytest.mark.usefixtures("store")
def test_a_terminal_of_80_columns_shows_worth_check_and_evidence() -> None:
    screen = advise("--kind", "paid-failures", "--all", terminal=True, width=80)
    assert screen.code == 0
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in screen.out.splitlines()) <= 80
    text = " ".join(screen.text.split())
    assert "fails, cheap: stop paying for calls that fail" in text
    assert "$4.00 were paid for 40 calls: malformed_response 40." in text
    assert "predicted $6.00" in text
    assert "moondev traces list --agent fails --provider openai" in text
    assert "not enough: 5 paid calls on 5 days" in text
    assert not {"\x1b[2J", "\u202e"}.intersection(screen.text)


@pytest.mark.usefixtures("store")
def test_json_is_one_document_and_filters_choose() -> None:
    document = json.loads(advise("--json", "--agent", "fails", "--kind", "paid-failures").out)
    (item,) = document["findings"]
    assert (item["n"], item["unit"], item["scope"]["what"]) == (40, "usd_per_30_days", "failed")
    assert item["evidence"]["filters"]["agent"] == "fails"
    assert "withheld" not in document
    assert "withheld" in json.loads(advise("--json", "--all", "--kind", "slow").out)


@pytest.mark.usefixtures("store")
def test_markdown_has_every_finding_and_no_markup_of_a_name(tmp_path: Path) -> None:
    assert advise("--md", tmp_path / "advice.md", "--all").code == 0
    text = (tmp_path / "advice.md").read_text()
    assert "## What to change" in text
    assert "## Considered and not advised" in text
    assert "](" not in text.replace("\\]", "")
    assert "\x1b" not in text


def test_an_empty_store_says_what_is_needed_and_a_wrong_kind_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOONDEV_TRACE_DB", str(tmp_path / "t.db"))
    Spool(tmp_path / "t.db").close()
    screen = advise()
    assert screen.code == 0
    assert "at least six days with calls" in " ".join(screen.text.split())
    document = json.loads(advise("--json").out)
    assert (document["findings"], document["since"], document["calls"]) == ([], None, 0)
    screen = advise("--kind", "nonsense")
    assert screen.code == 2
    assert "--kind is 'nonsense': give one of paid-failures, uncached" in screen.err

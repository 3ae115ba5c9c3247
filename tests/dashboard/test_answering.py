"""Questions are bounded in time, end when the browser leaves, and never hold up the others."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from src.dashboard import Content, open_stores
from src.dashboard.data.limits import Limits, NobodyWaits, TookTooLong
from src.dashboard.data.memo import Memo, Version
from src.dashboard.data.tree import in_tree_order
from src.dashboard.server.answering import Answers
from tests.dashboard.conftest import opened

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"


def endless(connection: sqlite3.Connection) -> Any:
    return connection.execute(ENDLESS).fetchone()


class Browser:
    """A request whose browser leaves when it is told to."""

    def __init__(self) -> None:
        self.leaves = asyncio.Event()

    async def receive(self) -> dict[str, str]:
        await self.leaves.wait()
        return {"type": "http.disconnect"}


def test_a_question_that_takes_too_long_is_stopped(store_path: Path) -> None:
    (store,) = open_stores([store_path])
    with pytest.raises(TookTooLong, match="took longer"):
        store.ask(endless, None, Limits(0.05))


def test_a_page_that_takes_too_long_says_what_to_do(store_path: Path) -> None:
    content = Content(stores=open_stores([store_path]), seconds=0.0)
    with opened(content, admitted=False) as client:
        answer = client.get(client.headers["x-link"])
        assert answer.status_code == 503
        assert "Narrow the filters" in answer.text


async def test_a_question_ends_when_the_browser_leaves_and_others_go_on(store_path: Path) -> None:
    (store,) = open_stores([store_path])
    answers, browser, begun, ended = Answers(60), Browser(), threading.Event(), threading.Event()

    def question(limits: Limits) -> None:
        begun.set()
        try:
            store.ask(endless, None, limits)
        finally:
            ended.set()

    asking = asyncio.ensure_future(answers.to(browser, question))  # type: ignore[arg-type] # as much as is used
    assert await asyncio.to_thread(begun.wait, 30)
    assert await answers.to(Browser(), lambda _: 7) == 7  # type: ignore[arg-type] # as above
    assert not asking.done()
    browser.leaves.set()
    with pytest.raises(NobodyWaits):
        await asking
    assert await asyncio.to_thread(ended.wait, 30)
    answers.stop()


async def test_the_end_of_the_server_ends_questions(store_path: Path) -> None:
    (store,) = open_stores([store_path])
    answers = Answers(60)
    asking = asyncio.ensure_future(answers.to(Browser(), lambda limits: store.ask(endless, None, limits)))  # type: ignore[arg-type] # as above
    await asyncio.sleep(0.05)
    answers.stop()
    with pytest.raises(NobodyWaits):
        await asking


def test_what_is_being_computed_is_computed_once() -> None:
    memo, calls, results = Memo(), [], []

    def compute() -> int:
        calls.append(1)
        time.sleep(0.05)
        return len(calls)

    threads = [threading.Thread(target=lambda: results.append(memo.get("key", compute, Limits(30)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [1, 1, 1, 1]
    assert memo.get("other", compute, Limits(30)) == 2


def test_results_of_another_version_are_dropped() -> None:
    memo, limits = Memo(), Limits(30)
    for key in ("a", "b"):
        assert memo.get(key, lambda: [1], limits, version=Version("ledger", 1)) == [1]
    memo.get("c", lambda: [1], limits, version=Version("traces", 1))
    assert memo.get("a", lambda: [2], limits, version=Version("ledger", 2)) == [2]
    assert sorted(memo._results) == ["a", "c"]  # what "b" held is free
    assert memo.get("a", lambda: [3], limits, version=Version("ledger", 2)) == [2]


def test_a_failure_is_not_kept() -> None:
    memo = Memo()
    with pytest.raises(ZeroDivisionError):
        memo.get("key", lambda: 1 // 0, Limits(30))
    assert memo.get("key", lambda: 3, Limits(30)) == 3


def test_a_circle_of_parents_shows_each_observation_once() -> None:
    rows = [
        {"seq": 1, "span_id": "a", "parent_span_id": "b"},
        {"seq": 2, "span_id": "b", "parent_span_id": "a"},
        {"seq": 3, "span_id": "c", "parent_span_id": "c"},
        {"seq": 4, "span_id": "d", "parent_span_id": "gone"},
        {"seq": 5, "span_id": "e", "parent_span_id": "d"},
    ]
    ordered = in_tree_order(rows)
    assert sorted(row["seq"] for _, row in ordered) == [1, 2, 3, 4, 5]
    assert [(depth, row["span_id"]) for depth, row in ordered][:3] == [(0, "c"), (0, "d"), (1, "e")]

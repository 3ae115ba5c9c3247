"""Paper books in the store: kill -9, two processes at once, retention, salvage, migration."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from src.judging.paper.book import PaperBook, books_of, contents_of, settled
from src.observability.store.book_queries import BookChangedError
from src.observability.store.book_records import BookEventRecord
from src.observability.store.reader import StoreReader
from src.observability.store.retention import Retention
from src.observability.store.schema import BOOKS_SINCE, MIGRATIONS, SpoolError
from src.observability.store.spool import Spool
from tests.unit.judging.paper_markets import Desk, flat, market
from tests.unit.observability.test_spool import record as observation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BARS = flat({0: 100.0, 1: 100.0, 2: 110.0, 3: 110.0})


def killed(work: Callable[[Spool], None], path: Path) -> None:
    """Do something in a process of its own, which then ends by kill -9."""
    child = os.fork()
    if child == 0:
        try:
            work(Spool(path))
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL


def test_kill_9_between_decision_and_fill_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    path = tmp_path / "t.db"

    def decide(spool: Spool) -> None:
        desk = Desk(spool)
        desk.book.follow("never made")  # killed before the decision was
        desk.decide("BUY", 1, horizon="1h")

    def settle(spool: Spool) -> None:
        PaperBook(spool, "paper").settle({"BTCUSD": market(BARS)})

    def settle_half(spool: Spool) -> None:
        """End inside the transaction that writes the fills."""
        rows, _, number = settled(PaperBook(spool, "paper").contents(), {"BTCUSD": market(BARS)})

        class Deadly(list[Any]):
            def __iter__(self) -> Any:
                yield from rows[:1]
                os.kill(os.getpid(), signal.SIGKILL)

        spool.append_book_rows(Deadly(), after={"paper": number})

    killed(decide, path)
    killed(settle_half, path)
    assert contents_of(StoreReader(path), "paper").events == []
    killed(settle, path)
    killed(settle, path)
    contents = contents_of(StoreReader(path), "paper")
    assert [event.kind for event in contents.events] == ["open", "close"]
    assert len(contents.account().trades) == 1


def test_settling_by_many_threads_at_once_fills_once(tmp_path: Path) -> None:
    spools = [Spool(tmp_path / "t.db") for _ in range(3)]
    desk = Desk(spools[0])
    for hour in range(3):
        desk.decide("BUY" if hour % 2 else "SELL", hour)
    start = threading.Barrier(len(spools))

    def settle(spool: Spool) -> None:
        start.wait()
        PaperBook(spool, "paper").settle({"BTCUSD": market(BARS)})

    threads = [threading.Thread(target=settle, args=(spool,)) for spool in spools]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = desk.contents.events
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert [event.kind for event in events] == ["open", "close", "open", "close", "open"]


def test_neither_age_nor_size_takes_a_book(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "t.db", max_bytes=600_000)
    desk = Desk(spool)
    desk.decide("BUY", 1)
    desk.settle(market(BARS))
    for number in range(250):
        spool.append(observation(number, size=4_000))
    assert spool.stats().observations < 250  # the limit took the oldest
    retention = Retention(spool.path, 1, unsent_too=True, clock=lambda: 4e9, pause=lambda _: False)
    assert retention.run_once(force=True) > 0
    contents = desk.contents
    assert (len(contents.events), len(contents.marks), len(contents.decisions)) == (1, 3, 1)


def test_salvage_takes_books_along(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "t.db")
    desk = Desk(spool, limits={"max_position_share": "0.1"})
    desk.decide("BUY", 1, horizon="1h")
    desk.settle(market(BARS))
    before = desk.contents
    error = sqlite3.DatabaseError("malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    assert spool.recover(error)
    for _ in range(2_000):
        if len(books_of(StoreReader(spool.path))) and len(desk.contents.marks) == len(before.marks):
            break
        time.sleep(0.01)
    assert desk.contents == before
    desk.decide("SELL", 4)
    desk.settle(market(flat({0: 100.0, 1: 100.0, 2: 110.0, 3: 110.0, 4: 110.0})))
    assert [event.kind for event in desk.contents.events] == ["open", "close", "open"]


def test_a_file_of_the_version_before_gets_books(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    Spool(path).close()
    later = [words[2] for script in MIGRATIONS[BOOKS_SINCE - 1 :] for statement in script.split(";")
             if (words := statement.split())[:2] == ["CREATE", "TABLE"]]  # fmt: skip
    with sqlite3.connect(path) as connection:
        for table in later:
            connection.execute(f"DROP TABLE {table}")
        connection.execute(f"PRAGMA user_version = {BOOKS_SINCE - 1}")
    connection.close()
    assert books_of(StoreReader(path)) == []  # a reader changes nothing
    desk = Desk(Spool(path), start_usd=Decimal(77))
    assert desk.cash == 77


def test_a_line_of_the_journal_cannot_be_written_twice(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "t.db")
    desk = Desk(spool)
    desk.decide("BUY", 1)
    rows, _, number = settled(desk.contents, {"BTCUSD": market(BARS)})
    spool.append_book_rows(rows, after={"paper": number})
    events = [row for row in rows if isinstance(row, BookEventRecord)]
    with pytest.raises(BookChangedError):
        spool.append_book_rows(events, after={"paper": number})
    with pytest.raises(SpoolError):
        spool.append_book_rows(events, after={})
    assert len(desk.contents.events) == 1

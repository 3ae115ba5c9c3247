"""State facts about the connection that is kept for reads: whose file it reads, and what it leaves behind."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest

from src.observability.store.reused_connection import ReusedConnection
from src.observability.store.spool import Spool
from tests.unit.observability.records import span_record

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept.db"


def count(reading: ReusedConnection, path: Path) -> int:
    with reading.use(path) as connection:
        return int(connection.execute("SELECT count(*) FROM observations").fetchone()[0])


def test_reads_share_one_connection_and_see_what_was_stored_since(path: Path) -> None:
    spool, reading = Spool(path), ReusedConnection(path)
    with reading.use(path) as first:
        pass
    assert count(reading, path) == 0
    spool.append(span_record(1))
    assert count(reading, path) == 1
    with reading.use(path, 0.2) as second:
        assert second is first
        assert second.execute("PRAGMA busy_timeout").fetchone() == (200,)


def test_a_thread_that_finds_it_in_use_reads_on_another_one(path: Path) -> None:
    Spool(path).append(span_record(1))
    reading = ReusedConnection(path)
    counts: list[int] = []
    with reading.use(path):
        thread = threading.Thread(target=lambda: counts.append(count(reading, path)))
        thread.start()
        thread.join()
    assert counts == [1]


def test_another_file_at_the_path_is_read_from_then_on(path: Path) -> None:
    first = Spool(path)
    first.append(span_record(1))
    reading = ReusedConnection(path)
    assert count(reading, path) == 1
    first.close()
    path.unlink()
    with pytest.raises(sqlite3.OperationalError):
        count(reading, path)
    second = Spool(path)
    second.append(span_record(2))
    second.append(span_record(3))
    assert count(reading, path) == 2
    second.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM observations").fetchone() == (2,)


def test_a_batch_that_ends_early_leaves_no_statement_that_holds_up_the_log(path: Path) -> None:
    spool = Spool(path)
    for number in range(1, 4):
        spool.append(span_record(number))
    batch = spool.read_batch("langfuse:http://x#pk", max_bytes=1)
    assert len(batch.rows) == 1
    with closing(sqlite3.connect(path, timeout=0)) as connection:
        assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0


def test_after_an_error_it_is_opened_anew(path: Path) -> None:
    Spool(path).append(span_record(1))
    reading = ReusedConnection(path)
    connections: list[sqlite3.Connection] = []
    for statement in ("SELECT nothing", "SELECT 1"):
        with suppress(sqlite3.OperationalError), reading.use(path) as connection:
            connections.append(connection)
            connection.execute(statement)
    assert connections[0] is not connections[1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_no_connection_crosses_a_fork(path: Path) -> None:
    Spool(path).append(span_record(1))
    reading = ReusedConnection(path)
    with reading.use(path) as before:
        pass
    child = os.fork()
    if not child:
        with reading.use(path) as inner:
            os._exit(0 if inner is not before and count(reading, path) == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with pytest.raises(sqlite3.ProgrammingError):
        before.execute("SELECT 1")
    assert count(reading, path) == 1

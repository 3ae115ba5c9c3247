"""A store that another tool turned to rollback journals is read by locks: never what that tool has not committed."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from src.observability.store.connections import has_locks, read_only
from src.observability.store.reader import StoreReader
from src.observability.store.schema import SpoolError
from src.observability.store.spool import Spool
from tests.unit.observability.test_spool import record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Pages of a large change go into the file before it is committed, as the cache holds few.
_WRITER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 2")
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE observations SET name = 'uncommitted'")
connection.execute("CREATE TABLE more (x)")
connection.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 200) "
                   "INSERT INTO more SELECT randomblob(3000) FROM n")
print("changed", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "traces.db"
    spool = Spool(path)
    spool.append(record())
    spool.close()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    connection.close()
    return path


@pytest.fixture
def writer(store: Path) -> Iterator[subprocess.Popen[bytes]]:
    arguments = [sys.executable, "-S", "-c", _WRITER, str(store)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"changed\n"
        yield process
        process.kill()


def _names(path: Path) -> list[str]:
    with read_only(path, patience_s=0) as connection:
        return [row[0] for row in connection.execute("SELECT name FROM observations")]


def test_a_store_with_rollback_journals_is_read_by_locks(store: Path) -> None:
    assert has_locks(store)
    assert len(_names(store)) == 1
    assert sorted(item.name for item in store.parent.iterdir()) == [store.name]


def test_what_another_tool_has_not_committed_is_not_read(store: Path, writer: subprocess.Popen[bytes]) -> None:
    assert b"uncommitted" in store.read_bytes()
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        _names(store)


def test_what_a_killed_tool_left_is_refused_and_then_undone(store: Path, writer: subprocess.Popen[bytes]) -> None:
    writer.kill()
    writer.wait()
    with pytest.raises(SpoolError, match="killed while it changed it; the next traced call undoes that change"):
        StoreReader(store).last_seq()
    Spool(store).close()
    assert "uncommitted" not in _names(store)


def test_a_log_that_is_empty_leaves_its_reader_the_locks(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    spool = Spool(path)
    spool.append(record())
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    assert path.with_name(path.name + "-wal").stat().st_size == 0
    assert has_locks(path)
    assert len(_names(path)) == 1
    spool.close()

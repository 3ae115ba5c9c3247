"""A store that another program locks: what is waited for is said soon, and the end of the wait has its reason."""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING

import pytest

from src.observability.store import reader
from src.observability.store.reader import StoreReader
from src.observability.store.schema import SpoolError
from src.observability.store.spool import Spool
from tests.unit.observability.test_spool import record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "traces.db"
    spool = Spool(path)
    spool.append(record())
    spool.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")  # its exclusive lock keeps readers out, unlike a log's
    connection.close()
    return path


@pytest.fixture
def locked(path: Path) -> Iterator[Path]:
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    yield path
    holder.close()


def test_a_locked_store_is_waited_for_with_a_word_and_then_refused(
    locked: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reader, "_SILENT_S", 0.01)
    monkeypatch.setattr(reader, "BUSY_S", 0.02)
    assert StoreReader(locked).is_locked(0.01)
    with pytest.raises(SpoolError, match="another process has locked it; end that one"):
        StoreReader(locked).last_seq()
    assert [item.getMessage() for item in caplog.records] == [
        f"The trace store {locked} is locked by another process: waiting for it, up to 0 s."
    ]


def test_a_lock_that_ends_meanwhile_costs_nothing_but_time(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reader, "_SILENT_S", 0.01)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    class LetGo(logging.Handler):
        def emit(self, _: logging.LogRecord) -> None:
            holder.close()

    log, handler = logging.getLogger("moondev.spool"), LetGo()
    log.addHandler(handler)
    try:
        assert StoreReader(path).last_seq() == 1
    finally:
        log.removeHandler(handler)
    assert len(caplog.records) == 1


def test_a_store_that_nobody_locks_says_nothing(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert StoreReader(path).last_seq() == 1
    assert not StoreReader(path).is_locked(0.01)
    assert not caplog.records

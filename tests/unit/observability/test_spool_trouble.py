"""Test a store whose file is moved, deleted, damaged, locked, too large, or another program's."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import sys
import threading
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from src.observability import flush, get_tracker, observe_agent, score
from src.observability.delivery import process_exit
from src.observability.store.file import damaged_copies
from src.observability.store.schema import APPLICATION_ID
from src.observability.store.spool import Spool, SpoolError
from tests import warm
from tests.servers import Langfuse, eventually
from tests.unit.observability import test_spool
from tests.unit.observability.records import score_record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from src.observability.store.spool import SpanRecord


def record(number: int, size: int = 10) -> SpanRecord:
    return test_spool.record(number, size=size)


def names(spool: Spool) -> list[str]:
    return [row.name for row in spool.rows_after(0, 10_000)]


def _delete(path: Path) -> None:
    path.unlink()


def _move(path: Path) -> None:
    path.replace(path.with_name("elsewhere.db"))


def _delete_all(path: Path) -> None:
    for file in path.parent.iterdir():
        file.unlink()


def _empty(path: Path) -> None:
    os.truncate(path, 0)


@pytest.mark.parametrize("remove", [_delete, _move, _delete_all, _empty])
def test_a_removed_file_is_noticed_and_later_rows_are_stored(
    remove: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(tmp_path / "t.db")
    spool.append(record(1))
    spool.acknowledge("d", 0)
    remove(spool.path)
    spool.append(record(2))
    spool.append(record(3))
    assert names(spool) == ["n2", "n3"]
    assert spool.stats().losses == 1  # "d" never had it
    assert "moved or deleted" in caplog.text or "emptied" in caplog.text
    with sqlite3.connect(spool.path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_all_processes_switch_to_the_new_file(tmp_path: Path) -> None:
    """Two stores on the same file stand for two processes; only the first one finds the damage."""
    first, other = Spool(tmp_path / "t.db"), Spool(tmp_path / "t.db")
    other.append(record(1))
    first.recover(_corrupt())
    first.append(record(2))
    other.append(record(3))
    other.recover(_corrupt())  # it had found the same damage
    other.append(record(4))
    assert eventually(lambda: sorted(names(first)) == ["n1", "n2", "n3", "n4"])
    assert names(first) == names(other)
    assert len(damaged_copies(first.path)) <= 2


def _corrupt() -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def test_readable_rows_of_a_damaged_file_are_moved_into_the_new_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(tmp_path / "t.db")
    for number in range(1, 201):
        spool.append(record(number, size=3000))
    spool.append_score(score_record())
    spool.acknowledge("d", 50)
    spool.close()
    size = spool.path.stat().st_size
    with spool.path.open("r+b") as file:
        file.seek(size // 2 // 4096 * 4096)
        file.write(b"\xff" * 4096 * 10)  # random bytes may look like a valid page without rows
    with pytest.raises(sqlite3.DatabaseError) as damage:
        spool.read_batch("d", max_bytes=10**9)
    assert spool.recover(damage.value)
    spool.append(record(999))
    (damaged,) = damaged_copies(spool.path)  # other tests' stores may still log that rows were moved
    assert eventually(lambda: f"were moved from {damaged.name}" in caplog.text)
    moved = set(names(spool))
    lost = spool.stats().losses
    assert {"n51", "n200", "n999"} <= moved
    assert not moved & {"n1", "n50"}  # which the destination has
    assert 0 < lost < 20
    assert len(moved) + lost == 151
    assert spool.stats().scores == 1


def test_a_file_that_is_not_ours_or_newer_keeps_every_byte(tmp_path: Path) -> None:
    for name, statements in {
        "shop": ("CREATE TABLE customers (id)", "INSERT INTO customers VALUES (1)"),
        "newer": ("CREATE TABLE t (id)", "PRAGMA user_version = 99", f"PRAGMA application_id = {APPLICATION_ID}"),
    }.items():  # fmt: skip
        path = tmp_path / name
        with sqlite3.connect(path) as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()
        before = path.read_bytes()
        with pytest.raises(SpoolError):
            Spool(path)
        spool = Spool(path, retry_open=True)
        with pytest.raises(SpoolError):
            spool.append(record(1))
        assert path.read_bytes() == before
        assert [file.name for file in tmp_path.iterdir() if file.name.startswith(name)] == [name]
        assert spool.losses == 1


def test_a_store_that_cannot_be_opened_at_first_is_used_once_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("src.observability.store.writer._RETRY_OPEN_S", 0.0)
    (tmp_path / "folder").write_text("in the way")
    spool = Spool(tmp_path / "folder" / "t.db", retry_open=True)
    assert spool.problem
    for number in range(2):
        with pytest.raises(SpoolError, match="cannot be written"):
            spool.append(record(number))
    (tmp_path / "folder").unlink()
    spool.append(record(3))
    assert spool.problem is None
    assert names(spool) == ["n3"]
    assert spool.stats().losses == 2


def test_a_locked_file_is_waited_for_once_and_then_only_briefly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = []
    spool = Spool(tmp_path / "t.db")
    other = sqlite3.connect(spool.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert spool._writer.connection is not None
    spool._writer.connection.execute("PRAGMA busy_timeout = 300")  # in place of 15 s
    for number in range(3):
        with pytest.raises(SpoolError, match="locked"):
            spool.append(record(number))
        waits.append(spool._writer.connection.execute("PRAGMA busy_timeout").fetchone()[0])
    assert waits == [100, 100, 100]
    other.execute("ROLLBACK")
    other.close()
    spool.append(record(3))
    assert spool._writer.connection.execute("PRAGMA busy_timeout").fetchone()[0] > 1000
    assert (names(spool), spool.stats().losses) == (["n3"], 3)


def test_an_open_store_is_opened_again_while_somebody_writes(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    Spool(path).append(record(1))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert Spool(path).problem is None  # opening waits for no lock
    other.close()


def test_a_record_that_sqlite_cannot_take_costs_no_other(tmp_path: Path) -> None:
    """Threads commit in groups: one of them brings a number that is too large."""
    spool = Spool(tmp_path / "t.db")
    refused = []

    def work(base: int) -> None:
        for number in range(50):
            spool.append(record(base + number))

    def spoil() -> None:
        for number in range(50):
            try:
                spool.append(replace(record(number), name="bad", input_tokens=10**30))
            except SpoolError:
                refused.append(number)

    threads = [threading.Thread(target=work, args=(base,)) for base in (1000, 2000, 3000)]
    threads.append(threading.Thread(target=spoil))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names(spool)) == 150
    assert len(refused) == 50
    assert spool.stats().losses == 50


def test_ctrl_c_in_a_commit_costs_no_other_thread_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path / "t.db")
    real, returned = spool._writer._commit_records, []

    def interrupted(*_: object) -> None:
        monkeypatch.setattr(spool._writer, "_commit_records", real)
        raise KeyboardInterrupt

    def work(number: int) -> None:
        with contextlib.suppress(KeyboardInterrupt):
            spool.append(record(number))
            returned.append(f"n{number}")

    monkeypatch.setattr(spool._writer, "_commit_records", interrupted)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    with spool._writer.lock:  # so that one of them commits for all
        for thread in threads:
            thread.start()
        assert eventually(lambda: len(spool._writer._queue) == 3)
    for thread in threads:
        thread.join()
    assert len(returned) == 2
    assert set(returned) <= set(names(spool))


def test_a_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spool = Spool(type(tmp_path)("t.db"))
    monkeypatch.chdir("/")
    spool.append(record(1))
    assert names(spool) == ["n1"]


def test_a_short_process_keeps_within_the_limit_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(30):  # each stores less than what is looked at once
        spool = Spool(tmp_path / "t.db", max_bytes=600_000)
        for number in range(4):
            spool.append(record(number, size=10_000))
        spool.close()
    assert spool.stats().bytes < 800_000
    assert "reached its limit" in caplog.text


def test_at_the_limit_refused_rows_go_last_and_scores_go_too(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "t.db", max_bytes=400_000)
    for number in range(20):
        spool.append(record(number, size=10_000))
    spool.set_aside("d", "observation", 3, "HTTP 400")
    spool.acknowledge("d", 20)
    for number in range(20, 40):
        spool.append(record(number, size=10_000))
    left = names(spool)
    assert "n2" in left  # the third
    assert "n1" not in left
    assert "n3" not in left
    for number in range(4000):
        spool.append_score(score_record(id=f"s{number}", comment="x" * 200))
    assert spool.stats().bytes < 600_000
    assert 0 < spool.stats().scores < 4000


def test_a_limit_that_cannot_be_enforced_costs_no_row(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spool = Spool(tmp_path / "t.db", max_bytes=100_000)
    assert spool._writer.connection is not None
    spool._writer.connection.execute(
        "CREATE TRIGGER no BEFORE DELETE ON payloads BEGIN SELECT RAISE(ABORT, 'disk'); END"
    )
    for number in range(100):
        spool.append(record(number, size=5000))
    assert len(names(spool)) == 100
    assert spool.stats().losses == 0
    assert "could not be kept within its limit" in caplog.text


def test_a_lease_from_a_clock_that_was_ahead_does_not_hold(tmp_path: Path) -> None:
    now = [2e9]
    spool = Spool(tmp_path / "t.db", clock=lambda: now[0])
    assert spool.lease("d", "elsewhere|1|a")
    assert not spool.lease("d", "elsewhere|2|b")
    now[0] -= 10**8
    assert spool.lease("d", "elsewhere|2|b")


def test_a_forked_child_does_not_record_its_parents_losses(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "t.db")
    spool.count_loss()
    child = os.fork()
    if child == 0:
        os._exit(spool.losses)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    spool.append(record(1))
    assert spool.stats().losses == 1


def test_a_failing_commit_forgets_no_loss(tmp_path: Path) -> None:
    """The commit fails after earlier losses were recorded in the same transaction."""
    path = tmp_path / "t.db"
    script = f"""
import resource
from pathlib import Path
from src.observability.store.spool import Spool, SpoolError
from tests.unit.observability.test_spool import record
spool = Spool(Path({str(path)!r}))
spool.append(record(1))
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (spool.path.with_name("t.db-wal").stat().st_size, hard))
failed = 0
for number in range(20):
    try:
        spool.append(record(number, size=5000))
    except SpoolError:
        failed += 1
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
spool.append(record(2))
stats = spool.stats()
assert failed and (stats.observations, stats.losses) == (22 - failed, failed), (failed, stats)
"""
    warm.run([sys.executable, "-c", script], check=True, timeout=60)


def test_reading_a_deleted_store_creates_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spool = Spool(tmp_path / "t.db")
    spool.path.unlink()
    with caplog.at_level(logging.ERROR), pytest.raises(sqlite3.OperationalError):
        spool.stats()
    assert not spool.path.exists()


def test_without_a_store_runs_succeed_and_losses_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("src.observability.store.writer._RETRY_OPEN_S", 0.0)
    (tmp_path / "folder").write_text("in the way")
    for name, value in {
        "LANGFUSE_HOST": "http://127.0.0.1:9", "LANGFUSE_PUBLIC_KEY": "pk-lf-1", "LANGFUSE_SECRET_KEY": "sk-lf-1",
        "MOONDEV_TRACE_DB": str(tmp_path / "folder" / "t.db"),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    with observe_agent("risk") as run:
        run.update(output="done")
    assert score("pnl", 1.0, session_id="s") is None
    assert flush(0.3) >= 1
    assert caplog.text.count("Model calls are not recorded") == 1
    process_exit._report_losses()
    assert "2 observations and scores could not be stored" in caplog.text
    (tmp_path / "folder").unlink()
    with observe_agent("risk"):
        pass
    spool = get_tracker().spool
    assert spool is not None
    assert (spool.stats().observations, spool.stats().losses) == (1, 2)


def test_where_no_thread_can_start_calls_are_recorded_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with Langfuse() as server, monkeypatch.context() as patch:
        for name, value in {"HOST": server.url, "PUBLIC_KEY": "pk-lf-1", "SECRET_KEY": "sk-lf-1"}.items():
            monkeypatch.setenv(f"LANGFUSE_{name}", value)
        patch.setattr(threading.Thread, "start", start)
        with observe_agent("risk") as run:
            pass
        patch.undo()
        assert run.trace_id
        assert flush(60) == 0  # delivery begins once one can
        assert len(server.spans) == 1


def test_a_score_without_a_value_breaks_nothing_and_is_counted(spool: Spool) -> None:
    for value in (None, float("nan"), float("inf"), [1]):
        assert score("pnl", value, session_id="s") is None  # type: ignore[arg-type] # agents pass such values
    assert score("pnl", Decimal("1.5"), session_id="s")  # type: ignore[arg-type] # as above
    assert (spool.stats().scores, spool.stats().losses) == (1, 4)

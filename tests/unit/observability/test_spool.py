from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import random
import sqlite3
import stat
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from src.observability.store.records import FACT_COLUMNS, SpanFacts
from src.observability.store.spool import SpanRecord, Spool, SpoolError, lease_owner
from tests.servers import eventually
from tests.unit.observability.records import score_record, span_record

if TYPE_CHECKING:
    from pathlib import Path


NOISE = random.Random(7).randbytes(500_000)  # which compression does not make shorter
SCORE = score_record(name="decision", value="BUY", data_type="CATEGORICAL", timestamp_ns=5)


def record(number: int = 0, size: int = 10) -> SpanRecord:
    return span_record(number, envelope=b"envelope", span=NOISE[:size])


def test_reads_back_what_was_appended(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "a" / "t.db")
    spool.append(record(7))
    spool.append_score(SCORE)
    row = spool.trace("0" * 30)[0]
    assert (row.span_id, row.model, row.cost_usd, row.span) == (f"{7:016x}", "m", 0.5, NOISE[:10])
    assert spool.read_batch("d").rows == ((1, b"envelope", NOISE[:10]),)
    assert spool.read_scores("d") == [(1, SCORE)]
    assert spool.traces()[0].cost_usd == 0.5


def test_each_fact_is_stored_in_its_column_whichever_others_lack(tmp_path: Path) -> None:
    path, rng = tmp_path / "t.db", random.Random(3)
    spool, stored = Spool(path), []
    for number in range(60):  # more shapes than statements are kept for
        names = [name if rng.random() < 0.5 else None for name in FACT_COLUMNS[:-1]]  # columns take any type
        facts = SpanFacts._make([*names, number % 2 == 0])
        stored.append((*names, number % 2 == 0, number % 3 == 0, f"n{number}"))
        spool.append(replace(record(number), facts=facts, cost_unknown=number % 3 == 0))
    spool.append(record(60))
    spool.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        columns = f"{', '.join(FACT_COLUMNS)}, cost_unknown, name"
        *rows, last = connection.execute(f"SELECT {columns} FROM observations ORDER BY seq").fetchall()  # noqa: S608
    assert rows == stored
    assert last == (*[None] * len(FACT_COLUMNS), 0, "n60")


def test_only_the_user_may_read_the_file(tmp_path: Path) -> None:
    Spool(tmp_path / "a" / "t.db")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "a" / "t.db").stat().st_mode) == 0o600


def test_acknowledged_rows_are_not_read_again_and_each_destination_has_its_own_count(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "t.db")
    for number in range(5):
        spool.append(record(number))
    assert spool.pending("a") == spool.pending("b") == 5
    spool.acknowledge("a", 3)
    assert [row[0] for row in spool.read_batch("a").rows] == [4, 5]
    assert (spool.pending("a"), spool.pending("b")) == (2, 5)
    spool.acknowledge("a", 1)  # an older acknowledgement never takes a newer one back
    assert spool.pending("a") == 2


def test_a_batch_is_bounded_in_rows_and_bytes_but_never_empty(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "t.db")
    for number in range(4):
        spool.append(record(number, size=1000))
    assert len(spool.read_batch("d", max_rows=3).rows) == 3
    assert len(spool.read_batch("d", max_bytes=2500).rows) == 2
    assert len(spool.read_batch("d", max_bytes=1).rows) == 1
    limits = ({"max_rows": 3}, {"max_rows": 4}, {"max_rows": 5}, {"max_bytes": 2500})
    assert [spool.read_batch("d", **limit).more for limit in limits] == [True, True, False, True]


def test_threads_lose_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "t.db")

    def write(thread: int) -> None:
        for number in range(200):
            spool.append(record(thread * 1000 + number))

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert spool.stats().observations == 1600


def _write_many(path: Path, process: int) -> None:
    spool = Spool(path)
    for number in range(200):
        spool.append(record(process * 1000 + number))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_share_one_file(tmp_path: Path, method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    path = tmp_path / "t.db"
    processes = [context.Process(target=_write_many, args=(path, number)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert Spool(path).stats().observations == 800


def test_a_forked_child_writes_on_a_connection_of_its_own(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "t.db")
    spool.append(record(1))
    child = os.fork()
    if child == 0:
        try:
            assert spool._writer.connection is None  # SQLite's must not cross a fork
            spool.append(record(2))
            os._exit(0)
        except BaseException:  # noqa: BLE001 - the exit code says so
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    spool.append(record(3))
    assert spool.stats().observations == 3


def test_a_newer_format_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    Spool(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(SpoolError, match="newer version"):
        Spool(path)
    assert path.read_bytes() == before


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE accounts (id)")
    with pytest.raises(SpoolError, match="another program"):
        Spool(path)


def test_a_damaged_file_is_set_aside_and_a_new_one_begins(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "t.db"
    Spool(path).close()
    content = path.read_bytes()
    path.write_bytes(b"SQLite format 9\0" + content[16:])
    with caplog.at_level(logging.ERROR, "moondev.spool"):
        spool = Spool(path)
    spool.append(record(1))
    assert spool.stats().observations == 1
    damaged = [file for file in tmp_path.iterdir() if ".corrupt-" in file.name]
    assert damaged[0].read_bytes().startswith(b"SQLite format 9")
    assert "damaged" in caplog.text


def test_a_file_that_is_damaged_while_open_loses_only_what_it_held(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    spool = Spool(path)
    for number in range(50):
        spool.append(record(number, size=4000))
    spool.close()
    data = bytearray(path.read_bytes())
    data[100 : len(data)] = b"\xff" * (len(data) - 100)
    path.write_bytes(data)
    spool.append(record(99))
    assert spool.trace(f"{99:032x}")


def test_a_full_disk_raises_to_its_caller_alone_and_is_counted(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "t.db")
    spool.append(record(1))
    assert spool._writer.connection is not None
    pages = spool._writer.connection.execute("PRAGMA page_count").fetchone()[0]
    spool._writer.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(SpoolError, match="full"):
        spool.append(record(2, size=500_000))
    spool._writer.connection.execute("PRAGMA max_page_count = 1000000")
    spool.append(record(3))
    stats = spool.stats()
    assert (stats.observations, stats.losses) == (2, 1)


def test_raises_where_the_folder_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="cannot be written"):
        Spool(tmp_path / "file" / "t.db")


def test_at_the_limit_delivered_rows_go_first_and_loudly(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spool = Spool(tmp_path / "t.db", max_bytes=700_000)
    for number in range(900):
        spool.append(record(number, size=200))
    spool.acknowledge("d", 800)
    with caplog.at_level(logging.ERROR, "moondev.spool"):
        for number in range(900, 2000):
            spool.append(record(number, size=200))
    assert "reached its limit" in caplog.text
    left = [row[0] for row in spool.read_batch("d", max_rows=5000).rows]
    assert left[0] == 801
    assert spool.stats().losses == 0


def test_one_process_holds_a_lease_and_a_dead_process_loses_it(tmp_path: Path) -> None:
    now = [1000.0]
    spool = Spool(tmp_path / "t.db", clock=lambda: now[0])
    owner, other = lease_owner(), lease_owner()
    assert spool.lease("d", owner)
    assert not spool.lease("d", other)
    spool.release("d", owner)
    assert spool.lease("d", other)
    now[0] += 60
    assert spool.lease("d", owner)
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    host = owner.partition("|")[0]
    spool.release("d", owner)
    assert spool.lease("d", f"{host}|{child}|dead")
    assert spool.lease("d", owner)


def test_a_prefix_of_several_traces_raises(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "t.db")
    spool.append(record(1))
    spool.append(replace(record(2), trace_id=f"{2:032x}"))
    with pytest.raises(ValueError, match="Several traces"):
        spool.trace("000")
    assert spool.trace("fff") == []


def test_the_log_is_moved_into_the_file_in_the_background(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "t.db")
    for number in range(1200):
        spool.append(record(number, size=100_000))
    assert eventually(lambda: spool.path.stat().st_size > 100_000_000)
    assert eventually(lambda: not any(thread.name == "spool-checkpoint" for thread in threading.enumerate()))
    log = spool.path.with_name("t.db-wal")
    assert log.stat().st_size < 90_000_000  # it is written from its beginning again
    assert spool.last_seq() == 1200


def test_a_log_that_cannot_be_moved_costs_no_row(tmp_path: Path) -> None:
    """A reader that stays open, such as a backup, keeps the log; it grows, and everything is there."""
    spool = Spool(tmp_path / "t.db")
    spool.append(record(0))
    reader = sqlite3.connect(spool.path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM observations").fetchone()
    for number in range(1, 200):
        spool.append(record(number, size=100_000))
    assert reader.execute("SELECT count(*) FROM observations").fetchone() == (1,)
    reader.close()
    assert spool.last_seq() == 200

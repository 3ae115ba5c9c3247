"""A file that is no store of ours is left as it is, and reading a store of ours writes nothing."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from src.observability.store.reader import StoreReader
from src.observability.store.schema import APPLICATION_ID, VERSION, SpoolError, examine
from src.observability.store.spool import Spool
from tests import warm
from tests.unit.observability.test_spool import record

_HEADER = b"SQLite format 3\0"


def _tables(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def _csv(path: Path) -> None:
    path.write_text("Date,Open,High,Low,Close\n2026-01-01,1,2,0,1\n" * 500)


def _short(path: Path) -> None:
    path.write_bytes(b"x")


def _dump_of_a_store(path: Path) -> None:
    store = path.with_name("store.db")
    Spool(store).close()
    connection = sqlite3.connect(store)
    path.write_text("\n".join(connection.iterdump()))
    connection.close()
    store.unlink()


def _binary(path: Path) -> None:
    path.write_bytes(b"PAR1" + bytes(range(256)) * 64)


def _other_program(path: Path) -> None:
    _tables(path, "CREATE TABLE customers (id)")


def _other_program_of_the_same_version(path: Path) -> None:
    _tables(path, "CREATE TABLE observations (id)", f"PRAGMA user_version = {VERSION}")


def _other_program_with_an_id(path: Path) -> None:
    _tables(path, "PRAGMA application_id = 1196444487", f"PRAGMA user_version = {VERSION}", "CREATE TABLE x (id)")


def _damaged_of_another_program(path: Path) -> None:
    _tables(path, "CREATE TABLE customers (id)", "INSERT INTO customers VALUES (1)")
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * 8092)


def _header_alone(path: Path) -> None:
    path.write_bytes(_HEADER)


def _log_of_another_program(path: Path) -> None:
    """Leave a database as a killed program does: its newest rows stand in the log alone."""
    program = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('PRAGMA journal_mode = WAL'); c.execute('CREATE TABLE customers (id)'); os._exit(0)"
    )
    warm.run([sys.executable, "-c", program, str(path)], check=True)


FOREIGN = [
    _csv, _short, _dump_of_a_store, _binary, _other_program, _other_program_of_the_same_version, _header_alone,
    _other_program_with_an_id, _damaged_of_another_program, _log_of_another_program,
]  # fmt: skip


def _contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder, but for an index of SQLite's log, which each of its readers may write anew."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if not file.name.endswith("-shm")}


@pytest.mark.parametrize("make", FOREIGN)
def test_a_file_that_is_no_store_is_refused_and_left_as_it_is(
    make: object, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "prices.csv"
    assert callable(make)
    make(path)
    before = _contents(tmp_path)
    with pytest.raises(SpoolError, match=r"prices\.csv .*MOONDEV_TRACE_DB"):
        Spool(path)
    with pytest.raises(SpoolError, match=r"prices\.csv"):
        StoreReader(path).traces()
    with caplog.at_level(logging.ERROR, "moondev.spool"):
        kept_trying = Spool(path, retry_open=True)
        with pytest.raises(SpoolError):
            kept_trying.append(record(1))
    corrupt = sqlite3.DatabaseError("file is not a database")
    corrupt.sqlite_errorcode = sqlite3.SQLITE_NOTADB
    assert not kept_trying.recover(corrupt)
    assert _contents(tmp_path) == before


def test_a_text_that_is_copied_over_a_store_in_use_is_left_as_it_is(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "t.db")
    spool.append(record(1))
    spool.close()
    _csv(spool.path)
    before = spool.path.read_bytes()
    with pytest.raises(SpoolError, match="no trace store"):
        spool.append(record(2))
    assert spool.path.read_bytes() == before


def test_a_store_in_use_whose_first_page_is_destroyed_is_set_aside(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "t.db")
    spool.append(record(1))
    spool.close()
    spool.path.write_bytes(b"\xff" * spool.path.stat().st_size)
    spool.append(record(2))
    assert [row.name for row in spool.rows_after(0)] == ["n2"]


def test_an_empty_file_becomes_a_store_when_something_is_written_to_it(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    path.touch()
    assert StoreReader(path).traces() == []
    assert path.read_bytes() == b""
    Spool(path).append(record(1))
    assert [row.name for row in StoreReader(path).rows_after(0)] == ["n1"]


def test_a_store_that_another_process_makes_meanwhile_is_no_other_program_s(tmp_path: Path) -> None:
    """It is empty when its version is read, and has tables, and marks, when those are counted."""
    path = tmp_path / "t.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:

        def make(statement: str) -> None:
            if "sqlite_master" in statement and not path.stat().st_size:
                Spool(path).close()

        connection.set_trace_callback(make)
        assert examine(connection, path) == VERSION


def test_a_missing_store_has_no_traces_and_is_not_created(tmp_path: Path) -> None:
    reader = StoreReader(tmp_path / "nowhere" / "t.db")
    assert (reader.exists, reader.traces(), reader.rows_after(0), reader.last_seq(), reader.trace("ab")) == (
        False, [], [], 0, [],
    )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match="folder"):
        Spool(tmp_path)
    with pytest.raises(SpoolError, match="folder"):
        StoreReader(tmp_path).traces()


def _abandoned_store(folder: Path) -> Path:
    """Return a store as a killed process leaves it: its row stands in the log alone."""
    spool = Spool(folder / "original.db")
    spool.append(record(1))
    folder = folder / "copy"
    folder.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(f"{spool.path}{suffix}", folder / f"t.db{suffix}")
    spool.close()
    return folder / "t.db"


def test_reading_a_closed_store_or_one_of_a_killed_process_changes_no_file(tmp_path: Path) -> None:
    abandoned = _abandoned_store(tmp_path)
    closed = tmp_path / "closed" / "t.db"
    spool = Spool(closed)
    spool.append(record(1))
    spool.close()
    for path in (closed, abandoned):
        before = {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in path.parent.iterdir()}
        reader = StoreReader(path)
        assert [row.name for row in reader.rows_after(0)] == ["n1"]
        assert len(reader.traces()) == 1
        after = {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in path.parent.iterdir()}
        assert after == before


def test_a_reader_sees_what_a_writer_in_use_commits(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "t.db")
    reader = StoreReader(spool.path)
    for number in range(1, 4):
        spool.append(record(number))
        assert reader.last_seq() == number


def test_older_formats_are_read_without_being_brought_forward(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "t.db")
    spool.append(record(1))
    spool.close()
    _tables(spool.path, "PRAGMA user_version = 1")
    assert StoreReader(spool.path).last_seq() == 1
    _tables(spool.path, f"PRAGMA user_version = {VERSION + 1}", f"PRAGMA application_id = {APPLICATION_ID}")
    with pytest.raises(SpoolError, match="newer version"):
        StoreReader(spool.path).last_seq()


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("kind", ["closed", "abandoned"])
def test_a_read_only_store_in_a_read_only_folder_is_read(kind: str, tmp_path: Path) -> None:
    path = _abandoned_store(tmp_path)
    if kind == "closed":
        Spool(path).close()
    for file in path.parent.iterdir():
        file.chmod(0o444)
    path.parent.chmod(0o555)
    tmp_path.chmod(0o755)
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from src.observability.store.reader import StoreReader\n"
        "reader = StoreReader(Path(sys.argv[1])); reader.last_seq()\n"  # all modules are loaded
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"  # nobody
        "print(reader.last_seq(), os.access(reader.path, os.W_OK))"
    )
    # Only its owner may enter the test's folder: a copy lies where everybody may read.
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        shutil.copytree(path.parent, place / "store")
        done = subprocess.run(
            [sys.executable, "-c", program, f"{place}/store/t.db"], capture_output=True, text=True, check=False
        )
        (place / "store").chmod(0o755)  # so that it can be removed
    path.parent.chmod(0o755)
    assert done.stdout.split() == ["1", "False"], done.stderr

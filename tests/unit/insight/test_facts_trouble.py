"""Test that the facts file counts everything once, whatever happens to it and to its store."""

from __future__ import annotations

import contextlib
import lzma
import os
import shutil
import signal
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from src.insight.facts import job
from src.insight.facts.filters import Filter
from src.insight.facts.job import FactsError, refresh
from src.insight.facts.reader import FactsReader
from src.insight.facts.schema import facts_path
from src.observability.commands.trace_details import trace_data
from src.observability.store.deletions import note_deleted
from src.observability.store.reader import StoreReader
from src.observability.store.retention import Retention
from src.observability.store.row_kinds import OBSERVATION
from src.observability.store.schema import VERSION
from src.observability.store.spool import Spool
from tests.unit.observability.records import BEGAN_NS, sendable_record

OLD_STORE = Path(__file__).with_name("store_e1b1d06.db.xz")  # 12 runs, as the program of that version wrote them


def filled(path: Path, count: int, first: int = 0) -> Spool:
    spool = Spool(path)
    for number in range(first, first + count):
        spool.append(sendable_record(number))
    return spool


def counted(path: Path) -> int:
    with FactsReader(path) as reader:
        return reader.totals(Filter()).n


def single(path: Path) -> int:
    with FactsReader(path) as reader:
        return len(reader.rows(Filter(), limit=10_000))


def test_a_store_of_an_older_program_is_brought_forward_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    path.write_bytes(lzma.decompress(OLD_STORE.read_bytes()))
    assert refresh(path).is_current
    with FactsReader(path) as reader:
        totals = reader.totals(Filter())
        assert (totals.n, totals.errors, totals.repaired, totals.cut, totals.cached_tokens) == (20, 5, 4, 4, 750)
        assert (totals.cost_nano, totals.unpriced, totals.attempts, totals.first_tokens) == (8_650_000, 5, 24, 4)
        assert reader.retries(Filter(), ("category",)) == {("rate_limit",): 2, ("timeout",): 2}
        votes = {(fact.member, fact.vote, fact.confidence) for fact in reader.rows(Filter(member="claude:haiku"))}
        assert votes == {("claude:haiku", "SELL", 40.0)}
        assert {row.key for row in reader.grouped(Filter(), ("symbol", "environment"))} == {
            ("BTC-USD", "paper"), ("ETH-USD", "paper")
        }  # fmt: skip
        assert reader.expired_in(Filter()) == 0
    with sqlite3.connect(path) as connection:
        counts = connection.execute("SELECT (SELECT count(*) FROM observations), (SELECT count(*) FROM scores)")
        assert counts.fetchone() == (40, 36)
    filled(path, 1).close()
    assert refresh(path).observations == 41


def test_bringing_an_older_store_forward_changes_no_row_and_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    path.write_bytes(lzma.decompress(OLD_STORE.read_bytes()))
    tables = ("observations", "payloads", "envelopes", "scores", "destinations", "set_aside", "counters", "configured")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (3,)
        columns = {
            name: ", ".join(row[1] for row in connection.execute(f"PRAGMA table_info({name})")) for name in tables
        }
        before = {name: connection.execute(f"SELECT {columns[name]} FROM {name}").fetchall() for name in tables}  # noqa: S608
    reader = StoreReader(path)
    traces = sorted({row[1] for row in before["observations"]})
    assert (len(traces), len(before["observations"]), len(before["scores"])) == (12, 40, 36)
    shown = [trace_data(reader, trace) for trace in traces]
    assert refresh(path).observations == 40
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
        for name in tables:
            rows = connection.execute(f"SELECT {columns[name]} FROM {name}").fetchall()  # noqa: S608
            assert rows == before[name], name
    assert [trace_data(reader, trace) for trace in traces] == shown
    kinds = {item["type"]: item for trace in shown for item in trace["observations"]}
    assert kinds["generation"]["input"]
    assert {score["name"] for trace in shown for score in trace["scores"]} == {"pnl", "confidence", "outcome"}


def test_rows_that_a_salvage_numbers_anew_count_once(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    spool = filled(path, 60)
    spool.acknowledge("langfuse:http://host:k", 20)
    refresh(path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    assert spool.recover(_corrupt())
    for thread in threading.enumerate():
        if thread.name == "spool-salvage":
            thread.join(60)
    assert spool.last_seq() == 40  # what the destination lacks
    spool.append(sendable_record(60))
    state = refresh(path)
    assert (counted(path), single(path)) == (61, 41)
    assert (state.observations, state.expired, state.is_current) == (41, 20, True)
    spool.close()


def test_an_older_copy_of_the_store_counts_nothing_twice(tmp_path: Path) -> None:
    path, copy = tmp_path / "t.db", tmp_path / "copy.db"
    filled(path, 20).close()
    shutil.copy(path, copy)
    filled(path, 20, first=20).close()
    refresh(path)
    shutil.copy(copy, path)
    filled(path, 30, first=100).close()  # other rows under the numbers that were read
    refresh(path)
    assert (counted(path), single(path)) == (70, 50)


def test_another_store_at_the_same_place_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    filled(path, 20).close()
    refresh(path)
    path.unlink()
    filled(path, 3).close()
    assert counted(path) == 0  # the facts of another store are not believed
    assert refresh(path).observations == 3
    assert counted(path) == 3


@pytest.mark.parametrize("damage", ["text", "middle", "format", "foreign"])
def test_a_facts_file_that_is_none_is_built_anew(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "t.db"
    filled(path, 200).close()
    refresh(path)
    file = facts_path(path)
    if damage == "text":
        file.write_text("no database, but a text of some length " * 400)
    elif damage == "middle":
        content = bytearray(file.read_bytes())
        content[4_096:] = b"\xff" * (len(content) - 4_096)
        file.write_bytes(content)
    else:
        with sqlite3.connect(file) as connection:
            connection.execute("PRAGMA user_version = 999" if damage == "format" else "PRAGMA application_id = 7")
        connection.close()
    filled(path, 1, first=200).close()
    assert refresh(path).observations == 201
    assert (counted(path), single(path)) == (201, 201)


def test_two_at_the_same_time_count_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "_STEP", 5)
    path = tmp_path / "t.db"
    filled(path, 150).close()
    threads = [threading.Thread(target=refresh, args=(path,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refresh(path).observations == counted(path) == single(path) == 150


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_that_is_killed_leaves_nothing_half_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "_STEP", 10)
    path = tmp_path / "t.db"
    filled(path, 100).close()
    child = os.fork()
    if not child:
        refresh(path, progress=lambda upto, _: os.kill(os.getpid(), signal.SIGKILL) if upto >= 40 else None)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    with FactsReader(path) as reader:
        assert (reader.freshness().observations, reader.freshness().behind) == (40, 60)
    refresh(path)
    assert (counted(path), single(path)) == (100, 100)


def test_what_went_before_it_was_read_is_told_as_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    spool = filled(path, 30)
    later_s = BEGAN_NS / 1e9 + 10 * 86_400
    Retention(path, 1, unsent_too=True, clock=lambda: later_s, pause=lambda _: False).run_once(force=True)
    state = refresh(path)
    assert [(gap.kind, gap.first, gap.last, gap.n) for gap in state.gaps] == [("observation", 1, 30, 29)]
    assert (state.observations, state.expired) == (1, 0)
    spool.close()


def test_what_retention_deletes_leaves_daily_totals_and_no_name(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    spool = filled(path, 30)
    refresh(path)
    later_s = BEGAN_NS / 1e9 + 10 * 86_400
    Retention(path, 1, unsent_too=True, clock=lambda: later_s, pause=lambda _: False).run_once(force=True)
    assert refresh(path).observations == 1
    assert (counted(path), single(path)) == (30, 1)
    with sqlite3.connect(facts_path(path)) as connection:
        names = {row[0] for row in connection.execute("SELECT text FROM names")}
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert "n29" in names
    assert "n7" not in names
    assert b"n7" not in facts_path(path).read_bytes()
    spool.close()


def test_a_row_that_goes_below_those_that_went_before_loses_its_fact(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    spool = filled(path, 30)
    refresh(path)
    for number in (20, 10):  # as the limit of the store's size does: what may go last is older than what went first
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("DELETE FROM observations WHERE seq = ?", (number,))
            note_deleted(connection, OBSERVATION, [number])
        refresh(path)
    with FactsReader(path) as reader:
        assert {10, 20}.isdisjoint(fact.seq for fact in reader.rows(Filter(), limit=30))
        assert reader.freshness().observations == 28
    spool.close()


def test_without_time_it_says_how_far_behind_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "_STEP", 10)
    path = tmp_path / "t.db"
    filled(path, 25).close()
    state = refresh(path, budget_s=0.0)
    assert (state.observations, state.behind, state.is_current, state.refreshed_ns) == (10, 15, False, None)


def test_no_store_has_no_facts_and_gets_no_file(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    assert not refresh(path).exists
    assert not list(tmp_path.iterdir())


def test_a_facts_file_that_cannot_be_written_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    filled(path, 1).close()
    facts_path(path).mkdir()
    with pytest.raises(FactsError, match=r"facts\.db cannot be written .*writable"):
        refresh(path)


def test_questions_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    filled(path, 1).close()
    refresh(path)
    unknown: Any = "model; DROP TABLE facts"
    with FactsReader(path) as reader:
        for ask in (
            lambda: reader.grouped(Filter(), (unknown,)),
            lambda: reader.series(Filter(), unknown),
            lambda: reader.percentiles(Filter(), (unknown,)),
            lambda: reader.retries(Filter(), (unknown,)),
            lambda: reader.values(unknown),
            lambda: reader.rows(Filter(), unknown),
            lambda: reader.percentiles(Filter(), shares=(2,)),
            lambda: Filter(status=unknown),
            lambda: Filter(min_cost_usd=float("nan")),
        ):
            with pytest.raises(ValueError, match=r"use|give"):
                ask()
        assert reader.totals(Filter(agent=unknown, model=unknown, tag=unknown)).n == 0
    assert counted(path) == 1


def _corrupt() -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error

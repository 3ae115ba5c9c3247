from __future__ import annotations

import os
import sqlite3
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from src.observability import flush, get_tracker, observe_agent, score
from src.observability.delivery.destinations import Destination
from src.observability.settings import Settings
from src.observability.store import retention
from src.observability.store.retention import Retention
from src.observability.store.schema import APPLICATION_ID, MIGRATIONS, VERSION
from src.observability.store.spool import ScoreRecord, SpanRecord, Spool
from tests.servers import Langfuse, eventually
from tests.unit.observability.records import score_record, span_record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DAY = 86_400
NOW = 1_800_000_000.0
LANGFUSE = Destination(
    name="langfuse:here", traces_url="http://x/v1/traces", headers={}, scores_url="http://x/scores", kind="langfuse"
)
OTLP = Destination(name="otlp:there", traces_url="http://y/v1/traces", headers={})


def days_ago_ns(days: float) -> int:
    return int((NOW - days * DAY) * 1e9)


def row(number: int, days_old: float, size: int = 100) -> SpanRecord:
    end_ns = days_ago_ns(days_old)
    return span_record(number, start_ns=end_ns - 5, end_ns=end_ns, span=os.urandom(size))


def rating(number: int, days_old: float) -> ScoreRecord:
    return score_record(id=f"s{number}", trace_id=f"{number:032x}", timestamp_ns=days_ago_ns(days_old))


@pytest.fixture
def store(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "t.db", clock=lambda: NOW)


def retention_of(
    store: Spool,
    destinations: Sequence[Destination] = (),
    days: int | None = 90,
    at: float = NOW,
    *,
    unsent_too: bool = True,
) -> Retention:
    return Retention(
        store.path,
        days,
        {item.name: item.accepts for item in destinations},
        unsent_too=unsent_too,
        clock=lambda: at,
        pause=lambda _: False,
    )


def names(store: Spool) -> list[str]:
    return [stored.name for stored in store.rows_after(0, 10_000)]


def test_old_delivered_rows_go_and_the_rest_stays(store: Spool) -> None:
    for number in range(1, 11):
        store.append(row(number, days_old=100 - number))  # 90 days old is not yet too old
        store.append_score(rating(number, days_old=100 - number))
    store.acknowledge(LANGFUSE.name, 10)
    store.acknowledge_scores(LANGFUSE.name, 10)
    assert retention_of(store, [LANGFUSE]).run_once() == 2 * 9
    assert names(store) == ["n10"]
    assert store.stats().scores == 1
    with sqlite3.connect(store.path) as connection:
        assert connection.execute("SELECT count(*) FROM payloads").fetchone()[0] == 1
    assert retention.read_status(store.path, 90, clock=lambda: NOW).expired == 18


def test_an_undelivered_row_never_goes_by_age(store: Spool) -> None:
    for number in range(1, 6):
        store.append(row(number, days_old=1000))
    store.append(row(6, days_old=0))
    store.acknowledge(LANGFUSE.name, 2)
    assert retention_of(store, [LANGFUSE]).run_once() == 2
    assert names(store) == ["n3", "n4", "n5", "n6"]
    status = retention.read_status(store.path, 90, clock=lambda: NOW)
    assert (status.overdue, status.waiting_for) == (3, (LANGFUSE.name,))


def test_every_destination_must_have_a_row_and_one_without_scores_holds_up_no_score(store: Spool) -> None:
    for number in range(1, 4):
        store.append(row(number, 200))
        store.append_score(rating(number, 200))
    store.append(row(4, 0))
    store.append_score(rating(4, 0))
    store.acknowledge(LANGFUSE.name, 4)
    store.acknowledge_scores(LANGFUSE.name, 4)
    store.acknowledge(OTLP.name, 1)
    assert retention_of(store, [LANGFUSE, OTLP]).run_once() == 1 + 3
    assert names(store) == ["n2", "n3", "n4"]


def test_scores_stay_where_no_destination_takes_any(store: Spool) -> None:
    for number in (1, 2):
        store.append(row(number, 200))
        store.append_score(rating(number, 200))
    store.acknowledge(OTLP.name, 2)
    assert retention_of(store, [OTLP], unsent_too=False).run_once() == 1
    assert names(store) == ["n2"]
    assert store.stats().scores == 2


def test_rows_that_another_process_has_still_to_deliver_stay(store: Spool) -> None:
    store.append(row(1, 200))
    store.append(row(2, 0))
    retention_of(store, [LANGFUSE]).register_destinations()  # set up to deliver, and has not yet
    assert retention_of(store, []).run_once() == 0
    assert names(store) == ["n1", "n2"]


def test_a_destination_that_no_process_is_set_up_for_any_more_is_forgotten_after_as_many_days(store: Spool) -> None:
    store.append(row(1, 200))
    store.append(row(2, 0))
    retention_of(store, [LANGFUSE], at=NOW - 89 * DAY).register_destinations()
    assert retention_of(store).run_once() == 0
    retention_of(store, [LANGFUSE], at=NOW - 91 * DAY).register_destinations()
    assert retention_of(store).run_once(force=True) == 1


def test_without_any_destination_all_rows_stay_unless_days_are_set(store: Spool) -> None:
    store.append(row(1, 91))
    store.append(row(2, 89))
    assert retention_of(store, unsent_too=False).run_once() == 0
    assert names(store) == ["n1", "n2"]
    assert retention_of(store, unsent_too=True).run_once(force=True) == 1
    assert names(store) == ["n2"]


@pytest.mark.parametrize(("setting", "rows"), [("", ["n1", "n2"]), ("90", ["n2"])])
def test_undelivered_rows_go_by_age_only_where_the_variable_is_set(
    setting: str, rows: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOONDEV_TRACE_KEEP_DAYS", setting)
    tracker = get_tracker()
    assert tracker.spool is not None
    assert tracker.retention is not None
    now = time.time()
    for number, days in ((1, 91), (2, 1)):
        tracker.spool.append(replace(row(number, 0), end_ns=int((now - days * DAY) * 1e9)))
    tracker.retention.run_once(force=True)
    assert names(tracker.spool) == rows


def test_rows_that_were_refused_for_good_stay(store: Spool) -> None:
    for number in (1, 2, 3):
        store.append(row(number, 200))
    store.set_aside(LANGFUSE.name, "observation", 2, "HTTP 400")
    store.acknowledge(LANGFUSE.name, 3)
    assert retention_of(store, [LANGFUSE]).run_once() == 1
    assert names(store) == ["n2", "n3"]


def test_the_newest_row_stays_so_that_numbers_never_begin_again(store: Spool) -> None:
    store.append(row(1, 400))
    store.append(row(2, 399))
    store.append_score(rating(1, 400))
    store.acknowledge(LANGFUSE.name, 2)
    retention_of(store, [LANGFUSE]).run_once()
    assert names(store) == ["n2"]
    assert store.stats().scores == 1
    store.append(row(3, 0))
    assert [number for number, _, _ in store.read_batch(LANGFUSE.name).rows] == [3]


def test_a_clock_that_jumps_ahead_and_back_deletes_nothing(store: Spool) -> None:
    for number in range(1, 5):
        store.append(row(number, days_old=1))
    store.acknowledge(LANGFUSE.name, 4)
    assert retention_of(store, [LANGFUSE]).run_once() == 0
    assert retention_of(store, [LANGFUSE], at=NOW + 4000 * DAY).run_once() == 0
    assert retention_of(store, [LANGFUSE], at=NOW + 3600).run_once() == 0
    assert len(names(store)) == 4


def test_after_a_month_without_a_pass_only_the_second_one_deletes(store: Spool) -> None:
    store.append(row(1, 1))
    store.append(row(2, 0))
    retention_of(store).run_once()
    assert retention_of(store, at=NOW + 200 * DAY).run_once() == 0
    assert retention_of(store, at=NOW + 200 * DAY + 3600).run_once() == 1


@pytest.mark.parametrize(("text", "days"), [("", 90), ("0", None), ("forever", None), (" 7 ", 7)])
def test_the_variable_sets_the_number_of_days(text: str, days: int | None) -> None:
    assert Settings.read({"MOONDEV_TRACE_KEEP_DAYS": text}).keep_days == days


def test_forever_keeps_everything_and_starts_no_thread(store: Spool) -> None:
    store.append(row(1, 9999))
    store.append(row(2, 0))
    forever = retention_of(store, days=None)
    forever.start()
    assert forever.run_once(force=True) == 0
    assert forever.thread is None


def test_many_rows_go_in_small_steps_and_a_stop_takes_effect_between_them(store: Spool) -> None:
    for number in range(1, 1002):
        store.append(row(number, 200 if number < 1001 else 0))
    waits: list[float] = []

    def pause(seconds: float) -> bool:
        waits.append(seconds)
        return len(waits) == 3

    assert Retention(store.path, 90, unsent_too=True, clock=lambda: NOW, pause=pause).run_once() == 600
    assert retention_of(store).run_once(force=True) == 400
    assert names(store) == ["n1001"]


def test_only_one_process_an_hour_deletes(store: Spool) -> None:
    store.append(row(1, 200))
    store.append(row(2, 0))
    assert retention_of(store).run_once() == 1
    store.append(row(3, 200))
    store.append(row(4, 0))
    assert retention_of(store, at=NOW + 3599).run_once() == 0
    assert retention_of(store, at=NOW + 3601).run_once() == 1
    assert retention_of(store, at=NOW - 10 * DAY).run_once() == 0  # a clock set back: runs, and nothing is due


def whole_file(store: Spool) -> int:
    """Return the file's size when its log has been moved into it, which another thread may just be doing."""

    def moved() -> bool:
        with sqlite3.connect(store.path) as connection:
            return bool(connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0)

    assert eventually(moved)
    return store.path.stat().st_size


def test_the_space_of_deleted_rows_goes_back_to_the_disk(store: Spool) -> None:
    for number in range(1, 2001):
        store.append(row(number, 200, size=8000))
    store.append(row(2001, 0))
    before = whole_file(store)
    retention_of(store).run_once()
    assert before > 16_000_000
    assert whole_file(store) < 6_000_000
    with sqlite3.connect(store.path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert names(store) == ["n2001"]


def test_writers_go_on_while_rows_are_deleted(store: Spool) -> None:
    for number in range(1, 1001):
        store.append(row(number, 200))
    before = store.last_seq()
    thread = threading.Thread(target=retention_of(store).run_once)
    thread.start()
    for number in range(2000, 2300):
        store.append(row(number, 0))
    thread.join(60)
    assert store.last_seq() == before + 300
    assert {f"n{number}" for number in range(2000, 2300)} <= set(names(store))
    assert "n1" not in names(store)


# Files of an older format.


def older_file(path: Path, rows: int) -> None:
    """Write a file in the first version of the format."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(MIGRATIONS[0])
    connection.execute("PRAGMA user_version = 1")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("INSERT INTO envelopes VALUES (1, ?)", (b"\x0a\x00\x0a\x00",))
    for number in range(1, rows + 1):
        end = int((NOW - 200 * DAY) * 1e9)
        connection.execute(
            "INSERT INTO observations VALUES "
            "(?, ?, ?, NULL, ?, 'span', ?, ?, 'DEFAULT', NULL, NULL, NULL, NULL, 's', NULL, 1, 2, 0.5, 1)",
            (number, f"{number:032x}", f"{number:016x}", f"n{number}", end, end),
        )
        connection.execute("INSERT INTO payloads VALUES (?, ?)", (number, b"span"))
    connection.execute("INSERT INTO destinations (name, acked, scores_acked) VALUES ('langfuse:here', 2, 0)")
    connection.close()


def test_an_older_file_is_migrated_with_its_rows_and_destinations(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    older_file(path, 5)
    store = Spool(path)
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == VERSION
        assert connection.execute("SELECT name, scores FROM configured").fetchall() == [("langfuse:here", 1)]
        seen = connection.execute("SELECT seen FROM configured").fetchone()[0]
    assert seen > NOW - 400 * DAY
    assert names(store) == [f"n{number}" for number in range(1, 6)]
    assert store.pending("langfuse:here") == 3
    assert Retention(path, 90, clock=lambda: seen, pause=lambda _: False).run_once() == 2  # only what it has


def test_a_small_older_file_can_shrink_after_a_pass(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    older_file(path, 5)
    store = Spool(path)
    retention_of(store).run_once()
    store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA auto_vacuum").fetchone()[0] == 2
    store.append(row(9, 0))
    assert names(store)[-1] == "n9"


def test_the_tracker_runs_retention_and_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_FIRST_WAIT_S", 0.01)
    with Langfuse() as server:
        for name, value in {"HOST": server.url, "PUBLIC_KEY": "pk-lf-1", "SECRET_KEY": "sk-lf-1"}.items():
            monkeypatch.setenv(f"LANGFUSE_{name}", value)
        tracker = get_tracker()
        assert tracker.spool is not None
        path = tracker.spool.path
        with observe_agent("a"):
            score("s", 1, session_id="x")
        assert eventually(lambda: retention.read_status(path, 90).last_run is not None)
        with sqlite3.connect(path) as connection:
            assert [name[:9] for (name,) in connection.execute("SELECT name FROM configured")] == ["langfuse:"]
        assert flush(60) == 0
        assert tracker.spool.stats().observations == 1
        assert tracker.retention is not None
        thread = tracker.retention.thread
        assert thread is not None
        assert thread.daemon
        tracker.shutdown(0.0)
        thread.join(20)
        assert not thread.is_alive()


def test_a_destination_of_scores_alone_makes_no_loss_of_delivered_observations(tmp_path: Path) -> None:
    store = Spool(tmp_path / "t.db", max_bytes=1)
    for number in range(1, 11):
        store.append(row(number, 0))
    store.append_score(rating(1, 0))
    store.acknowledge(OTLP.name, 10)
    store.acknowledge_scores("langfuse-scores:here", 1)
    store._writer._enforce_limit()
    assert names(store) == ["n10"]
    assert store.stats().losses == 0
    assert store.stats().undelivered == {OTLP.name: 0, "langfuse-scores:here": 0}

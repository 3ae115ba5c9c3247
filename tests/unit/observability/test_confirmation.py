"""What may have arrived is asked for before it is sent again, since Langfuse 4 counts twice what comes twice."""

from __future__ import annotations

import itertools
import random
import sqlite3
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from src.observability.delivery import confirmation
from src.observability.delivery.destinations import langfuse_destination
from src.observability.delivery.exporter import Exporter
from src.observability.store.spool import Spool, lease_owner
from tests.langfuse_server import LangfuseServer, Mode
from tests.long import rounds
from tests.servers import Received, Reply
from tests.unit.observability.confirming import TRACES, delivered, destination_of, once
from tests.unit.observability.records import BEGAN_NS, sendable_record

if TYPE_CHECKING:
    from pathlib import Path

MODES = pytest.mark.parametrize(
    ("mode", "version"), [("events_only", "4.16.0"), ("dual", "4.16.0"), ("v3", "3.225.4"), ("events_only", "4.60.1")]
)


pytestmark = pytest.mark.usefixtures("nothing_known")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "t.db")


@MODES
def test_rows_whose_acknowledgement_was_lost_are_not_sent_again(mode: Mode, version: str, spool: Spool) -> None:
    for number in range(30):
        spool.append(sendable_record(number, spans_a_trace=10))
    lost = once()
    with LangfuseServer(mode, version) as server:
        server.lose_acknowledgement = lambda request: request.path == TRACES and next(lost)
        assert Exporter(spool, [destination_of(server)]).flush(60) == 0
        assert delivered(server) == [f"n{number}" for number in range(30)]
        assert server.paths("POST") == [TRACES]
    assert spool.stats().undelivered == {destination_of(server).name: 0}


@MODES
def test_rows_that_did_not_arrive_are_sent_again_byte_for_byte(mode: Mode, version: str, spool: Spool) -> None:
    for number in range(30):
        spool.append(sendable_record(number, spans_a_trace=10))
    broken = once()
    with LangfuseServer(mode, version) as server:
        server.answer = lambda request: Reply(silent=True) if request.path == TRACES and next(broken) else None
        assert Exporter(spool, [destination_of(server)]).flush(60) == 0
        assert delivered(server) == [f"n{number}" for number in range(30)]
        first, second = [request.body for request in server.requests if request.path == TRACES]
    assert first == second


def test_only_what_is_missing_is_sent_again(spool: Spool) -> None:
    """Such as where a worker of the server stored a part of a request."""
    for number in range(10):
        spool.append(sendable_record(number))
    lost = once()
    with LangfuseServer() as server:

        def lose(request: Received) -> bool:
            if request.path != TRACES or not next(lost):
                return False
            with server.lock:
                server.rows = [row for row in server.rows if int(row.span.name[1:]) % 3]
            return True

        server.lose_acknowledgement = lose
        assert Exporter(spool, [destination_of(server)]).flush(60) == 0
        assert delivered(server) == [f"n{number}" for number in range(10)]


@pytest.mark.parametrize(("status", "sent"), [(500, 1), (502, 1), (504, 1), (503, 2), (429, 2), (408, 2)], ids=str)
def test_a_refusal_is_retried_at_once_and_a_failure_is_asked_about(status: int, sent: int, spool: Spool) -> None:
    """The server stores the rows although it answers with an error: only after a definite refusal they come twice."""
    spool.append(sendable_record(1))
    failing = once()
    with LangfuseServer() as server:

        def answer(request: Received) -> Reply | None:
            if request.path != TRACES or not next(failing):
                return None
            server._route(request)
            return Reply(status)

        server.answer = answer
        assert Exporter(spool, [destination_of(server)]).flush(60) == 0
        assert server.paths("POST") == [TRACES] * sent


def test_a_server_that_hangs_after_it_took_rows_is_asked(spool: Spool) -> None:
    spool.append(sendable_record(1))
    hanging = once()
    with LangfuseServer() as server:

        def answer(request: Received) -> Reply | None:
            if request.path != TRACES or not next(hanging):
                return None
            server._route(request)
            return Reply(hang=True)

        server.answer = answer
        destination = replace(destination_of(server), timeout_s=0.2)
        assert Exporter(spool, [destination]).flush(60) == 0
        assert delivered(server) == ["n1"]


def test_the_default_time_limit_lets_a_slow_server_answer() -> None:
    assert langfuse_destination("http://host", "pk", "sk").timeout_s >= 30
    assert langfuse_destination("http://host", "pk", "sk").confirm_after_s >= 60


def test_a_flush_asks_at_once_however_long_nothing_could_be_asked(spool: Spool) -> None:
    spool.append(sendable_record(1))
    lost = once()
    with LangfuseServer() as server:
        now = [1000.0]
        server.answer = lambda request: Reply(500) if request.method == "GET" else None
        server.lose_acknowledgement = lambda request: request.path == TRACES and next(lost)
        exporter = Exporter(spool, [destination_of(server, 0.0)], clock=lambda: now[0])
        for _ in range(15):
            exporter._workers[0].run_once()
            now[0] += 400.0
        server.answer = lambda _: None
        now[0] -= 395.0  # it would not be asked again for minutes
        assert exporter.flush(60) == 0
        assert delivered(server) == ["n1"]


def test_what_was_parked_waits_and_what_follows_is_delivered(spool: Spool) -> None:
    lost = once()
    with LangfuseServer(shown_after_s=3600) as server:
        server.answer = lambda request: Reply(silent=True) if request.path == TRACES and next(lost) else None
        worker = Exporter(spool, [destination_of(server, confirm_after_s=60)])._workers[0]
        spool.append(sendable_record(1))
        assert worker.run_once() > 0
        spool.append(sendable_record(2))
        assert worker.run_once() == 0
        assert delivered(server) == ["n2"]
        assert spool.pending(worker.destination.name) == 1  # the first one is still not known to have arrived
        assert server.paths("GET") == ["/api/public/projects"]  # nor asked for before a minute


def test_a_server_that_shows_rows_late_gets_none_twice(spool: Spool) -> None:
    for number in range(20):
        spool.append(sendable_record(number))
    lost = once()
    with LangfuseServer(shown_after_s=0.6) as server:
        server.lose_acknowledgement = lambda request: request.path == TRACES and next(lost)
        assert Exporter(spool, [destination_of(server, confirm_after_s=60)]).flush(60) == 0
        assert server.counted() == 20


def test_where_the_question_fails_rows_wait_and_none_is_sent_again(spool: Spool) -> None:
    spool.append(sendable_record(1))
    lost = once()
    with LangfuseServer() as server:
        reads_fail = True

        def answer(request: Received) -> Reply | None:
            return Reply(500) if reads_fail and "v2/observations" in request.path else None

        server.answer = answer
        server.lose_acknowledgement = lambda request: request.path == TRACES and next(lost)
        exporter = Exporter(spool, [destination_of(server)])
        assert exporter.flush(1) == 1
        reads_fail = False
        assert exporter.flush(60) == 0
        assert server.counted() == 1


def test_after_a_day_without_an_answer_rows_are_sent_all_the_same(tmp_path: Path) -> None:
    now = time.time()
    spool = Spool(tmp_path / "t.db", clock=lambda: now)
    spool.append(sendable_record(1))
    lost = once()
    with LangfuseServer() as server:
        server.answer = lambda request: (
            Reply(500)
            if "v2/observations" in request.path
            else Reply(silent=True)
            if request.path == TRACES and next(lost)
            else None
        )
        exporter = Exporter(spool, [destination_of(server)])
        assert exporter._workers[0].run_once() > 0  # sent, and nobody knows whether it came
        assert exporter.flush(0.5) == 1
        now += 90_000
        assert Exporter(spool, [destination_of(server)]).flush(60) == 0
        assert delivered(server) == ["n1"]


def test_a_server_that_changed_its_mode_is_asked_by_its_new_route(spool: Spool) -> None:
    spool.append(sendable_record(1))
    lost = itertools.chain([True, False, True], itertools.repeat(False))
    with LangfuseServer("dual") as server:
        server.lose_acknowledgement = lambda request: request.path == TRACES and next(lost)
        exporter = Exporter(spool, [destination_of(server)])
        assert exporter.flush(60) == 0
        server.mode = "events_only"
        spool.append(sendable_record(2))
        assert exporter.flush(60) == 0
        spool.append(sendable_record(3))
        assert exporter.flush(60) == 0
        assert delivered(server) == ["n1", "n2", "n3"]


def test_a_server_without_any_route_to_ask_gets_rows_again(spool: Spool) -> None:
    spool.append(sendable_record(1))
    lost = once()
    with LangfuseServer() as server:
        server.answer = lambda request: Reply(404) if request.method == "GET" else None
        server.lose_acknowledgement = lambda request: request.path == TRACES and next(lost)
        assert Exporter(spool, [destination_of(server, confirm_after_s=60)]).flush(60) == 0
        assert delivered(server) == ["n1", "n1"]  # it may come twice there, and is not lost


def test_a_large_window_is_asked_page_by_page_and_then_by_ids(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.observability.delivery.arrivals._PAGE", 40)
    monkeypatch.setattr("src.observability.delivery.arrivals._IDS_A_REQUEST", 25)
    others, count = Spool(spool.path.with_name("others.db")), 500
    lost = once()
    with LangfuseServer() as server:
        for number in range(1000, 1000 + count):
            others.append(sendable_record(number, start_ns=BEGAN_NS))
        assert Exporter(others, [destination_of(server)]).flush(60) == 0
        for number in range(150):
            spool.append(sendable_record(number, start_ns=BEGAN_NS))
        server.lose_acknowledgement = lambda request: request.path == TRACES and next(lost)
        assert Exporter(spool, [destination_of(server)]).flush(60) == 0
        assert server.counted() == count + 150
        assert any("filter=" in request.path for request in server.requests)
        assert max(len(request.path) for request in server.requests) < 4000


@pytest.mark.parametrize("rows_scanned", [1, 7])
def test_pages_that_are_short_or_empty_before_the_end_are_followed(
    rows_scanned: int, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Langfuse's SDK 5.2 documents them: a question scans for a limited time, and only a missing cursor is the end."""
    monkeypatch.setattr("src.observability.delivery.arrivals._MOST_PAGES", 2)
    others = Spool(spool.path.with_name("others.db"))
    lost = once()
    with LangfuseServer(version="4.60.1") as server:
        for number in range(10, 40):
            others.append(sendable_record(number, start_ns=BEGAN_NS + number * 1_000))
        assert Exporter(others, [destination_of(server)]).flush(60) == 0
        for number in range(5):
            spool.append(sendable_record(number, start_ns=BEGAN_NS))
        server.rows_scanned = rows_scanned
        server.lose_acknowledgement = lambda request: request.path == TRACES and next(lost)
        assert Exporter(spool, [destination_of(server)]).flush(60) == 0
        assert server.counted() == 35


def test_a_list_that_never_ends_is_no_answer(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.observability.delivery.arrivals._MOST_PAGES_OF_IDS", 3)
    spool.append(sendable_record(1))
    lost = once()
    with LangfuseServer(version="4.60.1") as server:
        server.lose_acknowledgement = lambda request: request.path == TRACES and next(lost)
        server.answer = lambda request: (
            Reply(200, b'{"data": [], "meta": {"cursor": "more"}}') if "v2/observations" in request.path else None
        )
        assert Exporter(spool, [destination_of(server)]).flush(0.5) == 1
        assert server.counted() == 1


def test_rows_at_the_size_limit_may_go_while_they_are_parked(spool: Spool) -> None:
    for number in range(3):
        spool.append(sendable_record(number))
    with LangfuseServer(shown_after_s=3600) as server:
        server.lose_acknowledgement = lambda request: request.path == TRACES
        assert Exporter(spool, [destination_of(server, 60)]).flush(0.3) == 3
        with sqlite3.connect(spool.path) as connection:
            connection.execute("DELETE FROM observations WHERE seq < 3")
        assert spool.pending(destination_of(server).name) == 1


def test_a_flush_sends_again_what_a_server_does_not_show_for_some_seconds(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confirmation, "_URGENT_S", 0.5)
    spool.append(sendable_record(1))
    broken = once()
    with LangfuseServer() as server:
        server.answer = lambda request: Reply(silent=True) if request.path == TRACES and next(broken) else None
        began = time.monotonic()
        assert Exporter(spool, [destination_of(server, confirm_after_s=60)]).flush(60) == 0
        assert time.monotonic() - began >= 0.5
        assert delivered(server) == ["n1"]


def test_what_was_refused_is_sent_again_alone(spool: Spool) -> None:
    """`traces export --again`: what came after it has arrived long since, and must not come twice."""
    with LangfuseServer() as server:
        destination = destination_of(server)
        refusing = True

        def refuse(request: Received) -> Reply | None:
            if request.path != TRACES or not refusing:
                return None
            before = len(server.rows)
            reply = server._route(request)
            names = {row.span.name for row in server.rows[before:]}
            if names & {"n2", "n5"}:
                del server.rows[before:]
                return Reply(400, b'{"error":"bad span"}')
            return reply

        server.answer = refuse
        for number in range(8):
            spool.append(sendable_record(number))
        assert Exporter(spool, [destination]).flush(60) == 0
        assert delivered(server) == [f"n{number}" for number in range(8) if number not in (2, 5)]
        refusing = False
        assert spool.send_again(destination.name, lease_owner()) == 2
        assert spool.pending(destination.name) == 2
        assert Exporter(spool, [destination]).flush(60) == 0
        assert delivered(server) == [f"n{number}" for number in range(8)]
        assert spool.stats().set_aside == 0


def test_acknowledgements_lost_at_random_repeat_and_lose_nothing(spool: Spool) -> None:
    """The trial of benchmarks/durability.py, smaller: requests that break off before, in and after their storage."""
    count = rounds(1_500, 20_000)
    rng = random.Random(5)
    for number in range(count):
        spool.append(sendable_record(number, spans_a_trace=3))
    with LangfuseServer(shown_after_s=0.05) as server:
        server.answer = lambda request: Reply(silent=True) if request.path == TRACES and rng.random() < 0.3 else None
        server.lose_acknowledgement = lambda request: request.path == TRACES and rng.random() < 0.3
        destination = replace(destination_of(server, confirm_after_s=0.3), max_rows=100)
        assert Exporter(spool, [destination]).flush(60) == 0
        assert Counter(delivered(server)) == Counter(f"n{number}" for number in range(count))

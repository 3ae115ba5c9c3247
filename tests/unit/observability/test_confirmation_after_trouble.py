"""What a killed process, one that lost its lease or a damaged store has sent is asked for before it is sent again."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from src.observability.delivery.destinations import Destination, otlp_destination
from src.observability.delivery.exporter import Exporter
from src.observability.otlp_settings import Otlp
from src.observability.store.spool import Spool
from tests.langfuse_server import LangfuseServer
from tests.servers import Langfuse, Received, Reply, eventually
from tests.unit.observability.confirming import TRACES, delivered, destination_of
from tests.unit.observability.records import sendable_record

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.usefixtures("nothing_known")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "t.db")


def test_what_a_killed_process_was_sending_is_asked_for(spool: Spool) -> None:
    """The mark is written before the request, and its process ended before the answer came."""
    for number in range(5):
        spool.append(sendable_record(number))
    with LangfuseServer() as server:
        destination = destination_of(server)

        class Killed(BaseException):
            """Ends the thread as SIGKILL ends the process: nothing after it runs."""

        def die(request: Received) -> Reply | None:
            if request.path == TRACES:
                spool.progress.acknowledge = raise_killed  # type: ignore[method-assign] # the process is gone
            return None

        def raise_killed(*_: object, **__: object) -> None:
            raise Killed

        server.answer = die
        worker = Exporter(spool, [destination])._workers[0]
        with pytest.raises(Killed):
            worker.run_once()
        server.answer = lambda _: None
        spool.append(sendable_record(5))
        heir = Spool(spool.path)
        assert Exporter(heir, [destination]).flush(60) == 0
        assert delivered(server) == [f"n{number}" for number in range(6)]


def test_a_lease_that_another_process_takes_over_ends_delivery_without_repeats(spool: Spool) -> None:
    """A process that stood still for longer than its lease finds it taken, and leaves the rest to the other one."""
    for number in range(1500):
        spool.append(sendable_record(number))
    with LangfuseServer() as server:
        now = [0.0]
        destination = destination_of(server)
        taken_over = threading.Event()

        def answer(request: Received) -> Reply | None:
            if request.path == TRACES and not taken_over.is_set():
                taken_over.set()
                server._route(request)
                now[0] += 60.0  # it stood still; its lease has run out, and another process has it
                spool.progress.release(destination.name, owner_of(spool, destination))
                assert spool.lease(destination.name, "elsewhere|1|x")
                return Reply(silent=True)
            return None

        server.answer = answer
        worker = Exporter(spool, [destination], clock=lambda: now[0])._workers[0]
        worker.run_once()
        assert worker.run_once() > 0  # the other one delivers
        assert server.paths("POST") == [TRACES]
        spool.release(destination.name, "elsewhere|1|x")
        assert Exporter(spool, [destination]).flush(60) == 0
        assert Counter(delivered(server)) == Counter(f"n{number}" for number in range(1500))


def owner_of(spool: Spool, destination: Destination) -> str:
    with sqlite3.connect(spool.path) as connection:
        row = connection.execute("SELECT owner FROM destinations WHERE name = ?", (destination.name,)).fetchone()
    return str(row[0])


def test_what_a_damaged_store_had_delivered_is_not_sent_again(spool: Spool) -> None:
    """Its rows move to a new store, and how far its destinations had got may be what was damaged."""
    count = 200
    for number in range(count):
        spool.append(sendable_record(number, size=3000))
    with LangfuseServer() as server, Langfuse() as other:
        destinations = [destination_of(server), otlp_destination(Otlp(url=f"{other.url}/api/public/otel/v1/traces"))]
        deliver_and_stop(spool, destinations[0])
        with sqlite3.connect(spool.path) as connection:
            connection.executescript("DELETE FROM destinations; DELETE FROM configured")
        damage(spool)
        exporter = Exporter(spool, destinations)
        exporter.wake()
        assert eventually(lambda: len(other.spans) > count // 2)  # where nothing had been delivered, all arrives
        assert eventually(lambda: exporter.flush(60) == 0)
        assert delivered(server) == [f"n{number}" for number in range(count)]


def test_a_damaged_store_of_which_all_was_delivered_leaves_an_empty_one(spool: Spool) -> None:
    """Nothing is moved, and who asks how much is pending finds a store."""
    for number in range(200):
        spool.append(sendable_record(number, size=3000))
    with LangfuseServer() as server:
        deliver_and_stop(spool, destination_of(server))
        damage(spool)
        exporter = Exporter(spool, [destination_of(server)])
        with sqlite3.connect(spool.path) as connection, pytest.raises(sqlite3.DatabaseError) as error:
            connection.execute("SELECT sum(length(span)) FROM payloads").fetchone()
        assert spool.recover(error.value)
        assert eventually(spool.path.exists)
        assert exporter.flush(60) == 0
        assert len(delivered(server)) == 200


def deliver_and_stop(spool: Spool, destination: Destination) -> None:
    """Deliver all, and wait until the threads have ended: a pass that is under way registers its destination again."""
    before = set(threading.enumerate())
    exporter = Exporter(spool, [destination])
    assert exporter.flush(60) == 0
    exporter.shutdown(20)
    for thread in set(threading.enumerate()) - before:
        if thread.name == "moondev-exporter":
            thread.join(20)
            assert not thread.is_alive()


def damage(spool: Spool) -> None:
    """Overwrite some pages in the middle of the file."""
    spool.close()
    with spool.path.open("r+b") as file:
        file.seek(spool.path.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xff" * 4096 * 5)

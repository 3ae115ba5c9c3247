"""Scores go many at once, each with its own date, by the route that the server has."""

from __future__ import annotations

import itertools
import sqlite3
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from src.observability.delivery import langfuse_server, score_routes
from src.observability.delivery.destinations import langfuse_destination
from src.observability.delivery.exporter import Exporter
from src.observability.store.spool import Spool, lease_owner
from tests.langfuse_server import LangfuseServer, Mode
from tests.servers import Langfuse, Received, Reply, eventually
from tests.unit.observability.records import BEGAN_NS, score_record, sendable_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from src.observability.delivery.destinations import Destination

DAY_NS = 86_400 * 10**9
SERVERS = pytest.mark.parametrize(
    ("mode", "version", "route"),
    [
        ("v3", "3.225.4", "events"),
        ("dual", "4.16.0", "events"),
        ("events_only", "4.16.0", "events"),
        ("events_only", "4.58.9", "events"),
        ("events_only", "4.59.0", "list"),
        ("events_only", "5.0.0", "list"),
    ],
)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "t.db")


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(score_routes, "_missing_routes", {})
    langfuse_server.forget_all()
    yield
    langfuse_server.forget_all()


def destination_of(server: LangfuseServer) -> Destination:
    return langfuse_destination(server.url, "pk-lf-1", "sk-lf-1")


def fill(spool: Spool, count: int, **changes: Any) -> None:
    for number in range(count):
        spool.append_score(score_record(id=f"s{number}", timestamp_ns=10**18 + number * DAY_NS, **changes))


def stored_ids(server: LangfuseServer) -> list[str]:
    return sorted((score["id"] for score in server.scores.values()), key=lambda text: int(text[1:]))


@SERVERS
def test_scores_go_a_hundred_at_once_with_their_dates(mode: Mode, version: str, route: str, spool: Spool) -> None:
    fill(spool, 250, comment="c", metadata='{"a": 1}')
    with LangfuseServer(mode, version) as server:
        assert Exporter(spool, [destination_of(server)]).flush(60) == 0
        assert sorted(server.score_requests) == [(route, 50), (route, 100), (route, 100)]
        assert stored_ids(server) == [f"s{number}" for number in range(250)]
        dates = {score["id"]: score["timestamp"][:10] for score in server.scores.values()}
    assert (dates["s0"], dates["s1"]) == ("2001-09-09", "2001-09-10")


@SERVERS
def test_a_score_that_is_sent_twice_is_one(mode: Mode, version: str, route: str, spool: Spool) -> None:
    fill(spool, 30)
    lost = itertools.chain([True], itertools.repeat(False))
    with LangfuseServer(mode, version) as server:
        server.lose_acknowledgement = lambda request: request.method == "POST" and next(lost)
        assert Exporter(spool, [destination_of(server)]).flush(60) == 0
        assert server.score_requests == [(route, 30), (route, 30)]
        assert len(server.scores) == 30


def test_the_cloud_gets_lists(spool: Spool) -> None:
    fill(spool, 3)
    paths: list[tuple[str, bytes]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append((f"{request.method} {request.url.path}", request.content))
        return httpx.Response(202, json={"message": "Accepted"})

    client = httpx.Client(transport=httpx.MockTransport(answer))
    destination = langfuse_destination("https://us.cloud.langfuse.com", "pk-lf-1", "sk-lf-1")
    assert Exporter(spool, [destination], make_client=lambda: client).flush(60) == 0
    assert [path for path, body in paths if body.startswith(b"[")] == ["POST /api/public/scores"]


@pytest.mark.parametrize("version", ["4.16.0", "4.59.0"])
def test_a_refused_score_is_set_aside_and_the_others_arrive(
    version: str, spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    fill(spool, 120)
    with LangfuseServer(version=version) as server:
        server.refuses_score = lambda body: "no such config" if body["id"] in ("s7", "s110") else None
        assert Exporter(spool, [destination_of(server)]).flush(60) == 0
        assert stored_ids(server) == [f"s{number}" for number in range(120) if number not in (7, 110)]
        assert spool.stats().set_aside == 2
        assert "no such config" in (spool.stats().refusal or "")
        assert "refuses score" in caplog.text
        server.refuses_score = lambda _: None
        assert spool.send_again(destination_of(server).name, lease_owner()) == 2
        assert Exporter(spool, [destination_of(server)]).flush(60) == 0
        assert len(server.scores) == 120
        sent = sum(count for _, count in server.score_requests)
    assert sent < 500  # what came after the first refused one is not sent again


def test_a_score_that_the_server_fails_at_waits_and_holds_up_no_other(spool: Spool) -> None:
    fill(spool, 120)
    with LangfuseServer() as server:
        server.fails_score = lambda body: body["id"] == "s7"
        worker = Exporter(spool, [destination_of(server)])._workers[1]
        assert worker.run_once() == 0
        assert stored_ids(server) == [f"s{number}" for number in range(120) if number != 7]
        assert spool.pending(destination_of(server).name) == 1
        server.fails_score = lambda _: False
        assert Exporter(spool, [destination_of(server)]).flush(60) == 0
        assert len(server.scores) == 120
        assert server.score_requests[-1] == ("events", 1)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": ""}, "no name"),
        ({"id": "x" * 900}, "800 characters"),
        ({"id": "a\rb"}, "line end"),
        ({"trace_id": None}, "neither a trace nor a session"),
        ({"session_id": "s"}, "a session beside a trace"),
        ({"trace_id": None, "session_id": "s", "observation_id": "ab" * 8}, "a session beside a trace"),
        ({"environment": "Prod"}, "'Prod' is no name"),
        ({"environment": "langfuse-x"}, "no name that Langfuse takes"),
        ({"value": "BUY"}, "does not fit its type NUMERIC"),
        ({"value": 2.0, "data_type": "BOOLEAN"}, "neither 0 nor 1"),
    ],
)
def test_what_no_server_takes_is_not_left_to_the_server(changes: dict[str, Any], reason: str, spool: Spool) -> None:
    """A list that is refused in part does not say which of its scores were."""
    spool.append_score(score_record(id="s1"))
    spool.append_score(score_record(**{"id": "s2", **changes}))
    spool.append_score(score_record(id="s3"))
    with LangfuseServer(version="4.60.0") as server:
        assert Exporter(spool, [destination_of(server)]).flush(60) == 0
        assert server.score_requests == [("list", 2)]
    assert reason in (spool.stats().refusal or "")


def test_scores_of_one_id_arrive_in_their_order(spool: Spool) -> None:
    for value in (1.0, 2.0, 3.0):
        spool.append_score(score_record(id="s1", value=value))
    with LangfuseServer() as server:
        assert Exporter(spool, [destination_of(server)]).flush(60) == 0
        assert server.score_requests == [("events", 1)] * 3
        assert [score["value"] for score in server.scores.values()] == [3.0]


@pytest.mark.parametrize(("version", "most_bytes"), [("4.16.0", 3_500_000), ("4.59.0", 900_000)])
def test_large_scores_are_sent_in_requests_of_a_bounded_size(version: str, most_bytes: int, spool: Spool) -> None:
    fill(spool, 40, comment="x" * 200_000)
    with LangfuseServer(version=version) as server:
        assert Exporter(spool, [destination_of(server)]).flush(60) == 0
        assert len(server.scores) == 40
        sizes = [len(request.body) for request in server.requests if request.method == "POST"]
    assert most_bytes * 0.7 < max(sizes) <= most_bytes


def test_a_route_that_is_gone_is_remembered(spool: Spool) -> None:
    """Such as a proxy before the server that lets a single kind of request pass."""
    with Langfuse() as sink:
        destination = langfuse_destination(sink.url, "pk-lf-1", "sk-lf-1")
        fill(spool, 3)
        assert Exporter(spool, [destination]).flush(60) == 0
        # Scores with different ids are posted concurrently, so their order of arrival is not defined.
        assert sorted(score["id"] for score in sink.scores) == ["s0", "s1", "s2"]
        posts = [request.path for request in sink.requests if request.method == "POST"]
        assert posts == ["/api/public/ingestion"] + ["/api/public/scores"] * 3


def test_a_server_that_says_it_is_new_and_takes_no_list_gets_events(spool: Spool) -> None:
    fill(spool, 3)
    with LangfuseServer(version="4.16.0") as server:
        server.answer = lambda request: (
            Reply(200, b'{"version": "4.60.0"}', {"content-type": "application/json"})
            if request.path == "/api/public/health"
            else None
        )
        assert Exporter(spool, [destination_of(server)]).flush(60) == 0
        assert server.score_requests == [("events", 3)]


def test_a_rate_limit_on_scores_holds_up_no_observation_and_is_kept_to(spool: Spool) -> None:
    with LangfuseServer() as server:
        answers: list[float] = []

        def limit(request: Received) -> Reply | None:
            if request.path != "/api/public/ingestion":
                return None
            answers.append(time.monotonic())
            return Reply(429, headers={"retry-after": "1"}) if len(answers) == 1 else None

        server.answer = limit
        exporter = Exporter(spool, [destination_of(server)])
        fill(spool, 2)
        flush = threading.Thread(target=exporter.flush, args=(20,), daemon=True)
        flush.start()
        assert eventually(lambda: len(answers) == 1)
        spool.append(sendable_record(1))
        exporter.wake()
        assert eventually(lambda: [span.name for span in server.spans] == ["n1"])
        assert eventually(lambda: len(server.scores) == 2)
        assert answers[1] - answers[0] >= 0.9  # not before the server asked for it, though a flush waits
        flush.join(20)  # it reads the store, which goes with the test


def test_many_scores_take_one_commit_for_each_request(spool: Spool) -> None:
    fill(spool, 500)
    with LangfuseServer() as server:
        with sqlite3.connect(spool.path) as connection:
            connection.execute(
                "CREATE TRIGGER counted AFTER UPDATE OF scores_acked ON destinations BEGIN "
                "INSERT INTO counters VALUES ('commits', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1; END"
            )
        assert Exporter(spool, [destination_of(server)]).flush(60) == 0
        with sqlite3.connect(spool.path) as connection:
            row = connection.execute("SELECT value FROM counters WHERE name = 'commits'").fetchone()
    assert row[0] <= 5 + 1


def test_scores_of_a_trace_that_is_not_sampled_stay_at_home(spool: Spool) -> None:
    selected, left_out = f"{1:032x}", f"{2**64 - 1:032x}"
    for number, trace_id in enumerate([selected, left_out]):
        spool.append_score(score_record(id=f"s{number}", trace_id=trace_id))
        spool.append(sendable_record(int(trace_id, 16) - 1, start_ns=BEGAN_NS))
    spool.append_score(score_record(id="s2", trace_id=None, session_id="loop"))
    with LangfuseServer() as server:
        assert Exporter(spool, [replace(destination_of(server), sample_rate=0.5)]).flush(60) == 0
        assert stored_ids(server) == ["s0", "s2"]
        assert [span.trace_id for span in server.spans] == [selected]

"""A destination is a project: neither a new spelling of its address nor a new key has everything sent again."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import httpx
import pytest

from src.observability import flush, observe_agent
from src.observability.addresses import plain_address
from src.observability.delivery import langfuse_server
from src.observability.delivery.destinations import langfuse_destination, otlp_destination
from src.observability.delivery.exporter import Exporter
from src.observability.otlp_settings import Otlp
from src.observability.settings import Settings
from src.observability.store import schema
from src.observability.store.retention import Retention
from src.observability.store.spool import Spool
from tests.langfuse_server import LangfuseServer
from tests.servers import Reply
from tests.unit.observability.records import score_record, sendable_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RANDOM_KEY = "pk-lf-6e7ad1f4-6c0b-4f0e-9a31-1f2d5f1e0a77"


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "t.db")


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    langfuse_server.forget_all()
    yield
    langfuse_server.forget_all()


def deliver(spool: Spool, address: str, public_key: str = "pk-lf-1") -> int:
    secret_key = public_key.replace("pk", "sk") if len(public_key) < 10 else "sk-lf-1"
    exporter = Exporter(spool, [langfuse_destination(address, public_key, secret_key)])
    try:
        return exporter.flush(10)
    finally:
        exporter.shutdown(0)


@pytest.mark.parametrize(
    ("spelling", "plain"),
    [
        ("https://Cloud.Langfuse.com/", "https://cloud.langfuse.com"),
        ("HTTPS://cloud.langfuse.com:443", "https://cloud.langfuse.com"),
        ("http://langfuse.internal:80//", "http://langfuse.internal"),
        ("http://langfuse.internal:3000/Base/", "http://langfuse.internal:3000/Base"),
        ("http://user:Word@HOST/", "http://user:Word@host"),
        ("http://[::1]:3000/", "http://[::1]:3000"),
        ("http://host./", "http://host"),
    ],
)
def test_an_address_has_one_spelling(spelling: str, plain: str) -> None:
    assert plain_address(spelling) == plain
    assert Settings.read({"LANGFUSE_HOST": spelling}).langfuse_host == plain
    own, other = (langfuse_destination(address, "pk-lf-1", "sk-lf-1") for address in (spelling, plain))
    assert own == other


def test_another_spelling_of_the_address_sends_nothing_again(spool: Spool) -> None:
    for number in range(5):
        spool.append(sendable_record(number))
    spool.append_score(score_record())
    with LangfuseServer() as server:
        port = server.url.rpartition(":")[2]
        for address in (server.url, f"{server.url}/", f"HTTP://LOCALHOST:{port}/", f"http://127.0.0.1:{port}//"):
            assert deliver(spool, address) == 0
        spool.append(sendable_record(5))
        assert deliver(spool, f"http://localhost:{port}") == 0
        assert server.counted() == 6
        assert len(server.score_requests) == 1
        assert list(spool.stats().undelivered.values()) == [0]  # one destination under all of its names


def test_a_new_key_of_the_same_project_sends_nothing_again(spool: Spool) -> None:
    for number in range(5):
        spool.append(sendable_record(number))
    with LangfuseServer() as server:
        server.accounts.projects["pk-lf-2", "sk-lf-2"] = server.accounts.projects["pk-lf-1", "sk-lf-1"]
        assert deliver(spool, server.url) == 0
        assert deliver(spool, server.url, "pk-lf-2") == 0
        assert server.counted() == 5


def test_another_project_on_the_same_server_gets_everything(spool: Spool) -> None:
    for number in range(5):
        spool.append(sendable_record(number))
    with LangfuseServer() as server:
        server.accounts.projects["pk-lf-2", "sk-lf-2"] = "clx0000000000000000000002"
        assert deliver(spool, server.url) == 0
        assert deliver(spool, server.url, "pk-lf-2") == 0
        assert server.counted() == 10
        assert len(spool.stats().undelivered) == 2


def test_projects_and_keys_that_a_person_named_alike_on_two_servers_are_two(spool: Spool) -> None:
    """Such as LANGFUSE_INIT_PROJECT_ID=trading, and keys chosen by hand, on a test server and on the real one."""
    for number in range(5):
        spool.append(sendable_record(number))
    with LangfuseServer() as trial, LangfuseServer() as real:
        for server in (trial, real):
            server.accounts.projects["pk-lf-1", "sk-lf-1"] = "trading"
            assert deliver(spool, server.url) == 0
        assert (trial.counted(), real.counted()) == (5, 5)


def test_a_random_key_is_the_same_project_wherever_its_server_moved(spool: Spool) -> None:
    for number in range(5):
        spool.append(sendable_record(number))
    with LangfuseServer() as before, LangfuseServer() as after:
        for server in (before, after):
            server.accounts.projects[RANDOM_KEY, "sk-lf-1"] = "trading"
            server.answer = lambda request: Reply(404) if request.path == "/api/public/projects" else None
            assert deliver(spool, server.url, RANDOM_KEY) == 0
        assert (before.counted(), after.counted()) == (5, 0)


def test_a_store_of_an_earlier_version_keeps_its_progress(spool: Spool) -> None:
    """Earlier versions named a destination as its address was spelled, and knew nothing of projects."""
    for number in range(5):
        spool.append(sendable_record(number))
    with LangfuseServer() as server:
        destination = langfuse_destination(server.url, "pk-lf-1", "sk-lf-1")
        key_hash = destination.name.rpartition(":")[2]
        spool.acknowledge(f"langfuse:{server.url.upper().replace('HTTP', 'http')}/:{key_hash}", 3)
        assert spool.pending(destination.name) == 5  # not yet known to be the same
        assert deliver(spool, server.url) == 0
        assert sorted(span.name for span in server.spans) == ["n3", "n4"]
        assert len(spool.stats().undelivered) == 1


def test_a_file_of_the_format_before_is_brought_forward(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as connection:
        for script in schema.MIGRATIONS[:3]:
            connection.executescript(script)
        connection.execute("INSERT INTO destinations (name, acked) VALUES ('langfuse:http://host:943f2589c0ae', 1)")
        connection.execute("PRAGMA user_version = 3")
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    spool = Spool(path)
    for number in range(3):
        spool.append(sendable_record(number))
    assert spool.pending("langfuse:http://host:943f2589c0ae") == 2
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == schema.VERSION


def test_delivery_waits_where_the_project_cannot_be_asked_for_and_may_have_everything(spool: Spool) -> None:
    for number in range(5):
        spool.append(sendable_record(number))
    with LangfuseServer() as server:
        server.accounts.projects["pk-lf-2", "sk-lf-2"] = server.accounts.projects["pk-lf-1", "sk-lf-1"]
        assert deliver(spool, server.url) == 0
        server.answer = lambda request: Reply(502) if request.path == "/api/public/projects" else None
        assert Exporter(spool, [langfuse_destination(server.url, "pk-lf-2", "sk-lf-2")]).flush(0.5) == 5
        server.answer = lambda _: None
        assert deliver(spool, server.url, "pk-lf-2") == 0
        assert server.counted() == 5


def test_old_rows_go_although_a_process_knows_its_destination_under_another_name(spool: Spool) -> None:
    for number in range(3):
        spool.append(sendable_record(number))
    with LangfuseServer() as server:
        port = server.url.rpartition(":")[2]
        assert deliver(spool, server.url) == 0
        assert deliver(spool, f"http://localhost:{port}") == 0
        other = langfuse_destination(f"http://localhost:{port}", "pk-lf-1", "sk-lf-1")
        later = 1_764_000_000 + 400 * 86_400
        expiry = Retention(spool.path, 90, {other.name: other.accepts}, clock=lambda: later, pause=lambda _: False)
        assert expiry.run_once() == 2  # all but the newest row


def test_a_server_that_moved_to_https_is_followed_on_its_own_host_only(spool: Spool) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(f"{request.url.scheme}://{request.url.host}")
        if request.url.scheme == "http":
            target = "elsewhere.example" if request.url.host == "wrong.example" else request.url.host
            return httpx.Response(301, headers={"location": f"https://{target}{request.url.raw_path.decode()}"})
        return httpx.Response(200, json={})

    spool.append(sendable_record(1))

    def flush(address: str, patience_s: float) -> int:
        destination = langfuse_destination(address, "pk-lf-1", "sk-lf-1")
        client = httpx.Client(transport=httpx.MockTransport(answer))
        return Exporter(spool, [destination], make_client=lambda: client).flush(patience_s)

    assert flush("http://wrong.example", 0.5) == 1
    assert set(seen) == {"http://wrong.example"}  # the keys go nowhere else
    assert flush("http://langfuse.example", 60) == 0
    assert "https://langfuse.example" in seen


def test_the_names_of_one_project_in_an_old_store_become_one_with_all_that_either_had(spool: Spool) -> None:
    for number in range(6):
        spool.append(sendable_record(number))
        spool.append_score(score_record(id=f"s{number}"))
    with LangfuseServer() as server:
        destination = langfuse_destination(server.url, "pk-lf-1", "sk-lf-1")
        key_hash = destination.name.rpartition(":")[2]
        names = [f"langfuse:{server.url}/:{key_hash}", f"langfuse:{server.url.replace('http', 'HTTP')}:{key_hash}"]
        spool.acknowledge(names[0], 3)
        spool.acknowledge_scores(names[0], 2)
        spool.set_aside(names[0], "observation", 2, "refused")
        spool.acknowledge(names[1], 5)
        spool.acknowledge_scores(names[1], 1)
        spool.set_aside(names[1], "observation", 2, "refused")
        spool.set_aside(names[1], "observation", 4, "refused")
        assert deliver(spool, server.url) == 0
        assert [span.name for span in server.spans] == ["n5"]
        assert sorted(score["id"] for score in server.scores.values()) == ["s2", "s3", "s4", "s5"]
        assert spool.stats().undelivered == {spool.stored_name(destination.name): 0}
        assert spool.stats().set_aside == 2


def test_what_a_collector_has_brought_is_asked_for_before_it_is_sent_directly(spool: Spool) -> None:
    """ENABLE_LANGFUSE=scores, with a Collector; then ENABLE_LANGFUSE=true; then back again."""
    for number in range(700):
        spool.append(sendable_record(number))
    spool.append_score(score_record(id="s1"))
    with LangfuseServer() as server:
        direct = langfuse_destination(server.url, "pk-lf-1", "sk-lf-1")
        collector = otlp_destination(Otlp(url=direct.traces_url, headers=direct.headers))
        scores = langfuse_destination(server.url, "pk-lf-1", "sk-lf-1", scores_only=True)
        for worker in Exporter(spool, [collector, scores])._workers:  # no thread that would go on
            assert worker.run_once() == 0
        del server.rows[:100]  # which the Collector has lost
        spool.append(sendable_record(700))
        spool.append_score(score_record(id="s2"))
        assert Exporter(spool, [direct]).flush(60) == 0
        assert sorted(int(span.name[1:]) for span in server.spans) == list(range(701))
        assert server.score_requests == [("events", 1), ("events", 1)]


def test_a_project_that_is_named_as_an_otlp_endpoint_too_gets_everything_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with LangfuseServer() as server:
        keys = {"LANGFUSE_HOST": server.url, "LANGFUSE_PUBLIC_KEY": "pk-lf-1", "LANGFUSE_SECRET_KEY": "sk-lf-1"}
        token = "Basic%20cGstbGYtMTpzay1sZi0x"  # what the same keys make
        otlp = {
            "MOONDEV_OTLP": "on",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"{server.url}/api/public/otel/",
            "OTEL_EXPORTER_OTLP_HEADERS": f"Authorization={token}",
        }
        for name, value in (keys | otlp).items():
            monkeypatch.setenv(name, value)
        with observe_agent("momentum"):
            pass
        assert flush(60) == 0
        assert server.counted() == 1
        assert "would be counted twice" in caplog.text

from __future__ import annotations

import gzip
import itertools
import logging
import os
import sqlite3
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from src.observability.delivery.destinations import Destination, langfuse_destination
from src.observability.delivery.exporter import Exporter
from src.observability.spans import otlp
from src.observability.store.spool import SpanRecord, Spool, lease_owner
from tests.servers import Langfuse, Received, Reply, eventually
from tests.unit.observability.records import score_record, span_record

if TYPE_CHECKING:
    from collections.abc import Iterator

ENVELOPE = otlp.encode_envelope({"service.name": "t"}, "langfuse-sdk", "5", {})


def record(number: int, size: int = 10) -> SpanRecord:
    span = otlp.encode_span(
        trace_id=number + 1, span_id=number + 1, parent_span_id=None, name=f"n{number}", kind=1, start_ns=1, end_ns=2,
        attributes={"text": "x" * size},
    )  # fmt: skip
    return span_record(
        number, trace_id=f"{number + 1:032x}", span_id=f"{number + 1:016x}", type="span", envelope=ENVELOPE, span=span
    )


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "t.db")


@pytest.fixture
def langfuse() -> Iterator[Langfuse]:
    with Langfuse() as server:
        yield server


def destination_of(langfuse: Langfuse) -> Destination:
    return langfuse_destination(langfuse.url, "pk-lf-1", "sk-lf-1")


def names_of(langfuse: Langfuse) -> list[str]:
    return [span.name for span in langfuse.spans]


def test_everything_arrives_once_in_order_with_the_right_headers(spool: Spool, langfuse: Langfuse) -> None:
    for number in range(1200):
        spool.append(record(number))
    score = score_record(
        id="id1", trace_id="t" * 32, name="decision", value="BUY", data_type="CATEGORICAL", comment="c",
        timestamp_ns=1_700_000_000_123_456_789, environment="prod",
    )  # fmt: skip
    spool.append_score(score)
    exporter = Exporter(spool, [destination_of(langfuse)])
    assert exporter.flush(60) == 0
    assert names_of(langfuse) == [f"n{number}" for number in range(1200)]
    assert langfuse.scores == [
        {
            "id": "id1", "traceId": "t" * 32, "name": "decision", "value": "BUY", "dataType": "CATEGORICAL",
            "comment": "c", "environment": "prod", "timestamp": "2023-11-14T22:13:20.123Z",
        }
    ]  # fmt: skip
    headers = langfuse.requests[0].headers
    assert headers["authorization"] == "Basic cGstbGYtMTpzay1sZi0x"
    assert headers["x-langfuse-ingestion-version"] == "4"
    assert headers["content-encoding"] == "gzip"
    exporter.shutdown(1)


def test_an_outage_loses_nothing_and_is_logged_once(
    spool: Spool, langfuse: Langfuse, caplog: pytest.LogCaptureFixture
) -> None:
    turns = itertools.count()
    langfuse.answer = lambda _: Reply(503) if next(turns) < 3 else None
    for number in range(20):
        spool.append(record(number))
    with caplog.at_level(logging.WARNING, "moondev.exporter"):
        exporter = Exporter(spool, [destination_of(langfuse)])
        assert exporter.flush(60) == 0
        # The line follows the acknowledgement, which is what a flush waits for.
        assert eventually(lambda: any("works again" in line for line in lines_about(langfuse, caplog)))
    assert names_of(langfuse) == [f"n{number}" for number in range(20)]
    (refusal,) = [line for line in lines_about(langfuse, caplog) if "does not take" in line]
    assert "20 wait" in refusal
    assert len([line for line in lines_about(langfuse, caplog) if "works again" in line]) == 1


def lines_about(server: Langfuse, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged about one server: threads of other tests may still log about theirs."""
    return [item.message for item in caplog.records if server.url in item.message]


def test_flush_returns_in_time_from_a_server_that_hangs(spool: Spool, langfuse: Langfuse) -> None:
    langfuse.answer = lambda _: Reply(hang=True)
    spool.append(record(1))
    exporter = Exporter(spool, [destination_of(langfuse)])
    assert exporter.flush(0.5) == 1
    assert eventually(lambda: exporter.failing)


def test_a_refused_connection_leaves_all_waiting(spool: Spool) -> None:
    with Langfuse() as closed:
        destination = destination_of(closed)
    spool.append(record(1))
    exporter = Exporter(spool, [destination])
    assert exporter.flush(0.5) == 1
    assert eventually(lambda: exporter.failing)


def test_a_refused_row_is_set_aside_and_all_others_arrive(spool: Spool, langfuse: Langfuse) -> None:
    def refuse_seven(request: Received) -> Reply | None:
        body = gzip.decompress(request.body) if "traces" in request.path else b""
        return Reply(400, b'{"error":"bad span"}') if b"n7\x30" in body else None

    langfuse.answer = refuse_seven
    for number in range(10):
        spool.append(record(number))
    assert Exporter(spool, [destination_of(langfuse)]).flush(60) == 0
    assert names_of(langfuse) == [f"n{number}" for number in range(10) if number != 7]
    assert spool.stats().set_aside == 1


def test_refused_rows_are_sent_again_on_request_unless_another_process_delivers(
    spool: Spool, langfuse: Langfuse
) -> None:
    langfuse.answer = lambda _: Reply(400)  # such as a proxy that refuses everything
    for number in range(3):
        spool.append(record(number))
    spool.append_score(score_record())
    destination = destination_of(langfuse)
    assert Exporter(spool, [destination]).flush(60) == 0
    assert spool.stats().set_aside == 4
    langfuse.answer = lambda _: None
    assert spool.lease(destination.name, "elsewhere|1|x")
    assert spool.send_again(destination.name, lease_owner()) is None
    assert spool.stats().set_aside == 4
    spool.release(destination.name, "elsewhere|1|x")
    assert spool.send_again(destination.name, lease_owner()) == 4
    assert Exporter(spool, [destination]).flush(60) == 0
    assert names_of(langfuse) == ["n0", "n1", "n2"]
    assert len(langfuse.scores) == 1
    assert spool.stats().set_aside == 0
    assert spool.send_again(destination.name, lease_owner()) == 0


def test_a_batch_that_is_too_large_is_split(spool: Spool, langfuse: Langfuse) -> None:
    langfuse.answer = lambda request: (
        Reply(413) if "traces" in request.path and len(gzip.decompress(request.body)) > 5000 else None
    )
    for number in range(30):
        spool.append(record(number, size=900))
    assert Exporter(spool, [destination_of(langfuse)]).flush(60) == 0
    assert names_of(langfuse) == [f"n{number}" for number in range(30)]
    assert spool.stats().set_aside == 0


def test_wrong_keys_drop_nothing_and_name_the_variables(
    spool: Spool, langfuse: Langfuse, caplog: pytest.LogCaptureFixture
) -> None:
    langfuse.answer = lambda _: Reply(401)
    spool.append(record(1))
    with caplog.at_level(logging.WARNING, "moondev.exporter"):
        assert Exporter(spool, [destination_of(langfuse)]).flush(0.5) == 1
        assert eventually(lambda: "LANGFUSE_SECRET_KEY" in caplog.text)
    assert "sk-lf-1" not in caplog.text
    assert spool.stats().set_aside == 0


def test_two_exporters_on_one_store_deliver_each_row_once(spool: Spool, langfuse: Langfuse) -> None:
    for number in range(600):
        spool.append(record(number))
    patient = replace(destination_of(langfuse), timeout_s=250.0)  # a request without a response in time is sent again
    exporters = [Exporter(Spool(spool.path), [patient]) for _ in range(2)]
    threads = [threading.Thread(target=exporter.flush, args=(200,)) for exporter in exporters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names_of(langfuse)) == sorted(f"n{number}" for number in range(600))


def test_waking_delivers_in_the_background(spool: Spool, langfuse: Langfuse) -> None:
    exporter = Exporter(spool, [destination_of(langfuse)])
    spool.append(record(1))
    exporter.wake()
    assert eventually(lambda: names_of(langfuse) == ["n1"])


def test_work_gathers_before_it_is_sent_even_after_a_flush_and_while_more_comes(
    spool: Spool, langfuse: Langfuse
) -> None:
    langfuse.answer = lambda _: time.sleep(0.05)  # so that more rows come while a request is under way
    exporter = Exporter(spool, [destination_of(langfuse)])
    spool.append(record(0))
    assert exporter.flush(60) == 0
    began, count = time.monotonic(), 300
    for number in range(1, count):
        spool.append(record(number))
        exporter.wake()
        time.sleep(0.005)
    assert eventually(lambda: len(names_of(langfuse)) == count)
    assert len(langfuse.requests) <= 3 + time.monotonic() - began  # one a second, not one for every few rows
    exporter.shutdown(1)


def test_a_connection_reset_in_mid_request_is_retried(spool: Spool, langfuse: Langfuse) -> None:
    turns = itertools.count()
    langfuse.answer = lambda _: Reply(reset=True) if next(turns) < 2 else None
    spool.append(record(1))
    assert Exporter(spool, [destination_of(langfuse)]).flush(60) == 0
    assert names_of(langfuse) == ["n1"]


def test_a_server_that_accepts_every_second_request_is_not_backed_off_from(spool: Spool, langfuse: Langfuse) -> None:
    for number in range(6000):
        spool.append(record(number))
    turns = itertools.count()
    langfuse.answer = lambda _: Reply(500) if next(turns) % 2 else None
    exporter = Exporter(spool, [destination_of(langfuse)])
    waits = list(iter(exporter._workers[0].run_once, 0.0))
    assert len(waits) > 3
    assert max(waits) <= 0.5
    assert exporter.flush(60) == 0  # it cannot be asked for what it failed at, so that is sent again
    assert sorted(names_of(langfuse)) == sorted(f"n{number}" for number in range(6000))


def test_spans_that_a_server_rejects_from_a_request_stay_in_the_store(
    spool: Spool, langfuse: Langfuse, caplog: pytest.LogCaptureFixture
) -> None:
    """OTLP's partial success, in JSON, where 64-bit numbers are strings."""
    body = b'{"partialSuccess": {"rejectedSpans": "2", "errorMessage": "too old"}}'
    langfuse.answer = lambda _: Reply(200, body, {"content-type": "application/json"})
    for number in range(3):
        spool.append(record(number))
    assert Exporter(spool, [destination_of(langfuse)]).flush(60) == 0
    assert spool.stats().set_aside == 3  # the server does not say which two
    assert "2 spans rejected: too old" in (spool.stats().refusal or "")
    assert "2 spans rejected: too old" in caplog.text


def test_a_response_that_never_ends_or_cannot_be_decoded_counts_by_its_status(spool: Spool, langfuse: Langfuse) -> None:
    replies = iter([
        Reply(200, b"not gzip at all", {"content-encoding": "gzip"}),
        Reply(200, b"x" * 200_000, {"content-length": "1000000000"}),
    ])  # fmt: skip
    langfuse.answer = lambda _: next(replies, None)
    for number in range(2):
        spool.append(record(number))
        assert Exporter(spool, [destination_of(langfuse)]).flush(60) == 0
    assert spool.stats().set_aside == 0


def test_a_response_that_comes_byte_by_byte_times_out(spool: Spool, langfuse: Langfuse) -> None:
    destination = replace(destination_of(langfuse), timeout_s=0.3)
    drip = threading.Event()

    def slowly() -> Iterator[bytes]:
        while not drip.wait(0.05):
            yield b"x"

    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=slowly()))
    spool.append(record(1))
    exporter = Exporter(spool, [destination], make_client=lambda: httpx.Client(transport=transport))
    assert exporter._workers[0].run_once() > 0
    drip.set()
    assert spool.pending(destination.name) == 1


def test_a_web_page_is_not_a_server_that_accepts_observations(
    spool: Spool, langfuse: Langfuse, caplog: pytest.LogCaptureFixture
) -> None:
    langfuse.answer = lambda _: Reply(200, b"<html>Welcome</html>", {"content-type": "text/html; charset=utf-8"})
    spool.append(record(1))
    assert Exporter(spool, [destination_of(langfuse)]).flush(0.5) == 1
    assert eventually(lambda: "LANGFUSE_HOST" in caplog.text)


@pytest.mark.parametrize(
    ("retry_after", "least", "most"),
    [("7", 7, 7), ("Fri, 27 Nov 2099 00:00:00 GMT", 300, 300), ("Mon, 01 Jan 2001 00:00:00 GMT", 0, 1),
     ("999999999999", 300, 300), ("nan", 0, 1), ("soon", 0, 1), ("-5", 0, 1)],
)  # fmt: skip
def test_a_server_may_say_when_to_retry(
    retry_after: str, least: float, most: float, spool: Spool, langfuse: Langfuse
) -> None:
    langfuse.answer = lambda _: Reply(429, headers={"retry-after": retry_after})
    spool.append(record(1))
    assert least <= Exporter(spool, [destination_of(langfuse)])._workers[0].run_once() <= most


def test_a_destination_that_hangs_leaves_time_to_flush_the_others(spool: Spool, langfuse: Langfuse) -> None:
    released, pending = threading.Event(), list[int]()

    def wait() -> None:
        released.wait(60)

    with Langfuse() as hanging:
        hanging.answer = lambda _: Reply(before=wait)
        spool.append(record(1))
        exporter = Exporter(spool, [destination_of(hanging), destination_of(langfuse)])
        flush = threading.Thread(target=lambda: pending.append(exporter.flush(60)))
        flush.start()
        assert eventually(lambda: names_of(langfuse) == ["n1"])
        assert flush.is_alive()
        released.set()
        flush.join(60)
    assert pending == [0]


def test_a_damaged_row_holds_up_no_other(spool: Spool, langfuse: Langfuse, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(5):
        spool.append(record(number, size=30_000))
    with sqlite3.connect(spool.path) as connection:
        payload = bytearray(connection.execute("SELECT span FROM payloads WHERE seq = 3").fetchone()[0])
        payload[20:] = b"\xff" * (len(payload) - 20)
        connection.execute("UPDATE payloads SET span = ? WHERE seq = 3", (bytes(payload),))
    assert Exporter(spool, [destination_of(langfuse)]).flush(60) == 0
    assert names_of(langfuse) == ["n0", "n1", "n3", "n4"]
    assert spool.stats().set_aside == 1
    assert "damaged" in caplog.text


def test_delivery_detects_a_damaged_store_and_its_readable_rows_arrive(spool: Spool, langfuse: Langfuse) -> None:
    for number in range(200):
        spool.append(record(number, size=3000))
    spool.close()
    with spool.path.open("r+b") as file:
        file.seek(spool.path.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xff" * 4096 * 5)  # random bytes may look like a valid page without rows
    exporter = Exporter(spool, [destination_of(langfuse)])
    exporter.wake()
    assert eventually(lambda: {"n0", "n199"} <= set(names_of(langfuse)))
    assert eventually(lambda: exporter.flush(60) == 0)
    assert eventually(lambda: len(set(names_of(langfuse))) + spool.stats().losses == 200)


def test_metadata_that_redaction_made_invalid_json_holds_up_no_score(spool: Spool, langfuse: Langfuse) -> None:
    spool.append_score(score_record(id="a", metadata='{"key": [REDACTED]}'))
    spool.append_score(score_record(id="c"))
    assert Exporter(spool, [destination_of(langfuse)]).flush(60) == 0
    scores = {score["id"]: score for score in langfuse.scores}  # posted concurrently: in either order
    assert scores.keys() == {"a", "c"}
    assert scores["a"]["metadata"] == '{"key": [REDACTED]}'


def test_a_stopped_exporter_leaves_no_thread_and_no_connection(spool: Spool, langfuse: Langfuse) -> None:
    before, open_files = threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))
    for number in range(5):
        spool.append(record(number))
        exporter = Exporter(spool, [destination_of(langfuse)])
        assert exporter.flush(60) == 0
        exporter.shutdown(0)
    assert eventually(lambda: threading.active_count() <= before)
    assert len(list(Path("/proc/self/fd").iterdir())) <= open_files + 6  # the server's side may close later


def test_a_zombie_process_holds_no_lease(spool: Spool) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    host = lease_owner().partition("|")[0]
    assert eventually(lambda: "Z" in Path(f"/proc/{child}/stat").read_text())
    assert spool.lease("d", f"{host}|{child}|dead")
    assert spool.lease("d", lease_owner())
    os.waitpid(child, 0)

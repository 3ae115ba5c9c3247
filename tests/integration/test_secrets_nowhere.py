"""A secret of any kind, planted anywhere in what is traced, reaches neither the store, nor the wire, nor the log.

By default a few examples are drawn for each field, the same in every run; MOONDEV_TEST_LONG=1 draws many at random.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import logging
import random
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, assume, given, seed, settings
from hypothesis import strategies as st
from opentelemetry.trace import Status, StatusCode

from src.models import ModelFactory
from src.models.errors import ModelError
from src.models.retry import NO_RETRIES
from src.observability import attributes, flush, get_tracker, observe_agent, score
from src.observability.tracing.observation import observe
from tests.long import IS_LONG, rounds
from tests.servers import Langfuse, Received, Reply, Server, chat_reply, error_reply
from tests.unit.observability.secret_samples import (
    KEYED_PLACES,
    KEYED_SECRETS,
    SHAPED_PLACES,
    SHAPED_SECRETS,
    distinctive_parts,
    keyed_texts,
    shaped_texts,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hypothesis.strategies import DrawFn


EXAMPLES = rounds(20, 400)
TOOL = {"type": "function", "function": {"name": "order", "parameters": {"type": "object"}}}


@dataclass
class Planted:
    """A text with a secret in it, and the parts of the secret that must be nowhere, as they stand and as in JSON."""

    family: str
    text: str
    secret_parts: list[bytes]

    @property
    def nested(self) -> dict[str, Any]:
        return {"depth": [{"note": self.text}, [self.text, 7]], "n": 1}


@st.composite
def secrets(draw: DrawFn) -> Planted:
    """Draw a secret of any family, in any place it is written in, as a text or as JSON; fields nest it deeper."""
    number = draw(st.integers(0, 2**32))
    if draw(st.booleans()):
        family = draw(st.sampled_from(sorted(SHAPED_SECRETS)))
        secret = SHAPED_SECRETS[family](random.Random(f"{family} {number}"))
        texts = shaped_texts(SHAPED_PLACES[draw(st.sampled_from(sorted(SHAPED_PLACES)))], secret)
    else:
        family = draw(st.sampled_from(sorted(KEYED_SECRETS)))
        name, make = KEYED_SECRETS[family]
        secret = make(random.Random(f"{family} {number}"))
        assume(any(char.isdigit() for char in secret))  # twelve letters can be a word
        texts = keyed_texts(KEYED_PLACES[draw(st.sampled_from(sorted(KEYED_PLACES)))], name, secret)
    parts = [part for part in distinctive_parts(secret) if len(part) > 7]
    forms = {form for part in parts for form in (part, json.dumps(part)[1:-1])}
    text = draw(st.sampled_from(texts[:2]))
    return Planted(family=family, text=text, secret_parts=sorted(form.encode() for form in forms))


class Desk:
    """A program that uses every part of the public interface; each method puts a secret where none should be."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.reply_from_model: Reply = chat_reply("hold")
        self.model = ModelFactory.get_model(
            "openai", "gpt-4o", api_key="k", base_url=f"{server.url}/v1", retry_policy=NO_RETRIES
        )

    def prompt(self, planted: Planted) -> None:
        self.model.generate_response(planted.text, planted.text, temperature=0.1)

    def history(self, planted: Planted) -> None:
        call = {"id": "c", "type": "function", "function": {"name": "order", "arguments": json.dumps(planted.nested)}}
        turns: list[dict[str, Any]] = [{"role": "user", "content": [planted.text, "x"]},
                 {"role": "assistant", "content": None, "tool_calls": [call]},
                 {"role": "tool", "tool_call_id": "c", "content": json.dumps(planted.nested)}]  # fmt: skip
        self.model.chat(turns, tools=[TOOL])

    def options(self, planted: Planted) -> None:
        self.model.generate_response("s", "u", options={"metadata": planted.nested, "note": planted.text})

    def reply(self, planted: Planted) -> None:
        self.reply_from_model = chat_reply(planted.text)
        self.model.generate_response("s", "u")

    def streamed(self, planted: Planted) -> None:
        half = len(planted.text) // 2
        events: list[dict[str, Any]] = [{"choices": [{"index": 0, "delta": {"content": part}, "finish_reason": None}]}
                  for part in (planted.text[:half], planted.text[half:])]  # fmt: skip
        events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
        self.reply_from_model = Reply(body=body.encode(), headers={"content-type": "text/event-stream"})
        list(self.model.stream_response("s", "u"))

    def refusal(self, planted: Planted) -> None:
        self.reply_from_model = error_reply(400, planted.text)
        with contextlib.suppress(ModelError):
            self.model.generate_response("s", "u")

    def exception(self, planted: Planted) -> None:
        with contextlib.suppress(RuntimeError), observe_agent("desk"):
            raise RuntimeError(planted.text)

    def agent(self, planted: Planted) -> None:
        with observe_agent("desk", metadata=planted.nested, user_id=planted.text, tags=[planted.text]) as run:
            run.update(input=planted.nested, output=planted.text, metadata={"market": planted.text})
            run.event("note", metadata=planted.nested, status_message=planted.text)

    def tool(self, planted: Planted) -> None:
        with observe("order", "tool", input=planted.nested) as run:
            run.update(output=json.dumps(planted.nested))

    def scored(self, planted: Planted) -> None:
        with observe_agent("desk") as run:
            score("pnl", 1.0, trace_id=run.trace_id, comment=planted.text, metadata=planted.nested)
            score("verdict", planted.text, trace_id=run.trace_id)

    def langfuses_own(self, planted: Planted) -> None:
        import langfuse

        @langfuse.observe(name="own")
        def own(nested: Any) -> str:
            langfuse.get_client().update_current_span(metadata={"note": planted.text}, input=nested)
            return planted.text

        with observe_agent("desk"):
            own(planted.nested)

    def names(self, planted: Planted) -> None:
        with observe_agent("desk", session_id=planted.text, metadata={planted.text: 1}) as run:
            run.event(planted.text, metadata={planted.text: planted.text})
            run.score(planted.text, 1.0)
            score("day", 1.0, session_id=planted.text, score_id=planted.text)

    def of_the_sdk(self, planted: Planted) -> None:
        with get_tracker().client.start_as_current_observation(
            name=planted.text, metadata={planted.text: 1}
        ) as observation:
            span = observation._otel_span
            span.add_event(planted.text, {planted.text: planted.text})
            span.add_link(span.get_span_context(), {planted.text: planted.text})
            span.set_attributes(
                {
                    planted.text: [planted.text],
                    attributes.ERROR_TYPE: planted.text,
                    attributes.USAGE_DETAILS: planted.text,
                }
            )
            span.record_exception(RuntimeError(planted.text))
            span.set_status(Status(StatusCode.ERROR, planted.text))

    def posted(self, planted: Planted) -> None:
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": planted.text}], "user": planted.text}
        headers = {"X-Note": planted.text.encode().hex(), "Authorization": "Bearer k"}
        ModelFactory.post(f"{self.server.url}/v1/chat/completions", json=body, headers=headers)


FIELDS: dict[str, Callable[[Desk, Planted], None]] = {
    name: getattr(Desk, name)
    for name in ("prompt", "history", "options", "reply", "streamed", "refusal", "exception", "agent", "tool", "scored",
                 "names", "langfuses_own", "of_the_sdk", "posted")
}  # fmt: skip


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[Langfuse]:
    with Langfuse() as running:
        for name, value in {"PUBLIC_KEY": "pk-lf-x", "SECRET_KEY": "sk-lf-x-0123456789", "HOST": running.url}.items():
            monkeypatch.setenv(f"LANGFUSE_{name}", value)
        yield running


@pytest.fixture
def desk(sink: Langfuse) -> Iterator[Desk]:
    desks: list[Desk] = []

    def answer(_: Received) -> Reply:
        return desks[0].reply_from_model

    with Server(answer) as server:
        desks.append(Desk(server))
        yield desks[0]


def unzipped(request: Received) -> bytes:
    return gzip.decompress(request.body) if request.headers.get("content-encoding") == "gzip" else request.body


@dataclass
class StoreFiles:
    """The files of a SQLite store: the database, its write-ahead log, the log's index."""

    database: Path
    log_salts: bytes = b""
    log_end: int = 0
    database_stat: tuple[int, int] = (0, 0)

    def new_bytes(self) -> bytes:
        """Return at least what was written since the last time.

        Everything is written to the log first. SQLite appends to the log until its content has been copied to the
        database, and then starts it again with other salts (https://www.sqlite.org/fileformat2.html#walformat).
        """
        data = b""
        stat = self.database.stat()
        if self.database_stat != (stat.st_mtime_ns, stat.st_size):
            self.database_stat = (stat.st_mtime_ns, stat.st_size)
            data = self.database.read_bytes()
        log = self.database.with_name(f"{self.database.name}-wal")
        if log.exists():
            with log.open("rb") as file:
                salts = file.read(32)[16:24]
                file.seek(self.log_end if salts == self.log_salts else 0)
                data += file.read()
                self.log_salts, self.log_end = salts, file.tell()
        return data

    def all_bytes(self) -> bytes:
        return b"".join(file.read_bytes() for file in self.database.parent.glob(f"{self.database.name}*"))


def assert_absent(planted: Planted, data: bytes) -> None:
    for part in planted.secret_parts:
        at = data.find(part)
        # What stands around a part shows where it came through.
        assert at < 0, f"{planted.family}: {planted.text!r} in {data[max(at - 250, 0) : at + len(part) + 60]!r}"


@pytest.mark.parametrize("field", FIELDS)
def test_nowhere(field: str, desk: Desk, sink: Langfuse, caplog: pytest.LogCaptureFixture) -> None:
    spool = get_tracker().spool
    assert spool is not None
    store = StoreFiles(spool.path)
    all_planted: list[Planted] = []
    logged = 0

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(secrets())
    def plant(planted: Planted) -> None:
        nonlocal logged
        desk.reply_from_model = chat_reply("hold")
        FIELDS[field](desk, planted)
        all_planted.append(planted)
        assert_absent(planted, store.new_bytes())
        assert_absent(planted, caplog.text[logged:].encode())
        logged = len(caplog.text)

    with caplog.at_level(logging.DEBUG, logger="moondev"):
        (plant if IS_LONG else seed(zlib.crc32(field.encode()))(plant))()
        assert flush(60) == 0
    unpacked = b"".join(row.span for row in spool.rows_after(0))  # long spans are packed in the file
    stored, log = store.all_bytes() + unpacked, caplog.text.encode()
    sent = b"".join(unzipped(request) for request in sink.requests)
    assert sent
    for planted in all_planted:
        for data in (sent, stored, log):
            assert_absent(planted, data)

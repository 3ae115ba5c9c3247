"""Every streamed call, through the real openai SDK against a real server, or through event streams of our own."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from typing_extensions import override

from src.models import errors
from src.models.adapters.openai import OpenAIModel
from src.models.base_model import BaseModel
from src.models.retry import RetryPolicy
from src.models.types import Chunk, ModelRequest, Timeouts
from src.observability import attributes as names
from src.observability.spans import otlp
from src.observability.store import background
from tests.servers import Reply, Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from src.observability.store.spool import Spool, TraceRow

QUICK = RetryPolicy(max_attempts=3, first_wait_s=0.001, longest_wait_s=0.002)


def model_at(server: Server) -> OpenAIModel:
    return OpenAIModel(
        "gpt-4o", api_key="sk-test-0123456789abcdefghij", base_url=f"{server.url}/v1", retry_policy=QUICK
    )


def attributes(row: TraceRow) -> dict[str, Any]:
    return dict(otlp.decode_span(row.span).attributes)


def _events(*pieces: str, usage: bool = True) -> Reply:
    def event(delta: dict[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return "data: " + json.dumps(
            {"id": "c", "object": "chat.completion.chunk", "model": "gpt-4o", "choices": [choice]}
        )

    lines = [event({"content": piece}) for piece in pieces] + [event({}, "stop")]
    if usage:
        counts = {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}
        last = {"id": "c", "object": "chat.completion.chunk", "model": "gpt-4o", "choices": [], "usage": counts}
        lines.append("data: " + json.dumps(last))
    body = "\n\n".join([*lines, "data: [DONE]", ""]).encode()
    return Reply(body=body, headers={"content-type": "text/event-stream"})


def test_a_stream_yields_its_text_then_usage_and_cost_and_is_one_generation(spool: Spool) -> None:
    with Server(lambda _: _events("<thi", "nk>deep</think>", "BU", "Y")) as server:
        chunks = list(model_at(server).stream_response("s", "u"))
        sent = server.received[0].json
    assert sent["stream"] is True
    assert sent["stream_options"] == {"include_usage": True}
    assert "".join(chunk.content for chunk in chunks) == "BUY"
    assert "".join(chunk.reasoning for chunk in chunks) == "deep"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 6
    assert chunks[-1].cost_usd is not None
    rows = spool.rows_after(0)
    assert [row.name for row in rows] == ["openai.generate"]
    assert names.COMPLETION_START_TIME in attributes(rows[0])


def test_a_reader_that_stops_at_the_last_chunk_has_the_whole_reply(spool: Spool) -> None:
    async def read(server: Server) -> None:
        stream = model_at(server).astream_response("s", "u")
        async for chunk in stream:
            if chunk.finish_reason:
                break
        await stream.aclose()  # type: ignore[attr-defined] # a generator

    with Server(lambda _: _events("BU", "Y")) as server:
        for chunk in model_at(server).stream_response("s", "u"):
            if chunk.finish_reason:
                break
        asyncio.run(read(server))
    rows = spool.rows_after(0)
    assert [(row.level, row.error_category, row.output_tokens) for row in rows] == [("DEFAULT", None, 2)] * 2


def _called(*deltas: tuple[int, str, str, str]) -> list[tuple[str, str]]:
    """Return the tool calls of a stream of deltas, each with its index, id, name and arguments; "" for none."""

    def event(delta: dict[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return "data: " + json.dumps({"id": "c", "model": "gpt-4o", "choices": [choice]})

    lines = []
    for index, call_id, name, arguments in deltas:
        call = {"index": index, "id": call_id or None, "function": {"name": name or None, "arguments": arguments}}
        lines.append(event({"tool_calls": [call]}))
    body = "\n\n".join([*lines, event({}, "tool_calls"), "data: [DONE]", ""]).encode()
    with Server(lambda _: Reply(body=body, headers={"content-type": "text/event-stream"})) as server:
        *_, last = model_at(server).stream_response("s", "u")
    return [(call.name, call.arguments) for call in last.tool_calls]


@pytest.mark.parametrize(
    ("deltas", "calls"),
    [
        (((0, "a", "pri", ""), (0, "", "ce", "{}")), [("price", "{}")]),
        (((0, "a", "pri", ""), (0, "", "price", "{}")), [("price", "{}")]),
        (((0, "a", "price", '{"of"'), (0, "a", "price", ":1}")), [("price", '{"of":1}')]),
        (((1, "b", "news", "{}"), (0, "a", "price", "{}")), [("price", "{}"), ("news", "{}")]),
        (((0, "", "price", "{}"), (0, "", "news", '{"n":1}')), [("price", "{}"), ("news", '{"n":1}')]),
    ],
    ids=["name in pieces", "name grows", "name once more", "out of order", "all numbered 0, no ids"],
)
def test_streamed_tool_calls_are_whole_and_in_order(
    deltas: tuple[tuple[int, str, str, str], ...], calls: list[tuple[str, str]]
) -> None:
    assert _called(*deltas) == calls


def test_a_character_that_came_in_two_halves_is_whole_in_the_reply_and_the_record(spool: Spool) -> None:
    with Server(lambda _: _events("up \ud83d", "\ude00!")) as server:
        *_, last = model_at(server).stream_response("s", "u")
    assert last.reply is not None
    assert last.reply.content == "up \U0001f600!"
    assert attributes(spool.rows_after(0)[0])[names.OUTPUT] == "up \U0001f600!"


def test_an_async_stream_yields_the_same() -> None:
    async def read(server: Server) -> str:
        return "".join([chunk.content async for chunk in model_at(server).astream_response("s", "u")])

    with Server(lambda _: _events("BU", "Y")) as server:
        assert asyncio.run(read(server)) == "BUY"


def test_a_stream_that_is_left_early_is_recorded_with_its_text(spool: Spool) -> None:
    with Server(lambda _: _events("one ", "two ", "three")) as server:
        stream = model_at(server).stream_response("s", "u")
        next(iter(stream))
        stream.close()  # type: ignore[attr-defined] # a generator
    row = spool.rows_after(0)[0]
    assert row.error_category == "cancelled"
    assert attributes(row)[names.OUTPUT] == "one "


def test_an_error_inside_a_stream_that_began_with_200_is_classified(spool: Spool) -> None:
    body = b'data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n' + (
        b'data: {"error":{"message":"Provider overloaded","code":503}}\n\n'
    )
    with (
        Server(lambda _: Reply(body=body, headers={"content-type": "text/event-stream"})) as server,
        pytest.raises(errors.Overloaded),
    ):
        list(model_at(server).stream_response("s", "u"))
    assert spool.rows_after(0)[-1].error_category == "overloaded"


# How event streams are closed.


class Events:
    """An event stream that notes in `log` when it is closed; an event that is an exception is raised."""

    def __init__(self, log: list[str], number: int, events: Iterable[str | Exception]) -> None:
        self._log, self._number, self._events = log, number, iter(events)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        event = next(self._events)
        if isinstance(event, Exception):
            raise event
        return event

    def close(self) -> None:
        self._log.append(f"close {self._number}")

    async def aclose(self) -> None:
        raise AssertionError("a synchronous call closed its stream in asyncio")


class AsyncEvents(Events):
    """The same stream in asyncio, closed as SDKs' streams are: by an awaitable `close`."""

    aclose = None  # type: ignore[assignment] # as the streams of SDKs, which have none

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        await asyncio.sleep(0)
        try:
            return next(self)
        except StopIteration:
            raise StopAsyncIteration from None

    @override
    async def close(self) -> None:  # type: ignore[override] # awaitable, as an SDK's
        await asyncio.sleep(0)
        self._log.append(f"close {self._number}")


class StreamingModel(BaseModel):
    """A model whose attempts stream these events, one list for each attempt."""

    provider = "ollama"

    def __init__(self, *attempts: Iterable[str | Exception]) -> None:
        super().__init__("m", retry_policy=QUICK)
        self.log: list[str] = []
        self._attempts = iter(enumerate(attempts, start=1))

    def _open(self, kind: type[Events]) -> Any:
        number, events = next(self._attempts)
        self.log.append(f"open {number}")
        return kind(self.log, number, events)

    @override
    def _build(self, request: ModelRequest, *, stream: bool) -> None:
        return None

    @override
    def _open_stream(self, payload: Any, timeouts: Timeouts) -> Iterator[str]:
        return self._open(Events)  # type: ignore[no-any-return] # one of the two

    @override
    async def _aopen_stream(self, payload: Any, timeouts: Timeouts) -> AsyncIterator[str]:
        return self._open(AsyncEvents)  # type: ignore[no-any-return] # one of the two

    @override
    def _read_event(self, event: str, request: ModelRequest) -> Iterable[Chunk]:
        return [Chunk(finish_reason="stop") if event == "stop" else Chunk(content=event)]


def _read(model: BaseModel, *, asynchronous: bool) -> str:
    async def collect() -> str:
        return "".join([chunk.content async for chunk in model.astream_response(None, "hi")])

    if asynchronous:
        return asyncio.run(collect())
    return "".join(chunk.content for chunk in model.stream_response(None, "hi"))


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_stream_is_closed_once_it_has_ended(*, asynchronous: bool) -> None:
    model = StreamingModel(["BU", "Y", "stop"])
    assert _read(model, asynchronous=asynchronous) == "BUY"
    assert model.log == ["open 1", "close 1"]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_the_stream_of_a_failed_attempt_is_closed_before_the_next_opens(*, asynchronous: bool) -> None:
    model = StreamingModel([ConnectionResetError("reset")], ["BUY", "stop"])
    assert _read(model, asynchronous=asynchronous) == "BUY"
    assert model.log == ["open 1", "close 1", "open 2", "close 2"]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_stream_that_breaks_off_is_closed(*, asynchronous: bool) -> None:
    model = StreamingModel(["BU", ConnectionResetError("reset")])
    with pytest.raises(errors.ConnectionFailed):
        _read(model, asynchronous=asynchronous)
    assert model.log == ["open 1", "close 1"]


def test_a_stream_that_is_left_early_is_closed_after_its_generation_is_recorded(spool: Spool) -> None:
    recorded: list[str | None] = []

    class Noting(Events):
        @override
        def close(self) -> None:
            recorded.extend(row.error_category for row in spool.rows_after(0))
            super().close()

    model = StreamingModel()
    model._open = lambda kind: Noting(model.log, 1, ["BU", "Y", "stop"])  # type: ignore[method-assign] # of this one
    stream = model.stream_response(None, "hi")
    assert next(iter(stream)).content == "BU"
    stream.close()  # type: ignore[attr-defined] # a generator
    assert model.log == ["close 1"]
    assert recorded == ["cancelled"]


def test_an_async_stream_that_is_left_early_is_closed() -> None:
    model = StreamingModel(["BU", "Y", "stop"])

    async def leave() -> None:
        stream = model.astream_response(None, "hi")
        assert (await anext(stream)).content == "BU"
        await stream.aclose()  # type: ignore[attr-defined] # an asynchronous generator

    asyncio.run(leave())
    assert model.log == ["open 1", "close 1"]


def test_a_cancelled_stream_is_closed(spool: Spool) -> None:
    class Hanging(AsyncEvents):
        @override
        async def __anext__(self) -> str:
            self._log.append("wait")
            await asyncio.Event().wait()
            raise AssertionError

    model = StreamingModel()
    model._open = lambda kind: Hanging(model.log, 1, [])  # type: ignore[method-assign] # of this one

    async def cancel() -> None:
        async def read() -> None:
            async for _ in model.astream_response(None, "hi"):
                pass

        task = asyncio.create_task(read())
        while not model.log:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert model.log == ["wait", "close 1"]
    assert background.drain(20) == 0  # after a cancellation nothing waits for the row
    assert [row.error_category for row in spool.rows_after(0)] == ["cancelled"]


def test_what_closing_raises_does_not_replace_the_reply() -> None:
    class Failing(Events):
        @override
        def close(self) -> None:
            raise OSError("already gone")

    model = StreamingModel()
    model._open = lambda kind: Failing(model.log, 1, ["BUY", "stop"])  # type: ignore[method-assign] # of this one
    assert _read(model, asynchronous=False) == "BUY"


def test_an_interruption_while_closing_ends_the_call(spool: Spool) -> None:
    class Interrupting(Events):
        @override
        def close(self) -> None:
            super().close()
            raise KeyboardInterrupt

    model = StreamingModel()
    model._open = lambda kind: Interrupting(model.log, 1, [ConnectionResetError("reset")])  # type: ignore[method-assign] # of this one
    with pytest.raises(KeyboardInterrupt):
        _read(model, asynchronous=False)
    assert model.log == ["close 1"]
    assert [row.error_category for row in spool.rows_after(0) if row.type == "generation"] == ["cancelled"]


def test_a_stream_that_nobody_reads_begins_no_call(spool: Spool) -> None:
    model = StreamingModel(["BUY", "stop"])
    model.stream_response(None, "hi")
    model.astream_response(None, "hi")
    assert model.log == []
    assert spool.rows_after(0) == []

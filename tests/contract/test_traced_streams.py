"""The stream of a traced client passes through as it comes, and is recorded whole, cut or broken as it was."""

from __future__ import annotations

import asyncio
import gc
import gzip
from typing import TYPE_CHECKING

import httpx2
import pytest

from src.models import ModelFactory
from src.observability import attributes as names
from tests.contract.dialects.base import Says
from tests.contract.traced_sdks import CHAT, SDKS, Gated, chat_events, dialect_of, module, only, recorded
from tests.servers import Reply, Server

if TYPE_CHECKING:
    from src.observability.store.spool import Spool


def test_no_chunk_waits_for_another(spool: Spool) -> None:
    pieces = chat_events("Up", ", slow", "ly.")
    with Gated(pieces) as server:
        client = ModelFactory.traced(SDKS["openai"].make(server.url))
        words = []
        for chunk, seen in zip(client.chat.completions.create(**CHAT, stream=True), server.seen, strict=False):
            words.append(chunk.choices[0].delta.content)
            assert recorded(spool) == []
            seen.set()  # only now does the server send the next one
            if len(words) == len(pieces) - 1:
                server.seen[-1].set()
    assert words == ["Up", ", slow", "ly.", None]
    _, attributes = only(spool)
    assert attributes[names.OUTPUT] == "Up, slowly."
    assert attributes[names.COMPLETION_START_TIME]


async def test_no_chunk_waits_for_another_in_asyncio(spool: Spool) -> None:
    pieces = chat_events("Up", ", slow", "ly.")
    with Gated(pieces) as server:
        async with ModelFactory.traced(SDKS["openai"].amake(server.url)) as client:
            position = 0
            async for _ in await client.chat.completions.create(**CHAT, stream=True):
                server.seen[position].set()
                position += 1
                if position == len(pieces) - 1:
                    server.seen[-1].set()
    assert only(spool)[1][names.OUTPUT] == "Up, slowly."


def test_a_reader_that_stops_early_is_recorded_with_what_came(spool: Spool) -> None:
    with Gated(chat_events("Up", ", slow", finish=False)) as server:
        client = ModelFactory.traced(SDKS["openai"].make(server.url))
        with client.chat.completions.create(**CHAT, stream=True) as stream:
            assert next(iter(stream)).choices[0].delta.content == "Up"
    row, attributes = only(spool)
    assert (row.error_category, attributes[names.OUTPUT]) == ("cancelled", "Up")


def test_a_stream_that_the_program_drops_is_recorded(spool: Spool) -> None:
    with Server(lambda _: Reply(body=b"".join(chat_events("Up")))) as server:
        client = ModelFactory.traced(SDKS["openai"].make(server.url))
        client.chat.completions.create(**CHAT, stream=True)
        gc.collect()
    assert only(spool)[0].error_category == "cancelled"


def test_a_stream_that_breaks_off_is_recorded_as_broken(spool: Spool) -> None:
    openai = module("openai")
    body = b"".join(chat_events("Up", finish=False))
    with Server(lambda _: Reply(body=body, headers={"content-type": "text/event-stream"}, reset=True)) as server:
        client = ModelFactory.traced(SDKS["openai"].make(server.url))
        with pytest.raises((openai.APIConnectionError, httpx2.HTTPError)):
            list(client.chat.completions.create(**CHAT, stream=True))
    row, attributes = only(spool)
    assert (row.error_category, attributes[names.OUTPUT]) == ("connection", "Up")


async def test_a_cancelled_call_is_recorded_as_cancelled(spool: Spool) -> None:
    with Server(lambda _: Reply(hang=True)) as server:
        client = ModelFactory.traced(SDKS["openai"].amake(server.url))
        task = asyncio.create_task(client.chat.completions.create(**CHAT))
        while not server.received:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await client.close()
    while not spool.rows_after(0):
        await asyncio.sleep(0.01)
    assert only(spool)[0].error_category == "cancelled"


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_compressed_streams_are_read(encoding: str, spool: Spool) -> None:
    body = b"".join(chat_events("Up", ", slowly."))
    headers = {"content-type": "text/event-stream", "content-encoding": encoding}
    with Server(lambda _: Reply(body=gzip.compress(body) if encoding == "gzip" else body, headers=headers)) as server:
        client = ModelFactory.traced(SDKS["openai"].make(server.url))
        assert len(list(client.chat.completions.create(**CHAT, stream=True))) == 3
    assert only(spool)[1][names.OUTPUT] == "Up, slowly."


def test_a_whole_reply_that_is_read_as_a_stream_is_recorded(spool: Spool) -> None:
    dialect = dialect_of(SDKS["openai"])
    with Server(lambda _: dialect.reply(Says("yes"))) as server:
        client = ModelFactory.traced(SDKS["openai"].make(server.url))
        with client.chat.completions.with_streaming_response.create(**CHAT) as response:
            assert b"yes" in response.read()
    assert only(spool)[1][names.OUTPUT] == "yes"

"""State facts about the connections of plain clients: what of a request is written at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpcore2
import httpx2
import pytest
from httpcore2._backends.sync import SyncBackend
from typing_extensions import override

from src.models.transport import bounded_stream
from tests.servers import Reply, Server

if TYPE_CHECKING:
    from collections.abc import Iterator


class Recorded(httpcore2.NetworkStream):
    """A real connection that notes what is written to it."""

    def __init__(self, stream: httpcore2.NetworkStream, writes: list[bytes]) -> None:
        self._stream, self._writes = stream, writes

    @override
    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, timeout)

    @override
    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._writes.append(bytes(buffer))
        self._stream.write(buffer, timeout)

    @override
    def close(self) -> None:
        self._stream.close()

    @override
    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class RecordedBackend(SyncBackend):
    """Makes such connections."""

    def __init__(self, writes: list[bytes]) -> None:
        self._writes = writes

    @override
    def connect_tcp(self, *arguments: Any, **options: Any) -> httpcore2.NetworkStream:
        return Recorded(super().connect_tcp(*arguments, **options), self._writes)


@pytest.fixture
def writes() -> list[bytes]:
    return []


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(lambda request: Reply(body=str(len(request.body)).encode())) as server:
        yield server


@pytest.fixture
def client(writes: list[bytes]) -> Iterator[httpx2.Client]:
    with httpx2.Client(trust_env=False) as client:
        transport: Any = client._transport
        transport._pool._network_backend = RecordedBackend(writes)
        bounded_stream.install(client, lambda: 60.0)
        yield client


def test_writes_the_head_of_a_request_together_with_a_short_body(
    client: httpx2.Client, server: Server, writes: list[bytes]
) -> None:
    for number in (1, 2):  # the second on the same connection
        assert client.post(server.url, content=b"first body").text == "10"
        assert len(writes) == number
        assert writes[-1].startswith(b"POST ")
        assert writes[-1].endswith(b"\r\n\r\nfirst body")


def test_writes_a_long_body_behind_its_head(client: httpx2.Client, server: Server, writes: list[bytes]) -> None:
    assert client.post(server.url, content=b"x" * 100_000).text == "100000"
    assert [len(written) for written in writes[1:]] == [100_000]
    assert writes[0].endswith(b"\r\n\r\n")


@pytest.mark.parametrize("content", [b"", b"POST \r\n\r\n", b"POST / HTTP/1.1\r\n\r\n" * 2])
def test_writes_every_byte_of_a_body_that_is_empty_or_looks_like_a_head(
    client: httpx2.Client, server: Server, writes: list[bytes], content: bytes
) -> None:
    assert client.post(server.url, content=content).text == str(len(content))
    assert b"".join(writes).partition(b"\r\n\r\n")[2] == content


def test_writes_the_pieces_of_a_body_that_is_sent_in_pieces(
    client: httpx2.Client, server: Server, writes: list[bytes]
) -> None:
    pieces = [b"one ", b"two ", b"three"]
    assert client.post(server.url, content=iter(pieces), headers={"content-length": "13"}).text == "13"
    assert b"".join(writes).endswith(b"\r\n\r\none two three")
    assert len(writes) == len(pieces)

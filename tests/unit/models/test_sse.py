"""A stream of events reaches an SDK as the format says it, however it was cut and written."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.models.transport.sse_repair import StreamRepair

VALUES = [{"n": 1, "text": "a }\ndata:{ b"}, {"n": 2, "in": {"a": [1]}}, {"n": 3}]
LINES = [json.dumps(value).encode() for value in VALUES]
EVENTS = b"".join(b"data: " + line + b"\n\n" for line in LINES)
PRETTY = b"".join(
    b"".join(b"data: " + line + b"\n" for line in json.dumps(value, indent=1).encode().splitlines()) + b"\n"
    for value in VALUES
)
WRITTEN = {
    "as the format says": EVENTS,
    "over several lines": PRETTY,
    "without a space": EVENTS.replace(b"data: ", b"data:"),
    "with CRLF": EVENTS.replace(b"\n", b"\r\n"),
    "after a byte order mark": b"\xef\xbb\xbf" + EVENTS,
    "after empty lines": b"\r\n\r\n" + EVENTS,
    "without empty lines between": EVENTS.replace(b"}\n\n", b"}\n"),
    "without empty lines, with CRLF": EVENTS.replace(b"}\n\n", b"}\r\n"),
    "without empty lines, with names": EVENTS.replace(b"}\n\ndata", b"}\nevent: x\ndata"),
    "with names after the data": EVENTS.replace(b"}\n\n", b"}\nevent: x\n\n"),
    "without an end to the last event": EVENTS.rstrip(),
    "with data of nothing": EVENTS.replace(b"data: {", b"data: \n\ndata: {"),
    "with a loose end": EVENTS + b"data:   [done]\n\n",
    "as an array": json.dumps(VALUES).encode(),
    "as an array over lines": json.dumps(VALUES, indent=2).encode(),
    "as lines of JSON": b"\n".join(LINES) + b"\n",
}


def _read(body: bytes) -> list[object]:
    """Read events as the format says: html.spec.whatwg.org/multipage/server-sent-events.html."""
    values: list[object] = []
    data: list[str] = []
    for line in body.decode().replace("\r\n", "\n").split("\n"):
        if not line:
            if data and data != ["[DONE]"]:
                values.append(json.loads("\n".join(data)))
            data = []
        elif line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))
    return values


def _repaired(body: bytes, cuts: list[int]) -> bytes:
    places = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
    stream = StreamRepair()
    return b"".join(stream.feed(body[a:b]) for a, b in pairwise(places)) + stream.flush()


@pytest.mark.parametrize("written", WRITTEN)
@given(st.lists(st.integers(0, 400), max_size=10))
def test_events_are_the_same_however_they_are_written_and_cut(written: str, cuts: list[int]) -> None:
    assert _read(_repaired(WRITTEN[written], cuts)) == VALUES


@pytest.mark.parametrize("failed", [b'error: {"code": 500}\n\n', b'event: error\ndata: {"code": 500}\n\n'])
@given(st.lists(st.integers(0, 400), max_size=10))
def test_a_failure_beside_the_data_becomes_data(failed: bytes, cuts: list[int]) -> None:
    assert _read(_repaired(EVENTS + failed, cuts)) == [*VALUES, {"object": "error", "code": 500}]


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=6))
def test_nothing_breaks_it(body: bytes, cuts: list[int]) -> None:
    assert isinstance(_repaired(body, cuts), bytes)

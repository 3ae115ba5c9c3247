"""Repair the bytes of a stream of events for SDKs, which read the format strictly."""

from __future__ import annotations

import json
import re
from typing import Any, Final

_BOM: Final = b"\xef\xbb\xbf"
# JSON objects on adjacent lines are two events without the empty line between them: no JSON value looks like that.
_EVENT_START: Final = rb"(?:event:[^\n]*\n)?data: ?(?:\{|\[DONE\])"
_EVENT: Final = re.compile(_EVENT_START)
_JOINED_EVENTS: Final = re.compile(rb"\}(\r?\n)(?=" + _EVENT_START + rb")")
# The end of a Chat Completions stream, in the forms that servers send.
_END: Final = re.compile(rb"^data:[ \t]*\"?\[DONE\]\"?[ \t]*(?=\r?$)", re.MULTILINE | re.IGNORECASE)
# An error that only the event's name marks, or that llama.cpp's server sends in a field of its own. Anthropic's own
# form stays, whose text its SDK's errors have.
_NAMED_ERROR: Final = re.compile(
    rb"^(?:error: ?|event: ?error\r?\ndata: ?)\{(?!\s*\"type\"\s*:\s*\"error\"\s*,\s*\"error\"\s*:)", re.MULTILINE
)
_AS_DATA: Final = b'data: {"object": "error", '
# An event without data keeps the connection open.
_EMPTY_DATA: Final = re.compile(rb"^data:[ \t]*\r?$", re.MULTILINE)


class StreamRepair:
    """A body that is fed in pieces and returned in whole lines, as events.

    A body that is not a stream of events, but a reply, a list of replies or one a line, becomes events at its end.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._started = False
        self._whole: list[bytes] | None = None
        self._ends_object = False

    def feed(self, piece: bytes) -> bytes:
        """Take the next piece; return the lines that it completes."""
        if not self._started:
            piece = self._start(self._buffer + piece)
            if not self._started:
                return b""
        if self._whole is not None:
            self._whole.append(piece)
            return b""
        lines, end, self._buffer = (self._buffer + piece).rpartition(b"\n")
        lines += end
        last_line = lines.rfind(b"\n", 0, -1) + 1
        if lines.startswith(b"event:", last_line):  # the name belongs to the data that follow
            lines, self._buffer = lines[:last_line], lines[last_line:] + self._buffer
        return self._repair(lines) if lines else b""

    def flush(self) -> bytes:
        """Return what is left at the end of the body; nothing of one that was blank."""
        if not self._started:
            return b""
        if self._whole is not None:
            return _events(b"".join(self._whole))
        last = self._repair(self._buffer) if self._buffer else b""
        # The empty line that ends an event may be missing after the last one.
        return last + b"\n\n" if last.endswith((b"}", b"}\r")) or (self._ends_object and not last) else last

    def _start(self, start: bytes) -> bytes:
        """Decide by the first character whether a body is a stream of events."""
        text = b"" if _BOM.startswith(start) else start.removeprefix(_BOM).lstrip()
        self._started, self._buffer = bool(text), b"" if text else start
        if text[:1] in (b"{", b"["):
            self._whole = []
        return text

    def _repair(self, lines: bytes) -> bytes:
        if b"error:" in lines or b"error\n" in lines or b"error\r" in lines:
            lines = _NAMED_ERROR.sub(_AS_DATA, lines)
        if b"data:\n" in lines or b"data:\r" in lines or b"data: \n" in lines or b"data: \r" in lines:
            lines = _EMPTY_DATA.sub(b": nothing", lines)
        if b"[DONE]" in lines or b"[done]" in lines:
            lines = _END.sub(b"data: [DONE]", lines)
        if b"}\ndata:" in lines or b"}\r\ndata:" in lines or b"}\nevent:" in lines or b"}\r\nevent:" in lines:
            lines = _JOINED_EVENTS.sub(rb"}\1\1", lines)
        if self._ends_object and _EVENT.match(lines):
            lines = b"\n" + lines
        self._ends_object = lines.endswith((b"}\n", b"}\r\n"))
        return lines


def _events(body: bytes) -> bytes:
    """Return whole replies as the events of a stream."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        lines = [line for line in body.splitlines() if line.strip()]
        return b"".join(map(_event, lines)) if all(map(_is_json, lines)) else _event(body)
    return b"".join(_event(json.dumps(item).encode()) for item in value) if isinstance(value, list) else _event(body)


def _event(body: bytes) -> bytes:
    return b"".join(b"data: " + line + b"\n" for line in body.strip().splitlines()) + b"\n"


def _is_json(line: bytes) -> bool:
    try:
        value: Any = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict)

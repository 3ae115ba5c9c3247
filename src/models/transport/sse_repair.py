"""Mend the bytes of a stream of events on their way to an SDK, which reads what the format says and nothing looser."""

from __future__ import annotations

import json
import re
from typing import Any, Final

_BOM: Final = b"\xef\xbb\xbf"
# Two objects in neighbouring lines are two events, whose empty line between is missing: no JSON holds them so.
_BEGINS: Final = rb"(?:event:[^\n]*\n)?data: ?(?:\{|\[DONE\])"
_NEXT: Final = re.compile(_BEGINS)
_GLUED: Final = re.compile(rb"\}(\r?\n)(?=" + _BEGINS + rb")")
# The end of Chat Completions, as loosely as it is written.
_END: Final = re.compile(rb"^data:[ \t]*\"?\[DONE\]\"?[ \t]*(?=\r?$)", re.MULTILINE | re.IGNORECASE)
# A failure, which only a name beside its data tells, or which llama.cpp's server told in a field of its own.
_FAILED: Final = re.compile(rb"^(?:error: ?|event: ?error\r?\ndata: ?)\{", re.MULTILINE)
_AS_DATA: Final = b'data: {"object": "error", '
# An event without data is one that keeps the connection open.
_NOTHING: Final = re.compile(rb"^data:[ \t]*\r?$", re.MULTILINE)


class Mended:
    """Take a body in pieces; give it back in whole lines, as events.

    A body that is no stream of events, but a reply, a list of them or one in each line, becomes events at its end.
    """

    def __init__(self) -> None:
        self._held = b""
        self._begun = False
        self._whole: list[bytes] | None = None
        self._glues = False

    def feed(self, piece: bytes) -> bytes:
        """Take the next piece; return the lines that it completes."""
        if not self._begun:
            piece = self._begin(self._held + piece)
            if not self._begun:
                return b""
        if self._whole is not None:
            self._whole.append(piece)
            return b""
        lines, end, self._held = (self._held + piece).rpartition(b"\n")
        lines += end
        name = lines.rfind(b"\n", 0, -1) + 1
        if lines.startswith(b"event:", name):  # which goes with its data, that come next
            lines, self._held = lines[:name], lines[name:] + self._held
        return self._lines(lines) if lines else b""

    def rest(self) -> bytes:
        """Return what came last."""
        if self._whole is not None:
            return _events(b"".join(self._whole))
        last = self._lines(self._held) if self._held else b""
        # The empty line that ends an event may be missing after the last one.
        return last + b"\n\n" if last.endswith((b"}", b"}\r")) or (self._glues and not last) else last

    def _begin(self, start: bytes) -> bytes:
        """Decide by its first character what a body is."""
        text = b"" if _BOM.startswith(start) else start.removeprefix(_BOM).lstrip()
        self._begun, self._held = bool(text), b"" if text else start
        if text[:1] in (b"{", b"["):
            self._whole = []
        return text

    def _lines(self, lines: bytes) -> bytes:
        if b"error:" in lines or b"error\n" in lines or b"error\r" in lines:
            lines = _FAILED.sub(_AS_DATA, lines)
        if b"data:\n" in lines or b"data:\r" in lines or b"data: \n" in lines or b"data: \r" in lines:
            lines = _NOTHING.sub(b": nothing", lines)
        if b"[DONE]" in lines or b"[done]" in lines:
            lines = _END.sub(b"data: [DONE]", lines)
        if b"}\ndata:" in lines or b"}\r\ndata:" in lines or b"}\nevent:" in lines or b"}\r\nevent:" in lines:
            lines = _GLUED.sub(rb"}\1\1", lines)
        if self._glues and _NEXT.match(lines):
            lines = b"\n" + lines
        self._glues = lines.endswith((b"}\n", b"}\r\n"))
        return lines


def _events(body: bytes) -> bytes:
    """Return whole replies as the events of a stream."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        lines = [line for line in body.splitlines() if line.strip()]
        return b"".join(map(_event, lines)) if all(map(_is_json, lines)) else _event(body)
    return b"".join(_event(json.dumps(item).encode()) for item in told) if isinstance(told, list) else _event(body)


def _event(body: bytes) -> bytes:
    return b"".join(b"data: " + line + b"\n" for line in body.strip().splitlines()) + b"\n"


def _is_json(line: bytes) -> bool:
    try:
        told: Any = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(told, dict)

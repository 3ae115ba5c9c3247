"""Limit the bytes of a provider's reply, so that one reply cannot fill the memory or take all the time of others."""

from __future__ import annotations

import math
import numbers
import os
from typing import Final

from src.models.errors import InvalidRequest, MalformedResponse

VARIABLE: Final = "MOONDEV_REPLY_MAX_MB"
# The longest texts that models write are about half a megabyte.
DEFAULT_MB: Final = 8.0
# A stream repeats the names of its fields with every word, so that its bytes are many times those of its text.
_STREAM_FACTOR: Final = 32
_EVENT_ENDS: Final = (b"\n\n", b"\r\n\r\n", b"}\n", b"}\r\n")


def most_bytes(megabytes: object = None) -> int:
    """Return the most bytes that a reply may have, after decompression.

    Args:
        megabytes: As the program sets it; where it is None, MOONDEV_REPLY_MAX_MB, else 8.

    Raises:
        InvalidRequest: it is no number above 0.
    """
    name = "reply_max_mb"
    if megabytes is None:
        text = os.environ.get(VARIABLE, "").strip()
        name, megabytes = VARIABLE, _float(text) if text else DEFAULT_MB
        if megabytes is None:
            raise _refusal(name, text)
    if isinstance(megabytes, bool) or not isinstance(megabytes, numbers.Real):
        raise _refusal(name, megabytes)
    if not math.isfinite(megabytes) or megabytes <= 0:
        raise _refusal(name, megabytes)
    return max(int(float(megabytes) * 1024 * 1024), 1)


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _refusal(name: str, value: object) -> InvalidRequest:
    return InvalidRequest(f"{name} is {value!r}: give megabytes above 0, such as {DEFAULT_MB:g}.", parameter=name)


def too_long(most: int) -> MalformedResponse:
    """Return the error of a reply that exceeds its limit."""
    return MalformedResponse(
        f"the reply is longer than {most / 1024 / 1024:.3g} MB, and was not read to its end; "
        f"{VARIABLE}, or reply_max_mb of get_model, allows more"
    )


class Meter:
    """Counts the bytes of one reply.

    Args:
        most: The most that a whole reply, or one event of a stream, may have. A stream may have 32 times as many.
        is_stream: Whether the reply is a stream of events.
    """

    __slots__ = ("_event", "_is_stream", "_most", "_total")

    def __init__(self, most: int, *, is_stream: bool) -> None:
        self._most = most
        self._is_stream = is_stream
        self._total = 0
        self._event = 0

    def take(self, piece: bytes) -> None:
        """Count a piece.

        Raises:
            MalformedResponse: the reply is too long.
        """
        self._total += len(piece)
        if not self._is_stream:
            if self._total > self._most:
                raise too_long(self._most)
            return
        end = max(piece.rfind(mark) for mark in _EVENT_ENDS)
        self._event = len(piece) - end if end >= 0 else self._event + len(piece)
        if self._event > self._most or self._total > self._most * _STREAM_FACTOR:
            raise too_long(self._most)

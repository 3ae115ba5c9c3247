"""Pack long spans for the store: their texts are nine tenths of its bytes, and LZ4 halves them at no cost.

What it saves in writing (twice: into the log, then into the file) takes as long as compressing, so it costs a call
nothing. Short spans stay as they are.
"""

from __future__ import annotations

from typing import Final

try:
    import lz4.frame as _lz4
except ImportError:  # a checkout that has not installed it yet: its spans stay as they are
    _lz4 = None

_LONG: Final = 16_384  # bytes
_MAGIC: Final = b"\x04\x22\x4d\x18"  # of LZ4's frames; an encoded Span begins with 0x0a


class DamagedSpan(ValueError):
    """A stored span cannot be unpacked; `seq` is its number, where it is known."""

    seq = 0


def packed(span: bytes) -> bytes:
    """Return an encoded span as the store keeps it."""
    if len(span) < _LONG or _lz4 is None:
        return span
    short: bytes = _lz4.compress(span, content_checksum=False, store_size=False)
    return short if len(short) < len(span) else span


def unpacked(kept: bytes) -> bytes:
    """Return an encoded span as it was before it was packed.

    Raises:
        RuntimeError: it is packed, and the package lz4 is not installed here.
        DamagedSpan: it is not what was packed.
    """
    if not kept.startswith(_MAGIC):
        return kept
    if _lz4 is None:
        raise RuntimeError("The trace store holds packed spans. Run: pip install lz4")
    try:
        span: bytes = _lz4.decompress(kept)
    except RuntimeError as error:
        raise DamagedSpan(f"The stored span is damaged: {error}") from error
    return span

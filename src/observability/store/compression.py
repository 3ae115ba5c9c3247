"""Compress long spans with LZ4: a span's texts are nine tenths of a store's bytes, and LZ4 halves them at no cost.

Each byte is written twice, into SQLite's log and then into the file, so writing fewer saves as much time as compressing
takes. Short spans are stored as they are.
"""

from __future__ import annotations

from typing import Final

try:
    import lz4.frame as _lz4
except ImportError:  # a checkout that has not installed it yet: its spans are stored as they are
    _lz4 = None

_LONG: Final = 1_024  # bytes
_MAGIC: Final = b"\x04\x22\x4d\x18"  # of LZ4's frames; an encoded Span begins with 0x0a


class DamagedSpan(ValueError):
    """A stored span cannot be decompressed; `seq` is its number, where it is known."""

    seq = 0


def compress(span: bytes) -> bytes:
    """Return an encoded span as it is stored: the same object where it is compressed, or compression gains nothing."""
    if len(span) < _LONG or _lz4 is None or span.startswith(_MAGIC):
        return span
    payload: bytes = _lz4.compress(span, content_checksum=False, store_size=False)
    return payload if len(payload) < len(span) else span


def decompress(payload: bytes) -> bytes:
    """Return the encoded span that a store holds.

    Raises:
        RuntimeError: it is compressed, and the package lz4 is not installed here.
        DamagedSpan: it cannot be decompressed.
    """
    if not payload.startswith(_MAGIC):
        return payload
    if _lz4 is None:
        raise RuntimeError("The trace store holds packed spans. Run: pip install lz4")
    try:
        span: bytes = _lz4.decompress(payload)
    except RuntimeError as error:
        raise DamagedSpan(f"The stored span is damaged: {error}") from error
    return span

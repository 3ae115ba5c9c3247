"""Encode spans as OTLP protobuf, and build requests around the encoded bytes.

Written by hand, since it is on the path of every call: the generated classes take several times as long. The field
numbers are those of opentelemetry/proto/trace/v1/trace.proto and common/v1/common.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Final, TypeAlias

from src.observability.store.compression import DamagedSpan

Scalar: TypeAlias = str | bool | int | float | bytes
AttributeValue: TypeAlias = Scalar | Sequence[Scalar]

_FIXED64 = struct.Struct("<Q").pack
_DOUBLE = struct.Struct("<d").pack
_INT64 = 0xFFFF_FFFF_FFFF_FFFF
# trace_flags: sampled, and whether the parent is remote is known (it is not).
_FLAGS = b"\x85\x01" + struct.pack("<I", 0x101)


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """One event of a span; `time_ns` counts from 1970."""

    name: str
    time_ns: int
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SpanLink:
    """One link of a span to another."""

    trace_id: int
    span_id: int
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DecodedSpan:
    """A decoded span: ids as hex, attributes as Python values."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    start_ns: int
    end_ns: int
    status_code: int
    status_message: str
    attributes: Mapping[str, object]
    events: tuple[SpanEvent, ...] = ()


def _varint(number: int) -> bytes:
    if number < _PRECOMPUTED:
        return _SMALL_VARINTS[number]
    return _long_varint(number)


def _long_varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


_PRECOMPUTED: Final = 2048
_SMALL_VARINTS: Final = [_long_varint(number) for number in range(_PRECOMPUTED)]


def _text(value: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError:  # a lone surrogate, which protobuf refuses
        return value.encode("utf-8", "replace")


def _block(tag: bytes, body: bytes) -> bytes:
    return tag + _varint(len(body)) + body


def _value(value: object) -> bytes:
    """Encode an AnyValue."""
    if type(value) is str or isinstance(value, str):
        return _block(b"\x0a", _text(value))
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int):
        if -(1 << 63) <= value < 1 << 63:
            return b"\x18" + _varint(value & _INT64)
        return _block(b"\x0a", str(value).encode())
    if isinstance(value, float):
        return b"\x21" + _DOUBLE(value)
    if isinstance(value, bytes):
        return _block(b"\x3a", value)
    if isinstance(value, Sequence):
        return _block(b"\x2a", b"".join(_block(b"\x0a", _value(item)) for item in value))
    return _block(b"\x0a", _text(str(value)))


_keys: dict[str, bytes] = {}


def _key(name: str) -> bytes:
    """Encode an attribute's name; names recur, so the encoded ones are cached."""
    encoded = _keys.get(name)
    if encoded is None:
        encoded = _block(b"\x0a", _text(name))
        if len(_keys) < 1024:
            _keys[name] = encoded
    return encoded


@lru_cache(maxsize=1024)
def _name(name: str) -> bytes:
    return _block(b"\x2a", _text(name)) if name else b""


def encode_attributes(attributes: Mapping[str, object]) -> bytes:
    """Return attributes as fields of a Span."""
    return _attributes(b"\x4a", attributes)


def _attributes(tag: bytes, attributes: Mapping[str, object]) -> bytes:
    return b"".join([_attribute(tag, name, value) for name, value in attributes.items()])


def _attribute(tag: bytes, name: str, value: object) -> bytes:
    key = _keys.get(name) or _key(name)
    if type(value) is str:  # nearly all are: an AnyValue with a string in it, written without calls
        data = _text(value)
        size = len(data)
        length = _SMALL_VARINTS[size] if size < _PRECOMPUTED else _long_varint(size)
        inner = _varint(size + len(length) + 1)
        total = _varint(len(key) + 2 + len(inner) + len(length) + size)
        return b"".join((tag, total, key, b"\x12", inner, b"\x0a", length, data))
    if type(value) is int and 0 <= value < _PRECOMPUTED:  # most counts of tokens: no more than two digits of 128
        digits = _SMALL_VARINTS[value]
        size = len(digits) + 1
        return b"".join((tag, _varint(len(key) + 2 + size), key, b"\x12", _SMALL_VARINTS[size], b"\x18", digits))
    body = key + _block(b"\x12", _value(value))
    return tag + _varint(len(body)) + body


encode_attribute: Final = partial(_attribute, b"\x4a")
"""Return one attribute, given its name and value, as a field of a Span."""


def encode_span(
    *,
    trace_id: int,
    span_id: int,
    parent_span_id: int | None,
    name: str,
    kind: int,
    start_ns: int,
    end_ns: int,
    attributes: Mapping[str, AttributeValue] | bytes,
    events: Sequence[SpanEvent] = (),
    links: Sequence[SpanLink] = (),
    status_code: int = 0,
    status_message: str = "",
) -> bytes:
    """Return one opentelemetry.proto.trace.v1.Span; times in nanoseconds since 1970.

    Attributes are a mapping, or the result of `encode_attributes`.
    """
    parts = [
        b"\x0a\x10",
        trace_id.to_bytes(16, "big"),
        b"\x12\x08",
        span_id.to_bytes(8, "big"),
        b"" if parent_span_id is None else b"\x22\x08" + parent_span_id.to_bytes(8, "big"),
        _name(name),
        b"\x30",
        _varint(kind),
        b"\x39",
        _FIXED64(start_ns),
        b"\x41",
        _FIXED64(end_ns),
        attributes if isinstance(attributes, bytes) else encode_attributes(attributes),
    ]
    parts.extend(_block(b"\x5a", _event(event)) for event in events)
    parts.extend(_block(b"\x6a", _link(link)) for link in links)
    if status_code or status_message:
        message = _block(b"\x12", _text(status_message)) if status_message else b""
        parts.append(_block(b"\x7a", message + b"\x18" + _varint(status_code)))
    parts.append(_FLAGS)
    return b"".join(parts)


def _event(event: SpanEvent) -> bytes:
    return (
        b"\x09" + _FIXED64(event.time_ns) + _block(b"\x12", _text(event.name)) + _attributes(b"\x1a", event.attributes)
    )


def _link(link: SpanLink) -> bytes:
    ids = b"\x0a\x10" + link.trace_id.to_bytes(16, "big") + b"\x12\x08" + link.span_id.to_bytes(8, "big")
    return ids + _attributes(b"\x22", link.attributes)


def encode_envelope(
    resource: Mapping[str, AttributeValue],
    scope_name: str,
    scope_version: str,
    scope_attributes: Mapping[str, AttributeValue],
) -> bytes:
    """Return what encloses spans in a request: their Resource and InstrumentationScope, each as an encoded field."""
    scope = _block(b"\x0a", _text(scope_name))
    if scope_version:
        scope += _block(b"\x12", _text(scope_version))
    scope += _attributes(b"\x1a", scope_attributes)
    return _block(b"\x0a", _attributes(b"\x0a", resource)) + _block(b"\x0a", scope)


def _split_envelope(envelope: bytes) -> tuple[bytes, bytes]:
    """Return the encoded resource field and the encoded scope field of an envelope."""
    length, shift, position = 0, 0, 1
    while True:
        byte = envelope[position]
        position += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return envelope[: position + length], envelope[position + length :]


def build_request(groups: Iterable[tuple[bytes, Sequence[bytes]]]) -> bytes:
    """Return an ExportTraceServiceRequest, from envelopes and the encoded spans of each.

    Spans may be long, so that sizes are added up first and each span is copied once.
    """
    parts: list[bytes] = []
    for envelope, spans in groups:
        resource, scope = _split_envelope(envelope)
        lengths = [_varint(len(span)) for span in spans]
        size = len(scope) + sum(map(len, spans)) + sum(map(len, lengths)) + len(spans)
        scope_spans = b"\x12" + _varint(size) + scope
        parts += (b"\x0a", _varint(len(resource) + len(scope_spans) - len(scope) + size), resource, scope_spans)
        for length, span in zip(lengths, spans, strict=True):
            parts += (b"\x12", length, span)
    return b"".join(parts)


def trace_id_of(data: bytes) -> str:
    """Return the trace id of an encoded span, in hex, from its first field."""
    return data[2:18].hex() if data.startswith(b"\x0a\x10") else decode_span(data).trace_id


def decode_span(data: bytes) -> DecodedSpan:
    """Decode a span.

    Raises:
        DamagedSpan: the bytes are no span.
    """
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    try:
        span = Span.FromString(data)
    except DecodeError as error:
        raise DamagedSpan(f"The stored span is damaged: {error}") from error
    return DecodedSpan(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_span_id=span.parent_span_id.hex() or None,
        name=span.name,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        status_code=span.status.code,
        status_message=span.status.message,
        attributes={item.key: _plain(item.value) for item in span.attributes},
        events=tuple(
            SpanEvent(
                name=event.name,
                time_ns=event.time_unix_nano,
                attributes={item.key: _plain(item.value) for item in event.attributes},  # type: ignore[misc] # any value
            )
            for event in span.events
        ),
    )


def _plain(value: object) -> object:
    """Return the Python value of an AnyValue."""
    kind = value.WhichOneof("value")  # type: ignore[attr-defined] # a protobuf message
    if kind == "array_value":
        return tuple(_plain(item) for item in value.array_value.values)  # type: ignore[attr-defined] # as above
    return getattr(value, kind) if kind else None

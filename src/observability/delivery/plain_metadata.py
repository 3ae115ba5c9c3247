"""Write texts in metadata as they are for Langfuse servers that do not take them out of their JSON.

The store holds each value of metadata as JSON, texts in quotes, as version 5 of Langfuse's SDK sends them: a server
from 4.59 on decodes them. An older one stores what it gets, and its filters compare with that, so that `trading_pair =
BTC-USD` does not match `"BTC-USD"`. Source: extractMetadata and StringObjectFilter in packages/shared/src/server of
Langfuse 4.16.0, `_client/attributes.py` of its SDK 5.0.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson

from src.observability import attributes as names
from src.observability.delivery.langfuse_server import parsed_version, version_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.observability.delivery.channel import Channel
    from src.observability.store.records import BatchRow

_DECODES: Final = (4, 59, 0)
_PREFIXES: Final = (names.METADATA, names.TRACE_METADATA)
_MARKS: Final = tuple(prefix.encode() for prefix in _PREFIXES)


def needs_plain_texts(rows: Sequence[BatchRow], channel: Channel) -> bool:
    """Tell whether rows hold metadata that their server stores as it comes; not where its version is unknown."""
    if channel.destination.kind != "langfuse" or channel.destination.is_cloud:
        return False
    if not any(mark in row.span for row in rows for mark in _MARKS):
        return False
    version = parsed_version(version_of(channel.request, channel.destination))
    return version is not None and version < _DECODES


def with_plain_texts(span: bytes) -> bytes:
    """Return an encoded span whose texts in metadata have no JSON quotes; other values stay JSON."""
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    message = Span.FromString(span)
    for attribute in message.attributes:
        text = attribute.value.string_value
        if not text.startswith('"') or not attribute.key.startswith(_PREFIXES):
            continue
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:  # not written by this project
            continue
        attribute.value.string_value = value
    return message.SerializeToString()

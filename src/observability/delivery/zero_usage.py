"""Keep older Langfuse servers from inventing tokens for calls that used none, or whose usage is unknown.

Before 4.2 a server counts the tokens of an observation's texts although its cost is stated; only a usage stops that. A
newer one takes the cost, and would show a usage of 0 tokens as a fact. Source: worker/src/services/IngestionService of
Langfuse, its pull request 15638.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from src.observability import attributes as names
from src.observability.delivery.langfuse_server import parsed_version, version_of
from src.observability.spans import otlp

if TYPE_CHECKING:
    from src.observability.delivery.channel import Channel

_TAKES_COSTS: Final = (4, 2, 0)
_COST: Final = otlp.encode_attribute(names.COST_DETAILS, '{"total":0.0}')
_USAGE_NAME: Final = names.USAGE_DETAILS.encode()
_USAGE: Final = otlp.encode_attribute(names.USAGE_DETAILS, '{"total":0}')


def with_zero_usage(span: bytes, channel: Channel) -> bytes:
    """Return an encoded span, with a usage of 0 where it states a cost of 0 alone and its server needs both."""
    if _COST not in span or _USAGE_NAME in span or channel.destination.is_cloud:
        return span
    version = parsed_version(version_of(channel.request, channel.destination))
    return span + _USAGE if version is not None and version < _TAKES_COSTS else span

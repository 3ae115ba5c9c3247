"""Say beside an observation in Langfuse that its cost is not whole: its pages and sums show a total, and no metadata.

A server takes the total of a cost as it comes, and reads a missing one as 0. Source: calculateUsageCosts in worker/src/
services/IngestionService, `total_cost` in the tables of ClickHouse, StatusMessageBadge in the pages of Langfuse 4.16.0.
"""

from __future__ import annotations

from typing import Final

import orjson

from src.observability import attributes as names
from src.observability.spans import otlp

_UNKNOWN_NAME: Final = names.METADATA + names.COST_UNKNOWN
_UNKNOWN_MARK: Final = _UNKNOWN_NAME.encode()
_STATUS_MARK: Final = names.STATUS_MESSAGE.encode()


def with_remark(span: bytes) -> bytes:
    """Return an encoded span, with what is unknown of its cost as its status message, unless it has one."""
    if _UNKNOWN_MARK not in span or _STATUS_MARK in span:
        return span
    attributes = otlp.decode_span(span).attributes
    unknown = _loaded(attributes.get(_UNKNOWN_NAME))
    if not isinstance(unknown, list) or not unknown:
        return span
    parts = ", ".join(str(part) for part in unknown)
    return span + otlp.encode_attribute(names.STATUS_MESSAGE, _remark(attributes.get(names.COST_DETAILS), parts))


def _remark(details: object, unknown: str) -> str:
    costs = _loaded(details)
    if not isinstance(costs, dict):
        return f"Cost: not known ({unknown}). An amount shown here is by the model prices of this Langfuse project."
    total = costs.get("total")
    if not total:
        return f"Cost: not known ({unknown})."
    return f"Cost: at least this. Not known: {unknown}."


def _loaded(text: object) -> object:
    try:
        return orjson.loads(text) if isinstance(text, str) else None
    except orjson.JSONDecodeError:  # not written by this project
        return None

"""Read out of a span's attributes what the store's queries look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from src.observability import attributes as names
from src.observability.store.spool import SpanRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

_ERROR = 2


def row(
    ids: tuple[int, int, int | None],
    name: str,
    times: tuple[int, int],
    status: tuple[int, str],
    attributes: Mapping[str, object],
    encoded: tuple[bytes, bytes],
) -> SpanRecord:
    """Return the row of a redacted span.

    Args:
        ids: Of the trace, the span, and its parent.
        name: The span's name.
        times: Start and end, nanoseconds since 1970.
        status: OpenTelemetry's status code and message.
        attributes: All attributes of the span.
        encoded: Its envelope, and the span itself.
    """
    get = attributes.get
    trace_id, span_id, parent_id = ids
    return SpanRecord(
        trace_id=f"{trace_id:032x}",
        span_id=f"{span_id:016x}",
        parent_span_id=None if parent_id is None else f"{parent_id:016x}",
        name=name,
        type=_text(get(names.TYPE)) or "span",
        start_ns=times[0],
        end_ns=times[1],
        level=_text(get(names.LEVEL)) or ("ERROR" if status[0] == _ERROR else "DEFAULT"),
        status_message=_text(get(names.STATUS_MESSAGE)) or status[1] or None,
        provider=_text(get(names.PROVIDER)),
        model=_text(get(names.RESPONSE_MODEL)) or _text(get(names.MODEL)),
        agent=_text(get(names.AGENT_NAME)),
        session_id=_text(get(names.SESSION_ID)),
        error_category=_text(get(names.ERROR_TYPE)),
        input_tokens=_number(get(names.INPUT_TOKENS)),
        output_tokens=_number(get(names.OUTPUT_TOKENS)),
        cost_usd=_total_cost(get(names.COST_DETAILS)),
        envelope=encoded[0],
        span=encoded[1],
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _total_cost(details: object) -> float | None:
    if not isinstance(details, str):
        return None
    costs = orjson.loads(details)
    if not isinstance(costs, dict) or not costs:
        return None
    total = costs.get("total")
    return float(total) if total is not None else float(sum(costs.values()))

"""Make a span's record for the store, with the columns for queries read out of its attributes."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, TypedDict

import orjson

from src.observability import attributes as names
from src.observability.spans.facts import span_facts
from src.observability.store.records import BILLED_TYPES, SpanRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ERROR = 2  # OpenTelemetry's status code


def span_record(
    *, trace_id: int, span_id: int, parent_span_id: int | None, name: str, start_ns: int, end_ns: int, status_code: int,
    status_message: str, attributes: Mapping[str, object], envelope: bytes, span: bytes,
) -> SpanRecord:  # fmt: skip
    """Return the record of a redacted span.

    Args:
        trace_id: Its trace's id.
        span_id: Its own id.
        parent_span_id: Its parent's id; None for a root span.
        name: Its name.
        start_ns: When it started, in nanoseconds since 1970.
        end_ns: When it ended.
        status_code: OpenTelemetry's status code.
        status_message: OpenTelemetry's status message.
        attributes: All of its attributes.
        envelope: Its encoded resource and instrumentation scope.
        span: The encoded span.
    """
    get = attributes.get
    type_, provider = _type(attributes), _text(get(names.PROVIDER))
    return SpanRecord(
        trace_id=f"{trace_id:032x}",
        span_id=f"{span_id:016x}",
        parent_span_id=None if parent_span_id is None else f"{parent_span_id:016x}",
        name=name,
        type=type_,
        start_ns=start_ns,
        end_ns=end_ns,
        level=_text(get(names.LEVEL)) or ("ERROR" if status_code == _ERROR else "DEFAULT"),
        status_message=_text(get(names.STATUS_MESSAGE)) or status_message or None,
        provider=provider,
        model=_text(get(names.RESPONSE_MODEL)) or _text(get(names.MODEL)),
        agent=_text(get(names.AGENT_NAME)),
        session_id=_text(get(names.SESSION_ID)),
        error_category=_text(get(names.ERROR_TYPE)),
        input_tokens=_number(get(names.INPUT_TOKENS)),
        output_tokens=_number(get(names.OUTPUT_TOKENS)),
        **_cost(attributes),
        envelope=envelope,
        span=span,
        facts=span_facts(attributes, name=name, type_=type_, provider=provider, start_ns=start_ns),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _type(attributes: Mapping[str, object]) -> str:
    return _text(attributes.get(names.TYPE)) or "span"


class _Cost(TypedDict):
    cost_usd: float | None
    cost_unknown: bool


def _cost(attributes: Mapping[str, object]) -> _Cost:
    """Return the known part of an observation's cost, and whether another part is unknown.

    Of a call whose usage nobody knows the details say 0, so that Langfuse's server invents none; the metadata says what
    that 0 means.
    """
    details = attributes.get(names.COST_DETAILS)
    costs = orjson.loads(details) if isinstance(details, str) else None
    if not isinstance(costs, dict) or not costs:
        return _Cost(cost_usd=None, cost_unknown=_type(attributes) in BILLED_TYPES)
    if attributes.get(names.METADATA + names.USAGE_KNOWN) == "false":
        return _Cost(cost_usd=None, cost_unknown=True)
    total = costs.get("total")
    known = _sum(costs.values()) if total is None else float(total)
    if names.UNKNOWN_COST in costs or names.METADATA + names.COST_UNKNOWN in attributes:
        return _Cost(cost_usd=known or None, cost_unknown=True)
    return _Cost(cost_usd=known, cost_unknown=False)


def _sum(dollars: Iterable[object]) -> float:
    """Return a sum of amounts as their digits say it: 0.1 + 0.2 is 0.3."""
    return float(sum((Decimal(str(amount)) for amount in dollars), Decimal(0)))

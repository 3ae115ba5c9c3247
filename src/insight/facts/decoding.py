"""Read the facts of rows that an older program stored, out of their spans and of the events beside them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from src.observability import attributes as names
from src.observability.spans.facts import READ, span_facts
from src.observability.store.compression import DamagedSpan, decompress
from src.observability.store.records import NO_FACTS, SpanFacts

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Mapping

_CATEGORY = names.METADATA + "category"


def decoded_facts(payload: bytes | None, *, name: str, type_: str, provider: str | None, start_ns: int) -> SpanFacts:
    """Return the facts of a stored span; none of them where it cannot be read."""
    attributes = attributes_of(payload, READ)
    if attributes is None:
        return NO_FACTS
    return span_facts(attributes, name=name, type_=type_, provider=provider, start_ns=start_ns)


def attributes_of(payload: bytes | None, wanted: Collection[str]) -> dict[str, object] | None:
    """Return those attributes of a span that are wanted; None where it cannot be read."""
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    if payload is None:
        return None
    try:
        span = Span.FromString(decompress(payload))
    except (DamagedSpan, DecodeError):
        return None
    return {item.key: _plain(item.value) for item in span.attributes if item.key in wanted}


def _plain(value: Any) -> object:
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value
    if kind == "array_value":
        return tuple(_plain(item) for item in value.array_value.values)
    return getattr(value, kind) if kind else None


class EventRow(NamedTuple):
    """An event that an older program stored beside a generation."""

    trace_id: str
    parent_span_id: str
    name: str
    payload: bytes


def child_events(store: sqlite3.Connection, trace_ids: Collection[str]) -> list[EventRow]:
    """Return the events of some traces that tell what was tried again and what was repaired, in their order."""
    if not trace_ids:
        return []
    rows = store.execute(
        "SELECT o.trace_id, o.parent_span_id, o.name, p.span FROM observations o JOIN payloads p USING (seq) "
        f"WHERE o.trace_id IN ({', '.join('?' * len(trace_ids))}) AND o.type = 'event' "
        "AND o.name IN ('attempt_failed', 'repair') AND o.parent_span_id IS NOT NULL ORDER BY o.seq",
        sorted(trace_ids),
    )
    return [EventRow(*row) for row in rows]


class ChildEvents:
    """What the events beside generations say of them."""

    def __init__(self, events: Iterable[EventRow]) -> None:
        self._retried: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self._repaired: set[tuple[str, str]] = set()
        for event in events:
            place = (event.trace_id, event.parent_span_id)
            if event.name == "repair":
                self._repaired.add(place)
            else:
                self._retried[place].append(_category(attributes_of(event.payload, (_CATEGORY,))))

    def completed(self, facts: SpanFacts, trace_id: str, span_id: str) -> SpanFacts:
        """Return the facts of a generation with what its events say."""
        place = (trace_id, span_id)
        retried = ",".join(self._retried.get(place, ())) or facts.retried
        return facts._replace(retried=retried, repaired=place in self._repaired or bool(facts.repaired))


def _category(attributes: Mapping[str, object] | None) -> str:
    text = str((attributes or {}).get(_CATEGORY) or "")
    return text.strip('"').replace(",", " ") or "unknown"

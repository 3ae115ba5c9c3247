"""Read observations with their texts page by page, so that a store of any size can be read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from src.observability import attributes as names
from src.observability.spans import otlp
from src.observability.spans.facts import span_facts
from src.observability.store.compression import DamagedSpan, decompress
from src.observability.store.records import FACT_COLUMNS, OBSERVATION_COLUMNS, SpanFacts, by_column
from src.observability.store.schema import readable

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence

    from src.observability.store.reader import StoreReader

_PAGE: Final = 500  # rows of one short transaction
_TRACES: Final = 100
_COLUMNS: Final = ("seq", *OBSERVATION_COLUMNS, *FACT_COLUMNS, "span")


@dataclass(frozen=True, slots=True)
class StoredObservation:
    """One observation with its texts; `columns` are those of the store, `facts` what reports filter by.

    `input` and `output` are as the span holds them: a text, or JSON; `parameters` are what a model was asked with, as
    JSON. `metadata` has its values decoded.
    """

    columns: Mapping[str, Any]
    facts: SpanFacts
    input: str | None
    output: str | None
    metadata: Mapping[str, object]
    parameters: str | None = None


def every_observation(reader: StoreReader) -> Iterator[StoredObservation]:
    """Yield all observations that a store has now, in the order in which they were stored."""
    last = reader.last_seq()
    seq = 0
    while seq < last:

        def page(connection: sqlite3.Connection, after: int = seq) -> list[tuple[int, StoredObservation]]:
            return _read(connection, "seq > ? AND seq <= ? ORDER BY seq LIMIT ?", (after, last, _PAGE))

        rows = reader.ask(page, _no_rows())
        if not rows:
            return
        seq = rows[-1][0]
        yield from (row for _, row in rows)


def observations_of(reader: StoreReader, trace_ids: Sequence[str]) -> Iterator[StoredObservation]:
    """Yield the observations of traces, trace by trace in their order here, each in the order in which they began."""
    for start in range(0, len(trace_ids), _TRACES):
        part = trace_ids[start : start + _TRACES]

        def page(connection: sqlite3.Connection, ids: Sequence[str] = part) -> list[tuple[int, StoredObservation]]:
            marks = ", ".join("?" * len(ids))
            return _read(connection, f"trace_id IN ({marks}) ORDER BY start_ns, seq", ids)

        rank = {trace_id: number for number, trace_id in enumerate(part)}
        rows = [row for _, row in reader.ask(page, _no_rows())]
        yield from sorted(rows, key=lambda row: rank[row.columns["trace_id"]])


def _no_rows() -> list[tuple[int, StoredObservation]]:
    return []


def _read(
    connection: sqlite3.Connection, condition: str, values: Sequence[object]
) -> list[tuple[int, StoredObservation]]:
    columns = readable(connection, _COLUMNS)
    statement = f"SELECT {columns} FROM observations JOIN payloads USING (seq) WHERE {condition}"  # noqa: S608 - our own names
    return [(row[0], _observation(row)) for row in connection.execute(statement, values)]


def _observation(row: tuple[Any, ...]) -> StoredObservation:
    split = 1 + len(OBSERVATION_COLUMNS)
    columns = by_column(_COLUMNS[:split], row[:split])
    facts = SpanFacts(*row[split:-1])
    try:
        attributes = otlp.decode_span(decompress(row[-1])).attributes
    except DamagedSpan as error:
        return StoredObservation(columns, facts, None, None, {"damaged": str(error)})
    if facts.repaired is None:  # of an older program
        facts = span_facts(
            attributes,
            name=columns["name"],
            type_=columns["type"],
            provider=columns["provider"],
            start_ns=columns["start_ns"],
        )
    return StoredObservation(
        columns=columns,
        facts=facts,
        input=_text(attributes.get(names.INPUT)),
        output=_text(attributes.get(names.OUTPUT)),
        parameters=_text(attributes.get(names.MODEL_PARAMETERS)),
        metadata={
            name.removeprefix(names.METADATA): decoded(value)
            for name, value in attributes.items()
            if name.startswith(names.METADATA)
        },
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def decoded(value: object) -> object:
    """Return the value that an attribute's JSON text holds; what is no JSON as it is."""
    if not isinstance(value, str):
        return list(value) if isinstance(value, tuple) else value
    try:
        return orjson.loads(value)
    except ValueError:
        return value


def moment(ns: int) -> str:
    """Return a time in nanoseconds since 1970 as ISO 8601 in UTC, with microseconds."""
    seconds, rest = divmod(ns, 1_000_000_000)
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"
    except (ValueError, OverflowError, OSError):
        return str(ns)  # from a clock that was set beyond year 9999


_AS_THEY_ARE: Final = (
    "status_message", "error_category", "provider", "model", "agent", "session_id", "input_tokens", "output_tokens",
    "cost_usd",
)  # fmt: skip
# The columns of a flat record, in their order.
FLAT_COLUMNS: Final = (
    "trace_id", "observation_id", "parent_id", "name", "type", "start", "end", "latency_ms", "level", *_AS_THEY_ARE,
    "cost_unknown", *FACT_COLUMNS, "input", "output", "metadata",
)  # fmt: skip


def flat(item: StoredObservation) -> dict[str, object]:
    """Return an observation as one flat record: texts, numbers and None alone; lists and metadata as JSON."""
    columns, facts = item.columns, item.facts
    return {
        "trace_id": columns["trace_id"],
        "observation_id": columns["span_id"],
        "parent_id": columns["parent_span_id"],
        "name": columns["name"],
        "type": columns["type"],
        "start": moment(columns["start_ns"]),
        "end": moment(columns["end_ns"]),
        "latency_ms": (columns["end_ns"] - columns["start_ns"]) / 1e6,
        "level": columns["level"],
        **{name: columns[name] for name in _AS_THEY_ARE},
        "cost_unknown": None if columns["cost_unknown"] is None else bool(columns["cost_unknown"]),
        **facts._asdict(),
        "repaired": bool(facts.repaired),
        "input": item.input,
        "output": item.output,
        "metadata": orjson.dumps(item.metadata).decode() if item.metadata else None,
    }


def observations_at(reader: StoreReader, locations: Sequence[tuple[int, str, str]]) -> Iterator[StoredObservation]:
    """Yield observations by their recorded locations: number in the store, trace, and their own id.

    Numbers change when a damaged store is replaced; an observation that is not at its number is looked for in its
    trace. One that is gone is left out.
    """
    for start in range(0, len(locations), _PAGE):
        part = locations[start : start + _PAGE]

        numbers = [item[0] for item in part]

        def page(connection: sqlite3.Connection, ids: Sequence[int] = numbers) -> list[tuple[int, StoredObservation]]:
            return _read(connection, f"seq IN ({', '.join('?' * len(ids))})", ids)

        rows = {row.columns["span_id"]: row for _, row in reader.ask(page, _no_rows())}
        for _, trace_id, span_id in part:
            if span_id in rows:
                yield rows[span_id]
            else:
                yield from (row for row in observations_of(reader, [trace_id]) if row.columns["span_id"] == span_id)

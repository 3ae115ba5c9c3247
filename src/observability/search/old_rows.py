"""Read from spans the facts that rows of older programs lack as columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from src.observability.spans import otlp
from src.observability.spans.facts import span_facts
from src.observability.store.compression import DamagedSpan, decompress

if TYPE_CHECKING:
    import sqlite3

    from src.observability.store.records import SpanFacts


def define_comparison(connection: sqlite3.Connection, function: str, column: str, value: str, *, exact: bool) -> None:
    """Define the SQL function `function(span, name, type, provider, start_ns)`: whether a span's fact has a value.

    Args:
        connection: The connection.
        function: The name of the function.
        column: The fact, by the name of its column; of `tags` any of them.
        value: The value.
        exact: Whether the case of ASCII letters counts.
    """
    comparable = value if exact else ascii_lower(value)
    # An encoded span contains such a value as it is, however the program has written its attributes.
    needle = comparable.encode() if value.isascii() and not {'"', "\\"} & set(value) else b""

    def compare(payload: bytes, name: str, type_: str, provider: str | None, start_ns: int) -> bool:
        try:
            span = decompress(payload)
            if needle not in (span if exact else span.lower()):
                return False
            facts = facts_of(span, name=name, type_=type_, provider=provider, start_ns=start_ns)
        except DamagedSpan:
            return False
        stated = getattr(facts, column)
        if stated is None:
            return False
        texts = orjson.loads(stated) if column == "tags" else [stated]
        return any((text if exact else ascii_lower(text)) == comparable for text in texts)

    connection.create_function(function, 5, compare, deterministic=True)


def ascii_lower(text: str) -> str:
    """Return a text with its ASCII letters in lower case, as SQLite's NOCASE compares."""
    return text.lower() if text.isascii() else "".join(sign.lower() if sign.isascii() else sign for sign in text)


def facts_of(span: bytes, *, name: str, type_: str, provider: str | None, start_ns: int) -> SpanFacts:
    """Return the facts of an encoded span.

    Raises:
        DamagedSpan: the bytes are no span.
    """
    attributes = otlp.decode_span(span).attributes
    return span_facts(attributes, name=name, type_=type_, provider=provider, start_ns=start_ns)

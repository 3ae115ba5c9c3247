"""Make the statement that inserts an observation, without the facts that it lacks.

Most observations lack most facts, and Python's module for SQLite takes four times as long to bind a None, or a bool, as
a text or a number: it asks first whether the object adapts itself.
"""

from __future__ import annotations

from itertools import compress, repeat
from operator import is_not
from typing import TYPE_CHECKING, Final

from src.observability.store.records import FACT_COLUMNS, OBSERVATION_COLUMNS, RecurringFacts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.observability.store.records import SpanFacts, SpanRecord

    Insertion = tuple[str, tuple[object, ...]]

_MOST: Final = 24  # statements, as a connection keeps 64 of all kinds compiled
_NONES: Final = repeat(None)
_INTEGERS: Final[dict[object, object]] = {False: 0, True: 1}
*_OPTIONAL, _REPAIRED = FACT_COLUMNS  # the last one is only missing in rows of older programs


def _statement(facts: Sequence[str]) -> str:
    columns = (*OBSERVATION_COLUMNS, *facts, _REPAIRED, "envelope")
    return f"INSERT INTO observations ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - our own names


_WHOLE: Final = _statement(_OPTIONAL)
_statements: Final[dict[tuple[bool, ...], str]] = {}


def observation_insert(record: SpanRecord, envelope_id: int) -> Insertion:
    """Return the statement that inserts an observation, and its values."""
    facts = record.facts
    if type(facts) is RecurringFacts:
        statement, values = facts.insertion or _remembered(facts)
    else:
        statement, values = _insertion(facts)
    unknown = record.cost_unknown
    return statement, (
        record.trace_id, record.span_id, record.parent_span_id, record.name, record.type, record.start_ns,
        record.end_ns, record.level, record.status_message, record.provider, record.model, record.agent,
        record.session_id, record.error_category, record.input_tokens, record.output_tokens, record.cost_usd,
        1 if unknown is True else 0 if unknown is False else unknown, *values, envelope_id,
    )  # fmt: skip


def _remembered(facts: RecurringFacts) -> Insertion:
    insertion = facts.insertion = _insertion(facts)
    return insertion


def _insertion(facts: SpanFacts) -> Insertion:
    """Return the statement for an observation with these facts, and the facts' own values in it."""
    repaired = _INTEGERS.get(facts[-1], facts[-1])
    there = tuple(map(is_not, facts[:-1], _NONES))
    statement = _statements.get(there)
    if statement is None:
        if len(_statements) >= _MOST:
            return _WHOLE, (*facts[:-1], repaired)
        statement = _statements[there] = _statement(list(compress(_OPTIONAL, there)))
    return statement, (*compress(facts, there), repaired)

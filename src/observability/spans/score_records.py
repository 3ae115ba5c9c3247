"""Make a score's record for the store."""

from __future__ import annotations

import math
import time
import uuid
from typing import TYPE_CHECKING, Literal

from opentelemetry import context as otel_context

from src.observability import attributes as names
from src.observability.redaction import hide_own, redact_text
from src.observability.settings import environment_name
from src.observability.spans import encoding
from src.observability.spans import scope as scopes
from src.observability.store.records import ScoreRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.observability.settings import Settings
    from src.observability.spans.scope import Scope

DataType = Literal["NUMERIC", "CATEGORICAL", "BOOLEAN"]


def make(
    name: str,
    value: float | str | bool,
    *,
    settings: Settings,
    default: Callable[[Scope | None], Scope],
    trace_id: str | None = None,
    observation_id: str | None = None,
    session_id: str | None = None,
    comment: str | None = None,
    score_id: str | None = None,
    timestamp_ns: int | None = None,
    metadata: object = None,
    environment: str | None = None,
) -> ScoreRecord:
    """Return the record of a score, without secrets.

    Args:
        name: The score's name.
        value: A number, a bool or a text.
        settings: Decide how texts are redacted, and the environment where nothing else does.
        default: Returns the scope of what runs outside any agent.
        trace_id: The id of the trace that is scored.
        observation_id: The id of the observation that is scored; `trace_id` is then its trace's.
        session_id: The id of the session that is scored.
        comment: A remark.
        score_id: The score's id; a new one where not set.
        timestamp_ns: Nanoseconds since 1970; now where not set.
        metadata: Anything that can be written as JSON.
        environment: Where not set, that of the run which this code is part of, else the process's.

    Raises:
        ValueError: the value is a number that no server accepts.
    """
    clean = hide_own if settings.capture == "full" else redact_text
    session = scopes.langfuse_id(session_id)
    return ScoreRecord(
        id=clean(str(score_id)) if score_id else uuid.uuid4().hex,
        trace_id=clean(trace_id) if trace_id else None,
        observation_id=clean(observation_id) if observation_id else None,
        session_id=clean(session) if session else None,
        name=clean(name),
        value=clean(value) if isinstance(value, str) else _number(value),
        data_type=_data_type(value),
        comment=clean(comment) if comment else None,
        timestamp_ns=timestamp_ns if timestamp_ns is not None else time.time_ns(),
        environment=environment_name(clean(environment or "")) or _environment(settings, default),
        metadata=clean(encoding.json_text(metadata)) if metadata is not None else None,
    )


def _number(value: object) -> float:
    number = float(value)  # type: ignore[arg-type] # whatever can be a float: numpy's numbers, Decimal
    if not math.isfinite(number):
        raise ValueError(f"{number} is not a number that a server takes")
    return number


def _data_type(value: float | str | bool) -> DataType:
    if type(value).__name__ in ("bool", "bool_"):  # numpy's too, which comparisons of prices return
        return "BOOLEAN"
    return "CATEGORICAL" if isinstance(value, str) else "NUMERIC"


def _environment(settings: Settings, default: Callable[[Scope | None], Scope]) -> str:
    """Return the environment of the run that this code is part of, else the process's."""
    environment = scopes.from_context(otel_context.get_current(), default).attributes.get(names.ENVIRONMENT)
    return str(environment or settings.environment)

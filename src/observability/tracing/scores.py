"""Store scores on a trace, an observation or a session; they travel the same durable way as observations."""

from __future__ import annotations

import logging
import time
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context

from src.observability import attributes as names
from src.observability.redaction import hide_own, redact_text
from src.observability.settings import environment_name
from src.observability.spans import encoding
from src.observability.spans import scope as scopes
from src.observability.spans.score_records import _data_type, _number
from src.observability.tracker import get_tracker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from src.observability.tracker import LangFuseTracker

_log = logging.getLogger("moondev.observability")


def score(
    name: str,
    value: float | str | bool,
    *,
    trace_id: str | None = None,
    observation_id: str | None = None,
    session_id: str | None = None,
    comment: str | None = None,
    score_id: str | None = None,
    timestamp_ns: int | None = None,
    metadata: object = None,
    environment: str | None = None,
) -> str | None:
    """Store a score; return its id, or None where it could not be stored (which is logged).

    A number is NUMERIC, a bool BOOLEAN, a text CATEGORICAL. Give `score_id` and the first score's
    `timestamp_ns` to replace a score later: Langfuse replaces one only when id, name and date match. `environment` is
    that of the run which this code is part of, else the process's, where it is not given.

    Raises:
        ValueError: neither a trace, an observation nor a session is named.
    """
    tracker = get_tracker()
    if tracker.spool is None:
        return None  # nothing is recorded, so no run has an id to be named
    if trace_id is None and session_id is None:
        raise ValueError(f"The score {name!r} needs a trace_id (with or without an observation_id) or a session_id.")
    from src.observability.store.spool import ScoreRecord, SpoolError

    clean = hide_own if tracker.settings.capture == "full" else redact_text
    try:
        identity = clean(str(score_id)) if score_id else uuid.uuid4().hex
        session = scopes.plain_id(session_id)
        record = ScoreRecord(
            id=identity,
            trace_id=clean(trace_id) if trace_id else None,
            observation_id=clean(observation_id) if observation_id else None,
            session_id=clean(session) if session else None,
            name=clean(name),
            value=clean(value) if isinstance(value, str) else _number(value),
            data_type=_data_type(value),
            comment=clean(comment) if comment else None,
            timestamp_ns=timestamp_ns if timestamp_ns is not None else time.time_ns(),
            environment=environment_name(environment or "") or _environment(tracker),
            metadata=clean(encoding.json_text(metadata)) if metadata is not None else None,
        )
        tracker.spool.append_score(record)
    except Exception as error:  # noqa: BLE001 - a score never breaks the traced code
        if not isinstance(error, SpoolError):  # which the store has counted itself
            tracker.spool.count_loss()
        _log.error("The score %s was lost: %s", redact_text(str(name)), redact_text(str(error)))
        return None
    tracker.wake()
    return identity


def _environment(tracker: LangFuseTracker) -> str:
    found = scopes.of(otel_context.get_current(), tracker.default_scope).attributes.get(names.ENVIRONMENT)
    return str(found or tracker.settings.environment)


def take(body: Mapping[str, Any]) -> bool:
    """Store a score as Langfuse's API spells it; False where it says more than a score of ours can."""
    kind, value = body.get("dataType"), body.get("value")
    plain = kind in (None, "NUMERIC", "BOOLEAN", "CATEGORICAL") and isinstance(value, str | int | float)
    if (
        not plain
        or body.get("datasetRunId")
        or body.get("configId")
        or not (body.get("traceId") or body.get("sessionId"))
    ):
        return False
    moment = body.get("timestamp")
    score(
        str(body.get("name", "")),
        bool(value) if kind == "BOOLEAN" else value,  # type: ignore[arg-type] # looked at above
        trace_id=body.get("traceId"),
        observation_id=body.get("observationId"),
        session_id=body.get("sessionId"),
        comment=body.get("comment"),
        score_id=body.get("id"),
        timestamp_ns=int(moment.timestamp() * 1e9) if isinstance(moment, datetime) else None,
        metadata=body.get("metadata"),
        environment=body.get("environment"),
    )
    return True

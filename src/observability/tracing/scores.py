"""Store scores on a trace, an observation or a session, as durably as observations."""

from __future__ import annotations

from src.observability.current import get_pipeline


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

    A number is NUMERIC, a bool BOOLEAN, a text CATEGORICAL. To replace a score later, give its `score_id` and its
    `timestamp_ns`: Langfuse replaces a score only where id, name and date match. Where `environment` is not given, it
    is that of the run which this code is part of, else the process's.

    Raises:
        ValueError: neither a trace nor a session is named, or both are: Langfuse takes one.
    """
    pipeline = get_pipeline()
    if pipeline.spool is None:
        return None  # nothing is recorded, so no run has an id to be named
    if trace_id is None and session_id is None:
        raise ValueError(f"The score {name!r} needs a trace_id (with or without an observation_id) or a session_id.")
    if session_id is not None and (trace_id is not None or observation_id is not None):
        raise ValueError(
            f"The score {name!r} names a session_id beside a trace or an observation: Langfuse takes one. Leave "
            "session_id out; the trace is of its session anyway."
        )
    return pipeline.store_score(
        name,
        value,
        trace_id=trace_id,
        observation_id=observation_id,
        session_id=session_id,
        comment=comment,
        score_id=score_id,
        timestamp_ns=timestamp_ns,
        metadata=metadata,
        environment=environment,
    )

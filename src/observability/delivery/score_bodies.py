"""Write scores as Langfuse's API takes them, and find those that it would refuse before they are sent.

A list that is taken in part names no one of those it refused, so what can be seen here is not left to the server.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.observability.store.records import ScoreRecord

_LONGEST_ID: Final = 800
_ENVIRONMENT: Final = re.compile(r"(?!langfuse)[a-z0-9_-]{1,40}")


@dataclass(frozen=True, slots=True)
class EncodedScore:
    """One score as it is sent.

    Attributes:
        number: Its number in the store.
        score: The score.
        body: Its JSON; empty where it is not sent.
        problem: Why no server would take it; None where one would.
        left_out: Whether it belongs to a trace that is not sent.
    """

    number: int
    score: ScoreRecord
    body: bytes
    problem: str | None = None
    left_out: bool = False

    @property
    def envelope_id(self) -> str:
        """Return the id of its event, which the reply of the ingestion route names; the same at each attempt."""
        return f"{self.number}-{self.score.id}"[:_LONGEST_ID]


def encode(number: int, score: ScoreRecord) -> EncodedScore:
    """Return a score as it is sent, or with the reason why it is not."""
    problem = _problem(score)
    if problem is None:
        try:
            return EncodedScore(number=number, score=score, body=orjson.dumps(_body(score)))
        except (ValueError, TypeError, OverflowError, OSError) as error:  # else it would hold up all scores after it
            problem = f"it cannot be written as JSON: {error}"
    return EncodedScore(number=number, score=score, body=b"", problem=problem)


def as_list(scores: Sequence[EncodedScore]) -> bytes:
    """Return the body of a request that carries scores as a list."""
    return b"[" + b",".join(item.body for item in scores) + b"]"


def as_events(scores: Sequence[EncodedScore]) -> bytes:
    """Return the body of a request to the ingestion route, which takes each score as an event."""
    return b'{"batch":[' + b",".join(_event(item) for item in scores) + b"]}"


def _event(item: EncodedScore) -> bytes:
    """Return a score's event; its time becomes the score's."""
    head = {"id": item.envelope_id, "type": "score-create", "timestamp": timestamp(item.score)}
    return orjson.dumps(head)[:-1] + b',"body":' + item.body + b"}"


def timestamp(score: ScoreRecord) -> str:
    """Return when a score was made, as the API takes it: it is replaced only under the same date."""
    moment = datetime.fromtimestamp(score.timestamp_ns / 1e9, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _problem(score: ScoreRecord) -> str | None:
    """Return what no server would take; None where all is well."""
    if not score.name:
        return "it has no name"
    if not score.id or len(score.id) > _LONGEST_ID or "\r" in score.id:
        return f"its id is empty, has a line end, or more than {_LONGEST_ID} characters"
    if not (score.trace_id or score.session_id):
        return "it names neither a trace nor a session"
    if score.session_id and (score.trace_id or score.observation_id):
        return "it names a session beside a trace or an observation, of which a server takes one"
    if not _ENVIRONMENT.fullmatch(score.environment):
        return f"its environment {score.environment!r} is no name that Langfuse takes"
    if (score.data_type == "CATEGORICAL") != isinstance(score.value, str):
        return f"its value does not fit its type {score.data_type}"
    if isinstance(score.value, str):
        return None
    if not math.isfinite(score.value):
        return "its value is not a finite number"
    return "its value is neither 0 nor 1" if score.data_type == "BOOLEAN" and score.value not in (0, 1) else None


def _body(score: ScoreRecord) -> dict[str, Any]:
    body = {
        "id": score.id,
        "traceId": score.trace_id,
        "observationId": score.observation_id,
        "sessionId": score.session_id,
        "name": score.name,
        "value": score.value,
        "dataType": score.data_type,
        "comment": score.comment,
        "environment": score.environment,
        "timestamp": timestamp(score),
        "metadata": _json_value(score.metadata) if score.metadata else None,
    }
    return {name: value for name, value in body.items() if value is not None}


def _json_value(text: str) -> Any:
    """Return the value of a JSON text; the text itself where redaction made it invalid JSON."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text

"""Send one request to a destination, and judge from the response what becomes of the rows in it."""

from __future__ import annotations

import gzip
import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    import httpx

    from src.observability.delivery.destinations import Destination
    from src.observability.store.records import ScoreRecord

_MOST_READ_BYTES: Final = 64_000  # of a response's body


class Answer(Enum):
    """What a response means for the rows that were sent."""

    ACCEPTED = "accepted"
    RETRY_LATER = "retry later"  # try the same again after a while
    TOO_LARGE = "too large"  # send fewer at once
    REFUSED = "refused"  # this content will never be accepted
    MISCONFIGURED = "misconfigured"  # nothing will be accepted until a setting is changed


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request; `wait_s` is how long the server asked to wait."""

    answer: Answer
    detail: str = ""
    wait_s: float | None = None


def post_traces(client: httpx.Client, destination: Destination, body: bytes) -> Outcome:
    """Send an encoded ExportTraceServiceRequest."""
    headers = {**destination.headers, "Content-Type": "application/x-protobuf"}
    if destination.gzip:
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, 1)
    return _post(client, destination, destination.traces_url, body, headers)


def post_score(client: httpx.Client, destination: Destination, score: ScoreRecord) -> Outcome:
    """Send one score."""
    headers = {**destination.headers, "Content-Type": "application/json"}
    try:
        body = orjson.dumps(_score_body(score))
    except (ValueError, TypeError, OverflowError, OSError) as error:  # else it would hold up all scores after it
        return Outcome(answer=Answer.REFUSED, detail=f"it cannot be written as JSON: {error}")
    return _post(client, destination, destination.scores_url or "", body, headers)


def _score_body(score: ScoreRecord) -> dict[str, Any]:
    """Return a score as Langfuse's API takes it."""
    moment = datetime.fromtimestamp(score.timestamp_ns / 1e9, UTC)
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
        "timestamp": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "metadata": _json_value(score.metadata) if score.metadata else None,
    }
    return {name: value for name, value in body.items() if value is not None}


def _json_value(text: str) -> Any:
    """Return the value of a JSON text; the text itself where redaction made it invalid JSON."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _post(client: httpx.Client, destination: Destination, url: str, body: bytes, headers: dict[str, str]) -> Outcome:
    """Send one request; an error of the connection is an outcome too."""
    import httpx

    timeout = httpx.Timeout(destination.timeout_s, connect=destination.connect_timeout_s)
    try:
        with client.stream(
            "POST", url, content=body, headers=headers, timeout=timeout, follow_redirects=False
        ) as response:
            return _outcome(response, _beginning(response, destination.timeout_s))
    except httpx.HTTPError as error:
        return Outcome(answer=Answer.RETRY_LATER, detail=str(error) or type(error).__name__)
    except (httpx.InvalidURL, UnicodeError) as error:
        return Outcome(answer=Answer.MISCONFIGURED, detail=str(error))


def _beginning(response: httpx.Response, patience_s: float) -> bytes:
    """Return the first bytes of a response's body, which may never end; none where it cannot be decoded.

    Raises:
        httpx.ReadTimeout: they come too slowly.
    """
    import httpx

    body, deadline = bytearray(), time.monotonic() + patience_s
    try:
        for part in response.iter_bytes():
            body += part
            if len(body) > _MOST_READ_BYTES:
                break
            if time.monotonic() > deadline:
                raise httpx.ReadTimeout("the answer comes too slowly")
    except httpx.DecodingError:
        return b""
    return bytes(body[:_MOST_READ_BYTES])


def _outcome(response: httpx.Response, body: bytes) -> Outcome:
    status, detail = response.status_code, f"HTTP {response.status_code}"
    content_type = response.headers.get("content-type", "").lower()
    if 200 <= status < 300:
        if content_type.startswith("text/html"):  # a web site answers any request so; a server that takes OTLP does not
            return Outcome(answer=Answer.MISCONFIGURED, detail=f"{detail} with a web page")
        return Outcome(answer=Answer.ACCEPTED, detail=_partial_success(content_type, body))
    if status == 413:
        return Outcome(answer=Answer.TOO_LARGE, detail=detail)
    if status in (408, 425, 429) or status >= 500:
        return Outcome(
            answer=Answer.RETRY_LATER, detail=detail, wait_s=_retry_after_s(response.headers.get("retry-after"))
        )
    if status in (400, 409, 415, 422):
        return Outcome(answer=Answer.REFUSED, detail=f"{detail}: {_first_words(body)}")
    return Outcome(answer=Answer.MISCONFIGURED, detail=detail)


def _partial_success(content_type: str, body: bytes) -> str:
    """Return how many spans of an accepted request the server rejected, and why; "" where it rejected none."""
    rejected, message = _rejected_protobuf(body) if "protobuf" in content_type else _rejected_json(body)
    return f"{rejected} spans rejected: {_first_words(message.encode())}" if rejected else ""


def _rejected_protobuf(body: bytes) -> tuple[int, str]:
    if not body:
        return 0, ""
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    try:
        partial = ExportTraceServiceResponse.FromString(body).partial_success
    except DecodeError:
        return 0, ""
    return partial.rejected_spans, partial.error_message


def _rejected_json(body: bytes) -> tuple[int, str]:
    """Read OTLP's response in JSON, where 64-bit numbers are strings."""
    try:
        partial = orjson.loads(body).get("partialSuccess") or {}
        return int(partial.get("rejectedSpans") or 0), str(partial.get("errorMessage") or "")
    except (ValueError, TypeError, AttributeError):
        return 0, ""


def _retry_after_s(text: str | None) -> float | None:
    """Return what a Retry-After header asks for: seconds, or a date (RFC 9110, 10.2.3)."""
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _first_words(body: bytes) -> str:
    """Return the beginning of a server's message as it may be logged."""
    from src.observability.redaction import redact_text

    return redact_text(" ".join(body[:4000].decode(errors="replace").split()))[:300]

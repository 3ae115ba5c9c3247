"""Describe where observations and scores go, and send one request there."""

from __future__ import annotations

import base64
import gzip
import hashlib
import importlib.metadata
import math
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit, urlunsplit

import orjson

from src.observability.store.records import Accepts

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from src.observability.otlp_settings import Otlp
    from src.observability.store.spool import ScoreRecord


SCORES_ONLY = "langfuse-scores:"
_MOST_TOLD = 64_000  # bytes of an answer that are looked at


class Answer(Enum):
    """What an answer means for the rows that were sent."""

    ACCEPTED = "accepted"
    RETRY_LATER = "retry later"  # try the same again after a while
    TOO_LARGE = "too large"  # send fewer at once
    REFUSED = "refused"  # this content will never be taken
    MISCONFIGURED = "misconfigured"  # nothing will be taken until somebody changes a setting


@dataclass(frozen=True, slots=True)
class Outcome:
    """Hold what became of one request; `wait_s` is what the server asked for."""

    answer: Answer
    detail: str = ""
    wait_s: float | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """Describe one place that takes OTLP. `name` identifies it in the store and holds no secret."""

    name: str
    traces_url: str
    headers: Mapping[str, str] = field(repr=False)
    scores_url: str | None = None
    observations: bool = True
    connect_timeout_s: float = 5.0
    timeout_s: float = 15.0
    advice: str = "Check the endpoint."
    kind: Literal["langfuse", "otlp"] = "otlp"
    gzip: bool = True
    ca_file: str | None = None
    client_certificate: tuple[str, str | None] | None = None

    @property
    def accepts(self) -> Accepts:
        """Return what it takes."""
        if self.scores_url is None:
            return Accepts.OBSERVATIONS
        return Accepts.BOTH if self.observations else Accepts.SCORES


def display_url(url: str) -> str:
    """Return an address as it may be stored and logged: without user, password and query, which may hold keys."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that cannot be read"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def langfuse_destination(host: str, public_key: str, secret_key: str, *, scores_only: bool = False) -> Destination:
    """Return the destination for a Langfuse server: OTLP for observations, its own API for scores.

    With `scores_only` its observations come another way, through an OpenTelemetry Collector; it is then known to the
    store under a name of its own, so that what it has got is counted apart.
    """
    token = base64.b64encode(f"{public_key}:{secret_key}".encode()).decode()
    project = hashlib.sha256(public_key.encode()).hexdigest()[:12]
    try:
        version = importlib.metadata.version("langfuse")
    except importlib.metadata.PackageNotFoundError:
        version = "5.0.4"
    headers = {
        "Authorization": f"Basic {token}",
        "x-langfuse-sdk-name": "python",
        "x-langfuse-sdk-version": version,
        "x-langfuse-public-key": public_key,
        "x-langfuse-ingestion-version": "4",
    }
    return Destination(
        name=f"{SCORES_ONLY if scores_only else 'langfuse:'}{display_url(host)}:{project}",
        traces_url=f"{host}/api/public/otel/v1/traces",
        headers=headers,
        scores_url=f"{host}/api/public/scores",
        observations=not scores_only,
        kind="langfuse",
        advice="Check LANGFUSE_HOST, LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY.",
    )


def otlp_destination(otlp: Otlp) -> Destination:
    """Return the destination for any OTLP endpoint: observations only, since OTLP has no scores."""
    return Destination(
        name=f"otlp:{display_url(otlp.url)}",
        traces_url=otlp.url,
        headers=otlp.headers,
        advice="Check OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_HEADERS.",
        timeout_s=otlp.timeout_s,
        connect_timeout_s=min(5.0, otlp.timeout_s),
        gzip=otlp.gzip,
        ca_file=otlp.ca_file,
        client_certificate=(otlp.cert_file, otlp.key_file) if otlp.cert_file else None,
    )


def make_client(destination: Destination) -> httpx.Client:
    """Return an HTTP client that trusts and shows what the destination asks for.

    Raises:
        OSError: a certificate's file cannot be read or used.
    """
    import ssl

    import httpx

    if destination.ca_file is None and destination.client_certificate is None:
        return httpx.Client()
    context = ssl.create_default_context(cafile=destination.ca_file)
    if destination.client_certificate is not None:
        context.load_cert_chain(*destination.client_certificate)
    return httpx.Client(verify=context)


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
    except (ValueError, TypeError, OverflowError, OSError) as error:  # else it would hold up all that come after it
        return Outcome(Answer.REFUSED, f"it cannot be written as JSON: {error}")
    return _post(client, destination, destination.scores_url or "", body, headers)


def _score_body(score: ScoreRecord) -> dict[str, Any]:
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
        "metadata": _read_json(score.metadata) if score.metadata else None,
    }
    return {name: value for name, value in body.items() if value is not None}


def _read_json(text: str) -> Any:
    """Return what a JSON text says; the text itself where redaction left no JSON of it."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _post(client: httpx.Client, destination: Destination, url: str, body: bytes, headers: dict[str, str]) -> Outcome:
    import httpx

    timeout = httpx.Timeout(destination.timeout_s, connect=destination.connect_timeout_s)
    try:
        with client.stream(
            "POST", url, content=body, headers=headers, timeout=timeout, follow_redirects=False
        ) as reply:
            return _outcome(reply, _told(reply, destination.timeout_s))
    except httpx.HTTPError as error:
        return Outcome(Answer.RETRY_LATER, str(error) or type(error).__name__)
    except (httpx.InvalidURL, UnicodeError) as error:
        return Outcome(Answer.MISCONFIGURED, str(error))


def _told(reply: httpx.Response, patience_s: float) -> bytes:
    """Return what an answer says: its beginning, where it does not end; nothing, where it cannot be decoded.

    Raises:
        httpx.ReadTimeout: it comes too slowly.
    """
    import httpx

    told, until = bytearray(), time.monotonic() + patience_s
    try:
        for part in reply.iter_bytes():
            told += part
            if len(told) > _MOST_TOLD:
                break
            if time.monotonic() > until:
                raise httpx.ReadTimeout("the answer comes too slowly")
    except httpx.DecodingError:
        return b""
    return bytes(told[:_MOST_TOLD])


def _outcome(reply: httpx.Response, told: bytes) -> Outcome:
    status, detail = reply.status_code, f"HTTP {reply.status_code}"
    kind = reply.headers.get("content-type", "").lower()
    if 200 <= status < 300:
        if kind.startswith("text/html"):  # a web site answers anything so; what takes OTLP does not
            return Outcome(Answer.MISCONFIGURED, f"{detail} with a web page")
        return Outcome(Answer.ACCEPTED, _partly(kind, told))
    if status == 413:
        return Outcome(Answer.TOO_LARGE, detail)
    if status in (408, 425, 429) or status >= 500:
        return Outcome(Answer.RETRY_LATER, detail, _seconds(reply.headers.get("retry-after")))
    if status in (400, 409, 415, 422):
        return Outcome(Answer.REFUSED, f"{detail}: {_first_words(told)}")
    return Outcome(Answer.MISCONFIGURED, detail)


def _partly(kind: str, told: bytes) -> str:
    """Return what a server says of spans that it left out of a request it took, if it says anything."""
    rejected, message = _rejected(told) if "protobuf" in kind else _rejected_json(told)
    return f"{rejected} spans rejected: {_first_words(message.encode())}" if rejected else ""


def _rejected(told: bytes) -> tuple[int, str]:
    if not told:
        return 0, ""
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    try:
        partial = ExportTraceServiceResponse.FromString(told).partial_success
    except DecodeError:
        return 0, ""
    return partial.rejected_spans, partial.error_message


def _rejected_json(told: bytes) -> tuple[int, str]:
    """Read OTLP's answer in JSON, where 64-bit numbers are texts."""
    try:
        partial = orjson.loads(told).get("partialSuccess") or {}
        return int(partial.get("rejectedSpans") or 0), str(partial.get("errorMessage") or "")
    except (ValueError, TypeError, AttributeError):
        return 0, ""


def _seconds(text: str | None) -> float | None:
    """Return what Retry-After asks for: seconds, or a date (RFC 9110, 10.2.3)."""
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


def _first_words(told: bytes) -> str:
    from src.observability.redaction import redact_text

    return redact_text(" ".join(told[:4000].decode(errors="replace").split()))[:300]

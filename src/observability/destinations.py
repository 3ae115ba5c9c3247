"""Describe where observations and scores go, and send one request there."""

from __future__ import annotations

import base64
import gzip
import hashlib
import importlib.metadata
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from src.observability.otlp_settings import Otlp
    from src.observability.spool import ScoreRecord


SCORES_ONLY = "langfuse-scores:"


class Answer(Enum):
    """What an answer means for the rows that were sent."""

    TAKEN = "taken"
    LATER = "later"  # try the same again after a while
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
    gzip: bool = True
    ca_file: str | None = None
    client_certificate: tuple[str, str | None] | None = None


def shown(url: str) -> str:
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
        name=f"{SCORES_ONLY if scores_only else 'langfuse:'}{shown(host)}:{project}",
        traces_url=f"{host}/api/public/otel/v1/traces",
        headers=headers,
        scores_url=f"{host}/api/public/scores",
        observations=not scores_only,
        advice="Check LANGFUSE_HOST, LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY.",
    )


def otlp_destination(otlp: Otlp) -> Destination:
    """Return the destination for any OTLP endpoint: observations only, since OTLP has no scores."""
    return Destination(
        name=f"otlp:{shown(otlp.url)}",
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
    return _post(client, destination, destination.scores_url or "", orjson.dumps(_score_body(score)), headers)


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
        "metadata": orjson.loads(score.metadata) if score.metadata else None,
    }
    return {name: value for name, value in body.items() if value is not None}


def _post(client: httpx.Client, destination: Destination, url: str, body: bytes, headers: dict[str, str]) -> Outcome:
    import httpx

    timeout = httpx.Timeout(destination.timeout_s, connect=destination.connect_timeout_s)
    try:
        reply = client.post(url, content=body, headers=headers, timeout=timeout, follow_redirects=False)
    except httpx.HTTPError as error:
        return Outcome(Answer.LATER, str(error) or type(error).__name__)
    except (httpx.InvalidURL, UnicodeError) as error:
        return Outcome(Answer.MISCONFIGURED, str(error))
    return _outcome(reply)


def _outcome(reply: httpx.Response) -> Outcome:
    status, detail = reply.status_code, f"HTTP {reply.status_code}"
    if 200 <= status < 300:
        return Outcome(Answer.TAKEN, _partly(reply))
    if status == 413:
        return Outcome(Answer.TOO_LARGE, detail)
    if status in (408, 425, 429) or status >= 500:
        return Outcome(Answer.LATER, detail, _seconds(reply.headers.get("retry-after")))
    if status in (400, 409, 415, 422):
        return Outcome(Answer.REFUSED, f"{detail}: {_first_words(reply)}")
    return Outcome(Answer.MISCONFIGURED, detail)


def _partly(reply: httpx.Response) -> str:
    """Return what a server says of spans that it left out of a request it took, if it says anything."""
    if not reply.content or "protobuf" not in reply.headers.get("content-type", ""):
        return ""
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    try:
        partial = ExportTraceServiceResponse.FromString(reply.content).partial_success
    except DecodeError:
        return ""
    return f"{partial.rejected_spans} spans rejected: {partial.error_message}" if partial.rejected_spans else ""


def _seconds(text: str | None) -> float | None:
    try:
        return max(float(text), 0.0) if text else None
    except ValueError:
        return None


def _first_words(reply: httpx.Response) -> str:
    from src.observability.redaction import redact_text

    return redact_text(" ".join(reply.text[:300].split()))

"""Send one request to a destination, and classify the response: what it means for the rows that were sent."""

from __future__ import annotations

import gzip
import math
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import orjson

from src.observability.delivery.connection_errors import explain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import httpx

    from src.observability.delivery.destinations import Destination

    Request = Callable[[Callable[[httpx.Client, Destination], "Outcome"]], "Outcome"]

_MOST_READ_BYTES: Final = 64_000  # of a response's body
_MOST_REPLY_BYTES: Final = 4_000_000  # of one that tells what became of each item


class Answer(Enum):
    """What a response means for the rows that were sent."""

    ACCEPTED = "accepted"
    RETRY_LATER = "retry later"  # try the same again after a while
    TOO_LARGE = "too large"  # send fewer at once
    REFUSED = "refused"  # this content will never be accepted
    MISCONFIGURED = "misconfigured"  # nothing will be accepted until a setting is changed


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request.

    Attributes:
        answer: What it means for what was sent.
        detail: The reason, for people.
        wait_s: How long the server asked to wait.
        ambiguous: Whether the server may have stored what it did not acknowledge.
        status: The response's status; None where there was no response.
        body: The response's body, or its beginning.
        location: Where the server says that the address has moved.
    """

    answer: Answer
    detail: str = ""
    wait_s: float | None = None
    ambiguous: bool = False
    status: int | None = None
    body: bytes = field(default=b"", repr=False)
    location: str | None = None

    def json(self) -> Any:
        """Return what the body says as JSON; None where it is none."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None

    def first_words(self) -> str:
        """Return the beginning of the body as it may be logged."""
        return _first_words(self.body)


def post_traces(client: httpx.Client, destination: Destination, body: bytes) -> Outcome:
    """Send an encoded ExportTraceServiceRequest."""
    headers = {**destination.headers, "Content-Type": "application/x-protobuf"}
    if destination.gzip:
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, 1, mtime=0)  # the same bytes each time that the same rows are sent
    return _post(client, destination, destination.traces_url, body, headers)


def post_json(client: httpx.Client, destination: Destination, url: str, body: bytes) -> Outcome:
    """Send a JSON text to Langfuse's API; its reply may say something about each item of the text."""
    headers = {**destination.headers, "Content-Type": "application/json"}
    return _post(client, destination, url, body, headers, most_bytes=_MOST_REPLY_BYTES)


def patch_json(client: httpx.Client, destination: Destination, url: str, body: bytes) -> Outcome:
    """Send a JSON text that changes an object of Langfuse's API."""
    headers = {**destination.headers, "Content-Type": "application/json"}
    timeouts = (destination.connect_timeout_s, destination.timeout_s)
    return _exchange(client, "PATCH", url, body, headers, timeouts_s=timeouts, most_bytes=_MOST_REPLY_BYTES)


def ask(
    client: httpx.Client,
    destination: Destination,
    path: str,
    parameters: Mapping[str, str | int] | None = None,
    *,
    with_keys: bool = True,
    most_bytes: int = _MOST_READ_BYTES,
) -> Outcome:
    """Ask Langfuse's API; `path` begins below the server's address."""
    headers = destination.headers if with_keys else {}
    query = f"?{urlencode(parameters)}" if parameters else ""
    timeouts = (destination.connect_timeout_s, destination.ask_timeout_s)
    url = f"{destination.api_url}{path}{query}"
    return _exchange(client, "GET", url, b"", headers, timeouts_s=timeouts, most_bytes=most_bytes)


def _post(
    client: httpx.Client,
    destination: Destination,
    url: str,
    body: bytes,
    headers: dict[str, str],
    *,
    most_bytes: int = _MOST_READ_BYTES,
) -> Outcome:
    timeouts = (destination.connect_timeout_s, destination.timeout_s)
    return _exchange(client, "POST", url, body, headers, timeouts_s=timeouts, most_bytes=most_bytes)


def _exchange(
    client: httpx.Client,
    method: str,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    timeouts_s: tuple[float, float],
    most_bytes: int,
) -> Outcome:
    """Send one request; an error of the connection is an outcome too."""
    import httpx

    connect_s, read_s = timeouts_s
    timeout = httpx.Timeout(read_s, connect=connect_s)
    try:
        with client.stream(
            method, url, content=body, headers=headers, timeout=timeout, follow_redirects=False
        ) as response:
            return _outcome(response, _beginning(response, read_s, most_bytes))
    except httpx.HTTPError as error:
        never_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError)
        return Outcome(answer=Answer.RETRY_LATER, detail=explain(error, url), ambiguous=not never_sent)
    except (httpx.InvalidURL, UnicodeError) as error:
        return Outcome(answer=Answer.MISCONFIGURED, detail=str(error))


def _beginning(response: httpx.Response, patience_s: float, most_bytes: int) -> bytes:
    """Return the first bytes of a response's body, which may never end; none where it cannot be decoded.

    Raises:
        httpx.ReadTimeout: they come too slowly.
    """
    import httpx

    body, deadline = bytearray(), time.monotonic() + patience_s
    try:
        for part in response.iter_bytes():
            body += part
            if len(body) > most_bytes:
                break
            if time.monotonic() > deadline:
                raise httpx.ReadTimeout("the answer comes too slowly")
    except httpx.DecodingError:
        return b""
    return bytes(body[:most_bytes])


def _outcome(response: httpx.Response, body: bytes) -> Outcome:
    status, detail = response.status_code, f"HTTP {response.status_code}"
    content_type = response.headers.get("content-type", "").lower()
    answer, wait_s = Answer.MISCONFIGURED, None
    if 200 <= status < 300:
        if content_type.startswith("text/html"):  # a web site answers any request so; a server that takes OTLP does not
            detail = f"{detail} with a web page"
        else:
            answer, detail = Answer.ACCEPTED, _partial_success(content_type, body)
    elif status == 413:
        answer = Answer.TOO_LARGE
    elif status in (408, 425, 429) or status >= 500:
        answer, wait_s = Answer.RETRY_LATER, retry_after_s(response.headers.get("retry-after"))
    elif status in (400, 409, 415, 422):
        answer, detail = Answer.REFUSED, f"{detail}: {_first_words(body)}"
    return Outcome(
        answer=answer,
        detail=detail,
        wait_s=wait_s,
        ambiguous=status >= 500 and status != 503,  # a gateway, or the server itself, failed after it had the request
        status=status,
        body=body,
        location=response.headers.get("location") if 300 <= status < 400 else None,
    )


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


def retry_after_s(text: str | None) -> float | None:
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

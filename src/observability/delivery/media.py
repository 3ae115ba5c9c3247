"""Upload files that a span contains as base64 to Langfuse's media store, and put references in their place.

Langfuse shows a file where its reference `@@@langfuseMedia:type=...|id=...|source=base64_data_uri@@@` stands. A file is
registered for each span that holds it, uploaded where the server does not have it yet, and confirmed. Observations are
never held up by it: where a server has no media store, or an upload fails, the span carries size and hash instead, and
the local store keeps the file.

Source: the media routes of Langfuse's public API, and `_task_manager/media_manager.py` of its Python SDK 5.0.4.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from src.observability import attributes as names

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from src.observability.delivery.destinations import Destination

_log = logging.getLogger("moondev.exporter")
_MARK: Final = b";base64,"
_DATA_URI: Final = re.compile(r"data:([\w.+-]{1,64}/[\w.+-]{1,64});base64,([A-Za-z0-9+/]{16,}={0,2})")
_TIMEOUT_S: Final = 10.0
_RETRY_AFTER_S: Final = 600.0  # how long a server that took no file is not asked again
# The families of types that the server's list of content types consists of; it refuses any other.
_FAMILIES: Final = ("image/", "audio/", "video/", "text/", "application/pdf", "application/json")
_FIELDS: Final = {names.INPUT: "input", names.OUTPUT: "output"}


@dataclass(frozen=True, slots=True)
class _Location:
    """The span and the field of it that hold a file."""

    trace_id: str
    observation_id: str
    field: str


class MediaUploader:
    """Upload the files of the spans that go to one Langfuse server."""

    def __init__(self) -> None:
        self._url = ""
        self._headers: Mapping[str, str] = {}
        self._enabled = True
        self._paused_until = 0.0

    def with_references(self, span: bytes, client: httpx.Client, destination: Destination) -> bytes:
        """Return an encoded span with a reference in place of each file that its texts contain as a data URI."""
        self._url, self._headers = f"{destination.api_url}/api/public/media", destination.headers
        self._enabled = destination.uploads_media
        if span.rfind(_MARK) < 0:  # which takes half as long as `in` where it is not there
            return span
        from opentelemetry.proto.trace.v1.trace_pb2 import Span

        message = Span.FromString(span)
        for attribute in message.attributes:
            field = _FIELDS.get(attribute.key) or (attribute.key.startswith(names.METADATA) and "metadata")
            if not field or not attribute.value.HasField("string_value"):
                continue
            location = _Location(trace_id=message.trace_id.hex(), observation_id=message.span_id.hex(), field=field)
            attribute.value.string_value = _DATA_URI.sub(
                lambda match, location=location: self._replacement(client, match, location),  # type: ignore[misc] # bound default
                attribute.value.string_value,
            )
        return message.SerializeToString()

    def _replacement(self, client: httpx.Client, match: re.Match[str], location: _Location) -> str:
        """Return the reference to an uploaded file, else its size and hash; small or unknown files stay as they are."""
        media_type = match[1]
        if not media_type.startswith(_FAMILIES):
            return match[0]
        try:
            data = base64.b64decode(match[2], validate=True)
        except binascii.Error:
            return match[0]
        digest = hashlib.sha256(data).digest()
        if (
            self._enabled
            and time.monotonic() >= self._paused_until
            and self._upload(client, media_type, data, location)
        ):
            media_id = base64.urlsafe_b64encode(digest).decode()[:22]
            return f"@@@langfuseMedia:type={media_type}|id={media_id}|source=base64_data_uri@@@"
        return f"[{media_type}, {len(data)} bytes, sha256 {digest.hex()}]"

    def _upload(self, client: httpx.Client, media_type: str, data: bytes, location: _Location) -> bool:
        """Tell whether the server has a file now; one that could not take it is left alone for some minutes."""
        import httpx

        try:
            self._register_and_put(client, media_type, data, location)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError) as error:
            refused_this_file = isinstance(error, httpx.HTTPStatusError) and error.response.status_code == 400
            if not refused_this_file:
                self._paused_until = time.monotonic() + _RETRY_AFTER_S
            _log.warning(
                "Langfuse did not take a file of %d bytes (%s): the observation shows its size and hash, the local "
                "store keeps it.", len(data), _reason(error),
            )  # fmt: skip
            return False
        return True

    def _register_and_put(self, client: httpx.Client, media_type: str, data: bytes, location: _Location) -> None:
        """Register a file for its place, upload it where the server lacks it, and confirm the upload."""
        checksum = base64.b64encode(hashlib.sha256(data).digest()).decode()
        answer = self._send(
            client,
            "POST",
            self._url,
            {
                "contentType": media_type,
                "contentLength": len(data),
                "sha256Hash": checksum,
                "traceId": location.trace_id,
                "observationId": location.observation_id,
                "field": location.field,
            },
        )
        media_id, upload_url = answer["mediaId"], answer.get("uploadUrl")
        if not upload_url:  # the server has it already
            return
        headers = {"Content-Type": media_type}
        if "storage.googleapis.com" not in upload_url:  # which refuses these two
            headers |= {"x-amz-checksum-sha256": checksum, "x-ms-blob-type": "BlockBlob"}
        began = time.monotonic()
        response = client.put(upload_url, content=data, headers=headers, timeout=_TIMEOUT_S, follow_redirects=False)
        response.raise_for_status()
        self._send(
            client,
            "PATCH",
            f"{self._url}/{media_id}",
            {
                "uploadedAt": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "uploadHttpStatus": response.status_code,
                "uploadTimeMs": round((time.monotonic() - began) * 1000),
            },
        )

    def _send(self, client: httpx.Client, method: str, url: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send JSON to the API and return the object in its reply, empty where it has none."""
        response = client.request(
            method, url, json=body, headers=dict(self._headers), timeout=_TIMEOUT_S, follow_redirects=False
        )
        response.raise_for_status()
        reply = response.json() if response.content else {}
        return reply if isinstance(reply, dict) else {}


def _reason(error: Exception) -> str:
    import httpx

    if isinstance(error, httpx.HTTPStatusError):
        return f"HTTP {error.response.status_code}"
    return type(error).__name__

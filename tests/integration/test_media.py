"""Images of a generation reach Langfuse's media store, and observations arrive whether or not it takes them."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from src.observability import attributes, flush
from src.observability.tracing.observation import observe
from src.observability.tracker import set_tracker
from tests.servers import Langfuse, Received, Reply, Server

if TYPE_CHECKING:
    from collections.abc import Iterator

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20
ADDRESS = f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}"
DIGEST = hashlib.sha256(PICTURE).digest()
MEDIA_ID = base64.urlsafe_b64encode(DIGEST).decode()[:22]
CHECKSUM = base64.b64encode(DIGEST).decode()


class MediaStore:
    """The media routes of a Langfuse server, with its bucket on another server, as in production."""

    def __init__(self, langfuse: Langfuse) -> None:
        self.registered: list[dict[str, Any]] = []
        self.confirmed: list[tuple[str, dict[str, Any]]] = []
        self.files: dict[str, Received] = {}
        self.refusal: Reply | None = None
        self.bucket = Server(self._put)
        self.langfuse = langfuse
        langfuse.answer = self._answer

    def _put(self, request: Received) -> Reply:
        assert request.method == "PUT"
        self.files[request.path.removeprefix("/")] = request
        return Reply(body=b"")

    def _answer(self, request: Received) -> Reply | None:
        if not request.path.startswith("/api/public/media"):
            return None
        assert request.headers["authorization"].startswith("Basic ")
        if request.method == "PATCH":
            self.confirmed.append((request.path.rpartition("/")[2], request.json))
            return Reply(body=b"")
        if self.refusal is not None:
            return self.refusal
        self.registered.append(request.json)
        media_id = base64.urlsafe_b64encode(base64.b64decode(request.json["sha256Hash"])).decode()[:22]
        address = None if media_id in self.files else f"{self.bucket.url}/{media_id}"
        return Reply(201, body=json.dumps({"mediaId": media_id, "uploadUrl": address}).encode())


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[MediaStore]:
    with Langfuse() as langfuse:
        running = MediaStore(langfuse)
        for name, value in (("HOST", langfuse.url), ("PUBLIC_KEY", "pk-lf-1"), ("SECRET_KEY", "sk-lf-1")):
            monkeypatch.setenv(f"LANGFUSE_{name}", value)
        monkeypatch.setenv("MOONDEV_IMAGES", "whole")
        set_tracker(None)
        with running.bucket:
            yield running


def show_picture(name: str) -> None:
    messages = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": ADDRESS}}]}]
    with observe(name, "generation", input=messages):
        pass


def url_of(store: MediaStore, name: str) -> str:
    (span,) = store.langfuse.named(name)
    return str(json.loads(span.attributes[attributes.INPUT])[0]["content"][0]["image_url"]["url"])


def test_an_image_is_registered_for_each_span_uploaded_once_and_shown_by_reference(store: MediaStore) -> None:
    show_picture("first")
    show_picture("second")
    assert flush(60) == 0
    reference = f"@@@langfuseMedia:type=image/png|id={MEDIA_ID}|source=base64_data_uri@@@"
    assert [url_of(store, "first"), url_of(store, "second")] == [reference, reference]
    spans = [store.langfuse.named(name)[0] for name in ("first", "second")]
    assert [(item["traceId"], item["observationId"], item["field"]) for item in store.registered] == [
        (span.trace_id, span.span_id, "input") for span in spans
    ]
    assert {(item["contentType"], item["contentLength"], item["sha256Hash"]) for item in store.registered} == {
        ("image/png", len(PICTURE), CHECKSUM)
    }
    assert store.files[MEDIA_ID].body == PICTURE
    assert store.files[MEDIA_ID].headers["x-amz-checksum-sha256"] == CHECKSUM
    assert "authorization" not in store.files[MEDIA_ID].headers  # the bucket is another server: it gets no keys
    assert [(media_id, body["uploadHttpStatus"]) for media_id, body in store.confirmed] == [(MEDIA_ID, 200)]


@pytest.mark.parametrize("status", [400, 404, 500])
def test_where_a_file_is_not_taken_the_observation_arrives_with_its_size_and_hash(
    store: MediaStore, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    store.refusal = Reply(status)
    show_picture("first")
    assert flush(60) == 0
    assert url_of(store, "first") == f"[image/png, {len(PICTURE)} bytes, sha256 {DIGEST.hex()}]"
    assert f"HTTP {status}" in caplog.text


def test_a_server_without_a_media_store_is_asked_once_and_not_for_every_file(store: MediaStore) -> None:
    store.refusal = Reply(500)
    for number in range(5):
        show_picture(f"p{number}")
    assert flush(60) == 0
    assert sum(request.path == "/api/public/media" for request in store.langfuse.requests) == 1

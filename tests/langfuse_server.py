"""Imitate a Langfuse server on loopback: its routes, its modes, and what it says where a route is gone.

Versions: 3 (`v3`), 4 in its write modes `dual` and `events_only`, and any version number. In version 4 an observation
that comes twice is two rows, as its tables merge later or never; in version 3 a read shows it once.
"""

from __future__ import annotations

import base64
import gzip
import json
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, urlsplit

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.servers import Received, Reply, Seen, Server, _seen

if TYPE_CHECKING:
    from collections.abc import Callable

Mode = Literal["v3", "dual", "events_only"]
DEFAULT_PROJECT = "clx0000000000000000000001"
_GONE = (
    "This endpoint is not available on deployments running in Langfuse v4 events_only mode. "
    "Learn more about Langfuse v4 at: https://langfuse.com/docs/v4"
)
_NO_V2 = (
    "The observations v2 API is only available in a Langfuse v4 write mode. Learn more at: https://langfuse.com/docs/v4"
)
_MOST_BYTES = {"/api/public/scores": 1_048_576, "/api/public/ingestion": 4_718_592}


@dataclass(frozen=True)
class Row:
    """One observation as it was taken; `shown_at` is when reads begin to show it."""

    project: str
    span: Seen
    shown_at: float


@dataclass
class Accounts:
    """Who may read and write what: project ids by public and secret key."""

    projects: dict[tuple[str, str], str] = field(default_factory=dict)

    def project(self, request: Received) -> str | None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind != "Basic":
            return None
        public_key, _, secret_key = base64.b64decode(token).decode().partition(":")
        return self.projects.get((public_key, secret_key))


class LangfuseServer:
    """A Langfuse server of one version and mode.

    `answer` may be set to misbehave instead of answering; `lose_acknowledgement` takes a request and says whether its
    response is lost after it was taken.
    """

    def __init__(
        self, mode: Mode = "events_only", version: str = "4.16.0", *, shown_after_s: float = 0.0, port: int = 0
    ) -> None:
        self.mode = mode
        self.version = version
        self.accounts = Accounts({("pk-lf-1", "sk-lf-1"): DEFAULT_PROJECT})
        self.rows: list[Row] = []
        self.scores: dict[tuple[str, str, str, str], dict[str, Any]] = {}
        self.score_requests: list[tuple[str, int]] = []
        self.answer: Callable[[Received], Reply | None] = lambda _: None
        self.lose_acknowledgement: Callable[[Received], bool] = lambda _: False
        self.refuses_score: Callable[[dict[str, Any]], str | None] = lambda _: None
        self.rows_scanned: int | None = None  # by a question, whatever its limit: then a page is short, or empty
        self.fails_score: Callable[[dict[str, Any]], bool] = lambda _: False
        self.lock = threading.Lock()
        self._shown_after_s = shown_after_s
        self._server = Server(self._answer, port)
        self.url = self._server.url

    @property
    def requests(self) -> list[Received]:
        return self._server.received

    def paths(self, method: str = "") -> list[str]:
        return [urlsplit(request.path).path for request in self.requests if method in ("", request.method)]

    @property
    def spans(self) -> list[Seen]:
        """Return every observation as often as it was taken."""
        with self.lock:
            return [row.span for row in self.rows]

    def counted(self) -> int:
        """Return how many observations this server's own metrics count."""
        if self.mode == "v3":
            return len({(span.trace_id, span.span_id) for span in self.spans})
        return len(self.spans)

    def _answer(self, request: Received) -> Reply:
        special = self.answer(request)
        if special is not None:
            return special
        reply = self._route(request)
        return Reply(silent=True) if self.lose_acknowledgement(request) else reply

    def _route(self, request: Received) -> Reply:
        parts = urlsplit(request.path)
        path, query = parts.path, {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if path == "/api/public/health":
            return _json(200, {"status": "OK", "version": self.version})
        legacy = path.startswith(("/api/public/traces/", "/api/public/observations"))
        if legacy and self.mode == "events_only":  # before keys are looked at
            return _json(404, {"message": _GONE, "error": "LangfuseNotFoundError"})
        project = self.accounts.project(request)
        if path.startswith("/api/public/") and project is None:
            return _json(401, {"message": "Invalid credentials. Confirm that you've configured the correct host."})
        if len(request.body) > _MOST_BYTES.get(path, 10**9):
            return _json(413, {"message": "Body exceeded limit"})
        route = {
            ("POST", "/api/public/otel/v1/traces"): self._take_spans,
            ("POST", "/api/public/scores"): self._take_scores,
            ("POST", "/api/public/ingestion"): self._take_events,
            ("GET", "/api/public/projects"): self._projects,
            ("GET", "/api/public/v2/observations"): self._observations_v2,
        }.get((request.method, path))
        if route is not None:
            return route(request, project or "", query)
        if legacy and request.method == "GET":
            return self._trace(path.rpartition("/")[2], project or "")
        return Reply(404, b"<!DOCTYPE html><html>404</html>", {"content-type": "text/html; charset=utf-8"})

    def _projects(self, _: Received, project: str, __: dict[str, str]) -> Reply:
        return _json(200, {"data": [{"id": project, "name": "trading", "metadata": {}}]})

    # Observations.

    def _take_spans(self, request: Received, project: str, _: dict[str, str]) -> Reply:
        body = gzip.decompress(request.body) if request.headers.get("content-encoding") == "gzip" else request.body
        try:
            batch = ExportTraceServiceRequest.FromString(body)
        except DecodeError:
            return _json(400, {"error": "Failed to parse OTel Protobuf Trace"})
        shown_at = time.monotonic() + self._shown_after_s
        spans = [_seen(span) for item in batch.resource_spans for scope in item.scope_spans for span in scope.spans]
        with self.lock:
            self.rows.extend(Row(project=project, span=span, shown_at=shown_at) for span in spans)
        return _json(200, {})

    def _shown(self, project: str) -> list[Seen]:
        now = time.monotonic()
        with self.lock:
            return [row.span for row in self.rows if row.project == project and row.shown_at <= now]

    def _observations_v2(self, _: Received, project: str, query: dict[str, str]) -> Reply:
        if self.mode == "v3":
            return _json(404, {"message": _NO_V2, "error": "LangfuseNotFoundError"})
        limit = int(query.get("limit", "50"))
        if not 0 < limit <= 1000:
            return _json(400, {"message": "Invalid request data", "error": []})
        spans = self._shown(project)
        spans.sort(key=lambda span: (span.start, span.trace_id, span.span_id), reverse=True)
        matching = [(place, span) for place, span in enumerate(spans) if _matches(span, query)]
        first, with_texts = int(query.get("cursor", "0")), "io" in query.get("fields", "").split(",")
        last = len(spans) if self.rows_scanned is None else first + self.rows_scanned
        page = [(place, span) for place, span in matching if first <= place < last][:limit]
        end = page[-1][0] + 1 if len(page) == limit else last
        more = {"cursor": str(end)} if any(place >= end for place, _ in matching) else {}
        return _json(200, {"data": [_as_v2(span, project, with_texts=with_texts) for _, span in page], "meta": more})

    def _trace(self, trace_id: str, project: str) -> Reply:
        spans = {span.span_id: span for span in self._shown(project) if span.trace_id == trace_id}
        if not spans:
            return _json(404, {"message": f"Trace {trace_id} not found within authorized project"})
        observations = [_as_v2(span, project, with_texts=True) for span in spans.values()]
        return _json(200, {"id": trace_id, "projectId": project, "observations": observations})

    # Scores.

    def _take_scores(self, request: Received, project: str, _: dict[str, str]) -> Reply:
        content = request.json
        lists = tuple(int(part) for part in self.version.split(".")) >= (4, 59, 0)
        if isinstance(content, dict):
            if not lists:
                content.pop("timestamp", None)  # not in the schema, so dropped
            self._store_score(project, content, content.get("timestamp") or _now())
            self.score_requests.append(("single", 1))
            return _json(200, {"id": content.get("id")})
        if not lists:
            issue = {"code": "invalid_type", "message": "Invalid input: expected object, received array"}
            return _json(400, {"message": "Invalid request data", "error": [issue]})
        self.score_requests.append(("list", len(content)))
        problems = []
        for body in content:
            problem = self.refuses_score(body)
            if problem is None:
                self._store_score(project, body, body.get("timestamp") or _now())
            else:
                problems.append({"message": problem})
        if problems:
            counts = {"accepted": len(content) - len(problems), "rejected": len(problems)}
            return _json(207, {**counts, "errors": problems})
        return _json(202, {"message": "Accepted"})

    def _take_events(self, request: Received, project: str, _: dict[str, str]) -> Reply:
        successes: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        events = request.json["batch"]
        self.score_requests.append(("events", len(events)))
        for event in events:
            body, envelope = event.get("body") or {}, event.get("id")
            problem = self.refuses_score(body)
            if event.get("type") != "score-create":
                errors.append({"id": envelope, "status": 400, "message": "Event type not accepted", "error": ""})
            elif problem is not None:
                errors.append({"id": envelope, "status": 400, "message": "Invalid request data", "error": problem})
            elif self.fails_score(body):
                errors.append({"id": envelope, "status": 500, "message": "Internal Server Error"})
            else:
                if body.get("id"):  # one without an id is answered with 201 and dropped
                    self._store_score(project, body, event["timestamp"])
                successes.append({"id": envelope, "status": 201})
        return _json(207, {"successes": successes, "errors": errors})

    def _store_score(self, project: str, body: dict[str, Any], timestamp: str) -> None:
        with self.lock:
            self.scores[project, timestamp[:10], body["name"], body["id"]] = {**body, "timestamp": timestamp}

    def __enter__(self) -> LangfuseServer:
        self._server.__enter__()
        return self

    def __exit__(self, *failure: Any) -> None:
        self._server.__exit__(*failure)


def _json(status: int, content: Any) -> Reply:
    return Reply(status, json.dumps(content).encode(), {"content-type": "application/json; charset=utf-8"})


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _moment(start_ns: int) -> datetime:
    return datetime.fromtimestamp(start_ns // 10**9, UTC).replace(microsecond=start_ns % 10**9 // 1000)


def _matches(span: Seen, query: dict[str, str]) -> bool:
    start = _moment(span.start)
    if "traceId" in query and span.trace_id != query["traceId"]:
        return False
    if "fromStartTime" in query and start < datetime.fromisoformat(query["fromStartTime"]):
        return False
    if "toStartTime" in query and start >= datetime.fromisoformat(query["toStartTime"]):
        return False
    for condition in json.loads(query.get("filter", "[]")):
        if condition["column"] == "id" and span.span_id not in condition["value"]:
            return False
    return True


def _as_v2(span: Seen, project: str, *, with_texts: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": span.span_id,
        "traceId": span.trace_id,
        "projectId": project,
        "parentObservationId": span.parent,
        "type": "SPAN",
        "startTime": _moment(span.start).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    if with_texts:
        shown |= {name: span.attributes.get(f"langfuse.observation.{name}") for name in ("input", "output")}
    return shown

"""Run real servers on loopback: model providers that can be told to misbehave, and a Langfuse that decodes OTLP."""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType


@dataclass
class Reply:
    """One response. `before` runs first, such as a wait; `reset` breaks the connection after the body.

    `silent` breaks it without any response.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    before: Callable[[], None] | None = None
    hang: bool = False
    reset: bool = False
    silent: bool = False


@dataclass
class Received:
    """One request as the server received it."""

    path: str
    headers: dict[str, str]
    body: bytes
    method: str = "POST"

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """An HTTP server on 127.0.0.1 that answers with what `answer(request)` returns; port 0 means any free one."""

    def __init__(self, answer: Callable[[Received], Reply], port: int = 0) -> None:
        self.received: list[Received] = []
        self._release = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", 0))
                headers = {k.lower(): v for k, v in self.headers.items()}
                request = Received(self.path, headers, self.rfile.read(length), self.command)
                outer.received.append(request)
                outer._send(self, answer(request))

            do_GET = do_PUT = do_PATCH = do_POST  # noqa: N815 - the names that http.server calls

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: object) -> None:
                """A client that went away is part of the tests."""

        self._httpd = Quiet(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._httpd.server_address[1]}"
        self._thread = threading.Thread(target=self._httpd.serve_forever, args=(0.02,), daemon=True)

    def _send(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        if reply.before is not None:
            reply.before()
        if reply.hang:
            self._release.wait(60)
            handler.close_connection = True
            return
        if reply.silent:
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
            return
        handler.send_response(reply.status)
        length = len(reply.body) + (1000 if reply.reset else 0)
        for name, value in {"content-length": str(length), **reply.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(reply.body)
        if reply.reset:
            handler.wfile.flush()
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._release.set()
        self._httpd.shutdown()
        self._httpd.server_close()


def chat_reply(content: str, *, model: str = "gpt-4o-2024-08-06", usage: dict[str, Any] | None = None) -> Reply:
    """Answer as Chat Completions do."""
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}],
        "usage": usage or {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }
    return Reply(body=json.dumps(body).encode(), headers={"content-type": "application/json"})


def claude_reply(content: str, *, model: str = "claude-haiku-4-5-20251001") -> Reply:
    """Answer as the Messages API does."""
    body = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": content}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 12, "output_tokens": 7},
    }
    return Reply(body=json.dumps(body).encode(), headers={"content-type": "application/json"})


def ollama_reply(content: str, *, model: str = "llama3.2") -> Reply:
    """Answer as Ollama's chat does."""
    body = {
        "model": model,
        "created_at": "2026-01-01T00:00:00Z",
        "message": {"role": "assistant", "content": content},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 9,
        "eval_count": 4,
    }
    return Reply(body=json.dumps(body).encode(), headers={"content-type": "application/json"})


def decision(action: str, confidence: int = 70, reasoning: str = "because") -> str:
    """Return a decision as a model writes it."""
    return json.dumps({"action": action, "confidence": confidence, "reasoning": reasoning})


def error_reply(status: int, message: str, **headers: str) -> Reply:
    """Answer with an error in OpenAI's envelope."""
    body = json.dumps({"error": {"message": message, "type": "error", "code": None}}).encode()
    extra_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, body, {"content-type": "application/json", **extra_headers})


@dataclass
class Seen:
    """One span as the server decoded it."""

    trace_id: str
    span_id: str
    parent: str | None
    name: str
    attributes: dict[str, Any]
    start: int
    end: int


class Langfuse:
    """A server that accepts OTLP and scores as Langfuse does; `answer` may be set to make it misbehave."""

    def __init__(self, port: int = 0) -> None:
        self.spans: list[Seen] = []
        self.scores: list[dict[str, Any]] = []
        self.problems: list[str] = []
        self.scopes: set[str] = set()
        self.answer: Callable[[Received], Reply | None] = lambda _: None
        self.lock = threading.Lock()
        self._server = Server(self._answer, port)
        self.url = self._server.url

    @property
    def requests(self) -> list[Received]:
        return self._server.received

    def _answer(self, request: Received) -> Reply:
        special = self.answer(request)
        if special is not None:
            return special
        if request.path == "/api/public/otel/v1/traces":
            return self._take_spans(request)
        if request.path == "/api/public/scores":
            with self.lock:
                self.scores.append(request.json)
            return Reply(body=b'{"id":"x"}')
        if request.path.startswith("/api/public/traces/"):
            return self._show(request.path.rpartition("/")[2])
        return Reply(404)

    def _show(self, trace_id: str) -> Reply:
        """Show a trace that has come, as Langfuse's API does."""
        with self.lock:
            spans = [span for span in self.spans if span.trace_id == trace_id]
        body = {"id": trace_id, "observations": [{"id": span.span_id, "metadata": span.attributes} for span in spans]}
        return Reply(body=json.dumps(body).encode()) if spans else Reply(404)

    def _take_spans(self, request: Received) -> Reply:
        body = gzip.decompress(request.body) if request.headers.get("content-encoding") == "gzip" else request.body
        batch = ExportTraceServiceRequest.FromString(body)
        with self.lock:
            for resource in batch.resource_spans:
                for scope in resource.scope_spans:
                    self.scopes.add(scope.scope.name)
                    self.spans.extend(_seen(span) for span in scope.spans)
        return Reply(headers={"content-type": "application/x-protobuf"})

    def named(self, name: str) -> list[Seen]:
        return [span for span in self.spans if span.name == name]

    def __enter__(self) -> Langfuse:
        self._server.__enter__()
        return self

    def __exit__(self, *failure: Any) -> None:
        self._server.__exit__(*failure)


def _seen(span: Any) -> Seen:
    return Seen(
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex() or None,
        span.name,
        {item.key: _plain(item.value) for item in span.attributes},
        span.start_time_unix_nano,
        span.end_time_unix_nano,
    )


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(item) for item in value.array_value.values]
    return getattr(value, kind) if kind else None


def eventually(fact: Callable[[], bool], patience_s: float = 60.0) -> bool:
    """Wait for a fact that another thread brings about."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        if fact():
            return True
        time.sleep(0.02)
    return fact()


def in_turn(replies: Iterator[Reply]) -> Callable[[Received], Reply]:
    """Answer each request with the next reply."""
    return lambda _: next(replies)

"""Parts of the tests of traced clients: how each SDK is asked, and a server that sends a stream event by event."""

from __future__ import annotations

import importlib
import json
import re
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from src.models import ModelFactory
from src.observability.spans import otlp

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.observability.store.spool import Spool

KEY = "sk-proj-Zq8Lw3Tn5Rb7Yc1Vd9Xe2Mf4"
USER = [{"role": "user", "content": "Trend?"}]


@dataclass(frozen=True)
class Sdk:
    """How one SDK makes its clients and asks; `stream` returns an iterator of its own, asynchronous where it is."""

    dialect: str
    make: Callable[[str], Any]
    amake: Callable[[str], Any]
    whole: Callable[[Any], Any]
    stream: Callable[[Any], Any]


def module(name: str) -> Any:
    return importlib.import_module(name)


def _openai(kind: str) -> Callable[[str], Any]:
    return lambda url: getattr(module("openai"), kind)(api_key=KEY, base_url=url + "/v1", max_retries=0)


def _anthropic(kind: str) -> Callable[[str], Any]:
    return lambda url: getattr(module("anthropic"), kind)(api_key=KEY, base_url=url, max_retries=0)


def _groq(kind: str) -> Callable[[str], Any]:
    return lambda url: getattr(module("groq"), kind)(api_key=KEY, base_url=url, max_retries=0)


def _ollama(kind: str) -> Callable[[str], Any]:
    return lambda url: getattr(module("ollama"), kind)(host=url)


def _gemini(url: str) -> Any:
    return module("google.genai").Client(api_key=KEY, http_options={"base_url": url})


CHAT: dict[str, Any] = {"model": "gpt-4o", "messages": USER, "temperature": 0.3}
CLAUDE: dict[str, Any] = {"model": "claude-haiku-4-5", "messages": USER, "max_tokens": 50,
                          "extra_body": {"temperature": 0.3}}  # fmt: skip
RESPONSES: dict[str, Any] = {"model": "gpt-4o", "input": "Trend?", "temperature": 0.3}
OLLAMA: dict[str, Any] = {"model": "llama3.2", "messages": USER, "options": {"temperature": 0.3}}
GEMINI: dict[str, Any] = {"model": "gemini-2.5-flash", "contents": "Trend?", "config": {"temperature": 0.3}}
SDKS = {
    "openai": Sdk("openai", _openai("OpenAI"), _openai("AsyncOpenAI"),
                  lambda client: client.chat.completions.create(**CHAT),
                  lambda client: client.chat.completions.create(**CHAT, stream=True)),
    "responses": Sdk("openai__responses", _openai("OpenAI"), _openai("AsyncOpenAI"),
                     lambda client: client.responses.create(**RESPONSES),
                     lambda client: client.responses.create(**RESPONSES, stream=True)),
    "anthropic": Sdk("claude", _anthropic("Anthropic"), _anthropic("AsyncAnthropic"),
                     lambda client: client.messages.create(**CLAUDE),
                     lambda client: client.messages.create(**CLAUDE, stream=True)),
    "groq": Sdk("groq", _groq("Groq"), _groq("AsyncGroq"),
                lambda client: client.chat.completions.create(**CHAT),
                lambda client: client.chat.completions.create(**CHAT, stream=True)),
    "ollama": Sdk("ollama", _ollama("Client"), _ollama("AsyncClient"),
                  lambda client: client.chat(**OLLAMA),
                  lambda client: client.chat(**OLLAMA, stream=True)),
    "gemini": Sdk("gemini", _gemini, lambda url: _gemini(url).aio,
                  lambda client: client.models.generate_content(**GEMINI),
                  lambda client: client.models.generate_content_stream(**GEMINI)),
}  # fmt: skip


def dialect_of(sdk: Sdk) -> Any:
    return importlib.import_module(f"tests.contract.dialects.{sdk.dialect}").Dialect()


def recorded(spool: Spool) -> list[tuple[Any, dict[str, Any]]]:
    return [(row, dict(otlp.decode_span(row.span).attributes)) for row in spool.rows_after(0)]


def only(spool: Spool) -> tuple[Any, dict[str, Any]]:
    ((row, attributes),) = recorded(spool)
    return row, attributes


async def aask(sdk: Sdk, url: str, *, stream: bool, trace: bool = True) -> list[str]:
    client = sdk.amake(url)
    client = ModelFactory.traced(client) if trace else client
    if not stream:
        return [repr(await sdk.whole(client))]
    return [repr(event) async for event in await sdk.stream(client)]


def ask(sdk: Sdk, url: str, *, stream: bool, trace: bool = True) -> list[str]:
    client = sdk.make(url)
    client = ModelFactory.traced(client) if trace else client
    return [repr(event) for event in sdk.stream(client)] if stream else [repr(sdk.whole(client))]


def without_dates(texts: list[str]) -> list[str]:
    """Return replies as texts without the time at which the server answered."""
    return [re.sub(r"'[Dd]ate': '[^']*'", "", text) for text in texts]


class Gated:
    """A server that sends the events of a stream one by one, each when the reader has seen the one before."""

    def __init__(self, pieces: list[bytes], headers: dict[str, str] | None = None) -> None:
        self.seen = [threading.Event() for _ in pieces]
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self.send_response(200)
                for name, value in {"content-type": "text/event-stream", **(headers or {})}.items():
                    self.send_header(name, value)
                self.end_headers()
                for piece, event in zip(pieces, outer.seen, strict=True):
                    self.wfile.write(piece)
                    self.wfile.flush()
                    if not event.wait(20):
                        return

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self._httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._httpd.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._httpd.server_address[1]}"

    def __enter__(self) -> Gated:
        threading.Thread(target=self._httpd.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for event in self.seen:
            event.set()
        self._httpd.shutdown()
        self._httpd.server_close()


def chat_events(*words: str, finish: bool = True) -> list[bytes]:
    events: list[dict[str, Any]] = [
        {"id": "c1", "model": "gpt-4o", "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}
        for word in words
    ]
    if finish:
        usage = {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16}
        events.append({"id": "c1", "model": "gpt-4o", "usage": usage,
                       "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})  # fmt: skip
    lines = [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events]
    return [*lines, b"data: [DONE]\n\n"] if finish else lines

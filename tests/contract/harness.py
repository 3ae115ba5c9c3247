"""Parts of the contract tests: each provider's dialect, prepared replies, and calls with and without asyncio."""

from __future__ import annotations

import asyncio
import functools
import importlib
import inspect
import json
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from src.models.providers import BUILT_IN, Provider
from tests.servers import Received, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence

    from src.models.base_model import BaseModel
    from src.models.types import Chunk, ModelResponse
    from tests.contract.dialects.base import Dialect

ORIGIN = "http://provider.test"
EXAMPLE = Provider("example", keys=("EXAMPLE_API_KEY",), base_url="EXAMPLE_BASE_URL", url="http://example.test/v1",
                   default_model="test-model", capabilities={"structured": "json_schema"})  # fmt: skip
DIALECTS = Path(__file__).parent / "dialects"

# Each row of the table, and each dialect named `<provider>__<variant>`.
ROWS = {row.name: row for row in (*BUILT_IN, EXAMPLE)}
VARIANTS = sorted(path.stem for path in DIALECTS.glob("*__*.py") if path.stem.partition("__")[0])
CASES = [*(name for name in ROWS), *(name for name in VARIANTS if name.partition("__")[0] in ROWS)]


@contextmanager
def naming(case: object) -> Iterator[None]:
    """Name, in a failure within the block, which of a test's cases failed."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"in the case {case!r}")
        raise


def in_turn(names: str | Sequence[str], cases: Iterable[Any], **_: Any) -> Callable[[Callable[..., None]], Any]:
    """Run a test's cases within one test, where `pytest.mark.parametrize`, whose arguments these are, makes many.

    They share its model and its store, which take longer to make than a call takes; a failure names its case.
    """
    listed = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)

    def decorate(test: Callable[..., None]) -> Any:
        @functools.wraps(test)
        def run_all(*owner: Any, **fixtures: Any) -> None:
            for case in cases:
                if "wire" in fixtures:
                    fixtures["wire"].received.clear()
                with naming(case):
                    test(*owner, **fixtures, **dict(zip(listed, case if len(listed) > 1 else [case], strict=True)))

        signature = inspect.signature(test)
        parameters = [parameter for name, parameter in signature.parameters.items() if name not in listed]
        run_all.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined] # which pytest reads
        return run_all

    return decorate


def dialect_of(case: str) -> Dialect:
    """Return the dialect of a provider: Chat Completions where it has no module of its own."""
    name = case if (DIALECTS / f"{case}.py").is_file() else "example"
    dialect: Dialect = importlib.import_module(f"tests.contract.dialects.{name}").Dialect()
    return dialect


@dataclass
class Wire:
    """Prepared replies to the requests of one test, the last one repeated, and the requests received."""

    received: list[Received] = field(default_factory=list)
    _replies: deque[Reply | Callable[[Received], Reply]] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def say(self, *replies: Reply | Callable[[Received], Reply]) -> None:
        self._replies.clear()
        self._replies.extend(replies)

    def answer(self, request: Received) -> Reply:
        with self._lock:
            self.received.append(request)
            if not self._replies:
                raise AssertionError(f"no reply was prepared for {request.path}")
            reply = self._replies.popleft() if len(self._replies) > 1 else self._replies[0]
        return reply(request) if callable(reply) else reply

    def over_http(self, request: httpx.Request) -> httpx.Response:
        """Answer for the router, which sees the requests of all threads."""
        if request.url.path.startswith("/api/public/"):  # Langfuse's: an exporter that an earlier test left at work
            return httpx.Response(503)
        headers = {name.lower(): value for name, value in request.headers.items()}
        reply = self.answer(Received(request.url.raw_path.decode(), headers, request.content))
        return httpx.Response(reply.status, headers=reply.headers, content=reply.body)


class EngineOnWire:
    """A replacement for the bindings' server, which has the embedded model return the prepared replies too."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def handle_chat_completions(self, payload: dict[str, Any], take: Callable[[Any], bool] | None = None) -> Any:
        reply = self._wire.answer(Received("/v1/chat/completions", {}, json.dumps(payload).encode()))
        if take is None:
            return json.loads(reply.body)
        if reply.headers["content-type"] == "application/json":
            take(json.loads(reply.body))
            return None
        for line in reply.body.split(b"\n\n"):
            data = line.partition(b"data: ")[2]
            if data and data != b"[DONE]" and take(json.loads(data)):
                break
        return None


class Caller:
    """Makes calls with the plain or with the asynchronous methods."""

    def __init__(self, mode: str) -> None:
        self.mode = mode

    def _run(self, plain: Callable[[], Any], asynchronous: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return plain() if self.mode == "sync" else asyncio.run(asynchronous())

    def ask(self, model: BaseModel, *arguments: Any, **options: Any) -> ModelResponse:
        return self._run(  # type: ignore[no-any-return] # either gives this
            lambda: model.generate_response(*arguments, **options),
            lambda: model.agenerate_response(*arguments, **options),
        )

    def chat(self, model: BaseModel, messages: Iterable[Any], **options: Any) -> ModelResponse:
        return self._run(  # type: ignore[no-any-return] # either gives this
            lambda: model.chat(messages, **options), lambda: model.achat(messages, **options)
        )

    def stream(self, model: BaseModel, *arguments: Any, **options: Any) -> list[Chunk]:
        async def collect() -> list[Chunk]:
            return [chunk async for chunk in model.astream_response(*arguments, **options)]

        return self._run(  # type: ignore[no-any-return] # either gives this
            lambda: list(model.stream_response(*arguments, **options)), collect
        )

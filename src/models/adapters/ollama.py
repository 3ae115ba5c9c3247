"""Ask models that Ollama runs, through its own API."""

from __future__ import annotations

import asyncio
import json
import math
import weakref
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from src.models.adapters.openai_compatible import field
from src.models.base_model import BaseModel
from src.models.errors import ConnectionFailed, InvalidRequest, ModelError, ModelNotFound
from src.models.types import Chunk, Completion, ImagePart, Message, ModelRequest, ToolCall, ToolDelta, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from src.models.types import Timeouts

# docs.ollama.com/modelfile#valid-parameters-and-values
_OPTIONS = frozenset(
    {"num_ctx", "num_predict", "top_k", "min_p", "repeat_penalty", "repeat_last_n", "presence_penalty",
     "frequency_penalty", "num_gpu", "num_thread", "num_keep", "typical_p", "mirostat", "mirostat_tau", "mirostat_eta"}
)  # fmt: skip
_SMALLEST_CONTEXT = 4096
_LARGEST_CONTEXT = 131_072
_CHARACTERS_A_TOKEN = 3


class OllamaModel(BaseModel):
    """Ask a model of an Ollama server, by default the one on this machine."""

    provider: ClassVar[str] = "ollama"
    default_base_url: ClassVar[str] = "http://127.0.0.1:11434"

    def __init__(self, model_name: str, **settings: Any) -> None:
        super().__init__(model_name, **settings)
        import ollama

        self.client = ollama.Client(**self._settings())
        self._timed = lru_cache(maxsize=16)(self._make_client)
        self._aclients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = weakref.WeakKeyDictionary()

    def _settings(self) -> dict[str, Any]:
        return {"host": self._base_url or self.default_base_url, "follow_redirects": False}

    def _make_client(self, connect: float, read: float) -> Any:
        """Make a client with these limits: the SDK takes them only here."""
        import httpx
        import ollama

        return ollama.Client(**self._settings(), timeout=httpx.Timeout(read, connect=connect))

    def _client_within(self, timeouts: Timeouts) -> Any:
        return self._timed(float(math.ceil(timeouts.connect)), float(math.ceil(timeouts.read)))

    @property
    def _aclient(self) -> Any:
        """Return the client of the running event loop; the template's own deadline bounds each call."""
        import httpx
        import ollama

        loop = asyncio.get_running_loop()
        client = self._aclients.get(loop)
        if client is None:
            timeout = httpx.Timeout(self.timeouts.read, connect=self.timeouts.connect)
            client = self._aclients[loop] = ollama.AsyncClient(**self._settings(), timeout=timeout)
        return client

    @override
    def _send(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        return self._client_within(timeouts).chat(**payload)

    @override
    async def _asend(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        return await self._aclient.chat(**payload)

    @override
    def _open_stream(self, payload: dict[str, Any], timeouts: Timeouts) -> Iterator[Any]:
        return self._client_within(timeouts).chat(**payload)  # type: ignore[no-any-return] # the SDK's stream

    @override
    async def _aopen_stream(self, payload: dict[str, Any], timeouts: Timeouts) -> AsyncIterator[Any]:
        return await self._aclient.chat(**payload)  # type: ignore[no-any-return] # the SDK's stream

    @override
    def _build(self, request: ModelRequest, *, stream: bool) -> dict[str, Any]:
        extra = dict(request.options)
        options = {name: extra.pop(name) for name in _OPTIONS & extra.keys()}
        options.setdefault("num_ctx", _context(request))
        given = {
            "temperature": request.temperature,
            "num_predict": request.max_tokens,
            "top_p": request.top_p,
            "stop": list(request.stop) or None,
            "seed": request.seed,
        }
        options.update({name: value for name, value in given.items() if value is not None})
        payload: dict[str, Any] = {
            "model": request.model,
            "messages": [_message(message) for message in request.messages],
            "options": options,
            "stream": stream,
        }
        if request.tools:
            payload["tools"] = list(request.tools)
        if request.reasoning_effort is not None:
            payload["think"] = request.reasoning_effort
        if request.response_format is not None:
            plain = request.response_format.name == "json_object"
            payload["format"] = "json" if plain else dict(request.response_format.schema)
        payload.update({name: extra.pop(name) for name in ("think", "keep_alive", "logprobs") if name in extra})
        options.update(extra)
        return payload

    @override
    def _read(self, raw: Any, request: ModelRequest) -> Completion:
        message = field(raw, "message")
        return Completion(
            content=field(message, "content") or "",
            model=field(raw, "model"),
            finish_reason="tool_calls" if field(message, "tool_calls") else field(raw, "done_reason"),
            reasoning=field(message, "thinking") or None,
            usage=_usage(raw),
            tool_calls=tuple(_tool_call(call) for call in field(message, "tool_calls") or ()),
            raw=raw,
        )

    @override
    def _read_event(self, event: Any, request: ModelRequest) -> Iterable[Chunk]:
        message = field(event, "message")
        calls = [_tool_call(call) for call in field(message, "tool_calls") or ()]
        yield Chunk(
            content=field(message, "content") or "",
            reasoning=field(message, "thinking") or "",
            finish_reason=field(event, "done_reason"),
            model=field(event, "model"),
            usage=_usage(event) if field(event, "done") else None,
            tool_deltas=tuple(ToolDelta(at, call.id, call.name, call.arguments) for at, call in enumerate(calls)),
        )

    @override
    def _classify(self, error: BaseException) -> ModelError:
        found = super()._classify(error)
        if isinstance(found, ModelNotFound):
            found.message = f"{found.message}. Pull it: ollama pull {self.model_name}"
        if isinstance(found, ConnectionFailed):
            found.message = f"nothing answers at {self._base_url or self.default_base_url}. Start it: ollama serve"
        return found


def _context(request: ModelRequest) -> int:
    """Return the context to ask for: Ollama's default silently cuts long prompts.

    Powers of two, since another size makes the server load the model again.
    """
    characters = sum(len(message.text) for message in request.messages)
    needed = characters // _CHARACTERS_A_TOKEN + (request.max_tokens or 1024)
    size = _SMALLEST_CONTEXT
    while size < needed and size < _LARGEST_CONTEXT:
        size *= 2
    return size


def _usage(raw: Any) -> Usage | None:
    """Return the tokens; either count may be missing (a cached prompt has none), and is then unknown."""
    prompt, output = field(raw, "prompt_eval_count"), field(raw, "eval_count")
    return None if prompt is None and output is None else Usage(input=prompt, output=output)


def _message(message: Message) -> dict[str, Any]:
    told: dict[str, Any] = {"role": message.role, "content": message.text}
    if not isinstance(message.content, str):
        told["images"] = [_image(part) for part in message.content if isinstance(part, ImagePart)]
    if message.tool_calls:
        told["tool_calls"] = [
            {"function": {"name": call.name, "arguments": json.loads(call.arguments or "{}")}}
            for call in message.tool_calls
        ]
    if message.role == "tool" and message.name:
        told["tool_name"] = message.name
    return told



def _tool_call(call: Any) -> ToolCall:
    function = field(call, "function")
    return ToolCall("", field(function, "name") or "", json.dumps(dict(field(function, "arguments") or {})))


def _image(image: ImagePart) -> bytes:
    if image.data is None:
        raise InvalidRequest(f"Ollama takes an image's bytes, not an address ({image.url}).", parameter="image")
    return image.data

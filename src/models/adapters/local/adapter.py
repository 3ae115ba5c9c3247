"""Ask the embedded model: llama.cpp in this process, so that everything runs with no key and no network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from src.models import embedded_model
from src.models.adapters.local.engine import engine
from src.models.adapters.openai_compatible import OpenAICompatibleModel
from src.models.failures import classify
from src.models.transport import sdk_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from src.models.types import Chunk, Completion, ModelRequest, Timeouts


class LocalModel(OpenAICompatibleModel):
    """A GGUF model in this process, loaded once, by the first call.

    llama.cpp's server speaks Chat Completions as plain JSON.
    """

    provider: ClassVar[str] = "local"

    @override
    def _make_connection(self) -> sdk_client.Connection:
        return sdk_client.Connection(None, None)  # no connection: the engine is shared by the process

    @override
    def is_available(self) -> bool:
        """Tell whether the model's file is there."""
        return self._missing() is None

    @override
    @classmethod
    def _missing(cls) -> str | None:
        """Return how to install the model's file, or that the configured path is none."""
        return embedded_model.why_missing()

    @override
    def _list_models(self) -> Iterable[str]:
        return [embedded_model.name()]

    @override
    def _is_free(self, model: str) -> bool:
        return True

    @override
    def _build(self, request: ModelRequest, *, stream: bool) -> dict[str, Any]:
        payload = super()._build(request, stream=stream)
        return {**payload, **payload.pop("extra_body", {}), "cache_prompt": True}

    @override
    def _send(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        return _checked(engine().ask(payload))

    @override
    async def _asend(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        from src.models.transport.threads import in_thread

        return await in_thread(self._send, payload, timeouts)

    @override
    def _open_stream(self, payload: dict[str, Any], timeouts: Timeouts) -> Iterator[Any]:
        return (_checked(event) for event in engine().stream(payload))

    @override
    async def _aopen_stream(self, payload: dict[str, Any], timeouts: Timeouts) -> AsyncIterator[Any]:
        from src.models.transport.threads import iterate_in_thread

        return iterate_in_thread(self._open_stream, payload, timeouts)

    @override
    def _read(self, raw: Any, request: ModelRequest) -> Completion:
        return super()._read({**raw, "model": self.model_name}, request)

    @override
    def _read_event(self, event: Any, request: ModelRequest) -> Iterable[Chunk]:
        return super()._read_event({**event, "model": self.model_name}, request)


def _checked(reply: Any) -> Any:
    """Return a reply, or raise the error that it is."""
    if isinstance(reply, dict) and "error" in reply:
        detail = reply["error"]
        raise classify.from_status(detail.get("code") if isinstance(detail, dict) else 500, reply)
    return reply

"""Ask the embedded model: llama.cpp in this process, so that everything runs with no key and no network."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from src.models import embedded_model
from src.models.adapters.local.events import Events
from src.models.adapters.openai_compatible import OpenAICompatibleModel
from src.models.call.stream_assembly import StreamAssembly
from src.models.errors import UnknownModel
from src.models.failures import classify
from src.models.transport import sdk_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from src.models.types import Chunk, Completion, ModelRequest, Timeouts


class LocalModel(OpenAICompatibleModel):
    """A GGUF model in this process, loaded once, by the first call.

    llama.cpp's server speaks Chat Completions as plain JSON.
    """

    provider: ClassVar[str] = "local"

    def __init__(self, model_name: str, **settings: Any) -> None:
        super().__init__(_known_name(model_name), **settings)

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
        _known_name(request.model)  # which the environment, or an option of the call, may have changed
        payload = super()._build(request, stream=stream)
        return {**payload, **payload.pop("extra_body", {}), "cache_prompt": True}

    @override
    def _send(self, payload: dict[str, Any], timeouts: Timeouts) -> list[Any]:
        events = Events(payload, timeouts.total)
        try:
            return [_checked(event) for event in events]
        finally:
            events.close()

    @override
    async def _asend(self, payload: dict[str, Any], timeouts: Timeouts) -> list[Any]:
        from src.models.transport.threads import in_thread

        events = Events(payload, timeouts.total)
        try:
            return [_checked(event) for event in await in_thread(list, events)]
        finally:
            events.close()

    @override
    def _open_stream(self, payload: dict[str, Any], timeouts: Timeouts) -> Events:
        return Events(payload, timeouts.total)

    @override
    async def _aopen_stream(self, payload: dict[str, Any], timeouts: Timeouts) -> AsyncIterator[Any]:
        from src.models.transport.threads import iterate_in_thread

        return iterate_in_thread(self._open_stream, payload, timeouts)

    @override
    def _read(self, raw: list[Any], request: ModelRequest) -> Completion:
        """Return the completion that the events of a whole reply make."""
        assembly = StreamAssembly()
        for event in raw:
            for chunk in self._read_event(event, request):
                assembly.add(chunk)
        assembly.flush()
        return replace(assembly.completion(), raw=raw)

    @override
    def _read_event(self, event: Any, request: ModelRequest) -> Iterable[Chunk]:
        return super()._read_event({**_checked(event), "model": embedded_model.name()}, request)


def _known_name(name: str) -> str:
    """Return a name of the embedded model as it is traced.

    Raises:
        UnknownModel: it is another model's, which cannot answer here.
    """
    known = embedded_model.name()
    if name.strip().lower().removesuffix(".gguf") != known:
        raise UnknownModel(
            f"there is no such model here: the embedded one is {known}, under the name local. "
            "MOONDEV_LOCAL_MODEL takes another GGUF file",
            provider="local",
            model=name,
        )
    return known


def _checked(reply: Any) -> Any:
    """Return a reply, or raise the error that it is."""
    detail = reply.get("error") if isinstance(reply, dict) else None
    if not detail:
        return reply
    code = detail.get("code") if isinstance(detail, dict) else 500
    raise classify.from_status(code if type(code) is int else None, reply)

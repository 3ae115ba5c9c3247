"""Ask Google's models, through google-genai or the old google-generativeai."""

from __future__ import annotations

import importlib.util
import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from src.models.adapters.gemini import missing_key
from src.models.adapters.gemini.google_genai import GenAIConnection
from src.models.adapters.gemini.google_generativeai import LegacyConnection
from src.models.base_model import BaseModel
from src.models.errors import ContentBlocked, MalformedResponse, ModelError, ModelUnavailable
from src.models.protocols.generate_content import conversation, legacy_schema, reply
from src.models.request import fitting
from src.models.transport.per_process import PerProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from src.models.capabilities import Capabilities
    from src.models.types import Chunk, Completion, ModelRequest, Timeouts

_OLD_SDK = "google.generativeai"
_UNREADABLE = frozenset({"UnknownApiResponseError", "JSONDecodeError", "ParseError", "UnicodeDecodeError"})


class GeminiModel(BaseModel):
    """A Gemini model.

    A checkout may be pinned to the old SDK; MOONDEV_GEMINI_SDK=legacy takes it where both are installed.
    """

    provider: ClassVar[str] = "gemini"
    default_base_url: ClassVar[str] = "https://generativelanguage.googleapis.com"

    def __init__(self, model_name: str, **settings: Any) -> None:
        super().__init__(model_name, **settings)
        address = self._base_url or self.default_base_url
        # The old SDK looks for a key, and for Google's default credentials, when it is first called.
        self._looks_later = self._compat is not None and self._compat.sdk.name == _OLD_SDK and not self._api_key
        self._legacy = uses_legacy() or (self._looks_later and _installed(_OLD_SDK))
        self._connections: PerProcess[Any] = PerProcess(
            lambda: self._connect(address), lambda connection: connection.close(), is_lazy=self._looks_later
        )

    def _connect(self, address: str) -> Any:
        if self._looks_later:
            self._api_key = self._api_key or missing_key.key_by_now()
        if self._legacy:
            return LegacyConnection(self._api_key, address, looks_later=self._looks_later)
        if self._looks_later and not self._api_key:
            raise missing_key.error()
        return GenAIConnection(self._api_key, address, corrects=self._compat is None)

    @property
    def client(self) -> Any:
        """Return the SDK's client."""
        return self._connections.get().client

    @override
    def _can(self, model: str) -> Capabilities:
        """Return the model's capabilities; the old SDK has neither thinking nor a seed."""
        can = super()._can(model)
        if self._compat is not None:  # an SDK moves no system prompt
            can = replace(can, system_role="system")
        return replace(can, seed=False, reasoning_effort=False) if self._legacy else can

    @override
    def _fitted(self, request: ModelRequest) -> ModelRequest:
        can, response_format = self._can(request.model), request.response_format
        if self._legacy and response_format is not None and legacy_schema.convert(response_format.schema) is None:
            can = replace(can, structured="json_object")  # the schema is put into the prompt
        return fitting.fit(request, can)

    @override
    def _send(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        with self._connections as connection:
            return connection.generate(payload, timeouts)

    @override
    async def _asend(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        if self._legacy:
            return await super()._asend(payload, timeouts)
        with self._connections as connection:
            return await connection.agenerate(payload, timeouts)

    @override
    def _open_stream(self, payload: dict[str, Any], timeouts: Timeouts) -> Iterator[Any]:
        with self._connections as connection:
            return self._connections.hold(connection.stream(payload, timeouts))  # type: ignore[no-any-return] # the SDK's stream

    @override
    async def _aopen_stream(self, payload: dict[str, Any], timeouts: Timeouts) -> AsyncIterator[Any]:
        if self._legacy:
            return await super()._aopen_stream(payload, timeouts)
        with self._connections as connection:
            return self._connections.hold(await connection.astream(payload))  # type: ignore[no-any-return] # the SDK's stream

    @override
    def _list_models(self) -> list[str]:
        with self._connections as connection:
            return [name.removeprefix("models/") for name in connection.model_names()]

    @override
    def _build(self, request: ModelRequest, *, stream: bool) -> dict[str, Any]:
        can = self._can(request.model)
        config: dict[str, Any] = {
            "temperature": request.temperature,
            "top_p": request.top_p,
            "max_output_tokens": request.max_tokens or can.default_max_tokens,
            "stop_sequences": list(request.stop) or None,
            "seed": request.seed,
            **conversation.structured(request, legacy=self._legacy),
            **conversation.thinking(request, can),
            **request.options,
        }
        return {
            "model": request.model,
            "system": request.system if can.system_role != "merged" else None,
            "contents": conversation.contents(request, can, legacy=self._legacy),
            "tools": conversation.declarations(request.tools, legacy=self._legacy),
            "tool_choice": conversation.tool_choice(request.tool_choice),
            "config": {name: value for name, value in config.items() if value is not None},
        }

    @override
    def _read(self, raw: Any, request: ModelRequest) -> Completion:
        return reply.read(raw, request.model)

    @override
    def _read_event(self, event: Any, request: ModelRequest) -> Iterable[Chunk]:
        return reply.read_event(event, request.model)

    @override
    def _classify(self, error: BaseException) -> ModelError:
        names = {kind.__name__ for kind in type(error).__mro__}
        if "streaming response" in str(error) and "BadRequest" in names:
            return MalformedResponse(
                "the stream could not be read"
            )  # how the old SDK reports a stream that it cannot read
        if missing_key.NAME in names:
            return ModelUnavailable(missing_key.REMEDY)
        if "BlockedPromptException" in names:  # how the old SDK ends a stream before it begins
            reason = re.search(r"block_reason: (\w+)", str(error))
            return ContentBlocked(f"the prompt was blocked ({reason[1] if reason else 'no reason told'})")
        code = getattr(error, "code", None)
        if isinstance(code, int) and names & {"APIError", "GoogleAPICallError"}:
            return reply.from_exception(error, int(code))
        if names & _UNREADABLE or (self._legacy and names & {"ValueError", "TypeError"}):  # the old SDK's own parser
            return MalformedResponse(f"the reply could not be read: {type(error).__name__}")
        return super()._classify(error)


def uses_legacy() -> bool:
    """Tell whether to use the old SDK: where it is asked for, or is the only one that is installed."""
    requested_sdk = os.environ.get("MOONDEV_GEMINI_SDK", "").strip().lower()
    return requested_sdk == "legacy" or not _installed("google.genai")


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False

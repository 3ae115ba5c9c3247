"""Talk to Gemini through google-genai."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from src.models import wire
from src.models.adapters.gemini import events
from src.models.loops import PerLoop

if TYPE_CHECKING:
    from src.models.types import Timeouts


class Current:
    """Talk through google-genai. A client that nothing refers to closes itself, so it is kept here."""

    def __init__(self, key: str | None, address: str) -> None:
        self._key = key
        self._address = address
        hooks = wire.hooks("gemini")
        self.client = self._make(
            {"client_args": {"event_hooks": {**hooks, "response": [*hooks["response"], events.watch]}}}
        )
        self._aclients = PerLoop(self._make_async, lambda made: made[1].aclose())

    def _make(self, transport: dict[str, Any]) -> Any:
        from google import genai

        options = {
            "base_url": self._address,
            # v1, the SDK's default now, lacks features: ai.google.dev/gemini-api/docs/api-versions
            "api_version": "v1beta",
            "retry_options": {"attempts": 1},
            **transport,
        }
        return genai.Client(api_key=self._key, vertexai=False, http_options=options)  # type: ignore[arg-type] # as a dict

    def _make_async(self) -> tuple[Any, Any]:
        """Return a client, and its HTTP client: one of our own, which the SDK leaves for us to close.

        It would take aiohttp wherever that is installed.
        """
        import httpx2

        hooks = wire.async_hooks("gemini")
        watched = {**hooks, "response": [*hooks["response"], events.awatch]}
        http = httpx2.AsyncClient(event_hooks=watched, follow_redirects=True)
        return self._make({"httpx_async_client": http}), http

    @staticmethod
    def _arguments(payload: dict[str, Any]) -> dict[str, Any]:
        config = {**payload["config"], "automatic_function_calling": {"disable": True}}
        if payload["system"] is not None:
            config["system_instruction"] = payload["system"]
        if payload["tools"]:
            config["tools"] = [{"function_declarations": payload["tools"]}]
        if payload["tool_choice"]:
            config["tool_config"] = {"function_calling_config": payload["tool_choice"]}
        return {"model": payload["model"], "contents": payload["contents"], "config": config}

    def generate(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:  # noqa: ARG002 - held by the client's hooks
        """Return a whole reply."""
        return self.client.models.generate_content(**self._arguments(payload))

    async def agenerate(self, payload: dict[str, Any]) -> Any:
        """Do what `generate` does, in asyncio."""
        return await self._aclients.get()[0].aio.models.generate_content(**self._arguments(payload))

    def stream(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:  # noqa: ARG002 - held by the client's hooks
        """Return a stream."""
        return self.client.models.generate_content_stream(**self._arguments(payload))

    async def astream(self, payload: dict[str, Any]) -> Any:
        """Do what `stream` does, in asyncio."""
        return await self._aclients.get()[0].aio.models.generate_content_stream(**self._arguments(payload))

    def names(self) -> list[str]:
        """Return the names of the models that generate text."""
        found = self.client.models.list()
        return [
            item.name or "" for item in found if "generateContent" in (item.supported_actions or ("generateContent",))
        ]

"""Talk to Gemini through google-genai."""

from __future__ import annotations

import os
import ssl
from functools import partial
from typing import TYPE_CHECKING, Any

from src.models.adapters.gemini import response_hooks
from src.models.lazy_reply import LazyReply
from src.models.protocols.generate_content import plain_call
from src.models.transport import http_hooks, replay, tls
from src.models.transport.per_loop import PerLoop

if TYPE_CHECKING:
    from src.models.types import Timeouts


class Current:
    """Talk through google-genai. A client that nothing refers to closes itself, so it is kept here."""

    def __init__(self, key: str | None, address: str) -> None:
        self._key = key
        self._address = address
        hooks = http_hooks.hooks("gemini")
        hooks["response"].append(response_hooks.watch)
        self.client = self._make(event_hooks=hooks)
        # Its HTTP client is looked for where the SDK keeps it now; where it is not, each call is the SDK's own.
        self._http = getattr(getattr(self.client, "_api_client", None), "_httpx_client", None)
        self._replay = replay.Replay(self._http, self.client.models, "generate_content")
        self._aclients = PerLoop(self._make_async, lambda made: made[1].aclose())

    def _make(self, *, event_hooks: Any = None, async_http: Any = None) -> Any:
        from google import genai

        # The SDK would build three contexts for each client.
        uses_httpx = os.environ.get("GOOGLE_GENAI_HTTP_CLIENT", "").lower().strip() == "httpx"
        verify = tls.for_address(self._address, _certifi_context if uses_httpx else _httpx2_context)

        options = {
            "base_url": self._address,
            # v1, the SDK's default now, lacks features: ai.google.dev/gemini-api/docs/api-versions
            "api_version": "v1beta",
            "retry_options": {"attempts": 1},
            "client_args": {"verify": verify, "event_hooks": event_hooks},
            # The SDK takes `ssl` for aiohttp and websockets.
            "async_client_args": {"verify": verify, "ssl": tls.OnDemand(_certifi_context)},
            "httpx_async_client": async_http,
        }
        return genai.Client(api_key=self._key, vertexai=False, http_options=options)  # type: ignore[arg-type] # as a dict

    def _make_async(self) -> tuple[Any, Any, replay.Replay]:
        """Return a client, and its HTTP client: one of our own, which the SDK leaves for us to close.

        It would take aiohttp wherever that is installed.
        """
        import httpx2

        hooks = http_hooks.async_hooks("gemini")
        hooks["response"].append(response_hooks.awatch)
        verify = tls.for_address(self._address, httpx2.create_ssl_context)
        http = httpx2.AsyncClient(event_hooks=hooks, follow_redirects=True, verify=verify)
        known = None if self._http is None else http
        client = self._make(async_http=http)
        return client, http, replay.Replay(known, client.aio.models, "generate_content", asynchronous=True)

    @staticmethod
    def _arguments(payload: dict[str, Any]) -> dict[str, Any]:
        config = {**payload["config"], "automatic_function_calling": {"disable": True}}
        if payload["system"] is not None:
            config["system_instruction"] = payload["system"]
        if payload["tools"]:
            config["tools"] = payload["tools"]
        if payload["tool_choice"]:
            config["tool_config"] = {"function_calling_config": payload["tool_choice"]}
        return {"model": payload["model"], "contents": payload["contents"], "config": config}

    def generate(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        """Return a whole reply."""
        ask = partial(self.client.models.generate_content, **self._arguments(payload))
        read = partial(self._raw, payload["config"])
        return self._replay.call(plain_call.shape(payload), plain_call.body(payload), timeouts, ask, read)

    async def agenerate(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        """Do what `generate` does, in asyncio."""
        client, _, replayed = self._aclients.get()
        ask = partial(client.aio.models.generate_content, **self._arguments(payload))
        read = partial(self._raw, payload["config"])
        return await replayed.acall(plain_call.shape(payload), plain_call.body(payload), timeouts, ask, read)

    def _raw(self, config: dict[str, Any], response: Any) -> LazyReply | None:
        """Return what a plain reply says."""
        told = replay.read_json_object(response)
        found = None if told is None else plain_call.reply(told)
        return None if found is None else LazyReply(found, partial(self._typed, config, response))

    def _typed(self, config: dict[str, Any], response: Any) -> Any:
        """Return a reply as the SDK's object, which does not depend on what was asked but for the form asked for."""
        arguments: dict[str, Any] = {
            "model": "any",
            "contents": "any",
            "system": None,
            "tools": [],
            "tool_choice": None,
        }
        ask = partial(self.client.models.generate_content, **self._arguments({**arguments, "config": config}))
        return replay.answered_with(response, ask)

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


def _httpx2_context() -> ssl.SSLContext:
    """Build the context that the SDK builds for httpx2, which alone does not read both variables at once."""
    import httpx2

    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    return ssl.create_default_context(cafile=file, capath=folder) if file or folder else httpx2.create_ssl_context()


def _certifi_context() -> ssl.SSLContext:
    """Build the context that the SDK builds for httpx, aiohttp and websockets."""
    import certifi

    file, folder = os.environ.get("SSL_CERT_FILE", certifi.where()), os.environ.get("SSL_CERT_DIR")
    return ssl.create_default_context(cafile=file, capath=folder)

"""Connect to Gemini through google-genai."""

from __future__ import annotations

import os
import ssl
from functools import partial
from typing import TYPE_CHECKING, Any

from src.models.adapters.gemini import response_hooks
from src.models.lazy_reply import LazyReply
from src.models.protocols.generate_content import plain_call, usage
from src.models.transport import http_clients, http_hooks, replay, tls
from src.models.transport.client_settings import ClientSettings
from src.models.transport.per_loop import PerLoop
from src.observability import network

if TYPE_CHECKING:
    from src.models.types import Timeouts

# What decides where and with which headers the SDK sends, in this version.
_SETTABLE = tuple(f"_api_client._http_options.{name}" for name in ("headers", "base_url", "api_version"))


class GenAIConnection:
    """The clients of google-genai. The SDK's client closes itself when nothing refers to it, so it is held here.

    Args:
        key: The key.
        address: The address.
        corrects: Whether replies of gateways are corrected, and v1beta is asked, which has more than the SDK's default.
    """

    def __init__(self, key: str | None, address: str, *, corrects: bool = True) -> None:
        self._key = key
        self._corrects = corrects
        self._address, basic = network.split_credentials(address)
        self._headers = {"Authorization": basic} if basic else {}
        hooks = http_hooks.hooks("gemini")
        if corrects:
            hooks["response"].append(response_hooks.clean)
        self.client = self._make(event_hooks=hooks)
        # Where the SDK has its HTTP client in this version; where it is missing, the SDK makes each call itself.
        self._http = getattr(getattr(self.client, "_api_client", None), "_httpx_client", None)
        settings = ClientSettings(self._http, self.client, _SETTABLE)
        self._replay = replay.Replay(self._http, self.client.models, "generate_content", settings=settings)
        self._aclients = PerLoop(self._make_async, lambda connection: connection[1].aclose())

    def _make(self, *, event_hooks: Any = None, async_http: Any = None) -> Any:
        from google import genai
        from google.genai import client as genai_client

        # Without the contexts in these, the SDK builds three for each client.
        uses_httpx = os.environ.get("GOOGLE_GENAI_HTTP_CLIENT", "").lower().strip() == "httpx"
        library, build = ("httpx", _certifi_context) if uses_httpx else ("httpx2", _httpx2_context)
        client_args, async_args = (
            http_clients.arguments(library, self._address, build, asynchronous=asynchronous)
            for asynchronous in (False, True)
        )
        options = {
            "base_url": self._address,
            "headers": self._headers,
            # v1, the SDK's default now, lacks features: ai.google.dev/gemini-api/docs/api-versions
            **({"api_version": "v1beta"} if self._corrects else {}),
            "retry_options": {"attempts": 1},
            "client_args": {**client_args, "event_hooks": event_hooks},
            # The SDK takes `ssl` for aiohttp and websockets.
            "async_client_args": {**async_args, "ssl": tls.OnDemand(_certifi_context)},
            "httpx_async_client": async_http,
        }
        # The SDK's own recorder of requests, which GOOGLE_GENAI_CLIENT_MODE switches on for the SDK's tests.
        no_recorder = genai_client.DebugConfig(client_mode="", replays_directory="", replay_id="")
        return genai.Client(api_key=self._key, vertexai=False, debug_config=no_recorder, http_options=options)  # type: ignore[arg-type] # as a dict

    def _make_async(self) -> tuple[Any, Any, replay.Replay]:
        """Return a client, its HTTP client and its replay. The HTTP client is our own, which the SDK does not close.

        The SDK would choose aiohttp wherever that is installed.
        """
        import httpx2

        hooks = http_hooks.async_hooks("gemini")
        if self._corrects:
            hooks["response"].append(response_hooks.aclean)
        arguments = http_clients.arguments("httpx2", self._address, httpx2.create_ssl_context, asynchronous=True)
        http = httpx2.AsyncClient(event_hooks=hooks, follow_redirects=True, **arguments)
        replayed_http = None if self._http is None else http
        client = self._make(async_http=http)
        models, settings = client.aio.models, ClientSettings(replayed_http, client, _SETTABLE)
        replayed = replay.Replay(replayed_http, models, "generate_content", asynchronous=True, settings=settings)
        return client, http, replayed

    def close(self) -> None:
        """Close the plain client."""
        self.client.close()

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
        read = partial(self._read, payload["config"])
        return self._replay.call(plain_call.shape(payload), plain_call.body(payload), timeouts, ask, read)

    async def agenerate(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        """Do what `generate` does, in asyncio."""
        with self._aclients as (client, _, async_replay):
            async_replay.settings.follow(self._replay.settings)
            ask = partial(client.aio.models.generate_content, **self._arguments(payload))
            read = partial(self._read, payload["config"])
            return await async_replay.acall(plain_call.shape(payload), plain_call.body(payload), timeouts, ask, read)

    def _read(self, config: dict[str, Any], response: Any) -> LazyReply | None:
        """Return a plain reply as its JSON; None for any other."""
        body = replay.read_json_object(response)
        reply = None if body is None else plain_call.read(body)
        tier = response.headers.get(usage.TIER_HEADER)
        if reply is not None and tier:
            reply["usage_metadata"]["service_tier"] = tier
        return None if reply is None else LazyReply(reply, partial(self._sdk_object, config, response))

    def _sdk_object(self, config: dict[str, Any], response: Any) -> Any:
        """Return a reply as the SDK's object; of the request, only the reply's format matters for it."""
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
        with self._aclients as (client, _, async_replay):
            async_replay.settings.follow(self._replay.settings)
            events = await client.aio.models.generate_content_stream(**self._arguments(payload))
            return self._aclients.hold(events)

    def model_names(self) -> list[str]:
        """Return the names of the models that generate text."""
        models = self.client.models.list()
        return [
            item.name or "" for item in models if "generateContent" in (item.supported_actions or ("generateContent",))
        ]


def _httpx2_context() -> ssl.SSLContext:
    """Build the context that the SDK builds for httpx2: of both variables, where httpx2 itself would read one."""
    import httpx2

    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    return ssl.create_default_context(cafile=file, capath=folder) if file or folder else httpx2.create_ssl_context()


def _certifi_context() -> ssl.SSLContext:
    """Build the context that the SDK builds for httpx, aiohttp and websockets."""
    import certifi

    file, folder = os.environ.get("SSL_CERT_FILE", certifi.where()), os.environ.get("SSL_CERT_DIR")
    return ssl.create_default_context(cafile=file, capath=folder)

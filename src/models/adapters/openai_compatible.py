"""Ask providers that speak Chat Completions, the protocol that OpenAI defined and most others offer."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from src.models import capabilities
from src.models.base_model import BaseModel
from src.models.errors import InvalidRequest
from src.models.fields import decode_json
from src.models.pricing.reported import reported_cost
from src.models.protocols import responses
from src.models.protocols.chat_completions import conversation, reply
from src.models.protocols.chat_completions.usage import usage as chat_usage
from src.models.request import fitting
from src.models.transport import gateway_hooks, http_clients, http_hooks, sdk_client
from src.models.transport.per_loop import PerLoop
from src.models.transport.per_process import PerProcess
from src.observability import network

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from src.models.capabilities import Capabilities
    from src.models.types import Chunk, Completion, Cost, ModelRequest, Timeouts, Usage


class OpenAICompatibleModel(BaseModel):
    """A model of a provider that speaks Chat Completions, through the openai SDK.

    A further provider is a short subclass or a row of the factory's table; the class attributes say what differs.

    Args:
        model_name: The model to ask.
        api: `chat` or `responses`; by default Chat Completions for every model that has them.
        **settings: As for `BaseModel`.
    """

    provider: ClassVar[str] = "openai_compatible"
    default_base_url: ClassVar[str | None] = None
    extra_body: ClassVar[Mapping[str, object]] = {}
    stream_options: ClassVar[Mapping[str, object] | None] = {"include_usage": True}
    sdk: ClassVar[tuple[str, str, str]] = ("openai", "OpenAI", "AsyncOpenAI")
    path: ClassVar[str] = "/chat/completions"
    custom_tools: ClassVar[bool] = True

    def __init__(self, model_name: str, *, api: str | None = None, **settings: Any) -> None:
        super().__init__(model_name, **settings)
        if api not in (None, "chat", "responses"):
            raise InvalidRequest(f"api is {api!r}; there are chat and responses.", parameter="api")
        self._api = api
        self._connections = PerProcess(self._make_connection, lambda connection: connection.close())
        self._async_connections = PerLoop(self._make_async_connection, lambda connection: connection.close())

    # The connection.

    @property
    def client(self) -> Any:
        """Return the SDK's client."""
        return self._connections.get().client

    def _settings(self) -> dict[str, Any]:
        """Return the arguments for the SDK's client, with its retries off: `BaseModel` retries."""
        address, basic = network.split_credentials(self._base_url or self.default_base_url or "")
        headers: dict[str, Any] = {"Authorization": basic} if basic else {}
        is_empty = not self._api_key and self._names_empty_key() and not self._omits_key()
        return {
            "api_key": self._api_key or ("" if is_empty else "not-needed"),
            "base_url": address or None,
            "max_retries": 0,
            "default_headers": headers,
        }

    def _names_empty_key(self) -> bool:
        """Tell whether a program names an empty key, and no credentials in the address."""
        basic = network.split_credentials(self._base_url or self.default_base_url or "")[1]
        return self._compat is not None and not self._compat.sends_key and not basic

    def _omits_key(self) -> bool:
        """Tell whether requests carry no key where it is empty; Groq's SDK fails where it writes the empty header."""
        return self._names_empty_key() and self.sdk[0] == "openai"

    def _library(self) -> Any:
        return importlib.import_module(self.sdk[0])

    def _make_connection(self) -> sdk_client.Connection:
        sdk, settings = self._library(), self._settings()
        hooks = http_hooks.hooks(self.provider)
        hooks["response"].append(gateway_hooks.repair_stream)
        hooks["request"] += [_without_key] if self._omits_key() else []
        make_http = getattr(sdk, "DefaultHttpx2Client", sdk.DefaultHttpxClient)
        http = make_http(event_hooks=hooks, **_http_arguments(sdk, settings["base_url"]))
        return sdk_client.Connection(
            self._without_openai_settings(getattr(sdk, self.sdk[1])(**settings, http_client=http), settings), http
        )

    def _make_async_connection(self) -> sdk_client.Connection:
        sdk, settings = self._library(), self._settings()
        hooks = http_hooks.async_hooks(self.provider)
        hooks["response"].append(gateway_hooks.arepair_stream)
        hooks["request"] += [_awithout_key] if self._omits_key() else []
        make_http = getattr(sdk, "DefaultAsyncHttpx2Client", sdk.DefaultAsyncHttpxClient)
        http = make_http(event_hooks=hooks, **_http_arguments(sdk, settings["base_url"], asynchronous=True))
        client = self._without_openai_settings(getattr(sdk, self.sdk[2])(**settings, http_client=http), settings)
        return sdk_client.Connection(client, http, asynchronous=True)

    def _without_openai_settings(self, client: Any, settings: dict[str, Any]) -> Any:
        """Return a client of the openai SDK without what the SDK reads for OpenAI itself.

        OPENAI_ORG_ID, OPENAI_PROJECT_ID, OPENAI_ADMIN_KEY and OPENAI_CUSTOM_HEADERS, which may hold a key, would
        otherwise go to every provider that is asked through this SDK.
        """
        if self.provider != "openai" and self.sdk[0] == "openai":
            client.organization = client.project = client.admin_api_key = client.webhook_secret = None
            client._custom_headers = dict(settings["default_headers"])
            client._ambient_authorizations = frozenset()
        return client

    def _route(self, payload: Mapping[str, Any]) -> sdk_client.Route:
        """Return the route of a payload's protocol."""
        return _responses_route(self.sdk[0]) if "input" in payload else _chat_route(self.sdk[0], self.path)

    @override
    def _send(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        with self._connections as connection:
            return connection.send(self._route(payload), payload, timeouts)

    @override
    async def _asend(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        with self._async_connections as connection:
            return await connection.follow(self._connections.peek()).asend(self._route(payload), payload, timeouts)

    @override
    def _open_stream(self, payload: dict[str, Any], timeouts: Timeouts) -> Iterator[Any]:
        with self._connections as connection:
            stream = sdk_client.post(connection.client, self._route(payload), payload, timeouts)
            return self._connections.hold(stream)  # type: ignore[no-any-return] # the SDK's stream

    @override
    async def _aopen_stream(self, payload: dict[str, Any], timeouts: Timeouts) -> AsyncIterator[Any]:
        with self._async_connections as connection:
            client = connection.follow(self._connections.peek()).client
            stream = await sdk_client.apost(client, self._route(payload), payload, timeouts)
            return self._async_connections.hold(stream)  # type: ignore[no-any-return] # the SDK's stream

    # The protocol.

    @override
    def _can(self, model: str) -> Capabilities:
        can = capabilities.of(self.provider, model)
        return _by_responses(can) if (self._api or can.api) == "responses" else can

    def _capabilities_for(self, request: ModelRequest) -> Capabilities:
        """Return the capabilities that hold for this request: some models take tools in the Responses API only."""
        can = self._can(request.model)
        if not request.tools or self._api is not None or can.tools_api == "chat":
            return can
        requested = request.reasoning_effort
        effort = None if requested is None else capabilities.nearest_effort(requested, can)
        thinks = effort is not None or can.tools_api == "responses"
        return _by_responses(can) if thinks and effort != "none" else can

    @override
    def _fitted(self, request: ModelRequest) -> ModelRequest:
        return fitting.fit(request, self._capabilities_for(request))

    @override
    def _build(self, request: ModelRequest, *, stream: bool) -> dict[str, Any]:
        can = self._capabilities_for(request)
        if can.api == "responses":
            body = responses.build(request, can) | ({"stream": True} if stream else {})
            if self._compat is not None:  # the SDK leaves it to OpenAI whether a reply is stored
                del body["store"]
            return self._with_options({**body, **(request.written or {})}, request.options)
        turns = request.written or {"messages": conversation.messages(request, can)}
        payload: dict[str, Any] = {"model": request.model, **turns}
        parameters: dict[str, Any] = {
            "temperature": request.temperature,
            "top_p": request.top_p,
            **self._limit(request, can),
            "stop": list(request.stop),
            "seed": request.seed,
            **_effort(request.reasoning_effort, can),
            "tools": list(request.tools) if request.written else [*map(conversation.tool, request.tools)],
            "tool_choice": conversation.tool_choice(request.tool_choice),
            "response_format": conversation.response_format(request, can),
        }
        payload.update({name: value for name, value in parameters.items() if value is not None and value != []})
        if stream:
            payload["stream"] = True
            if self.stream_options is not None:
                payload["stream_options"] = self.stream_options
        return self._with_options(payload, request.options)

    def _limit(self, request: ModelRequest, can: Capabilities) -> dict[str, int | None]:
        """Return the limit of tokens by the name that the model takes, for an SDK's program by that of the program."""
        if self._compat is not None:
            return {"max_tokens": request.max_tokens}
        return {can.max_tokens_name: request.max_tokens or can.default_max_tokens}

    def _with_options(self, payload: dict[str, Any], options: Mapping[str, object]) -> dict[str, Any]:
        """Add the caller's options and the provider's own body fields."""
        known = {"extra_body", "extra_headers", "extra_query"}
        for name in known & options.keys():
            payload[name] = options[name]
        body = {**self.extra_body, **{name: value for name, value in options.items() if name not in known}}
        caller_body = payload.get("extra_body")
        if body:
            payload["extra_body"] = {**body, **(caller_body if isinstance(caller_body, Mapping) else {})}
        return payload

    @override
    def _list_models(self) -> Iterable[str]:
        with self._connections as connection:
            return [model.id for model in connection.client.models.list().data]

    @override
    def _read(self, raw: Any, request: ModelRequest) -> Completion:
        if self._capabilities_for(request).api == "responses":
            return responses.read(decode_json(raw), self)
        return reply.read(decode_json(raw), self, request.model)

    @override
    def _read_event(self, event: Any, request: ModelRequest) -> Iterable[Chunk]:
        if self._capabilities_for(request).api == "responses":
            return responses.read_event(event, self)
        return reply.read_event(event, self, request.model)

    @override
    def _is_free(self, model: str) -> bool:
        """Tell whether an Ollama server is asked, in OpenAI's protocol, for a model that it runs itself."""
        is_cloud = model.endswith(("-cloud", ":cloud")) or "ollama.com" in (self._base_url or "")
        return self.provider == "ollama" and not is_cloud

    def _usage(self, usage: Any) -> Usage | None:
        """Return the tokens in exclusive buckets: platform.openai.com/docs/api-reference/chat/object."""
        return chat_usage(usage)

    def _reported_cost(self, usage: Any) -> Cost | None:
        """Return the cost that the provider itself reports."""
        return reported_cost(self.provider, usage)


def _without_key(request: Any) -> None:
    """Take the key out of a request; the SDK refuses a client without one."""
    request.headers.pop("authorization", None)


async def _awithout_key(request: Any) -> None:
    _without_key(request)


def _http_arguments(sdk: Any, address: str | None, *, asynchronous: bool = False) -> dict[str, Any]:
    """Return the arguments for an HTTP client with the TLS context that the SDK's own one would have."""
    library: Any = importlib.import_module("httpx2" if hasattr(sdk, "DefaultHttpx2Client") else "httpx")
    limits = getattr(sdk, "DEFAULT_CONNECTION_LIMITS", None)
    return http_clients.arguments(
        library.__name__, address, library.create_ssl_context, asynchronous=asynchronous, limits=limits
    )


def _by_responses(can: Capabilities) -> Capabilities:
    return replace(can, api="responses", seed=False, stop=False, min_output=responses.LEAST_OUTPUT)


def _effort(effort: str | None, can: Capabilities) -> dict[str, Any]:
    """Return the parameter for a reasoning effort; some models switch thinking off by another one."""
    if effort == "none" and can.effort_off != "omitted":
        return {"thinking": {"type": can.effort_off}}
    return {"reasoning_effort": effort}


@cache
def _chat_route(sdk: str, path: str) -> sdk_client.Route:
    types = importlib.import_module(f"{sdk}.types.chat")
    return sdk_client.Route(
        path=path, reply=types.ChatCompletion, event=types.ChatCompletionChunk, sdk=importlib.import_module(sdk)
    )


@cache
def _responses_route(sdk: str) -> sdk_client.Route:
    types = importlib.import_module(f"{sdk}.types.responses")
    return sdk_client.Route(
        path="/responses", reply=types.Response, event=types.ResponseStreamEvent, sdk=importlib.import_module(sdk)
    )

"""Ask Anthropic's models through the Messages API."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from src.models.adapters.claude import schema
from src.models.adapters.claude import stream as claude_stream
from src.models.base_model import BaseModel
from src.models.protocols.messages import conversation, reply, thinking
from src.models.request import fitting
from src.models.transport import gateway_hooks, http_clients, http_hooks, sdk_client
from src.models.transport.per_loop import PerLoop
from src.models.transport.per_process import PerProcess
from src.observability import network

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

    from src.models.capabilities import Capabilities
    from src.models.errors import ModelError
    from src.models.types import Chunk, Completion, ModelRequest, Timeouts

# The parameters of `messages.create` that a caller's options may name; other options are sent in the body as they are.
_SDK_NAMES = frozenset(
    {
        "cache_control", "container", "diagnostics", "inference_geo", "metadata", "output_config", "service_tier",
        "speed", "thinking", "user_profile_id", "workspace_id", "extra_headers", "extra_query",
    }
)  # fmt: skip
_AS_HEADERS = {"user_profile_id": "anthropic-user-profile-id", "workspace_id": "anthropic-workspace-id"}


class ClaudeModel(BaseModel):
    """A Claude model."""

    provider: ClassVar[str] = "claude"
    default_base_url: ClassVar[str] = "https://api.anthropic.com"

    def __init__(self, model_name: str, **settings: Any) -> None:
        super().__init__(model_name, **settings)
        import anthropic

        self._connections = PerProcess(self._make_connection, lambda connection: connection.close())
        self._async_connections = PerLoop(self._make_async_connection, lambda connection: connection.close())
        self._route = sdk_client.Route(
            path="/v1/messages",
            reply=anthropic.types.Message,
            event=anthropic.types.RawMessageStreamEvent,
            sdk=anthropic,
            headers=_AS_HEADERS,
        )
        self._route.stream, self._route.astream = claude_stream.stream_classes()

    def _settings(self) -> dict[str, Any]:
        """Return the arguments for the SDK's client, with its retries off: `BaseModel` retries."""
        address, basic = network.split_credentials(self._base_url or self.default_base_url)
        headers = {"Authorization": basic} if basic else {}
        token = None if self._compat is None else self._compat.token
        sends_key = self._compat is None or self._compat.sends_key or bool(token)
        return {
            "api_key": self._api_key if sends_key else "",  # for None the SDK would read its own variable
            "base_url": address,
            "max_retries": 0,
            "default_headers": headers,
            **({"auth_token": token} if token else {}),
        }

    @property
    def client(self) -> Any:
        """Return the SDK's client."""
        return self._connections.get().client

    def _make_connection(self) -> sdk_client.Connection:
        import anthropic

        hooks = http_hooks.hooks(self.provider)
        hooks["response"].append(gateway_hooks.repair_stream)
        http = anthropic.DefaultHttpxClient(event_hooks=hooks, **self._http_arguments())
        return sdk_client.Connection(anthropic.Anthropic(**self._settings(), http_client=http), http)

    def _make_async_connection(self) -> sdk_client.Connection:
        import anthropic

        hooks = http_hooks.async_hooks(self.provider)
        hooks["response"].append(gateway_hooks.arepair_stream)
        http = anthropic.DefaultAsyncHttpxClient(event_hooks=hooks, **self._http_arguments(asynchronous=True))
        client = anthropic.AsyncAnthropic(**self._settings(), http_client=http)
        return sdk_client.Connection(client, http, asynchronous=True)

    def _http_arguments(self, *, asynchronous: bool = False) -> dict[str, Any]:
        """Return the arguments for an HTTP client with the TLS context that the SDK's own one would have."""
        import anthropic
        import httpx2

        address, limits = self._base_url or self.default_base_url, anthropic.DEFAULT_CONNECTION_LIMITS
        return http_clients.arguments(
            "httpx2", address, httpx2.create_ssl_context, asynchronous=asynchronous, limits=limits
        )

    @override
    def _list_models(self) -> Iterable[str]:
        with self._connections as connection:
            return [model.id for model in connection.client.models.list()]

    @override
    def _send(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        with self._connections as connection:
            return connection.send(self._route, payload, timeouts)

    @override
    async def _asend(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        with self._async_connections as connection:
            return await connection.follow(self._connections.peek()).asend(self._route, payload, timeouts)

    @override
    def _open_stream(self, payload: dict[str, Any], timeouts: Timeouts) -> Iterator[Any]:
        with self._connections as connection:
            events = sdk_client.post(connection.client, self._route, payload, timeouts)
            return claude_stream.follow(self._connections.hold(events), payload["model"])

    @override
    async def _aopen_stream(self, payload: dict[str, Any], timeouts: Timeouts) -> AsyncIterator[Any]:
        with self._async_connections as connection:
            client = connection.follow(self._connections.peek()).client
            events = await sdk_client.apost(client, self._route, payload, timeouts)
            return claude_stream.afollow(self._async_connections.hold(events), payload["model"])

    def _capabilities_for(self, request: ModelRequest) -> Capabilities:
        """Return the capabilities that hold for this request: a schema that cannot be converted is put into the prompt.

        A forced tool would be the alternative. It is refused beside thinking, and by models from Opus 5.5 on altogether
        (platform.claude.com/docs/en/models/opus-5-5/whats-new-opus-5-5#forced-tool-use-is-not-supported), so an
        instruction, and `BaseModel`'s repair, is what works on every model.
        """
        can, response_format = self._can(request.model), request.response_format
        if (
            response_format is None
            or can.structured != "json_schema"
            or schema.native(response_format.schema) is not None
        ):
            return can
        return replace(can, structured="instructed")

    @override
    def _fitted(self, request: ModelRequest) -> ModelRequest:
        can = self._capabilities_for(request)
        return thinking.fit(fitting.fit(request, can), can)

    @override
    def _build(self, request: ModelRequest, *, stream: bool) -> dict[str, Any]:
        can = self._capabilities_for(request)
        options: dict[str, Any] = dict(request.options)
        body = dict(options.pop("extra_body", None) or {})
        parallel, betas = options.pop("parallel_tool_calls", None), options.pop("betas", None)
        payload: dict[str, Any] = {name: options.pop(name) for name in _SDK_NAMES & options.keys()}
        thinks = payload.get("thinking") or thinking.config(request, can)
        parameters: dict[str, Any] = {
            "model": request.model,
            **(request.written or conversation.fields(request)),
            "max_tokens": request.max_tokens or thinking.default_max_tokens(can, thinks),
            "temperature": request.temperature,
            "top_p": request.top_p,
            "thinking": thinks,
            "stop_sequences": list(request.stop) or None,
            "tools": (list(request.tools) if request.written else [*map(conversation.tool, request.tools)]) or None,
            "tool_choice": conversation.tool_choice(request, one_at_a_time=parallel is False),
            "output_config": _output_config(payload.get("output_config"), request, can),
            "extra_headers": _headers(payload.get("extra_headers"), betas),
            "extra_body": options | body or None,
            "stream": stream or None,
        }
        return payload | {name: value for name, value in parameters.items() if value is not None}

    @override
    def _read(self, raw: Any, request: ModelRequest) -> Completion:
        return reply.read(raw, request.model)

    @override
    def _read_event(self, event: Any, request: ModelRequest) -> Iterable[Chunk]:
        return reply.read_event(event)

    @override
    def _classify(self, error: BaseException) -> ModelError:
        return reply.with_details(super()._classify(error), getattr(error, "body", None))


def _output_config(options: Any, request: ModelRequest, can: Capabilities) -> dict[str, Any] | None:
    """Return the schema and the effort: platform.claude.com/docs/en/build-with-claude/structured-outputs."""
    config: dict[str, Any] = dict(options or {})
    response_format, effort = request.response_format, request.reasoning_effort
    if response_format is not None and can.structured == "json_schema" and response_format.name != "json_object":
        config["format"] = {"type": "json_schema", "schema": schema.native(response_format.schema)}
    if effort not in (None, "none") and can.effort_as != "budget":
        config["effort"] = effort
    return config or None


def _headers(headers: Mapping[str, str] | None, betas: Any) -> dict[str, str] | None:
    """Return the extra headers, one for beta features: platform.claude.com/docs/en/api/beta-headers."""
    if not betas:
        return dict(headers) if headers else None
    return {**(headers or {}), "anthropic-beta": betas if isinstance(betas, str) else ",".join(betas)}

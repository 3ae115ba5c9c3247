"""Send a ready-made body through an SDK's own client, as its documentation offers for undocumented endpoints.

`client.post` keeps all that the SDK does about addresses, keys, headers, errors, streams and reply objects. It leaves
out the walk of `create` through every parameter and its type hints, which takes longer than tracing does
(github.com/openai/openai-python#undocumented-endpoints; anthropic's and groq's clients have the same method). A second
instrumentation, which wraps `create`, does not count these calls again. Calls for whole replies replay what
`client.post` sends (`src.models.transport.replay`).
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import orjson

from src.models.lazy_reply import LazyReply
from src.models.transport import replay
from src.models.transport.client_settings import ClientSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from src.models.types import Timeouts

# What may be set on an SDK's client after it was made, and changes what it sends.
_SETTABLE = ("api_key", "auth_token", "_base_url", "organization", "project", "_custom_headers", "_custom_query")
_NOT_IN_BODY = ("extra_headers", "extra_query")


class Route:
    """Where a call goes, and what its reply and the events of its stream are made into.

    Args:
        path: Below the client's base URL.
        reply: The SDK's type of a whole reply.
        event: The SDK's type of a stream's events.
        sdk: The SDK's module.
        headers: The parameters that are sent as headers, and their names there.
    """

    __slots__ = ("astream", "headers", "path", "reply", "stream", "timeout")

    def __init__(self, path: str, reply: Any, event: Any, sdk: Any, headers: Mapping[str, str] | None = None) -> None:
        self.path = path
        self.reply = reply
        self.stream = sdk.Stream[event]
        self.astream = sdk.AsyncStream[event]
        self.headers = headers or {}
        self.timeout = lru_cache(64)(lambda read, connect: sdk.Timeout(read, connect=connect))


class Connection:
    """One client of an SDK, plain or asynchronous, and the replay of what it sends.

    Args:
        client: The SDK's client.
        http: The HTTP client that it was given.
        asynchronous: Whether they are for asyncio.
    """

    __slots__ = ("_replay", "client")

    def __init__(self, client: Any, http: Any, *, asynchronous: bool = False) -> None:
        self.client = client
        settings = ClientSettings(http, client, _SETTABLE)
        self._replay = replay.Replay(http, client, "request", asynchronous=asynchronous, settings=settings)

    def follow(self, other: Connection | None) -> Connection:
        """Take over what has been set on another connection's client, which programs hold; return this one."""
        if other is not None:
            self._replay.settings.follow(other._replay.settings)
        return self

    def send(self, route: Route, payload: Mapping[str, Any], timeouts: Timeouts) -> Any:
        """Return a whole reply; raise what the SDK raises."""
        ask, read = partial(post, self.client, route, payload, timeouts), partial(_read, route)
        return self._replay.call(route.path, self._body(route, payload), timeouts, ask, read)

    async def asend(self, route: Route, payload: Mapping[str, Any], timeouts: Timeouts) -> Any:
        """Do what `send` does, in asyncio."""
        ask, read = partial(apost, self.client, route, payload, timeouts), partial(_read, route)
        return await self._replay.acall(route.path, self._body(route, payload), timeouts, ask, read)

    def close(self) -> Any:
        """Close the client; await the result of an asynchronous one."""
        return self.client.close()

    def _body(self, route: Route, payload: Mapping[str, Any]) -> bytes | None:
        """Return the body to replay; None for a call with headers of its own."""
        if "extra_headers" in payload or "extra_query" in payload or any(name in payload for name in route.headers):
            return None
        try:
            return orjson.dumps(_with_extra_body(payload))
        except TypeError:
            return None


def post(client: Any, route: Route, payload: Mapping[str, Any], timeouts: Timeouts) -> Any:
    """Send a payload, and return the SDK's reply or stream; raise what the SDK raises."""
    return client.post(route.path, stream_cls=route.stream, **_arguments(route, payload, timeouts))


async def apost(client: Any, route: Route, payload: Mapping[str, Any], timeouts: Timeouts) -> Any:
    """Do what `post` does, with an asynchronous client."""
    return await client.post(route.path, stream_cls=route.astream, **_arguments(route, payload, timeouts))


def _arguments(route: Route, payload: Mapping[str, Any], timeouts: Timeouts) -> dict[str, Any]:
    """Return the arguments of `client.post` for a payload."""
    body, options = _with_extra_body(payload), {"timeout": route.timeout(timeouts.read, timeouts.connect)}
    extra_headers, query = (body.pop(name, None) for name in _NOT_IN_BODY)
    headers = {header: body.pop(name) for name, header in route.headers.items() if name in body}
    if headers or extra_headers:
        options["headers"] = {**headers, **(extra_headers or {})}
    if query:
        options["params"] = query
    common = {"cast_to": route.reply, "stream": bool(body.get("stream")), "options": options}
    try:
        return {"content": orjson.dumps(body), **common}
    except TypeError:  # what only the SDK's own encoder takes, such as models of pydantic's
        return {"body": {name: value for name, value in body.items() if not _is_absent(value)}, **common}


def _with_extra_body(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a payload with its `extra_body` merged in."""
    body = dict(payload)
    extra_body = body.pop("extra_body", None)
    if extra_body:
        body.update(extra_body)
    return body


def _read(route: Route, response: Any) -> LazyReply | None:
    """Return a reply as its JSON; the SDK's object is made on demand."""
    body = replay.read_json_object(response)
    return None if body is None else LazyReply(body, partial(_sdk_object, route.reply, body, response.headers))


def _sdk_object(reply_class: Any, body: dict[str, Any], headers: Mapping[str, str]) -> Any:
    """Return a reply as the SDK's object, made as the SDK makes it: without validating what the server sent."""
    sdk_object = reply_class.construct(**body)
    sdk_object._request_id = headers.get("x-request-id") or headers.get("request-id")
    return sdk_object


def _is_absent(value: object) -> bool:
    """Tell the SDKs' own markers for a parameter that was left out."""
    return type(value).__name__ in ("NotGiven", "Omit")

"""Send a ready-made body through an SDK's own client, as its documentation offers for requests of one's own.

`client.post` keeps all that the SDK does about addresses, keys, headers, errors, streams and reply objects. What it
leaves out is the walk of `create` through every parameter and its type hints, which takes longer than tracing does
(github.com/openai/openai-python#undocumented-endpoints; anthropic's and groq's clients have the same method). It also
means that a second instrumentation, which wraps `create`, does not count these calls again. Calls for whole replies
replay what `client.post` sends (`src.models.transport.replay`).
"""

from __future__ import annotations

import operator
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import orjson

from src.models.lazy_reply import LazyReply
from src.models.transport import replay

if TYPE_CHECKING:
    from collections.abc import Mapping

    from src.models.types import Timeouts

_SETTABLE = ("api_key", "auth_token", "base_url", "organization", "project")
_BESIDE = ("extra_headers", "extra_query")


class Route:
    """Hold where a call goes, and what its reply and the events of its stream are made into.

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


class Line:
    """Hold one client of an SDK, plain or asynchronous, and what it sends through the HTTP client that it was given."""

    __slots__ = ("_made", "_replay", "client")

    def __init__(self, client: Any, http: Any, *, asynchronous: bool = False) -> None:
        self.client = client
        self._replay = replay.Replay(http, client, "request", asynchronous=asynchronous)
        self._made = _set_on(client)

    def send(self, route: Route, payload: Mapping[str, Any], timeouts: Timeouts) -> Any:
        """Return a whole reply; raise what the SDK raises."""
        ask, read = partial(post, self.client, route, payload, timeouts), partial(_raw, route)
        return self._replay.call(route.path, self._body(route, payload), timeouts, ask, read)

    async def asend(self, route: Route, payload: Mapping[str, Any], timeouts: Timeouts) -> Any:
        """Do what `send` does, in asyncio."""
        ask, read = partial(apost, self.client, route, payload, timeouts), partial(_raw, route)
        return await self._replay.acall(route.path, self._body(route, payload), timeouts, ask, read)

    def close(self) -> Any:
        """Close the client; what an asynchronous one returns is to be awaited."""
        return self.client.close()

    def _body(self, route: Route, payload: Mapping[str, Any]) -> bytes | None:
        """Return the body of a call that has no headers of its own, and whose client is as it was made."""
        if "extra_headers" in payload or "extra_query" in payload or any(name in payload for name in route.headers):
            return None
        if not all(map(operator.is_, _set_on(self.client), self._made)):
            return None
        try:
            return orjson.dumps(_merged(payload))
        except TypeError:
            return None


def _set_on(client: Any) -> tuple[Any, ...]:
    """Return what may be set on a client of an SDK after it was made, and changes what it sends."""
    return tuple(getattr(client, name, None) for name in _SETTABLE)


def post(client: Any, route: Route, payload: Mapping[str, Any], timeouts: Timeouts) -> Any:
    """Send a payload, and return the SDK's reply or stream; raise what the SDK raises."""
    return client.post(route.path, stream_cls=route.stream, **_arguments(route, payload, timeouts))


async def apost(client: Any, route: Route, payload: Mapping[str, Any], timeouts: Timeouts) -> Any:
    """Do what `post` does, with an asynchronous client."""
    return await client.post(route.path, stream_cls=route.astream, **_arguments(route, payload, timeouts))


def _arguments(route: Route, payload: Mapping[str, Any], timeouts: Timeouts) -> dict[str, Any]:
    body, options = _merged(payload), {"timeout": route.timeout(timeouts.read, timeouts.connect)}
    headers, query = (body.pop(name, None) for name in _BESIDE)
    told = {header: body.pop(name) for name, header in route.headers.items() if name in body}
    if told or headers:
        options["headers"] = {**told, **(headers or {})}
    if query:
        options["params"] = query
    common = {"cast_to": route.reply, "stream": bool(body.get("stream")), "options": options}
    try:
        return {"content": orjson.dumps(body), **common}
    except TypeError:  # what only the SDK's own encoder takes, such as models of pydantic's
        return {"body": {name: value for name, value in body.items() if not _is_absent(value)}, **common}


def _merged(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return a payload with what is to be in its body besides."""
    body = dict(payload)
    more = body.pop("extra_body", None)
    if more:
        body.update(more)
    return body


def _raw(route: Route, response: Any) -> LazyReply | None:
    """Return what a reply says; its JSON makes do for reading it."""
    told = replay.told_by(response)
    return None if told is None else LazyReply(told, partial(_typed, route.reply, told, response.headers))


def _typed(kind: Any, told: dict[str, Any], headers: Mapping[str, str]) -> Any:
    """Return a reply as the SDK's object, made as the SDK makes it: without validating what the server said."""
    made = kind.construct(**told)
    made._request_id = headers.get("x-request-id") or headers.get("request-id")
    return made


def _is_absent(value: object) -> bool:
    """Tell the SDKs' own ways to say that a parameter is not given."""
    return type(value).__name__ in ("NotGiven", "Omit")

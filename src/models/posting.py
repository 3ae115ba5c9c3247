"""Send a ready-made body through an SDK's own client, as its documentation offers for requests of one's own.

`client.post` keeps all that the SDK does about addresses, keys, headers, errors, streams and reply objects. What it
leaves out is the walk of `create` through every parameter and its type hints, which takes longer than tracing does
(github.com/openai/openai-python#undocumented-endpoints; anthropic's and groq's clients have the same method). It also
means that a second instrumentation, which wraps `create`, does not count these calls again.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from src.models.types import Timeouts

_BESIDE = ("extra_body", "extra_headers", "extra_query")


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


def post(client: Any, route: Route, payload: Mapping[str, Any], timeouts: Timeouts) -> Any:
    """Send a payload, and return the SDK's reply or stream; raise what the SDK raises."""
    return client.post(route.path, stream_cls=route.stream, **_arguments(route, payload, timeouts))


async def apost(client: Any, route: Route, payload: Mapping[str, Any], timeouts: Timeouts) -> Any:
    """Do what `post` does, with an asynchronous client."""
    return await client.post(route.path, stream_cls=route.astream, **_arguments(route, payload, timeouts))


def _arguments(route: Route, payload: Mapping[str, Any], timeouts: Timeouts) -> dict[str, Any]:
    body, options = dict(payload), {"timeout": route.timeout(timeouts.read, timeouts.connect)}
    more, headers, query = (body.pop(name, None) for name in _BESIDE)
    told = {header: body.pop(name) for name, header in route.headers.items() if name in body}
    if more:
        body.update(more)
    if told or headers:
        options["headers"] = {**told, **(headers or {})}
    if query:
        options["params"] = query
    common = {"cast_to": route.reply, "stream": bool(body.get("stream")), "options": options}
    try:
        return {"content": orjson.dumps(body), **common}
    except TypeError:  # what only the SDK's own encoder takes, such as models of pydantic's
        return {"body": {name: value for name, value in body.items() if not _is_absent(value)}, **common}


def _is_absent(value: object) -> bool:
    """Tell the SDKs' own ways to say that a parameter is not given."""
    return type(value).__name__ in ("NotGiven", "Omit")

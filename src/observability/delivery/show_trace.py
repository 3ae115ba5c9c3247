"""Show one trace as a Langfuse server has it, by the route that the server reads by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from src.observability.delivery.http_post import ask
from src.observability.delivery.langfuse_server import (
    EVENTS_ONLY_WORDS,
    NO_V2_WORDS,
    ReadRoute,
    correct_route,
    read_route_of,
)

if TYPE_CHECKING:
    from src.observability.delivery.destinations import Destination
    from src.observability.delivery.http_post import Outcome, Request

_MOST_BYTES = 16_000_000


@dataclass(frozen=True, slots=True)
class ShownTrace:
    """What a server shows of a trace at one moment.

    Attributes:
        route: The route that was asked.
        text: What the server shows of the trace; None where it shows nothing, or nothing yet.
        problem: Why it cannot be asked, for people; None where it can.
    """

    route: str
    text: str | None = None
    problem: str | None = None


def show_trace(request: Request, destination: Destination, trace_id: str) -> ShownTrace:
    """Return what a server shows of a trace now."""
    route = read_route_of(request, destination)
    if route is ReadRoute.V2:
        return _by_v2(request, destination, trace_id)
    # Also where nothing is known of the server: it may show a trace by this route and answer nothing without keys.
    return _by_v1(request, destination, trace_id, sure=route is ReadRoute.V1)


def _by_v2(request: Request, destination: Destination, trace_id: str) -> ShownTrace:
    path = "/api/public/v2/observations"
    parameters: dict[str, str | int] = {"traceId": trace_id, "fields": "core,basic,io,metadata", "limit": 100}
    reply = request(lambda client, target: ask(client, target, path, parameters, most_bytes=_MOST_BYTES))
    content = reply.json() if reply.status == 200 else None
    items = content.get("data") if isinstance(content, dict) else None
    if isinstance(items, list):
        return ShownTrace(route=path, text=reply.body.decode(errors="replace") if items else None)
    if reply.status == 404 and NO_V2_WORDS in reply.first_words():
        correct_route(destination, ReadRoute.NONE)
        detail = "it cannot be read back: its v2 API is off (LANGFUSE_MIGRATION_V4_ALLOW_PREVIEW_OPT_IN)"
        return ShownTrace(route=path, problem=detail)
    return ShownTrace(route=path, problem=_problem(reply))


def _by_v1(request: Request, destination: Destination, trace_id: str, *, sure: bool) -> ShownTrace:
    path = f"/api/public/traces/{trace_id}"
    reply = request(lambda client, target: ask(client, target, path, most_bytes=_MOST_BYTES))
    if reply.status == 200 and isinstance(reply.json(), dict):
        return ShownTrace(route="/api/public/traces", text=reply.body.decode(errors="replace"))
    if reply.status == 404 and EVENTS_ONLY_WORDS in reply.first_words():
        correct_route(destination, ReadRoute.V2)
        return _by_v2(request, destination, trace_id)
    if reply.status == 404 and (sure or trace_id in reply.first_words()):
        return ShownTrace(route="/api/public/traces")
    if reply.status == 404:
        return ShownTrace(route="/api/public/traces", problem="it has no route that shows observations (404)")
    return ShownTrace(route="/api/public/traces", problem=_problem(reply))


def _problem(reply: Outcome) -> str:
    if reply.status is None:
        return f"it cannot be read back: {reply.detail}"
    words = {401: " (refuses the keys)", 403: " (the keys may not read)", 429: " (its rate limit is used up)"}
    return f"asked for it, it answers with HTTP {reply.status}{words.get(reply.status, '')}"

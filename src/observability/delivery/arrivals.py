"""Ask a Langfuse server which observations have arrived, by the route that it has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import orjson

from src.observability.delivery.http_post import Answer, Outcome, ask
from src.observability.delivery.langfuse_server import (
    EVENTS_ONLY_WORDS,
    NO_V2_WORDS,
    ReadRoute,
    correct_route,
    read_route_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.observability.delivery.destinations import Destination
    from src.observability.delivery.http_post import Request
    from src.observability.store.records import SpanIdentity

_V2: Final = "/api/public/v2/observations"
_V1_FIELDS: Final = {"fields": "core,observations"}
_MOST_BYTES: Final = 64_000_000
_PAGE: Final = 1_000  # the most that the route returns at once
_MOST_PAGES: Final = 4  # of everything in the window, before the ids are asked for
_MOST_PAGES_OF_IDS: Final = 50  # of some ids: then the server does not answer
_IDS_A_REQUEST: Final = 100  # a longer address is refused by some gateways
_NO_SUCH_ROUTE: Final = frozenset({400, 403, 404, 405, 410, 501})


@dataclass(frozen=True, slots=True)
class Arrived:
    """The ids, of a trace and of a span, of those observations that have arrived."""

    ids: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class NoRoute:
    """The server has no route by which it shows observations."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The server did not answer now."""

    outcome: Outcome


Answered = Arrived | NoRoute | Unanswered


def ask_for(request: Request, destination: Destination, rows: Sequence[SpanIdentity]) -> Answered:
    """Return which of some observations a server has.

    Args:
        request: Sends a request to the server.
        destination: The server.
        rows: The observations, at least one.
    """
    route = read_route_of(request, destination)
    if route is None:
        return Unanswered(outcome=Outcome(answer=Answer.RETRY_LATER, detail="it cannot be asked what has arrived"))
    if route is ReadRoute.NONE:
        return NoRoute()
    if route is ReadRoute.V1:
        answered = _by_v1(request, destination, rows)
        if answered is not None:
            return answered
    return _by_v2(request, destination, rows)


def _by_v2(request: Request, destination: Destination, rows: Sequence[SpanIdentity]) -> Answered:
    """Ask for all that began when these did; where that is much more, for the ids of those that are still missing."""
    asked = {(row.trace_id, row.span_id) for row in rows}
    ids: set[tuple[str, str]] = set()
    window = _window(rows)
    parameters: dict[str, str | int] = {"fields": "core", "limit": _PAGE, **window}
    for _ in range(_MOST_PAGES):
        page = _page(request, destination, parameters)
        if not isinstance(page, _Page):
            return page
        ids |= page.ids & asked
        if ids == asked or page.cursor is None:
            return Arrived(ids=frozenset(ids))
        parameters["cursor"] = page.cursor
    missing = sorted({span_id for _, span_id in asked - ids})
    for first in range(0, len(missing), _IDS_A_REQUEST):
        answered = _by_ids(request, destination, missing[first : first + _IDS_A_REQUEST], window)
        if not isinstance(answered, Arrived):
            return answered
        ids |= answered.ids & asked
    return Arrived(ids=frozenset(ids))


def _by_ids(request: Request, destination: Destination, span_ids: list[str], window: dict[str, str]) -> Answered:
    """Ask for some ids, to the last page: a page may be short or empty before the end, and then has a cursor."""
    condition = [{"type": "stringOptions", "column": "id", "operator": "any of", "value": span_ids}]
    parameters: dict[str, str | int] = {
        "fields": "core", "limit": _PAGE, **window, "filter": orjson.dumps(condition).decode(),
    }  # fmt: skip
    ids: set[tuple[str, str]] = set()
    for _ in range(_MOST_PAGES_OF_IDS):
        page = _page(request, destination, parameters)
        if not isinstance(page, _Page):
            return page
        ids |= page.ids
        if page.cursor is None or {span_id for _, span_id in ids} >= set(span_ids):
            return Arrived(ids=frozenset(ids))
        parameters["cursor"] = page.cursor
    return Unanswered(outcome=Outcome(answer=Answer.RETRY_LATER, detail="its list of observations does not end"))


@dataclass(frozen=True, slots=True)
class _Page:
    ids: set[tuple[str, str]]
    cursor: str | None


def _page(request: Request, destination: Destination, parameters: dict[str, str | int]) -> _Page | NoRoute | Unanswered:
    reply = request(lambda client, target: ask(client, target, _V2, parameters, most_bytes=_MOST_BYTES))
    if reply.status == 404 and NO_V2_WORDS in reply.first_words():
        correct_route(destination, ReadRoute.NONE)
    content = reply.json() if reply.status == 200 else None
    if not isinstance(content, dict) or not isinstance(content.get("data"), list):
        return NoRoute() if reply.status in _NO_SUCH_ROUTE else Unanswered(outcome=reply)
    cursor = (content.get("meta") or {}).get("cursor")
    return _Page(ids=_ids(content["data"]), cursor=cursor if isinstance(cursor, str) and cursor else None)


def _by_v1(request: Request, destination: Destination, rows: Sequence[SpanIdentity]) -> Answered | None:
    """Ask for each trace; return None where the server has given that route up for the other one."""
    ids: set[tuple[str, str]] = set()
    for trace_id in dict.fromkeys(row.trace_id for row in rows):
        path = f"/api/public/traces/{trace_id}"
        reply = request(lambda client, target, path=path: ask(client, target, path, _V1_FIELDS, most_bytes=_MOST_BYTES))  # type: ignore[misc] # bound default
        if reply.status == 404:
            if EVENTS_ONLY_WORDS in reply.first_words():
                correct_route(destination, ReadRoute.V2)
                return None
            continue  # the trace is not there
        content = reply.json() if reply.status == 200 else None
        if not isinstance(content, dict) or not isinstance(content.get("observations"), list):
            return NoRoute() if reply.status in _NO_SUCH_ROUTE else Unanswered(outcome=reply)
        ids |= {(trace_id, item["id"]) for item in content["observations"] if isinstance(item, dict) and "id" in item}
    asked = {(row.trace_id, row.span_id) for row in rows}
    return Arrived(ids=frozenset(ids & asked))


def _ids(items: list[object]) -> set[tuple[str, str]]:
    return {(str(item.get("traceId")), str(item.get("id"))) for item in items if isinstance(item, dict)}


def _window(rows: Sequence[SpanIdentity]) -> dict[str, str]:
    """Return the time in which observations began: the server compares milliseconds, the end excluded."""
    first_ms = min(row.start_ns for row in rows) // 1_000_000
    last_ms = max(row.start_ns for row in rows) // 1_000_000 + 1
    return {"fromStartTime": _moment(first_ms), "toStartTime": _moment(last_ms)}


def _moment(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC).replace(microsecond=milliseconds % 1000 * 1000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

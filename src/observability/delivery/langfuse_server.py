"""Find out what a Langfuse server can do: its version, and by which route it shows what it has.

No question needs keys, and none counts against a rate limit. What a server said holds for an hour. A question for the
version that gets no answer is not repeated for a while, as deliveries would wait for it each time.
"""

from __future__ import annotations

import re
import threading
import time
from enum import Enum
from typing import TYPE_CHECKING, Final

from src.observability.delivery.http_post import ask

if TYPE_CHECKING:
    from src.observability.delivery.destinations import Destination
    from src.observability.delivery.http_post import Outcome, Request

EVENTS_ONLY_WORDS: Final = "events_only"  # in the 404 of a v1 route on a server that has given those routes up
NO_V2_WORDS: Final = "v4 write mode"  # in the 404 of the v2 route on a server that does not have it yet
_HEALTH: Final = "/api/public/health"
_V1_PROBE: Final = "/api/public/traces/x"
_V2_PROBE: Final = "/api/public/v2/observations"
_READ_ROUTE: Final = "read route"
_KNOWN_FOR_S: Final = 3_600.0
_FIRST_PAUSE_S: Final = 30.0
_LONGEST_PAUSE_S: Final = 900.0
_LIST_VERSION: Final = (4, 59, 0)  # the first whose scores route takes a list
_VERSION: Final = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
_MISSING: Final = frozenset({404, 405, 410})
_NOT_NOW: Final = frozenset({408, 425, 429})


class ReadRoute(Enum):
    """By which route a server shows observations."""

    V2 = "v2/observations"  # the cloud, and servers in the write mode events_only
    V1 = "traces"  # version 3, and version 4 in the write modes dual and legacy
    NONE = "none"  # it takes observations and shows none


_lock = threading.Lock()
_known: dict[tuple[str, str], tuple[float, object]] = {}  # by host and question: when it was answered, and what
_unanswered: dict[
    str, tuple[float, int]
] = {}  # by host: when its version was asked for last, and how often without an answer


def version_of(request: Request, destination: Destination, *, in_pause: bool = False) -> str | None:
    """Return a server's version; None where it does not say.

    One that does not answer keeps the version that it named before, and is asked again after a pause: 30 s, then twice
    as long each time, up to 15 minutes. With `in_pause` it is asked now, and the pause stays what it was.
    """
    version = _recall(destination, _HEALTH)
    if version is None and (in_pause or _may_ask(destination)):
        reply = _without_keys(request, _HEALTH)
        content = reply.json() if reply.status == 200 else None
        text = content.get("version") if isinstance(content, dict) else None
        version = text if isinstance(text, str) and _VERSION.match(text) else None
        if version is not None or reply.status in _MISSING:
            version = version or ""
            _remember(destination, _HEALTH, version)
        elif not in_pause:
            _pause(destination)
    if version is None:
        version = _recall(destination, _HEALTH, however_old=True)
    return str(version or "") or None


def ask_again(destination: Destination) -> None:
    """Ask a server for its version at the next occasion: it took nothing just now, so it may be on its way back."""
    with _lock:
        _unanswered.pop(destination.api_url or "", None)


def questions_in_vain(destination: Destination) -> int:
    """Return how often in a row a server that never named its version has been asked for it without an answer."""
    with _lock:
        is_known = (destination.api_url or "", _HEALTH) in _known
        return 0 if is_known else _unanswered.get(destination.api_url or "", (0.0, 0))[1]


def parsed_version(version: str | None) -> tuple[int, ...] | None:
    """Return the three numbers of a version, None where it has none."""
    match = _VERSION.match(version or "")
    return None if match is None else tuple(int(part) for part in match.groups())


def takes_score_lists(version: str | None) -> bool:
    """Tell whether the scores route of a server takes a list, going by its version."""
    numbers = parsed_version(version)
    return numbers is not None and numbers >= _LIST_VERSION


def read_route_of(request: Request, destination: Destination) -> ReadRoute | None:
    """Return by which route a server shows observations; None where it does not answer that now.

    A trace is asked for without keys: a server that shows traces refuses that, one that does not says so before.
    """
    if destination.is_cloud:
        return ReadRoute.V2
    route = _recall(destination, _READ_ROUTE)
    if isinstance(route, ReadRoute):
        return route
    status, text = _probe(request, destination, _V1_PROBE)
    if status is None or status in _NOT_NOW or status >= 500:
        return None
    if status not in _MISSING:  # it refuses what came without keys, or sends it to a login: a question with keys shows
        route = ReadRoute.V1
    elif EVENTS_ONLY_WORDS in text:
        route = ReadRoute.V2
    else:
        status, text = _probe(request, destination, _V2_PROBE)
        if status is None or status in _NOT_NOW or status >= 500:
            return None
        route = ReadRoute.NONE if status in _MISSING else ReadRoute.V2
    correct_route(destination, route)
    return route


def correct_route(destination: Destination, route: ReadRoute) -> None:
    """Remember by which route a server shows observations, as where a reply contradicts what was known."""
    _remember(destination, _READ_ROUTE, route)


def forget_all() -> None:
    """Forget what is known of all servers."""
    with _lock:
        _known.clear()
        _unanswered.clear()


def _probe(request: Request, destination: Destination, path: str) -> tuple[int | None, str]:
    """Return the status and the first words of a reply; one that is an answer is remembered."""
    answered = _recall(destination, path)
    if isinstance(answered, tuple):
        return answered
    reply = _without_keys(request, path)
    is_page = reply.status == 200 and b"<html" in reply.body[:500].lower()
    status = 404 if is_page else reply.status
    answered = (status, reply.first_words())
    if status is not None and status not in _NOT_NOW and status < 500:
        _remember(destination, path, answered)
    return answered


def _without_keys(request: Request, path: str) -> Outcome:
    return request(lambda client, destination: ask(client, destination, path, with_keys=False))


def _may_ask(destination: Destination) -> bool:
    with _lock:
        asked_at, failures = _unanswered.get(destination.api_url or "", (0.0, 0))
    pause_s = min(_FIRST_PAUSE_S * 2 ** min(failures - 1, 10), _LONGEST_PAUSE_S)
    return not failures or time.monotonic() - asked_at >= pause_s


def _pause(destination: Destination) -> None:
    host = destination.api_url or ""
    with _lock:
        _unanswered[host] = (time.monotonic(), _unanswered.get(host, (0.0, 0))[1] + 1)


def _recall(destination: Destination, question: str, *, however_old: bool = False) -> object | None:
    with _lock:
        answered_at, answer = _known.get((destination.api_url or "", question), (0.0, None))
    return answer if however_old or time.monotonic() - answered_at < _KNOWN_FOR_S else None


def _remember(destination: Destination, question: str, answer: object) -> None:
    with _lock:
        _known[destination.api_url or "", question] = (time.monotonic(), answer)
        if question == _HEALTH:
            _unanswered.pop(destination.api_url or "", None)

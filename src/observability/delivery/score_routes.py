"""Send scores by the route that a Langfuse server has for many at once.

| route | server | reply |
|---|---|---|
| `POST /api/public/scores` with a list | the cloud, and version 4.59 or newer | 202, or 207 with a count of refusals |
| `POST /api/public/ingestion` with events | older versions, in any write mode | 207 with the status of each event |
| `POST /api/public/scores` with one score | a server that has neither | 200 |

A list gives each score its own date; before 4.59 the single route does not, so it is the last resort.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from src.observability.delivery.http_post import Answer, Outcome, post_json
from src.observability.delivery.langfuse_server import ask_again, takes_score_lists, version_of
from src.observability.delivery.score_bodies import as_events, as_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.observability.delivery.channel import Channel
    from src.observability.delivery.score_bodies import EncodedScore

_NO_SUCH_ROUTE: Final = frozenset({404, 405, 410, 501})
_REMEMBERED_FOR_S: Final = 3_600.0
_ITEM_BYTES: Final = 1_000  # of an event besides its score, at the most: two ids and a time


class _Route(Enum):
    """A route for scores; its value is how many it takes at once, and how many bytes."""

    LIST = (100, 900_000)
    EVENTS = (100, 3_500_000)
    SINGLE = (1, 900_000)


@dataclass(slots=True)
class SendResult:
    """What became of the first of some scores.

    Attributes:
        count: How many were dealt with, from the first one on.
        refused: The numbers of those that the server will never take, each with the reason.
        later: The numbers of those that it could not take now.
        outcome: The outcome of the last request.
    """

    count: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)
    later: list[int] = field(default_factory=list)
    outcome: Outcome = field(default_factory=lambda: Outcome(answer=Answer.ACCEPTED))


_lock = threading.Lock()
_missing_routes: dict[tuple[str, _Route], float] = {}


class ScoreRoutes:
    """The routes of one destination."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def divide(self, scores: Sequence[EncodedScore], most: int) -> list[Sequence[EncodedScore]]:
        """Return the first of some scores in at most so many parts, each for one request, of which none needs another.

        The part that would hold a second score of the same id is left for later.
        """
        route = self._route()
        parts: list[Sequence[EncodedScore]] = []
        ids: set[str] = set()
        first = 0
        while first < len(scores) and len(parts) < most:
            chunk, count = _first(scores[first:], route)
            chunk_ids = {item.score.id for item in chunk}
            if ids & chunk_ids:
                break
            ids |= chunk_ids
            parts.append(scores[first : first + count])
            first += count
        return parts

    def send(self, scores: Sequence[EncodedScore]) -> SendResult:
        """Send the first of some scores, as many as one request may hold; those that no server takes count too."""
        route = self._route()
        chunk, count = _first(scores, route)
        problems = [(item.number, item.problem) for item in scores[:count] if item.problem is not None]
        taken = SendResult(count=count, refused=problems)
        if not chunk:
            return taken
        result = self._send(route, chunk)
        taken.refused += result.refused
        taken.later, taken.outcome = result.later, result.outcome
        if result.count < len(chunk):  # what follows in the chunk was not dealt with
            first_left = chunk[result.count].number
            taken.count = next(index for index, item in enumerate(scores) if item.number == first_left)
            taken.refused = [pair for pair in taken.refused if pair[0] < first_left]
        return taken

    def _route(self) -> _Route:
        channel = self._channel
        host, is_cloud = channel.destination.api_url or "", channel.destination.is_cloud
        if not self._lacks(host, _Route.LIST) and (
            is_cloud or takes_score_lists(version_of(channel.request, channel.destination))
        ):
            return _Route.LIST
        return _Route.SINGLE if self._lacks(host, _Route.EVENTS) else _Route.EVENTS

    def _lacks(self, host: str, route: _Route) -> bool:
        with _lock:
            seen = _missing_routes.get((host, route))
        return seen is not None and time.monotonic() - seen < _REMEMBERED_FOR_S

    def _send(self, route: _Route, chunk: Sequence[EncodedScore]) -> SendResult:
        """Send scores by a route; by the next one where the server turns out to lack it."""
        outcome = self._post(route, chunk)
        if outcome.answer is Answer.RETRY_LATER:
            ask_again(self._channel.destination)
        if route is not _Route.SINGLE and _is_missing(outcome):
            with _lock:
                _missing_routes[self._channel.destination.api_url or "", route] = time.monotonic()
            route = self._route()
            return self._send(route, _first(chunk, route)[0])
        if outcome.answer is Answer.ACCEPTED and route is _Route.EVENTS and outcome.status == 207:
            return _read_events(outcome, chunk)
        rejected = _count_rejected(outcome) if route is _Route.LIST else 0
        if rejected is None:
            unread = Outcome(answer=Answer.RETRY_LATER, detail="HTTP 207, which does not say how many it rejected")
            return SendResult(count=0, outcome=unread)
        if outcome.answer is Answer.ACCEPTED and not rejected:
            return SendResult(count=len(chunk), outcome=outcome)
        if outcome.answer not in (Answer.ACCEPTED, Answer.REFUSED, Answer.TOO_LARGE):
            return SendResult(count=0, outcome=outcome)
        if len(chunk) == 1:
            reason = outcome.detail or f"HTTP {outcome.status}: {outcome.first_words()}"
            return SendResult(count=1, refused=[(chunk[0].number, reason)])
        return self._in_halves(route, chunk)

    def _in_halves(self, route: _Route, chunk: Sequence[EncodedScore]) -> SendResult:
        """Send scores in two parts, to find those that are refused; one that was taken before is replaced by itself."""
        half = len(chunk) // 2
        taken = self._send(route, chunk[:half])
        if taken.outcome.answer is not Answer.ACCEPTED or taken.count < half:
            return taken
        rest = self._send(route, chunk[half:])
        return SendResult(
            count=half + rest.count,
            refused=taken.refused + rest.refused,
            later=taken.later + rest.later,
            outcome=rest.outcome,
        )

    def _post(self, route: _Route, chunk: Sequence[EncodedScore]) -> Outcome:
        if route is _Route.EVENTS:
            body = as_events(chunk)
            return self._channel.request(
                lambda client, target: post_json(client, target, f"{target.api_url}/api/public/ingestion", body)
            )
        body = as_list(chunk) if route is _Route.LIST else chunk[0].body
        return self._channel.request(lambda client, target: post_json(client, target, target.scores_url or "", body))


def _first(scores: Sequence[EncodedScore], route: _Route) -> tuple[list[EncodedScore], int]:
    """Return what of some scores fits into a request, and how many of them that deals with.

    A request never holds two scores of one id: the later one must win.
    """
    most, most_bytes = route.value
    chunk: list[EncodedScore] = []
    ids: set[str] = set()
    size = count = 0
    for item in scores:
        if item.problem is None and not item.left_out:
            size += len(item.body) + _ITEM_BYTES
            if chunk and (len(chunk) == most or size > most_bytes or item.score.id in ids):
                break
            chunk.append(item)
            ids.add(item.score.id)
        count += 1
    return chunk, count


def _is_missing(outcome: Outcome) -> bool:
    """Tell whether a server lacks a route, or takes single scores by it and no list."""
    wants_object = outcome.status == 400 and "expected object" in outcome.first_words().lower()
    return outcome.status in _NO_SUCH_ROUTE or wants_object


def _count_rejected(outcome: Outcome) -> int | None:
    """Return how many scores of a list a server says that it rejected; None where it rejected some and does not say."""
    if outcome.status != 207:
        return 0
    content = outcome.json()
    rejected = content.get("rejected") if isinstance(content, dict) else None
    return rejected if isinstance(rejected, int) else None


def _read_events(outcome: Outcome, chunk: Sequence[EncodedScore]) -> SendResult:
    """Read a server's answer for each event; an event without one is sent again."""
    content = outcome.json()
    content = content if isinstance(content, dict) else {}
    statuses = {
        item.get("id"): item
        for part in ("successes", "errors")
        for item in content.get(part) or ()
        if isinstance(item, dict)
    }
    taken = SendResult(count=len(chunk), outcome=outcome)
    for item in chunk:
        reply = statuses.get(item.envelope_id, {})
        status = reply.get("status")
        if isinstance(status, int) and 200 <= status < 300:
            continue
        if isinstance(status, int) and 400 <= status < 500 and status not in (401, 403, 408, 425, 429):
            reason = " ".join(str(reply[name]) for name in ("message", "error") if reply.get(name))
            taken.refused.append((item.number, f"refused with {status}: {reason[:300]}"))
        else:
            taken.later.append(item.number)
    return taken

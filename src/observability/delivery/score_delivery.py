"""Send a destination the scores that it lacks, many at once, and record in the store what became of each."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from src.observability.delivery.http_post import Answer, Outcome
from src.observability.delivery.parallel import run_together
from src.observability.delivery.sampling import Sample
from src.observability.delivery.score_bodies import EncodedScore, encode
from src.observability.delivery.score_routes import ScoreRoutes
from src.observability.store.unconfirmed import runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.observability.delivery.channel import Channel
    from src.observability.delivery.score_routes import SendResult
    from src.observability.store.records import ScoreRecord
    from src.observability.store.unconfirmed import SentRange

    NumberedScore = tuple[int, ScoreRecord]

_log = logging.getLogger("moondev.exporter")
_READ_AT_ONCE: Final = 600
_REQUESTS_AT_ONCE: Final = 3
_FIRST_PAUSE_S: Final = 5.0  # before scores that a server could not take are sent again; doubles with each attempt
_LONGEST_PAUSE_S: Final = 3_600.0


class ScoreDelivery:
    """Deliver scores in order. One that is delivered twice is one score: id, name and date stay the same."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._progress = channel.progress
        self._routes = ScoreRoutes(channel)
        self._sample = Sample(channel.destination.sample_rate)

    def deliver(self, *, urgent: bool) -> Outcome:
        """Send until a request fails or everything is sent."""
        channel = self._channel
        for item in self._progress.parked(channel.name, "score"):
            if not self._is_due(item, urgent=urgent):
                continue
            outcome = self._send_parked(item)
            if outcome.answer is not Answer.ACCEPTED or channel.state.stopped:
                return outcome
        at_once = 1  # the first request shows whether the server takes scores, and by which route
        while scores := self._progress.read_scores(channel.name, _READ_AT_ONCE):
            while scores:
                channel.renew()
                count, outcome = self._send(scores, at_once)
                scores = scores[count:]
                if outcome.answer is not Answer.ACCEPTED or channel.state.stopped:
                    return outcome
                at_once = _REQUESTS_AT_ONCE
        return Outcome(answer=Answer.ACCEPTED)

    def _send(self, scores: Sequence[NumberedScore], at_once: int) -> tuple[int, Outcome]:
        """Send the first of some scores in a few requests, and record what became of them.

        Returns how many scores that deals with, and the outcome of the first request that failed, or of the last one.
        """
        parts = self._routes.divide(self._encoded(scores), at_once)
        count, outcome = 0, Outcome(answer=Answer.ACCEPTED)
        refused: list[tuple[int, str]] = []
        later: set[int] = set()
        for part, taken in zip(parts, run_together([partial(self._routes.send, part) for part in parts]), strict=True):
            count, outcome = count + taken.count, taken.outcome
            refused += taken.refused
            later |= set(taken.later)
            self._log_refused(taken)
            if taken.count < len(part):  # those after it are sent once more, which changes nothing
                break
        if count:
            numbers = [number for number, _ in scores[:count]]
            self._progress.acknowledge_scores(
                self._channel.name, numbers[-1], refused=refused, later=runs(numbers, later)
            )
        return count, outcome

    def _send_parked(self, item: SentRange) -> Outcome:
        """Send scores once more that the server could not take when it took others, or had refused."""
        scores = self._progress.read_scores_between(item.first, item.last)
        left = {number for number, _ in scores}
        outcome = Outcome(answer=Answer.ACCEPTED)
        waiting: set[int] = set()
        while left and outcome.answer is Answer.ACCEPTED:
            rest = [numbered for numbered in scores if numbered[0] in left]
            taken = self._routes.send(self._encoded(rest))
            outcome = taken.outcome
            for number, reason in taken.refused:
                self._progress.set_aside(self._channel.name, "score", number, reason)
            self._log_refused(taken)
            waiting |= set(taken.later)
            left -= {number for number, _ in rest[: taken.count]}
        remaining = runs([number for number, _ in scores], left | waiting)
        self._progress.replace_parked(
            self._channel.name, "score", item, remaining, sent=self._progress.now(), attempts=item.attempts + 1
        )
        return outcome

    def _encoded(self, scores: Sequence[NumberedScore]) -> list[EncodedScore]:
        return [
            encode(number, score)
            if score.trace_id is None or self._sample.has_all or self._sample.has(score.trace_id)
            else EncodedScore(number=number, score=score, body=b"", left_out=True)
            for number, score in scores
        ]

    def _is_due(self, item: SentRange, *, urgent: bool) -> bool:
        pause_s = min(_FIRST_PAUSE_S * 2.0 ** min(max(item.attempts - 1, 0), 20), _LONGEST_PAUSE_S)
        return urgent or not 0 <= self._progress.now() - item.sent < pause_s

    def _log_refused(self, taken: SendResult) -> None:
        for number, reason in taken.refused:
            _log.error(
                "%s refuses score %d for good (%s): it is set aside, and stays in the store.",
                self._channel.url, number, reason,
            )  # fmt: skip

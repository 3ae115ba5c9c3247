"""Resolve the requests whose outcome is not known: ask the server what arrived, and send again only what is missing."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from src.observability.delivery.arrivals import Answered, Arrived, NoRoute, Unanswered, ask_for
from src.observability.delivery.http_post import Answer, Outcome
from src.observability.store.leases import LONGEST_LEASE_S
from src.observability.store.unconfirmed import runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.observability.delivery.channel import Channel
    from src.observability.delivery.observation_requests import ObservationRequests
    from src.observability.store.records import BatchRow, SpanIdentity
    from src.observability.store.unconfirmed import SentRange

_log = logging.getLogger("moondev.exporter")
# A flush sends again what a server does not show after so long: one that has little to do stores what it got in a
# second or two; on a loaded machine 4.16.0 took more than ten.
_URGENT_S: Final = 30.0
# After so long without an answer rows are sent again anyway: a duplicate is better than a row that is a day late.
_GIVE_UP_ASKING_S: Final = 86_400.0
_FIRST_PAUSE_S: Final = 0.25  # between two questions; doubles
_LONGEST_PAUSE_S: Final = 300.0
_URGENT_PAUSE_S: Final = 2.0  # the longest while a flush waits
_MOST_ATTEMPTS: Final = 5  # then the wait before the next one doubles each time


class Confirmation:
    """The parked requests of one destination.

    Args:
        channel: The way to the destination.
        requests: Make and send the requests to it.
    """

    def __init__(self, channel: Channel, requests: ObservationRequests) -> None:
        self._channel = channel
        self._progress = channel.progress
        self._requests = requests
        self._questions: dict[
            int, tuple[float, float]
        ] = {}  # by range: when it was asked for, and the pause after that

    def count(self) -> int:
        """Return how many requests are parked."""
        return len(self._progress.parked(self._channel.name, "observation"))

    def resolve(self, *, urgent: bool) -> Outcome:
        """Ask for what is due; return the outcome that kept a request unresolved, or success.

        Args:
            urgent: Ask for all of them at once.
        """
        ranges = self._progress.parked(self._channel.name, "observation")
        self._questions = {item.first: self._questions[item.first] for item in ranges if item.first in self._questions}
        for item in ranges:
            if not self._is_due(item, urgent=urgent):
                continue
            outcome = self._resolve(item, urgent=urgent)
            if outcome.answer is not Answer.ACCEPTED or self._channel.state.stopped:
                return outcome
        return Outcome(answer=Answer.ACCEPTED)

    def _is_due(self, item: SentRange, *, urgent: bool) -> bool:
        asked_at, pause_s = self._questions.get(item.first, (0.0, 0.0))
        if urgent:
            pause_s = min(pause_s, _URGENT_PAUSE_S)
        if item.first in self._questions and self._channel.clock() < asked_at + pause_s:
            return False
        return urgent or self._age(item) >= self._patience_s(item)

    def _age(self, item: SentRange) -> float:
        """Return how long ago rows were sent; a clock that was set back since makes that now."""
        now = self._progress.now()
        if item.sent > now:
            spread = [(item.first, item.last)]
            self._progress.replace_parked(
                self._channel.name, "observation", item, spread, sent=now, attempts=item.attempts
            )
        return max(now - item.sent, 0.0)

    def _patience_s(self, item: SentRange) -> float:
        """Return how long after rows were sent their absence means that they have not arrived."""
        patience_s = self._channel.destination.confirm_after_s
        return patience_s * 2.0 ** min(max(item.attempts - _MOST_ATTEMPTS, 0), 6)

    def _resolve(self, item: SentRange, *, urgent: bool) -> Outcome:
        rows = self._progress.read_identities(item.first, item.last)
        if not rows:  # the size limit took them
            self._keep(item, [], rows)
            return Outcome(answer=Answer.ACCEPTED)
        answered: Answered = NoRoute()
        if self._channel.destination.kind == "langfuse":
            answered = ask_for(self._channel.request, self._channel.destination, rows)
        if isinstance(answered, Unanswered):
            if self._progress.now() - item.since < _GIVE_UP_ASKING_S:
                self._pause(item)
                return _as_wait(answered.outcome)
            answered = NoRoute()
        if isinstance(answered, Arrived):
            return self._send_missing(item, rows, answered, urgent=urgent)
        return self._send_again(item, rows, rows)

    def _send_missing(self, item: SentRange, rows: list[SpanIdentity], answered: Arrived, *, urgent: bool) -> Outcome:
        missing = [row for row in rows if (row.trace_id, row.span_id) not in answered.ids]
        if len(missing) < len(rows):
            _log.debug("%s has %d of %d.", self._channel.url, len(rows) - len(missing), len(rows))
            self._keep(item, missing, rows)
        patience_s = self._patience_s(item)
        if missing and self._age(item) < (min(patience_s, _URGENT_S) if urgent else patience_s):
            self._pause(item)
            return Outcome(answer=Answer.ACCEPTED)
        return self._send_again(item, missing, rows) if missing else Outcome(answer=Answer.ACCEPTED)

    def _send_again(self, item: SentRange, missing: Sequence[SpanIdentity], rows: list[SpanIdentity]) -> Outcome:
        """Send rows once more, byte for byte; a refused request is halved until the refused row is alone."""
        stored = self._progress.read_rows([row.seq for row in missing])
        readable = {row.seq for row in stored}
        for row in missing:
            if row.seq not in readable:
                self._set_aside(row.seq, "it is damaged")
        if not stored:
            self._keep(item, [], rows)
            return Outcome(answer=Answer.ACCEPTED)
        now, left = self._progress.now(), [row for row in missing if row.seq in readable]
        self._keep(item, left, rows, sent=now, attempts=item.attempts + 1)
        outcome, settled = self._post_in_halves(stored)
        left = [row for row in left if row.seq not in settled]
        sent = now if outcome.ambiguous else item.sent
        self._keep(item, left, rows, sent=sent, attempts=item.attempts + 1)
        if outcome.ambiguous:
            self._pause(item)
        return outcome

    def _post_in_halves(self, rows: Sequence[BatchRow]) -> tuple[Outcome, set[int]]:
        """Send rows; return the outcome of the last request, and the numbers of the rows that need no more sending."""
        body = self._requests.encode(rows)
        self._channel.renew(for_s=LONGEST_LEASE_S)
        outcome = self._requests.post(body, len(rows))
        numbers = {row.seq for row in rows}
        if outcome.answer is Answer.ACCEPTED:
            if outcome.detail:
                for number in numbers:
                    self._set_aside(number, f"{outcome.detail} (of {len(rows)} sent together)")
            return outcome, numbers
        if outcome.answer not in (Answer.REFUSED, Answer.TOO_LARGE):
            return outcome, set()
        if len(rows) == 1:
            self._set_aside(rows[0].seq, f"refused for good: {outcome.detail}")
            return Outcome(answer=Answer.ACCEPTED), numbers
        half = len(rows) // 2
        outcome, settled = self._post_in_halves(rows[:half])
        if outcome.answer is Answer.ACCEPTED:
            outcome, others = self._post_in_halves(rows[half:])
            settled |= others
        return outcome, settled

    def _keep(
        self,
        item: SentRange,
        remaining: Sequence[SpanIdentity],
        rows: Sequence[SpanIdentity],
        *,
        sent: float | None = None,
        attempts: int | None = None,
    ) -> None:
        """Keep parked only those rows of a range that are not confirmed."""
        self._progress.replace_parked(
            self._channel.name,
            "observation",
            item,
            runs([row.seq for row in rows], {row.seq for row in remaining}),
            sent=item.sent if sent is None else sent,
            attempts=item.attempts if attempts is None else attempts,
        )

    def _pause(self, item: SentRange) -> None:
        """Leave some time before the next question about a range; longer each time."""
        _, pause_s = self._questions.get(item.first, (0.0, _FIRST_PAUSE_S / 2))
        self._questions[item.first] = (self._channel.clock(), min(pause_s * 2, _LONGEST_PAUSE_S))

    def _set_aside(self, seq: int, reason: str) -> None:
        self._progress.set_aside(self._channel.name, "observation", seq, reason)
        _log.error(
            "%s does not get observation %d (%s): it is set aside, and stays in the store.",
            self._channel.url, seq, reason,
        )  # fmt: skip


def _as_wait(outcome: Outcome) -> Outcome:
    """Return what a question without an answer means for delivery: to wait, whatever its status was."""
    detail = f"asked for what has arrived: {outcome.detail}"
    return Outcome(answer=Answer.RETRY_LATER, detail=detail, wait_s=outcome.wait_s)

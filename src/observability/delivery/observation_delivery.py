"""Send a destination the observations that it lacks, and record in the store what became of each."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from src.observability.delivery.confirmation import Confirmation
from src.observability.delivery.http_post import Answer, Outcome
from src.observability.delivery.observation_requests import ObservationRequests
from src.observability.delivery.sampling import Sample
from src.observability.spans import otlp
from src.observability.store.compression import DamagedSpan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.observability.delivery.channel import Channel
    from src.observability.store.records import Batch, BatchRow

_log = logging.getLogger("moondev.exporter")
_MOST_PARKED: Final = 32  # requests of unknown outcome; then no further ones are sent before those are resolved


class ObservationDelivery:
    """Deliver observations in order, each request noted before it is sent.

    A request whose outcome is not known is parked: what follows it is delivered, and its rows are asked for later.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._progress = channel.progress
        self._sample = Sample(channel.destination.sample_rate)
        self._confirms = channel.destination.kind == "langfuse"
        self._requests = ObservationRequests(channel)
        self._confirmation = Confirmation(channel, self._requests)

    def deliver(self, *, urgent: bool) -> Outcome:
        """Send until a request fails or everything is sent. What is stored meanwhile is left for the next pass."""
        channel = self._channel
        while self._progress.park_noted(channel.name):  # what a process was sending when it ended
            pass
        outcome = self._confirmation.resolve(urgent=urgent)
        if outcome.answer is not Answer.ACCEPTED or channel.state.stopped:
            return outcome
        more = True
        while more:
            if self._confirmation.count() >= _MOST_PARKED:
                return Outcome(answer=Answer.RETRY_LATER, detail="many requests wait to be confirmed")
            batch = self._read_batch()
            more = batch.more
            if batch.rows:
                outcome = self._requests.check_server(batch.rows) or self._send(batch.rows)
                if outcome.answer is not Answer.ACCEPTED or channel.state.stopped:
                    return outcome
            channel.renew()
        return Outcome(answer=Answer.ACCEPTED)

    def _read_batch(self) -> Batch:
        """Return the next rows; a damaged one is set aside."""
        destination = self._channel.destination
        while True:
            try:
                return self._progress.read_batch(destination.name, destination.max_rows, destination.max_bytes)
            except DamagedSpan as error:
                self._set_aside(error.seq, str(error))
                self._progress.acknowledge(destination.name, error.seq)

    def _set_aside(self, seq: int, reason: str) -> None:
        """Give up delivering an observation; it stays in the store."""
        self._progress.set_aside(self._channel.name, "observation", seq, reason)
        _log.error(
            "%s does not get observation %d (%s): it is set aside, and stays in the store.",
            self._channel.url, seq, reason,
        )  # fmt: skip

    def _send(self, rows: Sequence[BatchRow]) -> Outcome:
        """Send rows and acknowledge them; a refused batch is halved until the refused row is alone."""
        name, first, last = self._channel.name, rows[0].seq, rows[-1].seq
        sampled = rows
        if not self._sample.has_all:
            sampled = [row for row in rows if self._sample.has(otlp.trace_id_of(row.span))]
        if not sampled:
            self._progress.acknowledge(name, last)
            return Outcome(answer=Answer.ACCEPTED)
        body = self._requests.encode(sampled)
        if self._confirms:
            self._channel.note(first, last)
        outcome = self._requests.post(body, len(sampled))
        if outcome.answer is Answer.ACCEPTED:
            if outcome.detail:
                self._set_all_aside(sampled, outcome.detail)
            self._progress.acknowledge(name, last)
            return outcome
        if outcome.answer not in (Answer.REFUSED, Answer.TOO_LARGE):
            if self._confirms and outcome.ambiguous:
                self._progress.park_noted(name)
            elif self._confirms:
                self._progress.forget_note(name, first)
            return outcome
        if len(sampled) == 1:
            self._set_aside(sampled[0].seq, f"refused for good: {outcome.detail}")
            self._progress.acknowledge(name, last)
            return Outcome(answer=Answer.ACCEPTED)
        half = len(rows) // 2
        before = self._send(rows[:half])
        return self._send(rows[half:]) if before.answer is Answer.ACCEPTED else before

    def _set_all_aside(self, rows: Sequence[BatchRow], detail: str) -> None:
        """Record a partial success: OTLP says how many spans were rejected, not which, and forbids to resend them."""
        for row in rows:
            reason = f"{detail} (of {len(rows)} sent together)"
            self._progress.set_aside(self._channel.name, "observation", row.seq, reason)
        _log.error(
            "%s left observations out: %s. All %d that were sent together stay in the store.",
            self._channel.url, detail, len(rows),
        )  # fmt: skip

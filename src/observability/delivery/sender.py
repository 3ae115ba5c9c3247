"""Send one destination what it lacks, and record in the store what became of each row."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from src.observability.delivery.destinations import display_url, make_client
from src.observability.delivery.genai_conventions import follow_conventions
from src.observability.delivery.http_post import Answer, Outcome, post_score, post_traces
from src.observability.delivery.media import MediaUploader
from src.observability.spans import otlp
from src.observability.store.compression import DamagedSpan
from src.observability.store.leases import lease_owner
from src.observability.store.records import Accepts

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from src.observability.delivery.destinations import Destination
    from src.observability.store.records import Batch, BatchRow
    from src.observability.store.spool import Spool

_log = logging.getLogger("moondev.exporter")
_MAX_ROWS: Final = 512
_RENEW_S: Final = 10.0


@dataclass(slots=True)
class DeliveryState:
    """What a worker and its sender share.

    Attributes:
        stopped: Whether to return after the request that is under way.
        failures: How many requests failed in succession.
    """

    stopped: bool = False
    failures: int = 0


class Sender:
    """Deliver under a lease, so that one process at a time delivers to a destination.

    Args:
        spool: The store.
        destination: Where to deliver.
        clock: Seconds that never go backwards.
        make_client: Makes the HTTP client; one with the destination's certificates where not set.
        state: What it shares with the worker that it sends for.

    Attributes:
        in_flight_since: When the request that is under way was sent; None where none is.
    """

    def __init__(
        self,
        spool: Spool,
        destination: Destination,
        *,
        clock: Callable[[], float],
        make_client: Callable[[], httpx.Client] | None,
        state: DeliveryState,
    ) -> None:
        self.in_flight_since: float | None = None
        self._spool = spool
        self._destination = destination
        self._url = display_url(destination.traces_url)
        self._clock = clock
        self._make_client = make_client
        self._state = state
        self._client: httpx.Client | None = None
        self._media = MediaUploader(destination)
        self._owner = lease_owner()
        self._leased_at = 0.0

    def deliver(self) -> Outcome | None:
        """Send until a request fails or everything is sent; return None where another process is delivering."""
        if not self._lease():
            return None
        try:
            return self._deliver()
        finally:
            self._spool.release(self._destination.name, self._owner)

    def close(self) -> None:
        """Close the HTTP client."""
        if self._client is not None:
            self._client.close()

    def _lease(self) -> bool:
        self._leased_at = self._clock()
        return self._spool.lease(self._destination.name, self._owner)

    def _deliver(self) -> Outcome:
        """Send observations, then scores. What is stored meanwhile is left to gather for the next pass."""
        accepts = self._destination.accepts
        more = accepts is not Accepts.SCORES
        while more:
            batch = self._read_batch()
            more = batch.more
            if batch.rows:
                outcome = self._send(batch.rows)
                if outcome.answer is not Answer.ACCEPTED or self._state.stopped:
                    return outcome
            if more:
                self._lease()
        if accepts is not Accepts.OBSERVATIONS:
            return self._deliver_scores()
        return Outcome(answer=Answer.ACCEPTED)

    def _read_batch(self) -> Batch:
        """Return the next rows; a damaged one is set aside."""
        while True:
            try:
                return self._spool.read_batch(self._destination.name, _MAX_ROWS)
            except DamagedSpan as error:
                self._set_aside(error.seq, str(error))

    def _set_aside(self, seq: int, reason: str) -> None:
        """Give up delivering an observation; it stays in the store."""
        name = self._destination.name
        self._spool.set_aside(name, "observation", seq, reason)
        self._spool.acknowledge(name, seq)
        _log.error(
            "%s does not get observation %d (%s): it is set aside, and stays in the store.", self._url, seq, reason
        )

    def _send(self, rows: tuple[BatchRow, ...]) -> Outcome:
        """Send rows and acknowledge them; a refused batch is halved until the refused row stands alone."""
        outcome = self._request(
            lambda client: post_traces(client, self._destination, self._export_request(rows, client))
        )
        if outcome.answer is Answer.ACCEPTED:
            if outcome.detail:
                self._set_all_aside(rows, outcome.detail)
            self._spool.acknowledge(self._destination.name, rows[-1].seq)
            self._state.failures = 0  # a server that accepts some requests and fails others is not backed off from
            return outcome
        if outcome.answer not in (Answer.REFUSED, Answer.TOO_LARGE):
            return outcome
        if len(rows) == 1:
            self._set_aside(rows[0].seq, f"refused for good: {outcome.detail}")
            return Outcome(answer=Answer.ACCEPTED)
        half = len(rows) // 2
        first = self._send(rows[:half])
        return self._send(rows[half:]) if first.answer is Answer.ACCEPTED else first

    def _set_all_aside(self, rows: tuple[BatchRow, ...], detail: str) -> None:
        """Record a partial success: OTLP says how many spans were rejected, not which, and forbids to resend them."""
        for row in rows:
            reason = f"{detail} (of {len(rows)} sent together)"
            self._spool.set_aside(self._destination.name, "observation", row.seq, reason)
        _log.error(
            "%s left observations out: %s. All %d that were sent together stay in the store.",
            self._url, detail, len(rows),
        )  # fmt: skip

    def _deliver_scores(self) -> Outcome:
        name = self._destination.name
        while scores := self._spool.read_scores(name):
            for seq, score in scores:
                outcome = self._request(lambda client, item=score: post_score(client, self._destination, item))  # type: ignore[misc] # bound default
                if outcome.answer in (Answer.REFUSED, Answer.TOO_LARGE):
                    self._spool.set_aside(name, "score", seq, outcome.detail)
                    _log.error(
                        "%s refuses score %s for good (%s): it is set aside, and stays in the store.",
                        display_url(self._destination.scores_url or ""), score.id, outcome.detail,
                    )  # fmt: skip
                elif outcome.answer is not Answer.ACCEPTED:
                    return outcome
                self._spool.acknowledge_scores(name, seq)
                self._state.failures = 0
            self._lease()
        return Outcome(answer=Answer.ACCEPTED)

    def _export_request(self, rows: tuple[BatchRow, ...], client: httpx.Client) -> bytes:
        """Return an ExportTraceServiceRequest: neighbours with the same resource and scope share their envelope."""
        groups = groupby(rows, key=lambda row: row.envelope)
        return otlp.build_request(
            (envelope, [self._as_delivered(row.span, client) for row in group]) for envelope, group in groups
        )

    def _as_delivered(self, span: bytes, client: httpx.Client) -> bytes:
        """Return a span as this destination reads it best."""
        if self._destination.kind == "otlp":
            return follow_conventions(span)
        return self._media.with_references(span, client)

    def _request(self, send: Callable[[httpx.Client], Outcome]) -> Outcome:
        """Send a request; renew the lease before it where many small requests may take longer than a lease."""
        if self._client is None:
            self._client = self._make_client() if self._make_client else make_client(self._destination)
        self.in_flight_since = now = self._clock()
        if now - self._leased_at > _RENEW_S:
            self._lease()
        try:
            return send(self._client)
        finally:
            self.in_flight_since = None

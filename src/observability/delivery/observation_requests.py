"""Make and send the requests that carry observations, in the form that their destination reads best."""

from __future__ import annotations

import logging
from itertools import groupby
from typing import TYPE_CHECKING

from src.observability.delivery.genai_conventions import follow_conventions
from src.observability.delivery.http_post import Answer, Outcome, post_traces
from src.observability.delivery.langfuse_server import ask_again, questions_in_vain, version_of
from src.observability.delivery.media import MediaUploader
from src.observability.delivery.partial_costs import with_remark
from src.observability.delivery.plain_metadata import needs_plain_texts, with_plain_texts
from src.observability.delivery.zero_usage import with_zero_usage
from src.observability.spans import otlp

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx

    from src.observability.delivery.channel import Channel
    from src.observability.store.records import BatchRow

_log = logging.getLogger("moondev.exporter")


class ObservationRequests:
    """The requests to one destination."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._media = MediaUploader()

    def check_server(self, rows: Sequence[BatchRow]) -> Outcome | None:
        """Return why rows are not sent now, None where they are.

        A server that did not answer for its version just now may be about to start, and would take rows a moment later
        in a form that its version does not read. So it gets an empty request first, and is asked again if it took that.
        """
        channel = self._channel
        before = questions_in_vain(channel.destination)
        needs_plain_texts(rows, channel)  # asks for the version
        if questions_in_vain(channel.destination) <= before:
            return None
        outcome = self.post(otlp.build_request(()), 0)
        if outcome.answer in (Answer.RETRY_LATER, Answer.MISCONFIGURED):
            return outcome
        version_of(channel.request, channel.destination, in_pause=True)
        return None

    def encode(self, rows: Sequence[BatchRow]) -> bytes:
        """Return an ExportTraceServiceRequest: neighbours with the same resource and scope share their envelope.

        Files in the rows are uploaded meanwhile, which may take long.
        """
        client = self._channel.client
        plain = needs_plain_texts(rows, self._channel)
        groups = groupby(rows, key=lambda row: row.envelope)
        return otlp.build_request(
            (envelope, [self._as_delivered(row.span, client, plain=plain) for row in group])
            for envelope, group in groups
        )

    def _as_delivered(self, span: bytes, client: httpx.Client, *, plain: bool) -> bytes:
        destination = self._channel.destination
        if destination.kind == "otlp":
            return follow_conventions(span)
        if plain:
            span = with_plain_texts(span)
        span = with_remark(with_zero_usage(span, self._channel))
        return self._media.with_references(span, client, destination)

    def post(self, body: bytes, count: int) -> Outcome:
        """Send an encoded request with `count` observations."""
        outcome = self._channel.request(lambda client, target: post_traces(client, target, body))
        if outcome.answer is Answer.RETRY_LATER:
            ask_again(self._channel.destination)
        _log.debug("%s: %d observations: %s %s", self._channel.url, count, outcome.answer.value, outcome.detail)
        return outcome

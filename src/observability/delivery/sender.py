"""Deliver one kind of rows to one destination under a lease, so that one process at a time does."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from src.observability.delivery.channel import Channel, DeliveryState, LeaseLost
from src.observability.delivery.http_post import Answer
from src.observability.delivery.identity import Identity
from src.observability.delivery.observation_delivery import ObservationDelivery
from src.observability.delivery.score_delivery import ScoreDelivery

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from src.observability.delivery.destinations import Destination
    from src.observability.delivery.http_post import Outcome
    from src.observability.store.row_kinds import KindName
    from src.observability.store.spool import Spool

__all__ = ["DeliveryState", "Sender"]


class Sender:
    """Bring a destination up to date in one kind of rows.

    Args:
        spool: The store.
        destination: Where to deliver.
        kind: What to deliver.
        clock: Seconds that never go backwards.
        make_client: Makes the HTTP client; one with the destination's certificates where not set.
        state: What it shares with the worker that it sends for.
    """

    def __init__(
        self,
        spool: Spool,
        destination: Destination,
        kind: KindName,
        *,
        clock: Callable[[], float],
        make_client: Callable[[], httpx.Client] | None,
        state: DeliveryState,
    ) -> None:
        self._channel = Channel(spool, destination, kind, clock=clock, make_client=make_client, state=state)
        self._identity = Identity(spool.progress, partial(self._channel.request, leased=False))
        delivery = ObservationDelivery if kind == "observation" else ScoreDelivery
        self._delivery: ObservationDelivery | ScoreDelivery = delivery(self._channel)

    @property
    def in_flight_since(self) -> float | None:
        """Return when the request that is under way was sent; None where none is."""
        return self._channel.in_flight_since

    def deliver(self, *, urgent: bool = False) -> Outcome | None:
        """Send until a request fails or everything is sent; return None where another process is delivering.

        With `urgent` the server is asked at once for what may have arrived.
        """
        waiting = self._identity.settle(self._channel.destination)
        if waiting is not None:
            return waiting
        if not self._channel.lease():  # after that, since it is the project's
            return None
        try:
            outcome = self._delivery.deliver(urgent=urgent)
            if outcome.answer is Answer.ACCEPTED:
                self._identity.learn(self._channel.destination)
            return outcome
        except LeaseLost:
            return None
        finally:
            self._channel.release()

    def close(self) -> None:
        """Close the HTTP client."""
        self._channel.close()

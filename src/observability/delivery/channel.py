"""Hold the lease on one kind of rows of one destination, and the connection to its server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from src.observability.delivery.http_post import Answer
from src.observability.delivery.requester import Requester
from src.observability.network import display_url
from src.observability.store.leases import lease_owner

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from src.observability.delivery.destinations import Destination
    from src.observability.delivery.http_post import Outcome
    from src.observability.store.row_kinds import KindName
    from src.observability.store.spool import Spool

_RENEW_S: Final = 10.0


class LeaseLost(Exception):
    """Another process has taken the lease over, since this one was at work for too long."""


@dataclass(slots=True)
class DeliveryState:
    """What a worker and its sender share.

    Attributes:
        stopped: Whether to return after the request that is under way.
        failures: How many requests failed in succession.
    """

    stopped: bool = False
    failures: int = 0


class Channel:
    """The way to one destination for one kind of rows.

    Args:
        spool: The store.
        destination: Where to deliver.
        kind: What to deliver.
        clock: Seconds that never go backwards.
        make_client: Makes the HTTP client; one with the destination's certificates where not set.
        state: What it shares with the worker that delivers.

    Attributes:
        in_flight_since: When the request that is under way was sent; None where none is.
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
        self.in_flight_since: float | None = None
        self.progress = spool.progress
        self.spool = spool
        self.kind: KindName = kind
        self.state = state
        self.clock = clock
        self._requester = Requester(destination, make_client)
        self._owner = lease_owner()
        self._leased_at = 0.0

    @property
    def destination(self) -> Destination:
        """Return the destination, under the address that it has now."""
        return self._requester.destination

    @property
    def client(self) -> httpx.Client:
        """Return the HTTP client."""
        return self._requester.client

    @property
    def name(self) -> str:
        """Return the destination's name."""
        return self.destination.name

    @property
    def url(self) -> str:
        """Return where rows are sent, for messages."""
        destination = self.destination
        return display_url(destination.traces_url if self.kind == "observation" else destination.scores_url or "")

    def lease(self) -> bool:
        """Take the lease; False where another living process has it."""
        self._leased_at = self.clock()
        return self.progress.lease(self.name, self._owner, self.kind)

    def renew(self, *, for_s: float | None = None) -> None:
        """Renew the lease where it may run out soon, or for a certain time.

        Raises:
            LeaseLost: another process has it.
        """
        if for_s is not None:
            self._leased_at = self.clock()
            held = self.progress.lease(self.name, self._owner, self.kind, for_s=for_s)
        else:
            held = self.clock() - self._leased_at <= _RENEW_S or self.lease()
        if not held:
            raise LeaseLost

    def note(self, first: int, last: int) -> None:
        """Note that observations are about to be sent; the lease is extended for the time of the request.

        Raises:
            LeaseLost: another process has it.
        """
        if not self.progress.note(self.name, self._owner, first, last):
            raise LeaseLost
        self._leased_at = self.clock()

    def release(self) -> None:
        """Give the lease back."""
        self.progress.release(self.name, self._owner, self.kind)

    def close(self) -> None:
        """Close the HTTP client."""
        self._requester.close()

    def request(self, send: Callable[[httpx.Client, Destination], Outcome], *, leased: bool = True) -> Outcome:
        """Send a request.

        Raises:
            LeaseLost: another process has the lease, which the request needs where `leased` is set.
        """
        if leased:
            self.renew()
        self.in_flight_since = self.clock()
        try:
            outcome = self._requester.request(send)
        finally:
            self.in_flight_since = None
        if outcome.answer is Answer.ACCEPTED:
            self.state.failures = 0  # a server that accepts some requests and fails others is not backed off from
        return outcome

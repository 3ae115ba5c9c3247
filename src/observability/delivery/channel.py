"""Hold the lease on one kind of rows of one destination, and the connection to its server."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from src.observability.delivery.destinations import display_url, make_client
from src.observability.delivery.http_post import Answer
from src.observability.store.leases import lease_owner

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from src.observability.delivery.destinations import Destination
    from src.observability.delivery.http_post import Outcome
    from src.observability.store.row_kinds import KindName
    from src.observability.store.spool import Spool

_log = logging.getLogger("moondev.exporter")
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
        self.destination = destination
        self.kind: KindName = kind
        self.state = state
        self.clock = clock
        self._make_client = make_client
        self._client: httpx.Client | None = None
        self._owner = lease_owner()
        self._leased_at = 0.0

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

    def renew(self) -> None:
        """Renew the lease where it may run out soon.

        Raises:
            LeaseLost: another process has it.
        """
        if self.clock() - self._leased_at > _RENEW_S and not self.lease():
            raise LeaseLost

    def release(self) -> None:
        """Give the lease back."""
        self.progress.release(self.name, self._owner, self.kind)

    def close(self) -> None:
        """Close the HTTP client."""
        if self._client is not None:
            self._client.close()

    def request(self, send: Callable[[httpx.Client, Destination], Outcome], *, leased: bool = True) -> Outcome:
        """Send a request; where its server has moved from http to https on the same host, send it there, and stay.

        Raises:
            LeaseLost: another process has the lease, which the request needs where `leased` is set.
        """
        if leased:
            self.renew()
        outcome = self._send(send)
        if outcome.location and (moved := _to_https(self.destination, outcome.location)) is not None:
            _log.warning("%s answers under https: delivery goes there.", display_url(self.destination.api_url or ""))
            self.destination = moved
            outcome = self._send(send)
        return outcome

    def _send(self, send: Callable[[httpx.Client, Destination], Outcome]) -> Outcome:
        client = self.open_client()
        self.in_flight_since = self.clock()
        try:
            outcome = send(client, self.destination)
        finally:
            self.in_flight_since = None
        if outcome.answer is Answer.ACCEPTED:
            self.state.failures = 0  # a server that accepts some requests and fails others is not backed off from
        return outcome

    def open_client(self) -> httpx.Client:
        """Return the HTTP client."""
        if self._client is None:
            self._client = self._make_client() if self._make_client else make_client(self.destination)
        return self._client


def _to_https(destination: Destination, location: str) -> Destination | None:
    """Return a Langfuse destination under https, where a redirect says no more than that."""
    try:
        old, new = urlsplit(destination.api_url or ""), urlsplit(location)
        port = new.port
    except ValueError:
        return None
    same_host = old.hostname is not None and old.hostname == (new.hostname or "").lower()
    if old.scheme != "http" or new.scheme != "https" or not same_host or "@" in new.netloc:
        return None
    if not new.path.startswith(f"{old.path}/api/public/"):
        return None
    place = old.netloc.rpartition("@")[0]
    user = f"{place}@" if place else ""
    host = f"[{old.hostname}]" if ":" in (old.hostname or "") else old.hostname
    base = f"https://{user}{host}{'' if port in (None, 443) else f':{port}'}{old.path}"
    former = destination.api_url or ""
    return replace(
        destination,
        api_url=base,
        traces_url=base + destination.traces_url.removeprefix(former),
        scores_url=base + (destination.scores_url or "").removeprefix(former),
    )

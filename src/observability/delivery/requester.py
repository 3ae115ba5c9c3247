"""Send requests to one server, and follow it where it has moved from http to https on its own host."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from src.observability import network
from src.observability.delivery.destinations import make_client
from src.observability.delivery.http_post import Answer, Outcome
from src.observability.network import display_url

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from src.observability.delivery.destinations import Destination

_log = logging.getLogger("moondev.exporter")


class Requester:
    """A destination with a connection to it.

    Args:
        destination: The server.
        open_client: Makes the HTTP client; one with the destination's certificates where not set.

    Attributes:
        destination: The server, under the address that it has now.
    """

    def __init__(self, destination: Destination, open_client: Callable[[], httpx.Client] | None = None) -> None:
        self.destination = destination
        self._open_client = open_client
        self._client: httpx.Client | None = None

    @property
    def client(self) -> httpx.Client:
        """Return the HTTP client."""
        if self._client is None:
            self._client = self._open_client() if self._open_client else make_client(self.destination)
        return self._client

    def close(self) -> None:
        """Close the HTTP client."""
        if self._client is not None:
            self._client.close()

    def request(self, send: Callable[[httpx.Client, Destination], Outcome]) -> Outcome:
        """Send a request, to the server's new address where it names one under https on the same host."""
        try:
            client = self.client
        except network.NetworkProblem as problem:  # until the variable that it names is corrected
            return Outcome(answer=Answer.RETRY_LATER, detail=str(problem))
        outcome = send(client, self.destination)
        if outcome.location and (moved := _to_https(self.destination, outcome.location)) is not None:
            _log.warning("%s answers under https: delivery goes there.", display_url(self.destination.api_url or ""))
            self.destination = moved
            outcome = send(client, moved)
        return outcome


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
    authority = old.netloc.rpartition("@")[0]
    user = f"{authority}@" if authority else ""
    host = f"[{old.hostname}]" if ":" in (old.hostname or "") else old.hostname
    base = f"https://{user}{host}{'' if port in (None, 443) else f':{port}'}{old.path}"
    former = destination.api_url or ""
    return replace(
        destination,
        api_url=base,
        traces_url=base + destination.traces_url.removeprefix(former),
        scores_url=base + (destination.scores_url or "").removeprefix(former),
    )

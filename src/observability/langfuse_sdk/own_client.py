"""Make the Langfuse client whose observations go to our tracer provider."""

from __future__ import annotations

import functools
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final

from src.observability import network

if TYPE_CHECKING:
    from collections.abc import Callable

    from langfuse import Langfuse

    from src.observability.langfuse_sdk.host import Host

NO_KEY: Final = "pk-lf-not-set"  # Langfuse's SDK registers a client by its public key, so it needs one


class OwnClient:
    """A pipeline's Langfuse client, made when it is first used."""

    def __init__(self, host: Host) -> None:
        self._host = weakref.ref(host)
        self._client: Langfuse | None = None
        self._lock = threading.RLock()

    def get(self) -> Langfuse:
        """Return the client."""
        import langfuse  # noqa: F401 - outside the lock: the import hook may make the client

        with self._lock:
            if self._client is None:
                self.make()
            manager: Any = self._client and self._client._resources
            host = self._host()
            if manager is not None and host is not None and manager.tracer_provider is host.provider:
                manager._moondev = "requested"
            assert self._client is not None  # noqa: S101 - made above
            return self._client

    def make(self, *, registered: bool = False) -> None:
        """Make the client.

        Args:
            registered: Langfuse's SDK needs it, not the program; the SDK may replace it by another client later.
        """
        from langfuse import Langfuse

        from src.observability.langfuse_sdk import joined_client, register
        from src.observability.langfuse_sdk.discard import DiscardingExporter

        host = self._host()
        if host is None:
            return
        settings = host.settings
        with self._lock:
            make = functools.partial(
                Langfuse,
                public_key=host.public_key,
                secret_key=settings.langfuse_secret_key or "sk-lf-not-set",
                base_url=settings.langfuse_host,
                environment=settings.environment,
                tracing_enabled=host.provider is not None,
                tracer_provider=host.provider,
                span_exporter=DiscardingExporter(),
                should_export_span=lambda _: False,  # or else it would upload the media in spans
            )
            self._client = client = _new_client(make, settings.langfuse_host)
            manager: Any = client._resources
            if manager is not None and host.spool is not None and manager.tracer_provider is host.provider:
                manager.add_score_task = functools.partial(joined_client.take_score, host, manager.add_score_task)
                joined_client.deliver_on_flush(manager, host)
                manager._moondev = "registered" if registered else "requested"
                register.remove_sender(host.provider, host.public_key)


def _new_client(make: Callable[..., Langfuse], address: str) -> Langfuse:
    """Return a client; where httpx cannot read a variable that is for other addresses, with an HTTP client of ours.

    Raises:
        NetworkProblem: a variable of the environment is wrong; the message names those that are set.
    """
    try:
        return make()
    except Exception:  # noqa: BLE001 - of whichever variable; what cannot be used is named here
        http = network.open_client(address)
    try:
        return make(httpx_client=http)
    except Exception as error:
        names = ", ".join(network.names_in_use()) or "the environment"
        raise network.NetworkProblem(f"{type(error).__name__}: {error}: look at {names}") from error

"""Return the arguments for a provider's HTTP client, or the error that names what keeps it from being made."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from src.models.errors import ConnectionFailed
from src.models.transport import tls
from src.observability import network

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable


def arguments(
    library: str,
    address: str | None,
    build: Callable[[], ssl.SSLContext],
    *,
    asynchronous: bool = False,
    limits: Any = None,
) -> dict[str, Any]:
    """Return the TLS context for a client and, where the environment names proxies, its transports.

    Args:
        library: The module that the client is of: httpx or httpx2.
        address: The client's base URL; None where an SDK chooses it.
        build: Builds the TLS context that the client would build.
        asynchronous: Whether the client is one for asyncio.
        limits: Of the connection pools, where they are not the library's own.

    Raises:
        ConnectionFailed: a variable of the environment is wrong; trying again cannot help.
    """
    try:
        verify = tls.for_address(address, build)
        return network.client_arguments(
            importlib.import_module(library), address or "", verify, asynchronous=asynchronous, limits=limits
        )
    except network.NetworkProblem as error:
        raise unusable(error) from error


def unusable(problem: network.NetworkProblem) -> ConnectionFailed:
    """Return the error for a variable that keeps requests from being sent."""
    failure = ConnectionFailed(f"{problem}. Nothing was sent.")
    failure.retryable = False
    return failure

"""Explain why a server could not be reached, and what to check: the system's own errors are numbers."""

from __future__ import annotations

import errno
import socket
import ssl
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from src.observability.network import proxy_for

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_ROUTE: Final = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)


def explain(error: BaseException, url: str) -> str:
    """Return what a connection error means and what helps; the error's own words for an unknown one.

    Args:
        error: What an HTTP library raised; the system's error is among its causes.
        url: Where the request went. Of it the host and the port alone are repeated.
    """
    proxy = proxy_for(url)
    host, server = _server(url if proxy is None else proxy.url)
    if proxy is not None:
        server = f"the proxy {server}"
    for cause in _causes(error):
        if isinstance(cause, socket.gaierror):
            if cause.errno == socket.EAI_AGAIN:
                return f"the name {host} cannot be looked up now: check this machine's network and DNS"
            return f"no host {host} is known: check the address, and this machine's network and DNS"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate of {server} is not trusted ({cause.verify_message}): name its CA in SSL_CERT_FILE"
        if isinstance(cause, ConnectionRefusedError):
            return f"nothing answers at {server}: check that the server runs and that the port is right"
        if isinstance(cause, OSError) and cause.errno in _NO_ROUTE:
            return f"no network leads to {host}: check this machine's network, or name a proxy in HTTPS_PROXY"
    return str(error) or type(error).__name__


def _server(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
        host = parts.hostname or "the server"
        port = parts.port or (80 if parts.scheme == "http" else 443)
    except ValueError:
        return "the server", "the server"
    return host, f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it was raised from, the outermost first."""
    current: BaseException | None = error
    for _ in range(8):
        if current is None:
            return
        yield current
        current = current.__cause__ or current.__context__

"""Share one TLS context between the HTTP clients of this process.

Loading a bundle of certificate authorities takes 10 to 20 ms, and an HTTP client that makes its own context loads the
bundle anew. A context holds settings and certificates, no connections, so that clients, threads and event loops can use
the same one (docs.python.org/3/library/ssl.html#ssl.SSLContext). That includes a forked child: it has a copy of the
context in its own memory, and OpenSSL seeds its random numbers anew in a child. Connections are never shared over a
fork; `per_process` sees to that.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from src.observability import network

if TYPE_CHECKING:
    from collections.abc import Callable

    Build = Callable[[], ssl.SSLContext]

# What the HTTP libraries, and Python's `ssl.create_default_context`, read when they make a context.
_VARIABLES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")

# By the function that built it: the settings that it was built under, and the context. Written without a lock, which a
# forked child could inherit locked: threads that build at the same time build equal contexts, and one of them stays.
_contexts: Final[dict[Build, tuple[object, ssl.SSLContext]]] = {}


def for_address(address: str | None, build: Build) -> ssl.SSLContext:
    """Return the context for an HTTP client.

    Args:
        address: The client's base URL; None where an SDK chooses it. At an http address the context is built when the
            first connection needs it, as after a redirect to https.
        build: Builds the context that the client would build, such as `httpx.create_ssl_context`.
    """
    return OnDemand(build) if address is not None and address.lower().startswith("http:") else shared(build)


def shared(build: Build) -> ssl.SSLContext:
    """Return what `build` returned before, or call it where the settings or the bundle's file have changed since.

    Raises:
        NetworkProblem: a variable names certificates that cannot be read.
    """
    settings = _settings()
    cached = _contexts.get(build)
    if cached is not None and cached[0] == settings:
        return cached[1]
    context = network.build_context(build)
    _contexts[build] = settings, context
    return context


def _settings() -> object:
    """Return what decides how a context is built, comparable with that of another time."""
    variables = tuple(map(os.environ.get, _VARIABLES))
    defaults = ssl.get_default_verify_paths()
    paths = (*variables[:2], defaults.openssl_cafile, defaults.openssl_capath)
    # truststore.inject_into_ssl() replaces the class.
    return ssl.SSLContext, variables, tuple(map(_version, paths))


def _version(path: str | None) -> object:
    """Return what changes with a file's content; None where there is no file."""
    try:
        status = Path(path).stat() if path else None
    except (OSError, ValueError):
        status = None
    if status is None:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class OnDemand(ssl.SSLContext):
    """A context that is built when the first connection uses it.

    Args:
        build: Builds the context that is used; it is shared as `shared` says.
    """

    _build: Build
    _context: ssl.SSLContext | None

    def __new__(cls, build: Build) -> OnDemand:  # noqa: D102 - the class's own words
        context = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        context._build = build
        context._context = None
        return context

    def __init__(self, build: Build) -> None:  # the base class's takes a protocol
        pass

    def _built(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = shared(self._build)
        return self._context

    @override
    def wrap_socket(self, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        """Begin TLS on a socket, as the context that was built does."""
        return self._built().wrap_socket(*arguments, **options)

    @override
    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        """Begin TLS over memory buffers, as the context that was built does."""
        return self._built().wrap_bio(*arguments, **options)

    @override
    def set_alpn_protocols(self, alpn_protocols: Any) -> None:
        """Set which protocols the context that was built offers; HTTP clients do this before each connection."""
        self._built().set_alpn_protocols(alpn_protocols)

"""Say why a provider could not be reached: at which address, through which proxy, trusting which certificates."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from src.models import errors
from src.models.failures import bodies
from src.observability import network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.models.errors import ModelError

_NEVER_CONNECTED: Final = frozenset(
    {"ConnectError", "ProxyError", "ConnectTimeout", "ConnectionRefusedError", "gaierror"}
)
_BAD_ADDRESS: Final = frozenset({"UnsupportedProtocol", "InvalidURL"})
_BAD_HEADER: Final = "Illegal header"
_UNTRUSTED: Final = "CERTIFICATE_VERIFY_FAILED"


def from_exception(error: BaseException) -> ModelError | None:
    """Return the error for an exception about an address, a header or a connection; None for any other cause.

    Trying again is of no use where the address names no host, where the host's name does not exist, and where its
    certificate is not trusted.
    """
    chain = list(_chain(error))
    names = {kind.__name__ for item in chain for kind in type(item).__mro__}
    if any(_BAD_HEADER in str(item) for item in chain):
        return errors.InvalidRequest(
            "a header cannot be sent: it holds a character that HTTP does not take. Check the key and "
            "extra_headers. Nothing was sent",
            parameter="extra_headers",
        )
    if names & _BAD_ADDRESS:
        return errors.InvalidRequest(
            bodies.one_line(f"the base URL is no address to send to: {error}. Nothing was sent"), parameter="base_url"
        )
    if not names & _NEVER_CONNECTED:
        return None
    address = next(filter(None, map(_address, chain)), "")
    failure = errors.ConnectionFailed(bodies.one_line(_described(address, str(chain[-1]) or str(error))))
    failure.retryable = not (_UNTRUSTED in str(chain[-1]) or any(map(_is_unknown_name, chain)))
    return failure


def text_for_timeout(error: BaseException) -> str | None:
    """Return what to say where no connection was made in time; None where there was one."""
    chain = list(_chain(error))
    if not any(kind.__name__ == "ConnectTimeout" for item in chain for kind in type(item).__mro__):
        return None
    address = next(filter(None, map(_address, chain)), "")
    return _described(address, "no connection within the time allowed for it") if address else None


def _described(address: str, reason: str) -> str:
    """Return a sentence that names the address and the variables that decide how it is reached."""
    if not address:
        return reason
    proxy = network.proxy_for(address)
    through = f" through the proxy {proxy}" if proxy is not None else ""
    trusted = network.certificate_variable() if _UNTRUSTED in reason else None
    advice = f"; {trusted} says which certificates are trusted" if trusted else ""
    return f"{network.origin(address)} cannot be reached{through}: {reason}{advice}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, then what caused it, and so on."""
    seen: set[int] = set()
    item: BaseException | None = error
    while item is not None and id(item) not in seen:
        seen.add(id(item))
        yield item
        item = item.__cause__ or item.__context__


def _address(error: BaseException) -> str:
    """Return the address of the request that an exception of an HTTP library is about; empty where it has none."""
    try:
        request = getattr(error, "request", None)
    except RuntimeError:  # of httpx, where none was set
        return ""
    return str(getattr(request, "url", "") or "")


def _is_unknown_name(error: BaseException) -> bool:
    return isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME

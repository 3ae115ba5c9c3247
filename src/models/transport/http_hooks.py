"""Hook into HTTP clients: record rate-limit headers, and bound requests and replies by the limits of the running call.

A client's read timeout starts anew with every byte, so a server that sends one now and then could block a plain call
for ever; here its body is cut off at the call's deadline, and by `bounded_stream` its headers. (In asyncio the driver
enforces the deadline.)
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from src.models.limits import rate_limit_headers
from src.models.limits.reply_size import Meter
from src.models.transport import bounded_body

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from src.models.types import Timeouts


# A key of the extensions of a request that `replay` has filled: its headers ask for what can be bounded, and its reply
# is whole, which need not be read out of the request's body.
WHOLE: Final = "moondev.whole"


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of the step that runs now.

    Attributes:
        timeouts: Of its requests.
        deadline: On the monotonic clock.
        most_bytes: The most that a reply may have.
        is_stream: Whether the reply is a stream.
    """

    timeouts: Timeouts
    deadline: float
    most_bytes: int
    is_stream: bool


# The headers of the last refusal in this context, for SDKs whose errors leave them out.
_REFUSAL: ContextVar[Mapping[str, str] | None] = ContextVar("moondev_refusal", default=None)
_LIMITS: ContextVar[Limits | None] = ContextVar("moondev_limits", default=None)


class within:  # noqa: N801 - used like a function; as a generator it would take three times as long
    """Bound the requests that are sent inside the block, and their replies.

    Args:
        timeouts: Of the requests.
        most_bytes: The most that a reply may have.
        is_stream: Whether the reply is a stream.
    """

    __slots__ = ("_is_stream", "_most_bytes", "_timeouts", "_token")

    def __init__(self, timeouts: Timeouts, most_bytes: int, *, is_stream: bool = False) -> None:
        self._timeouts = timeouts
        self._most_bytes = most_bytes
        self._is_stream = is_stream

    def __enter__(self) -> None:
        """Set the bounds for this thread or task."""
        self._token = _LIMITS.set(
            Limits(
                timeouts=self._timeouts,
                deadline=time.monotonic() + self._timeouts.total,
                most_bytes=self._most_bytes,
                is_stream=self._is_stream,
            )
        )

    def __exit__(self, *_: object) -> None:
        """Restore the bounds of before."""
        _LIMITS.reset(self._token)


def meter() -> Meter | None:
    """Return a meter for a reply that is read in another way than through httpx; None outside of calls."""
    limits = _LIMITS.get()
    return None if limits is None else Meter(limits.most_bytes, is_stream=limits.is_stream)


def remaining_s() -> float | None:
    """Return the seconds until the deadline of the running call, None outside of calls."""
    limits = _LIMITS.get()
    return None if limits is None else limits.deadline - time.monotonic()


def is_calling() -> bool:
    """Tell whether a traced call is being sent in this thread or task."""
    return _LIMITS.get() is not None


def hooks(provider: str) -> dict[str, list[Callable[[Any], Any]]]:
    """Return event hooks for an httpx or httpx2 client: `DefaultHttpxClient(event_hooks=hooks("openai"))`."""

    def on_response(response: Any) -> None:
        _record(provider, response)
        _bound_reply(response, asynchronous=False)

    return {"request": [bound_request], "response": [on_response]}


def async_hooks(provider: str) -> dict[str, list[Callable[[Any], Any]]]:
    """Return event hooks for an asynchronous client."""

    async def on_request(request: Any) -> None:
        bound_request(request)

    async def on_response(response: Any) -> None:
        _record(provider, response)
        _bound_reply(response, asynchronous=True)

    return {"request": [on_request], "response": [on_response]}


def _bound_reply(response: Any, *, asynchronous: bool) -> None:
    limits = _LIMITS.get()
    if limits is not None:
        bounded_body.bound(
            response,
            most_bytes=limits.most_bytes,
            deadline=limits.deadline,
            is_stream=limits.is_stream,
            asynchronous=asynchronous,
        )


def _record(provider: str, response: Any) -> None:
    rate_limit_headers.record(provider, response.headers.raw)
    if response.status_code >= 400:
        _REFUSAL.set(response.headers)


def refusal_headers() -> Mapping[str, str] | None:
    """Return the headers of the last error response in this thread or task."""
    return _REFUSAL.get()


def bound_request(request: Any) -> None:
    """Set a request's own timeouts, for SDKs that take them only for a whole client; ask for what can be bounded."""
    limits = _LIMITS.get()
    if limits is not None:
        if WHOLE not in request.extensions and request.headers.get("accept-encoding") != bounded_body.ACCEPTED:
            request.headers["accept-encoding"] = bounded_body.ACCEPTED
        read, connect = limits.timeouts.read, limits.timeouts.connect
        request.extensions["timeout"] = {"connect": connect, "read": read, "write": read, "pool": connect}

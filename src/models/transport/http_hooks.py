"""Hook into HTTP clients: record rate-limit headers, and bound requests by the timeouts of the running call.

A client's read timeout starts anew with every byte, so a server that sends one now and then could block a plain call
for ever; here its body is cut off at the call's deadline. (In asyncio `BaseModel` enforces the deadline.)
"""

from __future__ import annotations

import sys
import time
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from src.models.limits import rate_limit_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from src.models.types import Timeouts


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of the step that runs now; `deadline` is on the monotonic clock."""

    timeouts: Timeouts
    deadline: float


# The headers of the last refusal in this context, for SDKs whose errors leave them out.
_REFUSAL: ContextVar[Mapping[str, str] | None] = ContextVar("moondev_refusal", default=None)
_LIMITS: ContextVar[Limits | None] = ContextVar("moondev_limits", default=None)


class within:  # noqa: N801 - used like a function; as a generator it would take three times as long
    """Bound the requests that are sent inside the block by these timeouts."""

    __slots__ = ("_timeouts", "_token")

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts

    def __enter__(self) -> None:
        """Set the bounds for this thread or task."""
        self._token = _LIMITS.set(Limits(timeouts=self._timeouts, deadline=time.monotonic() + self._timeouts.total))

    def __exit__(self, *_: object) -> None:
        """Restore the bounds of before."""
        _LIMITS.reset(self._token)


def is_calling() -> bool:
    """Tell whether a traced call is being sent in this thread or task."""
    return _LIMITS.get() is not None


def hooks(provider: str) -> dict[str, list[Callable[[Any], Any]]]:
    """Return event hooks for an httpx or httpx2 client: `DefaultHttpxClient(event_hooks=hooks("openai"))`."""

    def on_response(response: Any) -> None:
        _record(provider, response)
        limits = _LIMITS.get()
        if limits is not None:
            response.stream = _bounded_body_class(type(response).__module__.partition(".")[0])(
                response.stream, limits.deadline
            )

    return {"request": [bound_request], "response": [on_response]}


def async_hooks(provider: str) -> dict[str, list[Callable[[Any], Any]]]:
    """Return event hooks for an asynchronous client."""

    async def on_request(request: Any) -> None:
        bound_request(request)

    async def on_response(response: Any) -> None:
        _record(provider, response)

    return {"request": [on_request], "response": [on_response]}


def _record(provider: str, response: Any) -> None:
    rate_limit_headers.record(provider, response.headers.raw)
    if response.status_code >= 400:
        _REFUSAL.set(response.headers)


def refusal_headers() -> Mapping[str, str] | None:
    """Return the headers of the last error response in this thread or task."""
    return _REFUSAL.get()


def bound_request(request: Any) -> None:
    """Set a request's own timeouts, for SDKs that take them only for a whole client."""
    limits = _LIMITS.get()
    if limits is not None:
        read, connect = limits.timeouts.read, limits.timeouts.connect
        request.extensions["timeout"] = {"connect": connect, "read": read, "write": read, "pool": connect}


@lru_cache(maxsize=4)
def _bounded_body_class(library: str) -> type[Any]:
    """Return a class of response bodies of that HTTP library which end at a deadline."""
    http = sys.modules[library]

    class BoundedBody(http.SyncByteStream):  # type: ignore[misc, name-defined] # of whichever library the SDK runs on
        """A body that raises a timeout after the deadline."""

        def __init__(self, stream: Any, deadline: float) -> None:
            self._stream = stream
            self._deadline = deadline

        @property
        def elapsed(self) -> Any:
            """Return the elapsed time of the body itself, which httpx2 reads here."""
            return getattr(self._stream, "elapsed", None)

        def __iter__(self) -> Iterator[bytes]:
            """Yield the body's pieces."""
            for piece in self._stream:
                yield piece
                if time.monotonic() > self._deadline:
                    raise http.ReadTimeout("the reply was not complete within the time allowed for the whole call")

        def close(self) -> None:
            """Close the body."""
            self._stream.close()

    return BoundedBody

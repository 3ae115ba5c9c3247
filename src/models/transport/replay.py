"""Send a call as its SDK would, without having the SDK build it anew: the same address and headers, another body.

What an SDK puts together for each call, and makes of each reply, takes longer than tracing does, and is the same each
time but for the body. So the SDK is asked once to build a request, and is stopped before it is sent; each later call is
that request with its own body, through the same HTTP client. A plain reply is read from its JSON. Whatever else comes
back, an error, a page, a broken connection, is handed to the SDK, which takes it as the answer to a request of its own.

Where an SDK does not send through the HTTP client that is known here, would send another body, or tells its log of each
call, nothing is replayed: every call then is the SDK's own.
"""

from __future__ import annotations

import json
import logging
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

import orjson

from src.models.transport import bare_send
from src.observability.langfuse_sdk import patched_sdks

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from src.models.types import Timeouts

    Read = Callable[[Any], Any]

_TIMED: Final = ("x-stainless-timeout", "x-stainless-read-timeout")
# A request that carries one of these is not like the next one.
_OF_ONE_CALL: Final = ("traceparent", "idempotency-key", "x-idempotency-key")
# What marks such a request among its extensions: its reply is whole, which need not be read out of its body.
WHOLE: Final = "moondev.whole"
_MOST: Final = 256
_HTTP_OK: Final = 200


class _Shown(BaseException):
    """Stop an SDK that has built a request, before it is sent; no handler of errors is to see this."""

    def __init__(self, request: Any) -> None:
        super().__init__()
        self.request = request


class _InHand:
    """Hold what the next request of this thread or task is answered with: a response, an exception, or a halt."""

    __slots__ = ("answer",)

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer

    def take(self, request: Any) -> Any:
        """Return the response, or raise."""
        if self.answer is None:
            raise _Shown(request)
        _in_hand.set(None)  # what the SDK asks beyond this goes out
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


_in_hand: ContextVar[_InHand | None] = ContextVar("moondev_in_hand", default=None)


class _Form:
    """Hold a request as its SDK built it."""

    __slots__ = ("_headers", "_method", "_read", "_request", "_stream", "_timed", "_url")

    def __init__(self, shown: Any, timeouts: Timeouts, cookies: Any) -> None:
        library: Any = sys.modules[type(shown).__module__.partition(".")[0]]
        self._request, self._stream = library.Request, library.ByteStream
        self._method, self._url = shown.method, shown.url
        self._headers = shown.headers.copy()
        kept = self._request(self._method, self._url, cookies=cookies).headers.get("cookie")
        if kept is not None and self._headers.get("cookie") == kept:  # and not one that an operator has set
            self._headers.pop("cookie")
        self._timed = tuple(name for name in _TIMED if self._headers.get(name) == str(timeouts.read))
        self._read = timeouts.read

    def filled(self, body: bytes, timeouts: Timeouts, cookies: Any) -> Any:
        """Return the request with a body of its own."""
        request = self._request(self._method, self._url, headers=self._headers, stream=self._stream(body))
        request.extensions[WHOLE] = True
        request.headers["content-length"] = str(len(body))
        if self._timed and timeouts.read != self._read:
            for name in self._timed:
                request.headers[name] = str(timeouts.read)
        if cookies:
            cookies.set_cookie_header(request)
        request.read()  # so that hooks may look at its content
        return request


def told_by(response: Any) -> dict[str, Any] | None:
    """Return the JSON object that a response holds; None where it holds anything else."""
    if "json" not in response.headers.get("content-type", ""):
        return None
    body = response.content
    try:
        found = orjson.loads(body)
    except ValueError:
        try:
            found = json.loads(body)  # which takes NaN, lone surrogates and a byte order mark
        except ValueError:
            return None
    return found if isinstance(found, dict) else None


def _send(http: ref[Any], request: Any, **options: Any) -> Any:
    """Send a request of an SDK's, unless its answer is in hand; in place of the client's own method."""
    held = _in_hand.get()
    if held is not None:
        return held.take(request)
    client: Any = http()
    return type(client).send(client, request, **options)


async def _asend(http: ref[Any], request: Any, **options: Any) -> Any:
    held = _in_hand.get()
    if held is not None:
        return held.take(request)
    client: Any = http()
    return await type(client).send(client, request, **options)


class Replay:
    """Replay what one SDK sends through one HTTP client of httpx or httpx2, plain or asynchronous.

    Args:
        http: The client; None where it is not known, so that nothing is replayed.
        owner: What the SDK is asked through.
        method: The method of it that every call goes through. Where another instrumentation has taken hold of it,
            nothing is replayed, so that it sees the calls.
        asynchronous: Whether it is awaited.
    """

    def __init__(self, http: Any, owner: Any, method: str, *, asynchronous: bool = False) -> None:
        self._http = http
        self._owner, self._method = owner, method
        self._own = getattr(type(owner), method, None)
        sdk = type(owner).__module__.partition(".")[0]
        if http is not None and patched_sdks.patcher(self._own, sdk) is not None:
            self._own = None
        self._log = logging.getLogger(sdk)
        self._forms: dict[Hashable, _Form | None] = {}
        if http is not None:
            http.send = partial(_asend if asynchronous else _send, ref(http))
            self._straight = bare_send.Straight(http)

    def call(
        self, key: Hashable, body: bytes | None, timeouts: Timeouts, ask: Callable[[], Any], read: Read = told_by
    ) -> Any:
        """Return the reply to a body.

        Args:
            key: What the address and the headers depend on.
            body: JSON, as the SDK would send it; None for a call of which that is not known.
            timeouts: Of this call.
            ask: Has the SDK make the call; raises what the SDK raises.
            read: Reads a response with status 200; None leaves it to the SDK.
        """
        if body is None or not self._is_open():
            return ask()
        forms = self._forms
        if key not in forms:
            with _answering(_InHand()) as shown:
                return ask()
            forms = self._learn(key, shown[0], body, timeouts)
        form = forms[key]
        if form is None:
            return ask()
        try:
            response = self._straight.send(form.filled(body, timeouts, self._http.cookies))
        except Exception as error:  # noqa: BLE001 - for the SDK to judge
            return handed(error, ask)
        found = read(response) if response.status_code == _HTTP_OK else None
        return handed(response, ask) if found is None else found

    async def acall(
        self, key: Hashable, body: bytes | None, timeouts: Timeouts, ask: Callable[[], Any], read: Read = told_by
    ) -> Any:
        """Do what `call` does, in asyncio."""
        if body is None or not self._is_open():
            return await ask()
        forms = self._forms
        if key not in forms:
            with _answering(_InHand()) as shown:
                return await ask()
            forms = self._learn(key, shown[0], body, timeouts)
        form = forms[key]
        if form is None:
            return await ask()
        try:
            response = await self._straight.asend(form.filled(body, timeouts, self._http.cookies))
        except Exception as error:  # noqa: BLE001 - for the SDK to judge
            return await ahanded(error, ask)
        found = read(response) if response.status_code == _HTTP_OK else None
        return await ahanded(response, ask) if found is None else found

    def _is_open(self) -> bool:
        """Tell whether calls may be replayed now."""
        if self._http is None or self._own is None or self._method in vars(self._owner):
            return False
        if self._log.isEnabledFor(logging.DEBUG):
            return False
        return getattr(type(self._owner), self._method, None) is self._own

    def _learn(self, key: Hashable, request: Any, body: bytes, timeouts: Timeouts) -> dict[Hashable, _Form | None]:
        """Return the forms with that of one more request; other threads may look into those of before."""
        alike = _is_same(request.read(), body) and not any(name in request.headers for name in _OF_ONE_CALL)
        form = _Form(request, timeouts, self._http.cookies) if alike else None
        self._forms = forms = {**(self._forms if len(self._forms) < _MOST else {}), key: form}
        return forms


@contextmanager
def _answering(held: _InHand) -> Iterator[list[Any]]:
    """Answer the first request inside the block with what is in hand; where it is halted, it is in the list."""
    shown: list[Any] = []
    token = _in_hand.set(held)
    try:
        yield shown
    except _Shown as halted:
        shown.append(halted.request)
    finally:
        _in_hand.reset(token)


def handed(answer: Any, ask: Callable[[], Any]) -> Any:
    """Return what the SDK makes of a response, or of an exception, that has come already."""
    with _answering(_InHand(answer)):
        return ask()


async def ahanded(answer: Any, ask: Callable[[], Any]) -> Any:
    """Do what `handed` does, in asyncio."""
    with _answering(_InHand(answer)):
        return await ask()


def _is_same(one: bytes, other: bytes) -> bool:
    """Tell whether two bodies say the same."""
    return one == other or json.loads(one) == json.loads(other)

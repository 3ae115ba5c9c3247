"""Send a call as its SDK would, without having the SDK build it anew: the same address and headers, another body.

What an SDK puts together for each call, and makes of each reply, takes longer than tracing does, and is the same each
time but for the body. So the SDK is called once to build a request, and is halted before it sends it; each later call
is that request with its own body, through the same HTTP client. A plain reply is read from its JSON. Anything else, an
error, a page, a broken connection, is handed to the SDK, which takes it as the answer to a request of its own.

Nothing is replayed, and the SDK makes every call itself, where it does not send through the HTTP client that is known
here, where it would send another body, and where its debug log is on.
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

from src.models.transport import bare_send, bounded_body, bounded_stream, client_settings, http_hooks, sync_async
from src.observability.langfuse_sdk import patched_sdks

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from src.models.transport.sync_async import Steps
    from src.models.types import Timeouts

    Read = Callable[[Any], Any]

# The headers in which the SDKs say the call's timeout.
_TIMEOUT_HEADERS: Final = ("x-stainless-timeout", "x-stainless-read-timeout")
# A request that carries one of these is not like the next one.
_PER_CALL_HEADERS: Final = ("traceparent", "idempotency-key", "x-idempotency-key")
_LENGTH: Final = "content-length"
_RAW_LENGTH: Final = _LENGTH.encode()
_MOST_TEMPLATES: Final = 256
_HTTP_OK: Final = 200


class _Halted(BaseException):
    """Halts an SDK that has built a request, before it is sent; no handler of errors is to catch this."""

    def __init__(self, request: Any) -> None:
        super().__init__()
        self.request = request


class _Prepared:
    """What the next request of this thread or task is answered with: a response, an exception, or a halt."""

    __slots__ = ("answer",)

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer

    def take(self, request: Any) -> Any:
        """Return the response, or raise the exception or the halt."""
        if self.answer is None:
            raise _Halted(request)
        _prepared.set(None)  # further requests of the SDK are sent
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


_prepared: ContextVar[_Prepared | None] = ContextVar("moondev_prepared_answer", default=None)


class _Template:
    """A request as its SDK built it, to be sent with other bodies."""

    __slots__ = (
        "_encoding",
        "_headers",
        "_length_at",
        "_method",
        "_read_timeout",
        "_request_class",
        "_stream_class",
        "_timeout_headers",
        "_url",
    )

    def __init__(self, request: Any, timeouts: Timeouts, cookies: Any) -> None:
        library: Any = sys.modules[type(request).__module__.partition(".")[0]]
        self._request_class, self._stream_class = library.Request, library.ByteStream
        self._method, self._url = request.method, request.url
        self._headers = request.headers.copy()
        cookie = self._request_class(self._method, self._url, cookies=cookies).headers.get("cookie")
        if cookie is not None and self._headers.get("cookie") == cookie:  # the client's own, not an operator's
            self._headers.pop("cookie")
        self._timeout_headers = tuple(
            name for name in _TIMEOUT_HEADERS if self._headers.get(name) == str(timeouts.read)
        )
        self._read_timeout = timeouts.read
        self._headers["accept-encoding"] = bounded_body.ACCEPTED  # as the client's hook would have it in each request
        self._headers[_LENGTH] = "0"
        self._encoding = self._headers.encoding
        self._length_at = _position(self._headers)

    def fill(self, body: bytes, timeouts: Timeouts, cookies: Any) -> Any:
        """Return the request with this body."""
        request = self._request_class(self._method, self._url, headers=self._headers, stream=self._stream_class(body))
        request.extensions[http_hooks.WHOLE] = True
        headers, has_cookies = request.headers, bool(cookies)
        if not has_cookies:  # which could be of another encoding
            headers.encoding = self._encoding  # else it is worked out anew, from all headers
        if self._length_at is None:
            headers[_LENGTH] = str(len(body))
        else:  # what that does, in a tenth of the time
            headers._list[self._length_at] = (_RAW_LENGTH, _RAW_LENGTH, b"%d" % len(body))
        if self._timeout_headers and timeouts.read != self._read_timeout:
            for name in self._timeout_headers:
                headers[name] = str(timeouts.read)
        if has_cookies:
            cookies.set_cookie_header(request)
        request.read()  # so that hooks may read its content
        return request


def _position(headers: Any) -> int | None:
    """Return where the length of the body stands among headers; None where they are not kept as we know it."""
    entries = getattr(headers, "_list", None)
    if type(entries) is not list:
        return None
    return next((at for at, entry in enumerate(entries) if entry[:2] == (_RAW_LENGTH, _RAW_LENGTH)), None)


def read_json_object(response: Any) -> dict[str, Any] | None:
    """Return the JSON object that a response holds; None where it holds anything else."""
    if "json" not in response.headers.get("content-type", ""):
        return None
    body = response.content
    try:
        value = orjson.loads(body)
    except ValueError:
        try:
            value = json.loads(body)  # which takes NaN, lone surrogates and a byte order mark
        except ValueError:
            return None
    return value if isinstance(value, dict) else None


def _send(http: ref[Any], request: Any, **options: Any) -> Any:
    """Send a request of an SDK's, unless its answer is prepared; in place of the client's own method."""
    prepared = _prepared.get()
    if prepared is not None:
        return prepared.take(request)
    client: Any = http()
    return type(client).send(client, request, **options)


async def _asend(http: ref[Any], request: Any, **options: Any) -> Any:
    prepared = _prepared.get()
    if prepared is not None:
        return prepared.take(request)
    client: Any = http()
    return await type(client).send(client, request, **options)


class Replay:
    """Replays what one SDK sends through one HTTP client of httpx or httpx2, plain or asynchronous.

    Args:
        http: The client; None where it is not known, so that nothing is replayed.
        owner: The object of the SDK that calls are made through.
        method: The method of it that every call goes through. Where another instrumentation has replaced it, nothing is
            replayed, so that the instrumentation sees the calls.
        asynchronous: Whether the method is awaited.
        settings: What may be set on the clients while they are in use; a request is built anew when it has changed.
    """

    def __init__(
        self,
        http: Any,
        owner: Any,
        method: str,
        *,
        asynchronous: bool = False,
        settings: client_settings.ClientSettings | None = None,
    ) -> None:
        self._http = http
        self.settings = settings or client_settings.ClientSettings(http, owner)
        self._built_under = self.settings.initial
        self._owner, self._method_name = owner, method
        self._method = getattr(type(owner), method, None)
        sdk = type(owner).__module__.partition(".")[0]
        if http is not None and patched_sdks.patcher(self._method, sdk) is not None:
            self._method = None
        self._log = logging.getLogger(sdk)
        self._templates: dict[Hashable, _Template | None] = {}
        if http is not None:
            http.send = partial(_asend if asynchronous else _send, ref(http))
            self._sender = bare_send.BareSender(http, asynchronous=asynchronous)
            if not asynchronous:
                bounded_stream.install(http, http_hooks.remaining_s)

    def call(
        self,
        key: Hashable,
        body: bytes | None,
        timeouts: Timeouts,
        ask: Callable[[], Any],
        read: Read = read_json_object,
    ) -> Any:
        """Return the reply to a body.

        Args:
            key: What the address and the headers depend on.
            body: JSON, as the SDK would send it; None where that is not known.
            timeouts: Of this call.
            ask: Has the SDK make the call; raises what the SDK raises.
            read: Reads a response with status 200; None leaves it to the SDK.
        """
        return sync_async.run(self._steps(key, body, timeouts, ask, read))

    async def acall(
        self,
        key: Hashable,
        body: bytes | None,
        timeouts: Timeouts,
        ask: Callable[[], Any],
        read: Read = read_json_object,
    ) -> Any:
        """Do what `call` does, in asyncio."""
        return await sync_async.arun(self._steps(key, body, timeouts, ask, read))

    def _steps(
        self, key: Hashable, body: bytes | None, timeouts: Timeouts, ask: Callable[[], Any], read: Read
    ) -> Steps:
        if body is None or not self._can_replay():
            return (yield ask())
        if not self.settings.are(self._built_under):
            self._built_under, self._templates = self.settings.snapshot(), {}
        templates = self._templates
        if key not in templates:
            with _answering(_Prepared()) as halted:
                return (yield ask())
            templates = self._learn(key, halted[0], body, timeouts)
        template = templates[key]
        if template is None:
            return (yield ask())
        try:
            answer: Any = yield from self._sender.send(template.fill(body, timeouts, self._http.cookies))
        except Exception as error:  # noqa: BLE001 - for the SDK to handle
            answer = error
        else:
            reply = read(answer) if answer.status_code == _HTTP_OK else None
            if reply is not None:
                return reply
        with _answering(_Prepared(answer)):
            return (yield ask())

    def _can_replay(self) -> bool:
        """Tell whether calls may be replayed now."""
        if self._http is None or self._method is None or self._method_name in vars(self._owner):
            return False
        if self._log.isEnabledFor(logging.DEBUG):
            return False
        return getattr(type(self._owner), self._method_name, None) is self._method

    def _learn(self, key: Hashable, request: Any, body: bytes, timeouts: Timeouts) -> dict[Hashable, _Template | None]:
        """Return the templates with that of one more request; other threads may be reading the earlier mapping."""
        repeats = _is_same_json(request.read(), body) and not any(name in request.headers for name in _PER_CALL_HEADERS)
        template = _Template(request, timeouts, self._http.cookies) if repeats else None
        known = self._templates if len(self._templates) < _MOST_TEMPLATES else {}
        self._templates = templates = {**known, key: template}
        return templates


@contextmanager
def _answering(prepared: _Prepared) -> Iterator[list[Any]]:
    """Answer the first request inside the block with what is prepared; one that is halted is put into the list."""
    halted_requests: list[Any] = []
    token = _prepared.set(prepared)
    try:
        yield halted_requests
    except _Halted as halt:
        halted_requests.append(halt.request)
    finally:
        _prepared.reset(token)


def answered_with(answer: Any, ask: Callable[[], Any]) -> Any:
    """Return what the SDK makes of a response that has arrived already."""
    with _answering(_Prepared(answer)):
        return ask()


def _is_same_json(first: bytes, second: bytes) -> bool:
    """Tell whether two bodies hold the same JSON."""
    return first == second or json.loads(first) == json.loads(second)

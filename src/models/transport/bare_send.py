"""Send a request through an HTTP client's transport, without what the client does around each request.

A client of httpx or httpx2 takes every request through authentication, redirects, cookies and a line of a log, which is
a third of its work and mostly has no effect. The client's hooks, timeouts, connections and cookies are used here as the
client uses them. The client sends the request itself where there is more to do: where it authenticates, where it is
redirected, where its log is read, and where something else has replaced a method that its requests go through, as
instrumentations and recorders of HTTP do (github.com/kevin1024/vcrpy up to version 7 replaces `_send_single_request`).
"""

from __future__ import annotations

import logging
import operator
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from src.observability.langfuse_sdk import patched_sdks

if TYPE_CHECKING:
    from src.models.transport.sync_async import Steps

_METHODS: Final = ("send", "_send_handling_auth", "_send_handling_redirects", "_send_single_request")
_BENEATH_SEND: Final = frozenset(_METHODS) - {"send"}
_methods: Final = operator.attrgetter(*_METHODS)
_NEEDED: Final = (*_METHODS, "_transport_for_url", "_build_redirect_request", "_default_encoding")


class BareSender:
    """Sends requests through one client, plain or asynchronous.

    Args:
        http: The client.
        asynchronous: Whether it is one for asyncio.
    """

    __slots__ = ("_close", "_handle", "_http", "_log", "_methods", "_read", "_send")

    def __init__(self, http: Any, *, asynchronous: bool = False) -> None:
        client_class: Any = type(http)
        library = next((base.__module__.partition(".")[0] for base in client_class.__mro__ if "send" in vars(base)), "")
        methods = _methods(client_class) if all(hasattr(http, name) for name in _NEEDED) else ()
        if any(patched_sdks.patcher(method, library) is not None for method in methods):
            methods = ()
        self._http = http
        self._methods = methods
        self._send = vars(http).get("send")
        self._log = logging.getLogger(library)
        # The names of the transport's and the response's operations.
        self._handle, self._read, self._close = (
            ("handle_async_request", "aread", "aclose") if asynchronous else ("handle_request", "read", "close")
        )

    def send(self, request: Any) -> Steps:
        """Return the response, read to its end; raise what the client would raise."""
        http = self._http
        if not self._can_bypass(request):
            return (yield http.send(request))
        for hook in http.event_hooks["request"]:
            yield hook(request)
        started = time.perf_counter()
        try:
            response = yield getattr(http._transport_for_url(request.url), self._handle)(request)
        except Exception as error:
            _attach_request(error, request)
            raise
        self._complete(response, request, started)
        try:
            for hook in http.event_hooks["response"]:
                yield hook(response)
            yield getattr(response, self._read)()
        except BaseException:
            yield getattr(response, self._close)()
            raise
        response.elapsed = timedelta(seconds=time.perf_counter() - started)
        redirected = self._redirect(response, request)
        if redirected is None:
            return response
        response = yield http._send_handling_redirects(redirected, follow_redirects=True, history=[response])
        try:
            yield getattr(response, self._read)()
        except BaseException:
            yield getattr(response, self._close)()
            raise
        return response

    def _can_bypass(self, request: Any) -> bool:
        """Tell whether the client would do nothing else; give the request the client's timeouts."""
        http = self._http
        # By identity: a proxy of wrapt's equals the method that it wraps.
        if not self._methods or not all(map(operator.is_, _methods(type(http)), self._methods)):
            return False
        attributes = vars(http)
        if attributes.get("send") is not self._send or not _BENEATH_SEND.isdisjoint(attributes):
            return False
        if self._log.isEnabledFor(logging.INFO):
            return False
        if http.is_closed or http.auth is not None or request.url.userinfo:
            return False
        request.extensions.setdefault("timeout", http.timeout.as_dict())
        return True

    def _complete(self, response: Any, request: Any, started: float) -> None:
        """Set on a response what the client sets on it, and keep its cookies."""
        response.request = request
        response.elapsed = timedelta(seconds=time.perf_counter() - started)  # for a hook that reads the body and asks
        response.default_encoding = self._http._default_encoding
        if "set-cookie" in response.headers:
            self._http.cookies.extract_cookies(response)

    def _redirect(self, response: Any, request: Any) -> Any:
        """Return the request that a redirect asks for; None for no redirect, or one that is not followed."""
        if 300 <= response.status_code < 400 and response.has_redirect_location and self._http.follow_redirects:
            return self._http._build_redirect_request(request, response)
        return None


def _attach_request(error: Exception, request: Any) -> None:
    """Set on a transport's error the request that it is about."""
    if hasattr(error, "_request"):
        error.request = request  # type: ignore[attr-defined] # httpx's and httpx2's RequestError

"""Send a request through an HTTP client's transport, without what the client does around each request.

A client of httpx or httpx2 takes every request through authentication, redirects, cookies and a line of a log, which
is a third of its work and mostly comes to nothing. Its hooks, timeouts, connections and cookies are used here as it
would use them. Where there is more to do, the client does it: where it authenticates, where it is redirected, where its
log is read, and where something else has taken hold of a method that its requests go through, as instrumentations and
recorders of HTTP do (github.com/kevin1024/vcrpy up to version 7 takes `_send_single_request`).
"""

from __future__ import annotations

import logging
import operator
import time
from datetime import timedelta
from typing import Any, Final

from src.observability.langfuse_sdk import patched_sdks

_WAY: Final = ("send", "_send_handling_auth", "_send_handling_redirects", "_send_single_request")
_BENEATH: Final = frozenset(_WAY) - {"send"}
_methods: Final = operator.attrgetter(*_WAY)
_NEEDED: Final = (*_WAY, "_transport_for_url", "_build_redirect_request", "_default_encoding")


class Straight:
    """Send what is replayed through one client, plain or asynchronous."""

    __slots__ = ("_http", "_log", "_own", "_send")

    def __init__(self, http: Any) -> None:
        kind: Any = type(http)
        library = next((base.__module__.partition(".")[0] for base in kind.__mro__ if "send" in vars(base)), "")
        known = all(hasattr(http, name) for name in _NEEDED)
        own = _methods(kind) if known else ()
        self._http = http
        self._own = own if all(patched_sdks.patcher(method, library) is None for method in own) else ()
        self._send = vars(http).get("send")
        self._log = logging.getLogger(library)

    def send(self, request: Any) -> Any:
        """Return the response, read to its end; raise what the client would raise."""
        http = self._http
        if not self._is_plain(request):
            return http.send(request)
        for hook in http.event_hooks["request"]:
            hook(request)
        began = time.perf_counter()
        try:
            response = http._transport_for_url(request.url).handle_request(request)
        except Exception as error:
            _name(error, request)
            raise
        self._take(response, request, began)
        try:
            for hook in http.event_hooks["response"]:
                hook(response)
            response.read()
        except BaseException:
            response.close()
            raise
        response.elapsed = timedelta(seconds=time.perf_counter() - began)
        moved = self._moved(response, request)
        if moved is None:
            return response
        response = http._send_handling_redirects(moved, follow_redirects=True, history=[response])
        try:
            response.read()
        except BaseException:
            response.close()
            raise
        return response

    async def asend(self, request: Any) -> Any:
        """Do what `send` does, in asyncio."""
        http = self._http
        if not self._is_plain(request):
            return await http.send(request)
        for hook in http.event_hooks["request"]:
            await hook(request)
        began = time.perf_counter()
        try:
            response = await http._transport_for_url(request.url).handle_async_request(request)
        except Exception as error:
            _name(error, request)
            raise
        self._take(response, request, began)
        try:
            for hook in http.event_hooks["response"]:
                await hook(response)
            await response.aread()
        except BaseException:
            await response.aclose()
            raise
        response.elapsed = timedelta(seconds=time.perf_counter() - began)
        moved = self._moved(response, request)
        if moved is None:
            return response
        response = await http._send_handling_redirects(moved, follow_redirects=True, history=[response])
        try:
            await response.aread()
        except BaseException:
            await response.aclose()
            raise
        return response

    def _is_plain(self, request: Any) -> bool:
        """Tell whether the client would do nothing else; give the request the client's timeouts."""
        http = self._http
        # By identity: a proxy of wrapt's equals the method that it wraps.
        if not self._own or not all(map(operator.is_, _methods(type(http)), self._own)):
            return False
        held = vars(http)
        if held.get("send") is not self._send or not _BENEATH.isdisjoint(held):
            return False
        if self._log.isEnabledFor(logging.INFO):
            return False
        if http.is_closed or http.auth is not None or request.url.userinfo:
            return False
        request.extensions.setdefault("timeout", http.timeout.as_dict())
        return True

    def _take(self, response: Any, request: Any, began: float) -> None:
        """Put on a response what the client puts on it."""
        response.request = request
        response.elapsed = timedelta(seconds=time.perf_counter() - began)  # for a hook that reads it, and then asks
        response.default_encoding = self._http._default_encoding
        if "set-cookie" in response.headers:
            self._http.cookies.extract_cookies(response)

    def _moved(self, response: Any, request: Any) -> Any:
        """Return the request that a redirect asks for; None where there is none, or it is not to be followed."""
        if response.has_redirect_location and self._http.follow_redirects:
            return self._http._build_redirect_request(request, response)
        return None


def _name(error: Exception, request: Any) -> None:
    """Say in an error of the transport which request it is about."""
    if hasattr(error, "_request"):
        error.request = request  # type: ignore[attr-defined] # httpx's and httpx2's RequestError

"""Let in only the browser that opened the link, on the address that was meant, to read and nothing else.

Every request passes here: the Host is checked before anything (a page of another site whose name resolves to this
machine must not read it), then the method, then the cookie. What is answered carries headers that forbid scripts and
styles of a page's text, frames, and requests to other machines.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_USED: Final = "This link was used already, and it opens one browser. Start `moondev dashboard` again for a new one."
_NO_COOKIE: Final = "Open the link that `moondev dashboard` has printed; it is the only way in."
_ENDED: Final = (
    "The dashboard that let this browser in has ended. Start `moondev dashboard` again, and open the link that it "
    "prints: this address, and bookmarks, then work as before."
)
_FROM_ELSEWHERE: Final = "Where a link on another page has led here, load this page again."
_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def is_loopback(host: str) -> bool:
    """Tell whether an address is reached from this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Key:
    """The one-time link, and the cookie that its browser gets.

    Args:
        port: Browsers send a cookie to every port of a host, so that the name has the port.
    """

    def __init__(self, port: int) -> None:
        self.cookie_name = f"moondev_dashboard_{port}"
        self.token: Final = secrets.token_urlsafe(32)
        self._cookie = secrets.token_urlsafe(32)
        self._is_used = False

    def opens(self, token: str) -> bool:
        """Tell whether a token is the one of the link, which is then used up."""
        if self._is_used or not hmac.compare_digest(token.encode(), self.token.encode()):
            return False
        self._is_used = True
        return True

    def was_used(self, token: str) -> bool:
        """Tell whether it is the token of the link, used already."""
        return self._is_used and hmac.compare_digest(token.encode(), self.token.encode())

    def admits(self, cookies: str) -> bool:
        """Tell whether a Cookie header has the cookie."""
        try:
            jar = SimpleCookie(cookies)
        except CookieError:
            return False
        morsel = jar.get(self.cookie_name)
        return morsel is not None and hmac.compare_digest(morsel.value.encode(), self._cookie.encode())

    @property
    def set_cookie(self) -> str:
        """Return the Set-Cookie header."""
        return f"{self.cookie_name}={self._cookie}; Path=/; HttpOnly; SameSite=Strict"


class Hosts:
    """The Host headers that are answered: the address that is listened on, and loopback's names.

    A server that listens on all addresses is reached by any of them, and by this machine's name.
    """

    def __init__(self, host: str, port: int) -> None:
        self._port = port
        self._is_open = not is_loopback(host)
        self._names = {*_LOOPBACK_NAMES, host.lower()}
        if self._is_open:
            self._names |= {socket.gethostname().lower(), socket.getfqdn().lower()}

    def allow(self, header: str | None) -> bool:
        """Tell whether a request with this Host is answered."""
        if not header or any(sign in header for sign in "/?#@\\ "):
            return False
        try:
            parts = urlsplit(f"//{header}")
            name, port = parts.hostname, parts.port
        except ValueError:
            return False
        if name is None or (port if port is not None else 80) != self._port:
            return False
        return name in self._names or (self._is_open and _is_address(name))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Access:
    """The middleware that does so."""

    def __init__(self, app: ASGIApp, *, key: Key, hosts: Hosts) -> None:
        self._app = app
        self._key = key
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = Headers(scope=scope)
        cookie, refusal = None, self._refusal(scope, headers)
        if refusal is None:
            cookie, refusal = self._admission(scope, headers)
        await (refusal or self._app)(scope, receive, _with_headers(send, cookie))

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._hosts.allow(hosts[0]):
            return PlainTextResponse("This address is not the dashboard's (Host).\n", 400)
        if scope["method"] not in {"GET", "HEAD"}:
            return PlainTextResponse("The dashboard is for reading: GET and HEAD.\n", 405, {"Allow": "GET, HEAD"})
        return None

    def _admission(self, scope: Scope, headers: Headers) -> tuple[str | None, Response | None]:
        """Return the cookie to set, and why the request is refused; the token leaves the query."""
        query = scope["query_string"].decode("latin-1")
        token = None
        if "token" in query:
            pairs = parse_qsl(query, keep_blank_values=True)
            token = next((value for name, value in pairs if name == "token"), None)
            scope["query_string"] = urlencode([pair for pair in pairs if pair[0] != "token"]).encode("ascii")
        if self._key.admits("; ".join(headers.getlist("cookie"))):
            return None, None
        if token is not None and scope["method"] == "GET" and self._key.opens(token):
            return self._key.set_cookie, None
        if token is not None and self._key.was_used(token):
            return None, _refused(_USED, headers)
        is_known = self._key.cookie_name in "; ".join(headers.getlist("cookie"))
        return None, _refused(_ENDED if is_known else _NO_COOKIE, headers)


def _refused(text: str, headers: Headers) -> Response:
    """Return why a browser is not let in: as a page for one that shows pages, else as plain text."""
    if "text/html" not in headers.get("accept", ""):
        return PlainTextResponse(f"{text}\n", 403)
    marked = "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(text.split("`")))
    return HTMLResponse(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Not let in · moondev</title></head>'
        f"<body><h1>This browser is not let in</h1><p>{marked}</p><pre>moondev dashboard</pre>"
        f'<p><a href="">Load again</a>. {_FROM_ELSEWHERE}</p></body></html>\n',
        403,
    )


def _with_headers(send: Send, cookie: str | None) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            if "cache-control" not in headers:
                headers["Cache-Control"] = "no-store"
            if cookie is not None:
                headers.append("Set-Cookie", cookie)
        await send(message)

    return sending

"""Send a message to a webhook: one request, whose address is a secret that no log and no error repeats.

The request goes through the HTTP library's transport and not through its client, which logs whole addresses.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from src.observability import key_texts, network
from src.observability.alerts import forms
from src.observability.alerts.messages import plain
from src.observability.delivery import connection_errors
from src.observability.delivery.http_post import retry_after_s
from src.observability.redaction import learn

if TYPE_CHECKING:
    import ssl

    import httpx

    from src.observability.alerts.rules import Destination

_TELEGRAM: Final = "https://api.telegram.org"
_MOST_READ_BYTES: Final = 16_000
_SHOWN: Final = 200  # characters of a server's words


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a message.

    Attributes:
        is_sent: Whether the destination has taken it.
        detail: What came back, for people; without secrets.
        wait_s: How long the destination asked to wait.
    """

    is_sent: bool
    detail: str
    wait_s: float | None = None


class NotSetUp(ValueError):
    """A destination cannot be used; the message names the variable and what is wrong, never its value."""


@dataclass(frozen=True, slots=True)
class _Target:
    """An address with its headers, and what of them must not be shown."""

    url: str
    headers: dict[str, str]
    secrets: tuple[str, ...]

    def shown(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, "[REDACTED:alert_destination]")
        return plain(text)


def send(destination: Destination, document: dict[str, Any]) -> Delivery:
    """Send a message to a webhook; every failure is a result."""
    try:
        target = _target(destination)
    except NotSetUp as problem:
        return Delivery(is_sent=False, detail=str(problem))
    content = json.dumps(forms.payload(destination, document, time.time())).encode()
    try:
        status, headers, answer = _post(target, content, destination.timeout_s)
    except Exception as error:  # noqa: BLE001 - of any library below; another attempt follows
        return Delivery(is_sent=False, detail=target.shown(connection_errors.explain(error, target.url)))
    return _judged(destination, target, status, headers, answer)


def check(destination: Destination) -> None:
    """Check that a destination's variables are set and make sense; nothing is sent.

    Raises:
        NotSetUp: they do not.
    """
    _target(destination)


def _target(destination: Destination) -> _Target:
    headers = {"Content-Type": "application/json", "User-Agent": "moondev-alerts"}
    token = _variable(destination.token_env, destination)
    url = destination.url or _variable(destination.url_env, destination) or _TELEGRAM
    name = destination.url_env or f"url of destination.{destination.name}"
    problem = key_texts.address_problem(url)
    if problem is not None:
        raise NotSetUp(f"{name} {problem}")
    if "@" in urlsplit(url).netloc:
        raise NotSetUp(f"{name} holds a user or a password: give the address without, and token_env")
    secrets = [item for item in (token, None if destination.url else url) if item and item != _TELEGRAM]
    if secrets and url.lower().startswith("http:") and not _is_loopback(url):
        raise NotSetUp(f"{name} begins with http://, so that its secret could be read on its way: use https://")
    if destination.kind == "telegram":
        url = f"{url.rstrip('/')}/bot{token}/sendMessage"
        secrets.append(url)
    elif token:
        headers["Authorization"] = f"Bearer {token}"
    for secret in secrets:
        learn(secret)
    return _Target(url=url, headers=headers, secrets=tuple(sorted(secrets, key=len, reverse=True)))


def _variable(name: str | None, destination: Destination) -> str | None:
    if name is None:
        return None
    value = os.environ.get(name, "").strip()
    if not value:
        raise NotSetUp(f"{name} is not set: destination.{destination.name} needs it")
    problem = key_texts.key_problem(value)
    if problem is not None:
        raise NotSetUp(f"{name} {problem}: copy it anew")
    return value


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def _post(target: _Target, content: bytes, timeout_s: float) -> tuple[int, httpx.Headers, bytes]:
    """Send one request, and return status, headers and the beginning of the body. Redirects are not followed."""
    import httpx

    proxy = network.proxy_for(target.url)
    network.check_proxy(proxy)
    through = None if proxy is None else httpx.Proxy(proxy.url)
    timeout = httpx.Timeout(timeout_s).as_dict()
    request = httpx.Request(
        "POST", target.url, headers=target.headers, content=content, extensions={"timeout": timeout}
    )
    with contextlib.closing(httpx.HTTPTransport(verify=_tls(target.url), proxy=through, trust_env=False)) as transport:
        response = transport.handle_request(request)
        try:
            return response.status_code, response.headers, _beginning(response, timeout_s)
        finally:
            response.close()


def _tls(url: str) -> ssl.SSLContext:
    import ssl

    import httpx

    if url.lower().startswith("http:"):  # no certificate is read
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return network.build_context(httpx.create_ssl_context)


def _beginning(response: httpx.Response, timeout_s: float) -> bytes:
    """Return the first bytes of a body, as they came; fewer where it never ends."""
    body, deadline = bytearray(), time.monotonic() + timeout_s
    for part in response.iter_raw():
        body += part
        if len(body) > _MOST_READ_BYTES or time.monotonic() > deadline:
            break
    return bytes(body[:_MOST_READ_BYTES])


def _judged(destination: Destination, target: _Target, status: int, headers: httpx.Headers, answer: bytes) -> Delivery:
    content = _json(answer)
    words = target.shown(" ".join(answer[:2_000].decode(errors="replace").split()))[:_SHOWN]
    detail = f"HTTP {status}{f': {words}' if words else ''}"
    if 200 <= status < 300 and not (destination.kind == "telegram" and content.get("ok") is not True):
        return Delivery(is_sent=True, detail=detail)
    return Delivery(is_sent=False, detail=detail, wait_s=_wait_s(headers, content))


def _wait_s(headers: httpx.Headers, content: dict[str, Any]) -> float | None:
    """Return how long a server asks to wait: in the header, or in the bodies of Discord and Telegram."""
    parameters = content.get("parameters")
    in_body = parameters.get("retry_after") if isinstance(parameters, dict) else content.get("retry_after")
    if isinstance(in_body, int | float) and not isinstance(in_body, bool):
        return max(float(in_body), 0.0)
    return retry_after_s(headers.get("retry-after"))


def _json(answer: bytes) -> dict[str, Any]:
    try:
        content = json.loads(answer)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}

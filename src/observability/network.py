"""Read what the environment says of proxies and certificates, and name the variable that is wrong.

HTTP libraries read these variables while a client is made, and raise whatever their parser raises, also for a proxy
that the client's own address would not use. Here a variable matters only to addresses that it applies to.
"""

from __future__ import annotations

import base64
import importlib.util
import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit
from urllib.request import getproxies

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping

    import httpx

_PROXY_SCHEMES: Final = ("http", "https", "socks5", "socks5h")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class NetworkProblem(ConnectionError):
    """A variable of the environment keeps requests from being sent; the message names it and what to do."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that the environment names; `url` may hold a password."""

    variable: str
    url: str = field(repr=False)

    def __str__(self) -> str:
        """Return its variable and its address without user and password, also where those are written wrongly."""
        parts = _parts(self.url)
        shown = "" if parts is None or _has_loose_credentials(parts) else f"={display_url(self.url)}"
        return f"{self.variable}{shown}"


def display_url(url: str) -> str:
    """Return a URL as it may be stored and logged: without user, password and query, which may hold keys."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that cannot be read"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def split_credentials(address: str) -> tuple[str, str | None]:
    """Return an address without the user and the password in it, and the header that carries them; None without them.

    HTTP libraries send them as this header too, but write the whole address into their logs.
    """
    prefix, separator, rest = address.rpartition("://")
    authority, slash, path = rest.partition("/")
    credentials, at, host = authority.rpartition("@")
    if not at:
        return address, None
    user, _, password = credentials.partition(":")
    token = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
    return f"{prefix}{separator}{host}{slash}{path}", f"Basic {token}"


def secrets_in(address: str) -> list[str]:
    """Return what an address holds that must not be shown: its password, plain and encoded, and its header."""
    _, authorization = split_credentials(address)
    if authorization is None:
        return []
    token = authorization.removeprefix("Basic ")
    password = base64.b64decode(token).decode().partition(":")[2]
    return [secret for secret in (password, quote(password, safe=""), token) if password and secret]


def origin(url: str) -> str:
    """Return a URL's scheme, host and port."""
    parts = _parts(url)
    return "" if parts is None else f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def proxy_for(address: str) -> Proxy | None:
    """Return the proxy that requests to an address go through; None where they go there directly.

    NO_PROXY takes hosts, domains, addresses and networks of both kinds, as curl and Go read it.
    """
    proxies, parts = getproxies(), _parts(address)
    if parts is None or not parts.hostname or _is_exempt(parts, proxies.get("no", "")):
        return None
    for scheme in (parts.scheme.lower(), "all"):
        if proxies.get(scheme):
            return Proxy(variable=_variable(scheme), url=_with_scheme(proxies[scheme]))
    return None


def check_proxy(proxy: Proxy | None, *, socks_package: str = "socksio") -> None:
    """Check that requests can be sent through a proxy.

    Raises:
        NetworkProblem: it is no address, or its protocol needs a package that is missing.
    """
    if proxy is None:
        return
    parts = _parts(proxy.url)
    is_loose = parts is None or _has_loose_credentials(parts)
    if parts is None or is_loose or not parts.hostname or parts.scheme.lower() not in _PROXY_SCHEMES:
        escapes = ", with / # ? and @ of a password as %2F %23 %3F and %40" if is_loose else ""
        raise NetworkProblem(
            f"{proxy} is no proxy's address: it must look like http://127.0.0.1:8080{escapes}. Put {proxy.variable} "
            "right, unset it, or name the host in NO_PROXY"
        )
    module = {"PySocks": "socks"}.get(socks_package, socks_package)
    if parts.scheme.lower().startswith("socks") and importlib.util.find_spec(module) is None:
        raise NetworkProblem(
            f"{proxy} needs the package {socks_package}, which is not installed. Run: pip install {socks_package}; or "
            f"unset {proxy.variable}, or name the host in NO_PROXY"
        )


def client_arguments(
    library: Any, address: str, verify: ssl.SSLContext, *, asynchronous: bool = False, limits: Any = None
) -> dict[str, Any]:
    """Return the arguments for a client of httpx or httpx2 whose requests go to one address.

    Args:
        library: The module httpx or httpx2.
        address: The base URL of the client's requests.
        verify: The TLS context.
        asynchronous: Whether the client is one for asyncio.
        limits: The limits of its connection pools; the library's own where not set.

    Raises:
        NetworkProblem: the proxy that the address needs cannot be used.
    """
    configured = getproxies()
    proxies = {scheme: url for scheme, url in configured.items() if scheme in ("http", "https", "all") and url}
    if not proxies and not configured.get("no"):  # httpx reads NO_PROXY also where there is no proxy
        return {"verify": verify}
    check_proxy(proxy_for(address))
    make: Any = library.AsyncHTTPTransport if asynchronous else library.HTTPTransport
    options = {"verify": verify, "limits": limits} if limits is not None else {"verify": verify}
    mounts: dict[str, Any] = {}
    for scheme, url in proxies.items():
        proxy = Proxy(variable=_variable(scheme), url=_with_scheme(url))
        try:
            check_proxy(proxy)
            mounts[f"{scheme}://"] = make(proxy=library.Proxy(proxy.url), **options)
        except (NetworkProblem, library.InvalidURL, ValueError):
            continue  # for other addresses than this one
    mounts.update(dict.fromkeys(_direct_patterns(library, address)))
    # With a transport and mounts of its own, a client does not read the environment again.
    return {"verify": verify, "trust_env": False, "transport": make(**options), "mounts": mounts}


def open_client(address: str, context: Callable[[], ssl.SSLContext] | None = None) -> httpx.Client:
    """Return a client of httpx for requests to one address.

    Args:
        address: Where the requests go.
        context: Builds the TLS context, where the environment does not say which certificates to trust.

    Raises:
        NetworkProblem: a variable of the environment is wrong.
    """
    import ssl

    import httpx

    if address.lower().startswith("http:"):  # no certificate is read
        verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    else:
        verify = build_context(httpx.create_ssl_context) if context is None else context()
    return httpx.Client(**client_arguments(httpx, address, verify))


def get(url: str, **options: Any) -> httpx.Response:
    """Do what `httpx.get` does; a variable of the environment that is wrong raises httpx.ConnectError."""
    import httpx

    url, authorization = split_credentials(url)
    if authorization is not None and "auth" not in options:
        options["headers"] = {**options.get("headers", {}), "Authorization": authorization}
    try:
        with open_client(url) as client:
            return client.get(url, **options)
    except NetworkProblem as problem:
        raise httpx.ConnectError(str(problem)) from problem


def names_in_use(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return which variables that HTTP libraries read are set."""
    lowered = {"http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir", "sslkeylogfile"}
    return sorted(name for name, value in environ.items() if value and name.lower() in lowered)


def _direct_patterns(library: Any, address: str) -> Iterator[str]:
    """Yield the patterns of hosts that need no proxy, as the library writes them; what it cannot write is left out."""
    entries = [entry.strip() for entry in getproxies().get("no", "").split(",")]
    if "*" in entries:
        yield "all://"
    candidates = [f"all://*{entry}" for entry in entries if entry and "/" not in entry and ":" not in entry]
    for pattern in candidates:
        try:
            library.URL(pattern.replace("*", ""))
        except library.InvalidURL:
            continue
        yield pattern
    parts = _parts(address)
    if parts is not None and parts.hostname and proxy_for(address) is None:
        yield f"all://[{parts.hostname}]" if ":" in parts.hostname else f"all://{parts.hostname}"


def build_context(build: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """Return the TLS context that `build` makes by the variables of the environment.

    Raises:
        NetworkProblem: a variable names certificates that cannot be read.
    """
    _check_folder(os.environ)
    try:
        return build()
    except OSError as error:  # ssl.SSLError is one too
        raise NetworkProblem(_certificate_problem(error, os.environ)) from error


def check_bundle(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the bundle of certificates that `requests` reads.

    Raises:
        NetworkProblem: there is no file or folder of that name.
    """
    name = next((name for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if environ.get(name)), None)
    if name is None:
        return None
    if not Path(environ[name]).exists():
        raise NetworkProblem(_advice(name, environ[name], "which does not exist"))
    return environ[name]


def certificate_variable(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the variable that says which certificates are trusted, with its value; None where none is set."""
    names = ("SSL_CERT_FILE", "SSL_CERT_DIR")
    return next((f"{name}={environ[name]}" for name in names if environ.get(name)), None)


def _check_folder(environ: Mapping[str, str]) -> None:
    """Check SSL_CERT_DIR where it decides alone: OpenSSL takes a missing folder for an empty one."""
    folders = environ.get("SSL_CERT_DIR")
    if not folders or environ.get("SSL_CERT_FILE"):
        return
    if not any(os.access(folder, os.R_OK | os.X_OK) for folder in folders.split(os.pathsep) if Path(folder).is_dir()):
        raise NetworkProblem(_advice("SSL_CERT_DIR", folders, "which is no folder that can be read"))


def _certificate_problem(error: OSError, environ: Mapping[str, str]) -> str:
    """Return which variable an error of `ssl` is about, and what is wrong."""
    key_log = environ.get("SSLKEYLOGFILE")
    if key_log and error.filename == key_log:
        return f"SSLKEYLOGFILE names {key_log}, which cannot be written ({error.strerror}): unset it, or name another"
    name = next((name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if environ.get(name)), None)
    if name is None:
        return (
            f"this system's certificates cannot be read ({error.strerror or error}): name a PEM file in SSL_CERT_FILE"
        )
    reason = {
        FileNotFoundError: "which does not exist",
        PermissionError: "which may not be read",
        IsADirectoryError: "which is a folder",
    }.get(type(error), "which holds no certificates in PEM form")
    return _advice(name, environ[name], reason)


def _advice(name: str, value: str, reason: str) -> str:
    return f"{name} names {value}, {reason}: put it right, or unset it"


def _is_exempt(parts: SplitResult, no_proxy: str) -> bool:
    host = (parts.hostname or "").lower().rstrip(".")
    port = _port(parts)
    return any(_matches(host, port, entry.strip().lower()) for entry in no_proxy.split(",") if entry.strip())


def _matches(host: str, port: int | None, entry: str) -> bool:
    """Tell whether an entry of NO_PROXY holds a host."""
    if entry == "*":
        return True
    scheme_end = entry.find("://")
    entry = entry[scheme_end + 3 :] if scheme_end >= 0 else entry
    try:
        network = ipaddress.ip_network(entry.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        name, _, number = entry.rpartition(":")
        if name and number.isdecimal():
            return int(number) == port and _matches(host, port, name)
        name = entry.removeprefix("*").removeprefix(".")
        return host == name or (bool(name) and host.endswith(f".{name}"))
    try:
        return ipaddress.ip_address(host) in network
    except ValueError:
        return False


def _parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _has_loose_credentials(parts: SplitResult) -> bool:
    """Tell whether user or password were cut off, since a character in them ended the host part."""
    return any("@" in part for part in (parts.path, parts.query, parts.fragment))


def _port(parts: SplitResult) -> int | None:
    return parts.port or _DEFAULT_PORTS.get(parts.scheme.lower())


def _with_scheme(url: str) -> str:
    return url if "://" in url else f"http://{url}"


def _variable(scheme: str) -> str:
    """Return the name under which a proxy is set: in lower case, which wins, or as it is written."""
    name = f"{scheme}_proxy"
    names = [name] if os.environ.get(name) else [item for item in os.environ if item.lower() == name]
    return next(iter(names), f"the system's {scheme} proxy")

"""Bring addresses of servers into one spelling."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit, urlunsplit

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def plain_address(url: str) -> str:
    """Return an address in one spelling: scheme and host in lower case, no default port, no slash at the end."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        return url.strip().rstrip("/")
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower().rstrip(".")
    host = f"[{host}]" if ":" in host else host
    user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    authority = f"{user}{host}" if port in (None, _DEFAULT_PORTS.get(scheme)) else f"{user}{host}:{port}"
    return urlunsplit((scheme, authority, parts.path.rstrip("/"), parts.query, ""))

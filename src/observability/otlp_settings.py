"""Read OpenTelemetry's own variables for an OTLP endpoint: opentelemetry.io/docs/specs/otel/protocol/exporter."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX: Final = "OTEL_EXPORTER_OTLP_"
_TIMEOUT_S: Final = 15.0


class OtlpError(ValueError):
    """A variable has a value that is not supported; `variable` names it.

    `endpoint_known` tells whether the endpoint is known without it.
    """

    def __init__(self, variable: str, problem: str, *, endpoint_known: bool = True) -> None:
        super().__init__(problem)
        self.variable = variable
        self.endpoint_known = endpoint_known


@dataclass(frozen=True, slots=True)
class Otlp:
    """An OTLP endpoint and how to send to it; the certificates are paths of PEM files."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    gzip: bool = True
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    timeout_s: float = _TIMEOUT_S


def read(environ: Mapping[str, str]) -> Otlp:
    """Read the variables; those for traces win over those for all signals.

    Raises:
        OtlpError: a variable has a value that is not supported here.
    """
    protocol = (_of(environ, "PROTOCOL") or "http/protobuf").lower()
    if protocol != "http/protobuf":
        raise OtlpError(_names("PROTOCOL"), f"is {protocol!r}: only http/protobuf is spoken.")
    compression = (_of(environ, "COMPRESSION") or "gzip").lower()
    if compression not in ("gzip", "none"):
        raise OtlpError(_names("COMPRESSION"), f"is {compression!r}: use gzip or none.")
    return Otlp(
        url=_url(environ),
        headers=_headers(_of(environ, "HEADERS") or ""),
        timeout_s=_timeout(environ),
        gzip=compression == "gzip",
        ca_file=_of(environ, "CERTIFICATE"),
        cert_file=_of(environ, "CLIENT_CERTIFICATE"),
        key_file=_of(environ, "CLIENT_KEY"),
    )


def service_name(environ: Mapping[str, str]) -> str | None:
    """Return this program's name from OTEL_SERVICE_NAME, else from OTEL_RESOURCE_ATTRIBUTES."""
    pairs = (item.partition("=") for item in environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","))
    attributes = {name.strip(): unquote(value.strip()) for name, _, value in pairs}
    return environ.get("OTEL_SERVICE_NAME", "").strip() or attributes.get("service.name") or None


def _of(environ: Mapping[str, str], name: str) -> str | None:
    """Return a variable for traces, else the one for all signals."""
    return (environ.get(f"{_PREFIX}TRACES_{name}") or environ.get(f"{_PREFIX}{name}") or "").strip() or None


def _names(name: str) -> str:
    """Return both spellings of a variable, for messages."""
    return f"{_PREFIX}{name}/{_PREFIX}TRACES_{name}"


def _url(environ: Mapping[str, str]) -> str:
    exact = environ.get(f"{_PREFIX}TRACES_ENDPOINT", "").strip()
    address = exact or environ.get(f"{_PREFIX}ENDPOINT", "").strip() or "http://localhost:4318"
    if not re.match(r"(?i)https?://[^/\s?#]+", address):
        problem = "is no address: it must start with https:// or http://, as http://localhost:4318 does."
        raise OtlpError(f"{_PREFIX}{'TRACES_' if exact else ''}ENDPOINT", problem, endpoint_known=False)
    if exact:
        return exact
    parts = urlsplit(address)
    return parts._replace(path=f"{parts.path.rstrip('/')}/v1/traces").geturl()


def _headers(text: str) -> dict[str, str]:
    """Read `name=value,name=value`, percent-encoded as W3C baggage is.

    Raises:
        OtlpError: one of them cannot be an HTTP header.
    """
    pairs = (item.partition("=") for item in text.split(",") if "=" in item)
    headers = {unquote(name.strip()): unquote(value.strip()) for name, _, value in pairs}
    for name, value in headers.items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or not (value.isascii() and value.isprintable()):
            problem = "holds what cannot be a header: names of letters, digits and -, values of printable ASCII."
            raise OtlpError(_names("HEADERS"), problem, endpoint_known=False)
    return headers


def _timeout(environ: Mapping[str, str]) -> float:
    """Return seconds, as OpenTelemetry's own exporters for Python read the variable."""
    text = _of(environ, "TIMEOUT")
    try:
        seconds = float(text) if text else _TIMEOUT_S
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86_400:
        raise OtlpError(_names("TIMEOUT"), f"is {text!r}: give seconds, such as 10.")
    return seconds

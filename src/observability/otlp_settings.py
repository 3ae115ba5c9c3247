"""Read OpenTelemetry's own variables for an OTLP endpoint: opentelemetry.io/docs/specs/otel/protocol/exporter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX: Final = "OTEL_EXPORTER_OTLP_"


class OtlpError(ValueError):
    """A variable asks for what is not possible; `variable` names it."""

    def __init__(self, variable: str, problem: str) -> None:
        super().__init__(problem)
        self.variable = variable


@dataclass(frozen=True, slots=True)
class Otlp:
    """Hold where OTLP goes and how; the certificates are paths of PEM files."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    gzip: bool = True
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None


def read(environ: Mapping[str, str]) -> Otlp:
    """Read the variables; those for traces win over those for all signals.

    Raises:
        OtlpError: a variable asks for what is not possible here.
    """
    protocol = _of(environ, "PROTOCOL")
    if protocol not in (None, "http/protobuf"):
        raise OtlpError(
            f"{_PREFIX}PROTOCOL/{_PREFIX}TRACES_PROTOCOL", f"is {protocol!r}: only http/protobuf is spoken."
        )
    compression = _of(environ, "COMPRESSION") or "gzip"
    if compression not in ("gzip", "none"):
        names = f"{_PREFIX}COMPRESSION/{_PREFIX}TRACES_COMPRESSION"
        raise OtlpError(names, f"is {compression!r}: use gzip or none.")
    return Otlp(
        url=_url(environ),
        headers=_headers(_of(environ, "HEADERS") or ""),
        gzip=compression == "gzip",
        ca_file=_of(environ, "CERTIFICATE"),
        cert_file=_of(environ, "CLIENT_CERTIFICATE"),
        key_file=_of(environ, "CLIENT_KEY"),
    )


def _of(environ: Mapping[str, str], name: str) -> str | None:
    return (environ.get(f"{_PREFIX}TRACES_{name}") or environ.get(f"{_PREFIX}{name}") or "").strip() or None


def _url(environ: Mapping[str, str]) -> str:
    exact = environ.get(f"{_PREFIX}TRACES_ENDPOINT", "").strip()
    if exact:
        return exact
    base = environ.get(f"{_PREFIX}ENDPOINT", "").strip() or "http://localhost:4318"
    return f"{base.rstrip('/')}/v1/traces"


def _headers(text: str) -> dict[str, str]:
    pairs = (item.partition("=") for item in text.split(",") if "=" in item)
    return {unquote(name.strip()): unquote(value.strip()) for name, _, value in pairs}

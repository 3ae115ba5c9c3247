"""Describe the destinations that observations and scores are delivered to."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal

from src.observability import network
from src.observability.network import display_url
from src.observability.store.destination_names import NamePrefix, destination_name
from src.observability.store.records import Accepts

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    import httpx

    from src.observability.otlp_settings import Otlp


@dataclass(frozen=True, slots=True)
class Destination:
    """One server that accepts OTLP, and scores where `scores_url` is set.

    Attributes:
        name: Identifies it in the store, and holds no secret.
        traces_url: Where observations are sent.
        headers: Sent with each request; they hold the keys.
        scores_url: Where scores are sent; None where it accepts none.
        observations: Whether observations are sent there.
        connect_timeout_s: How long a connection may take.
        timeout_s: How long a request, and reading its response, may take.
        advice: What a user can check where it accepts nothing.
        kind: Which API it has besides OTLP.
        gzip: Whether observations are sent compressed.
        ca_file: The certificates to trust in place of the system's.
        client_certificate: The files of a client certificate and of its key.
    """

    name: str
    traces_url: str
    headers: Mapping[str, str] = field(repr=False)
    scores_url: str | None = None
    observations: bool = True
    connect_timeout_s: float = 5.0
    timeout_s: float = 15.0
    advice: str = "Check the endpoint."
    kind: Literal["langfuse", "otlp"] = "otlp"
    gzip: bool = True
    ca_file: str | None = None
    client_certificate: tuple[str, str | None] | None = None

    @property
    def accepts(self) -> Accepts:
        """Return which kinds of rows are delivered to it."""
        if self.scores_url is None:
            return Accepts.OBSERVATIONS
        return Accepts.BOTH if self.observations else Accepts.SCORES


def langfuse_destination(host: str, public_key: str, secret_key: str, *, scores_only: bool = False) -> Destination:
    """Return the destination for a Langfuse server: OTLP for observations, its own API for scores.

    With `scores_only` its observations come another way, through an OpenTelemetry Collector. The store then knows it
    under another name, so that its progress is counted apart.
    """
    host, basic = network.split_credentials(host)  # which would take the place of the keys in an HTTP library too
    token = base64.b64encode(f"{public_key}:{secret_key}".encode()).decode()
    project = hashlib.sha256(public_key.encode()).hexdigest()[:12]
    try:
        version = importlib.metadata.version("langfuse")
    except importlib.metadata.PackageNotFoundError:
        version = "5.0.4"
    headers = {
        "Authorization": basic or f"Basic {token}",
        "x-langfuse-sdk-name": "python",
        "x-langfuse-sdk-version": version,
        "x-langfuse-public-key": public_key,
        "x-langfuse-ingestion-version": "4",
    }
    prefix = NamePrefix.LANGFUSE_SCORES if scores_only else NamePrefix.LANGFUSE
    return Destination(
        name=destination_name(prefix, f"{display_url(host)}:{project}"),
        traces_url=f"{host}/api/public/otel/v1/traces",
        headers=headers,
        scores_url=f"{host}/api/public/scores",
        observations=not scores_only,
        kind="langfuse",
        advice="Check LANGFUSE_HOST, LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY.",
    )


def otlp_destination(otlp: Otlp) -> Destination:
    """Return the destination for any OTLP endpoint: observations only, since OTLP has no scores."""
    url, basic = network.split_credentials(otlp.url)
    return Destination(
        name=destination_name(NamePrefix.OTLP, display_url(otlp.url)),
        traces_url=url,
        headers={**otlp.headers, "Authorization": basic} if basic else otlp.headers,
        advice="Check OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_HEADERS.",
        timeout_s=otlp.timeout_s,
        connect_timeout_s=min(5.0, otlp.timeout_s),
        gzip=otlp.gzip,
        ca_file=otlp.ca_file,
        client_certificate=(otlp.cert_file, otlp.key_file) if otlp.cert_file else None,
    )


def make_client(destination: Destination) -> httpx.Client:
    """Return an HTTP client with the certificates that a destination needs.

    Raises:
        NetworkProblem: a certificate's file, or a variable of the environment, is wrong.
    """
    has_own = destination.ca_file is not None or destination.client_certificate is not None
    return network.open_client(destination.traces_url, partial(_own_context, destination) if has_own else None)


def _own_context(destination: Destination) -> ssl.SSLContext:
    """Return a TLS context with a destination's own certificates."""
    import ssl

    files = [file for file in (destination.ca_file, *(destination.client_certificate or ())) if file]
    try:
        context = ssl.create_default_context(cafile=destination.ca_file)
        if destination.client_certificate is not None:
            context.load_cert_chain(*destination.client_certificate)
    except OSError as error:
        raise network.NetworkProblem(
            f"the certificates in {', '.join(files)} cannot be used ({error.strerror or error}): put right "
            "OTEL_EXPORTER_OTLP_CERTIFICATE, OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY"
        ) from error
    return context

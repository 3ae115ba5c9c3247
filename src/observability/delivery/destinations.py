"""Describe the destinations that observations and scores are delivered to."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

from src.observability import network
from src.observability.addresses import plain_address
from src.observability.langfuse_settings import LangfuseSwitches
from src.observability.network import display_url
from src.observability.store.destination_names import NamePrefix, destination_name
from src.observability.store.records import Accepts

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    import httpx

    from src.observability.otlp_settings import Otlp


_CLOUD_DOMAIN: Final = "cloud.langfuse.com"
# As Langfuse makes them. A key of another shape was chosen by a person, who may have chosen it for several servers.
_RANDOM_KEY: Final = re.compile(r"pk-lf-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LEAST_TIMEOUT_S: Final = 30.0  # a server that answers late has mostly stored what it got
_ASK_TIMEOUT_S: Final = 10.0
_MAX_ROWS: Final = 512
_MAX_BYTES: Final = 3_000_000
_GATHER_S: Final = 1.0  # a request for each observation would cost more than all the rest


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
        api_url: The address that the paths of Langfuse's API are appended to; None for other servers.
        unique_key: Whether the public key is a random one, which no other project has.
        max_rows: The most observations of one request.
        max_bytes: The most bytes of one request, before compression; a larger observation is sent alone.
        gather_s: How long work may gather before it is sent.
        sample_rate: Which part of all traces is sent, from 0 to 1.
        confirm_after_s: After how long the server is asked for what may have arrived.
        ask_timeout_s: How long a question to the server may take.
        uploads_media: Whether files in observations are uploaded, which leaves references in their place.
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
    timeout_s: float = _LEAST_TIMEOUT_S
    advice: str = "Check the endpoint."
    kind: Literal["langfuse", "otlp"] = "otlp"
    api_url: str | None = None
    unique_key: bool = False
    max_rows: int = _MAX_ROWS
    max_bytes: int = _MAX_BYTES
    gather_s: float = _GATHER_S
    sample_rate: float = 1.0
    confirm_after_s: float = 60.0
    ask_timeout_s: float = _ASK_TIMEOUT_S
    uploads_media: bool = True
    gzip: bool = True
    ca_file: str | None = None
    client_certificate: tuple[str, str | None] | None = None

    @property
    def accepts(self) -> Accepts:
        """Return which kinds of rows are delivered to it."""
        if self.scores_url is None:
            return Accepts.OBSERVATIONS
        return Accepts.BOTH if self.observations else Accepts.SCORES

    def repeats(self, other: Destination) -> bool:
        """Tell whether this sends observations where another one does, with the same keys."""
        if not (self.observations and other.observations):
            return False
        return plain_address(self.traces_url) == plain_address(other.traces_url) and _keys(self) == _keys(other)

    @property
    def is_cloud(self) -> bool:
        """Tell whether this is Langfuse's cloud, which always runs the newest version."""
        host = urlsplit(self.api_url or "").hostname or ""
        return host == _CLOUD_DOMAIN or host.endswith(f".{_CLOUD_DOMAIN}")


def _keys(destination: Destination) -> str | None:
    headers = {name.lower(): value for name, value in destination.headers.items()}
    return headers.get("authorization")


def langfuse_destination(
    host: str,
    public_key: str,
    secret_key: str,
    *,
    scores_only: bool = False,
    switches: LangfuseSwitches | None = None,
) -> Destination:
    """Return the destination for a Langfuse server: OTLP for observations, its own API for scores.

    With `scores_only` its observations come another way, through an OpenTelemetry Collector. The store then knows it
    under another name, so that its progress is counted apart. Its name begins with the address and the key; that it
    is the same project as under another address or key, its server says (`identity.py`).
    """
    switches = switches or LangfuseSwitches()
    host, basic = network.split_credentials(plain_address(host))  # which would take the keys' place in httpx too
    token = base64.b64encode(f"{public_key}:{secret_key}".encode()).decode()
    key_hash = hashlib.sha256(public_key.encode()).hexdigest()[:12]
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
        name=destination_name(prefix, f"{display_url(host)}:{key_hash}"),
        traces_url=f"{host}{switches.export_path}",
        headers=headers,
        scores_url=f"{host}/api/public/scores",
        observations=not scores_only,
        timeout_s=max(_LEAST_TIMEOUT_S, switches.timeout_s or 0.0),
        ask_timeout_s=switches.timeout_s or _ASK_TIMEOUT_S,
        kind="langfuse",
        api_url=host,
        unique_key=bool(_RANDOM_KEY.fullmatch(public_key)),
        max_rows=min(switches.flush_at or _MAX_ROWS, _MAX_ROWS),
        max_bytes=min(switches.max_batch_bytes or _MAX_BYTES, _MAX_BYTES),
        gather_s=_GATHER_S if switches.flush_interval_s is None else switches.flush_interval_s,
        sample_rate=switches.sample_rate,
        confirm_after_s=switches.confirm_after_s,
        uploads_media=switches.media_upload,
        gzip=switches.gzip,
        advice="Check LANGFUSE_HOST, LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY.",
    )


def otlp_destination(otlp: Otlp) -> Destination:
    """Return the destination for any OTLP endpoint: observations only, since OTLP has no scores."""
    url, basic = network.split_credentials(otlp.url)
    return Destination(
        name=destination_name(NamePrefix.OTLP, plain_address(display_url(otlp.url))),
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
            f"the certificates in {', '.join(files)} cannot be used ({error.strerror or error}): correct "
            "OTEL_EXPORTER_OTLP_CERTIFICATE, OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY"
        ) from error
    return context

"""Serve every provider's real address from this machine: one server with TLS, one without, one record of both."""

from __future__ import annotations

import datetime
import ssl
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.servers import Received, Reply, Server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# The names that a certificate of the loopback server stands for; a program that asks another host fails.
HOSTS = (
    "api.openai.com", "api.anthropic.com", "api.deepseek.com", "api.x.ai", "openrouter.ai", "api.groq.com",
    "generativelanguage.googleapis.com", "llm.corp.example",
)  # fmt: skip


def write_certificates(folder: Path) -> tuple[Path, Path]:
    """Write an authority that clients are to trust, and a certificate with its key for all hosts; return both files."""
    authority, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests of the migration")])
    own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS])
    root = _certificate(issuer, issuer, authority, authority, x509.BasicConstraints(ca=True, path_length=0))
    served = _certificate(own, issuer, leaf, authority, names)
    trusted, chain = folder / "authority.pem", folder / "served.pem"
    trusted.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    key = leaf.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain.write_bytes(served.public_bytes(serialization.Encoding.PEM) + key)
    return trusted, chain


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    return built.sign(signer, hashes.SHA256())


class Loopback:
    """Answer for every host with what `answer` says; keep what was received, in order."""

    def __init__(self, folder: Path) -> None:
        self.answer: Callable[[Received], Reply] = lambda _: Reply(404)
        self.received: list[Received] = []
        self.trusted, chain = write_certificates(folder)
        self._plain, self._tls = Server(self._take), Server(self._take)
        for server in (self._plain, self._tls):  # head and body are two writes: do not wait between them
            server._httpd.RequestHandlerClass.disable_nagle_algorithm = True  # type: ignore[attr-defined] # http.server's
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        # The handshake belongs to the thread of the connection, not to the one that accepts.
        self._tls._httpd.socket = context.wrap_socket(
            self._tls._httpd.socket, server_side=True, do_handshake_on_connect=False
        )

    def _take(self, request: Received) -> Reply:
        self.received.append(request)
        return self.answer(request)

    @property
    def ports(self) -> tuple[int, int]:
        """Return where TLS and where plain HTTP is answered."""
        return int(self._tls.url.rpartition(":")[2]), int(self._plain.url.rpartition(":")[2])

    def __enter__(self) -> Loopback:
        self._plain.__enter__()
        self._tls.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._plain.__exit__(None, None, None)
        self._tls.__exit__(None, None, None)

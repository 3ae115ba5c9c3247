"""Issue certificates of a private authority, for servers on loopback that speak TLS."""

from __future__ import annotations

import datetime
import ipaddress
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_PEM = serialization.Encoding.PEM
_SIGNS_CERTIFICATES = x509.KeyUsage(
    key_cert_sign=True,
    crl_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


class Authority:
    """A certificate authority whose files lie in one folder; `file` is its own certificate, for clients to trust."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _common_name("authority of the tests")
        self.file = self._write("authority.pem", self._sign(self._name, self._key, hosts=None).public_bytes(_PEM))

    def issue(self, name: str, hosts: Sequence[str] = ()) -> tuple[Path, Path]:
        """Write a certificate for 127.0.0.1 and the hosts, and its key; return both files."""
        key = ec.generate_private_key(ec.SECP256R1())
        private = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        certificate = self._sign(_common_name(name), key, hosts).public_bytes(_PEM)
        return self._write(f"{name}.pem", certificate), self._write(f"{name}.key", private)

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, hosts: Sequence[str] | None
    ) -> x509.Certificate:
        """Sign a server's certificate; without hosts, that of an authority."""
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=hosts is None, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if hosts is None:  # Python 3.13 and newer ask an authority for it
            builder = builder.add_extension(_SIGNS_CERTIFICATES, critical=True)
        else:
            loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
            names = x509.SubjectAlternativeName([loopback, *(x509.DNSName(host) for host in hosts)])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def _write(self, name: str, data: bytes) -> Path:
        (self._folder / name).write_bytes(data)
        return self._folder / name


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])

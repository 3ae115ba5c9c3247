"""State facts about the TLS contexts that HTTP clients share."""

from __future__ import annotations

import asyncio
import datetime
import http.server
import os
import ssl
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import anthropic
import groq
import httpx
import httpx2
import openai
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google import genai

from src.models.model_factory import ModelFactory
from src.models.transport import tls

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROVIDERS = ("openai", "claude", "groq", "ollama", "gemini")
ADDRESSES = {"openai": "OPENAI_BASE_URL", "claude": "CLAUDE_BASE_URL", "groq": "GROQ_BASE_URL",
             "ollama": "OLLAMA_HOST", "gemini": "GEMINI_BASE_URL"}  # fmt: skip


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tls, "_contexts", {})


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Return a file with a key and a certificate of 127.0.0.1 that it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    signed = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path / "localhost.pem"
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def https(certificate: Path) -> Iterator[str]:
    """Serve an empty page over TLS; return the address."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    server.daemon_threads = True
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://localhost:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def rules(context: ssl.SSLContext) -> object:
    """Return what a context verifies, and by which certificates."""
    return (
        context.verify_mode, context.check_hostname, context.minimum_version, context.options, context.verify_flags,
        context.cert_store_stats(), sorted(map(str, context.get_ca_certs())),
    )  # fmt: skip


def context_of(http_client: Any) -> ssl.SSLContext:
    return http_client._transport._pool._ssl_context  # type: ignore[no-any-return] # of httpcore's pool


def http_client_of(provider: str, name: str = "m", **settings: Any) -> Any:
    """Return the HTTP client of a model's SDK."""
    model: Any = ModelFactory.get_model(provider, name, api_key="k", **settings)
    return model.client._api_client._httpx_client if provider == "gemini" else model.client._client


def test_clients_of_one_library_share_one_context() -> None:
    first, second = (tls.for_address("https://a.test", httpx2.create_ssl_context) for _ in range(2))
    assert first is second
    assert tls.for_address(None, httpx2.create_ssl_context) is first


def test_each_library_keeps_its_own_verification() -> None:
    for build in (httpx.create_ssl_context, httpx2.create_ssl_context):
        assert rules(tls.shared(build)) == rules(build())


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_models_client_verifies_as_its_sdks_own_client_does(provider: str) -> None:
    makers: dict[str, Any] = {
        "openai": lambda: openai.OpenAI(api_key="k")._client,
        "claude": lambda: anthropic.Anthropic(api_key="k")._client,
        "groq": lambda: groq.Groq(api_key="k")._client,
        "ollama": httpx.Client,
        "gemini": lambda: genai.Client(api_key="k")._api_client._httpx_client,
    }
    http_client = http_client_of(provider, base_url="https://provider.test")
    assert rules(context_of(http_client)) == rules(context_of(makers[provider]()))
    assert type(context_of(http_client)) is ssl.SSLContext


def test_two_models_of_a_provider_load_the_bundle_once() -> None:
    for provider in PROVIDERS:
        first, second = (
            http_client_of(provider, name, base_url="https://provider.test") for name in ("first", "second")
        )
        assert first is not second
        assert context_of(first) is context_of(second)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_client_of_an_http_address_loads_no_bundle(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADDRESSES[provider], "http://127.0.0.1:9")
    context = context_of(http_client_of(provider))
    assert isinstance(context, tls.OnDemand)
    assert tls._contexts == {}


def test_another_bundle_in_the_environment_is_for_the_next_client(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tls.shared(httpx2.create_ssl_context)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    after = tls.shared(httpx2.create_ssl_context)
    assert after is not before
    assert after.cert_store_stats()["x509"] == 1
    assert rules(after) == rules(httpx2.create_ssl_context())
    monkeypatch.delenv("SSL_CERT_FILE")
    assert rules(tls.shared(httpx2.create_ssl_context)) == rules(before)


def test_a_bundle_that_was_written_anew_is_read_anew(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    before = tls.shared(httpx2.create_ssl_context)
    certificate.write_bytes(certificate.read_bytes() + b"\n")
    assert tls.shared(httpx2.create_ssl_context) is not before


def test_a_context_on_demand_verifies_what_it_connects_to(
    https: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = tls.for_address("http://a.test", httpx2.create_ssl_context)
    with httpx2.Client(verify=context) as client, pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        client.get(https)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with httpx2.Client(verify=tls.for_address("http://a.test", httpx2.create_ssl_context)) as client:
        assert client.get(https).status_code == 204
    with httpx.Client(verify=tls.for_address("http://a.test", httpx.create_ssl_context)) as old_client:
        assert old_client.get(https).status_code == 204


def test_a_context_serves_asyncio_too(https: str, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    async def status(address: str) -> int:
        async with httpx2.AsyncClient(verify=tls.for_address(address, httpx2.create_ssl_context)) as client:
            return (await client.get(https)).status_code

    assert [asyncio.run(status(address)) for address in ("https://a.test", "http://a.test") * 2] == [204] * 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_connects_with_the_context_of_its_parent(
    https: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = tls.shared(httpx2.create_ssl_context)

    def status() -> int:
        with httpx2.Client(verify=tls.shared(httpx2.create_ssl_context)) as client:
            return client.get(https).status_code

    assert status() == 204
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if tls.shared(httpx2.create_ssl_context) is context and status() == 204 else 1)
        except BaseException:  # noqa: BLE001 - a child must not go on with the tests
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert status() == 204


def test_google_genai_reads_both_variables_at_once(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "folder"))
    model: Any = ModelFactory.get_model("gemini", "m", api_key="k", base_url="https://provider.test")
    ours = model.client
    own = genai.Client(api_key="k")
    assert rules(context_of(ours._api_client._httpx_client)) == rules(context_of(own._api_client._httpx_client))
    assert rules(context_of(ours._api_client._async_httpx_client)) == rules(
        context_of(own._api_client._async_httpx_client)
    )


def test_importing_the_factory_does_not_load_ssl() -> None:
    code = "import sys; import src.models; sys.exit('src.models.transport.tls' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

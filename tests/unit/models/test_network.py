"""What the environment says of proxies and certificates: it works, or the variable that is wrong is named."""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from src.models.errors import ConnectionFailed, ModelUnavailable
from src.models.model_factory import ModelFactory
from src.models.retry import RetryPolicy
from src.models.transport import tls
from src.observability import get_tracker, network, observe_agent
from tests.servers import Langfuse, Received, Reply, Server, chat_reply, claude_reply, ollama_reply

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from src.models.base_model import BaseModel

PROVIDERS = ("openai", "deepseek", "groq", "claude", "gemini", "gemini-legacy", "ollama")
HTTPX = tuple(name for name in PROVIDERS if name != "gemini-legacy")
DEAD = "http://127.0.0.1:9"
GEMINI = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "hi"}]}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
    "modelVersion": "gemini-x",
}


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin without a proxy, and without a context that another test made."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
                 "CURL_CA_BUNDLE"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr(tls, "_contexts", {})


@pytest.fixture(params=PROVIDERS)
def get(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], BaseModel]:
    """Return how to get a provider's model at an address."""
    return _getter(str(request.param), monkeypatch)


def _getter(name: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], BaseModel]:
    provider, _, variant = name.partition("-")
    if variant:
        monkeypatch.setenv("MOONDEV_GEMINI_SDK", "legacy")
    suffix = "/v1" if provider in ("openai", "deepseek") else ""
    once = RetryPolicy(max_attempts=1)
    return lambda address: ModelFactory.get_model(
        provider, "some-model", api_key="test-key-4711", base_url=address + suffix, retry_policy=once
    )


def answer(request: Received) -> Reply:
    """Answer as the provider does whose route was called."""
    if "/messages" in request.path:
        return claude_reply("hi")
    if "generateContent" in request.path:
        return Reply(body=json.dumps(GEMINI).encode(), headers={"content-type": "application/json"})
    return ollama_reply("hi") if "/api/" in request.path else chat_reply("hi")


def ask(model: BaseModel, *, asynchronous: bool) -> str:
    if asynchronous:
        return asyncio.run(model.agenerate_response(None, "hi")).content
    return model.generate_response(None, "hi").content


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("entry", ["fd00::/8,127.0.0.0/8", "fd00::/8,10.0.0.0/8,127.0.0.1", "[fd00::]/8, *"])
def test_no_proxy_takes_networks_of_both_kinds(
    get: Callable[[str], BaseModel], monkeypatch: pytest.MonkeyPatch, entry: str, *, asynchronous: bool
) -> None:
    monkeypatch.setenv("HTTP_PROXY", DEAD)
    monkeypatch.setenv("NO_PROXY", entry)
    with Server(answer) as server:
        assert ask(get(server.url), asynchronous=asynchronous) == "hi"


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_a_proxy_is_used(
    get: Callable[[str], BaseModel], monkeypatch: pytest.MonkeyPatch, *, asynchronous: bool
) -> None:
    with Server(answer) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "fd00::/8,other.test")
        assert ask(get("http://provider.test"), asynchronous=asynchronous) == "hi"
        assert proxy.received[0].path.startswith("http://provider.test/")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"ALL_PROXY": "socks5://user:pass-4711@127.0.0.1:9"}, ["ALL_PROXY", "pip install"]),
        ({"https_proxy": "socks5h://127.0.0.1:9"}, ["https_proxy", "pip install"]),
        ({"HTTPS_PROXY": "ftp://127.0.0.1"}, ["HTTPS_PROXY", "unset"]),
        ({"HTTPS_PROXY": "http://[nonsense"}, ["HTTPS_PROXY", "unset"]),
        ({"HTTPS_PROXY": "http://host:port"}, ["HTTPS_PROXY", "unset"]),
        ({"HTTPS_PROXY": "http:/user:pass-4711@127.0.0.1:9"}, ["HTTPS_PROXY", "unset"]),
        ({"HTTPS_PROXY": "http:///user:pass-4711@127.0.0.1:9"}, ["HTTPS_PROXY", "unset"]),
        ({"HTTPS_PROXY": "http://user:12/pass-4711@127.0.0.1:9"}, ["HTTPS_PROXY", "%2F"]),
        ({"HTTPS_PROXY": "user:12#pass-4711@127.0.0.1:9"}, ["HTTPS_PROXY", "%23"]),
        ({"all_proxy": "http://user:pass-4711?@127.0.0.1:9"}, ["all_proxy", "%3F"]),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named(
    get: Callable[[str], BaseModel], monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: list[str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    model = get("https://provider.test")
    assert not model
    with pytest.raises(ModelUnavailable) as raised:
        model.generate_response(None, "hi")
    assert all(word in str(raised.value) for word in words)
    assert "pass-4711" not in str(raised.value)
    assert raised.value.trace_id


def test_a_proxy_for_other_addresses_does_no_harm(
    get: Callable[[str], BaseModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "ftp://nonsense")
    with Server(answer) as server:
        assert ask(get(server.url), asynchronous=False) == "hi"


@pytest.fixture(params=["gone", "unreadable", "a folder", "no PEM"])
def bad_bundle(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    path = tmp_path / "bundle.pem"
    if request.param == "a folder":
        path.mkdir()
    elif request.param != "gone":
        path.write_text("no certificate")
    if request.param == "unreadable":  # for root nothing is

        def refuse(*_: object, **__: object) -> ssl.SSLContext:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(ssl, "create_default_context", refuse)
    return str(path)


@pytest.mark.parametrize("name", HTTPX)
def test_certificates_that_cannot_be_read_are_named(
    name: str, bad_bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", bad_bundle)
    with pytest.raises(ModelUnavailable, match=f"SSL_CERT_FILE names {bad_bundle}") as raised:
        _getter(name, monkeypatch)("https://provider.test").generate_response(None, "hi")
    assert "unset it" in str(raised.value)


@pytest.mark.parametrize("name", HTTPX)
def test_a_missing_folder_of_certificates_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere/certificates")
    with pytest.raises(ModelUnavailable, match="SSL_CERT_DIR names /nowhere/certificates"):
        _getter(name, monkeypatch)("https://provider.test").generate_response(None, "hi")


def test_a_missing_bundle_of_requests_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/bundle.pem")
    with pytest.raises(ModelUnavailable, match="REQUESTS_CA_BUNDLE names /nowhere/bundle"):
        _getter("gemini-legacy", monkeypatch)("https://provider.test").generate_response(None, "hi")


@pytest.mark.parametrize("name", HTTPX)
def test_certificates_matter_to_https_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/bundle.pem")
    with Server(answer) as server:
        assert ask(_getter(name, monkeypatch)(server.url), asynchronous=True) == "hi"


@pytest.mark.parametrize("name", HTTPX)
def test_certificates_that_are_lost_later_are_named_by_the_asynchronous_call(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = _getter(name, monkeypatch)("https://provider.test")
    assert model
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/bundle.pem")
    with pytest.raises(ConnectionFailed, match="SSL_CERT_FILE") as raised:
        asyncio.run(model.agenerate_response(None, "hi"))
    assert not raised.value.retryable


def test_a_refused_connection_names_its_address_and_its_proxy(
    get: Callable[[str], BaseModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConnectionFailed, match=r"http://127\.0\.0\.1:9 cannot be reached: "):
        ask(get(DEAD), asynchronous=False)
    monkeypatch.setenv("HTTP_PROXY", "http://user:pass-4711@127.0.0.1:9")
    with pytest.raises(ConnectionFailed, match=r"HTTP_PROXY=http://127\.0\.0\.1:9") as raised:
        ask(get("http://provider.test"), asynchronous=False)
    assert "http://provider.test" in str(raised.value)
    assert "pass-4711" not in str(raised.value)


@pytest.mark.parametrize(
    ("address", "no_proxy", "proxied"),
    [
        ("http://10.1.2.3/v1", "10.0.0.0/8", False),
        ("http://11.1.2.3/v1", "10.0.0.0/8", True),
        ("http://[fd00::1]:8080", "fd00::/8", False),
        ("http://[fe80::1]:8080", "fd00::/8", True),
        ("http://[::1]", "::1", False),
        ("http://[::1]", "[::1]", False),
        ("http://api.example.com", "example.com", False),
        ("http://api.example.com", ".example.com", False),
        ("http://api.example.com", "*.example.com", False),
        ("http://notexample.com", "example.com", True),
        ("http://example.com:8080", "example.com:8080", False),
        ("http://example.com:8081", "example.com:8080", True),
        ("http://example.com", "*", False),
        ("http://example.com", "a.test, ,", True),
        ("ftp://example.com", "", False),
        ("http://[nonsense", "", False),
    ],
)
def test_reads_no_proxy_as_curl_and_go_do(
    address: str, no_proxy: str, monkeypatch: pytest.MonkeyPatch, *, proxied: bool
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "127.0.0.1:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    proxy = network.proxy_for(address)
    assert (proxy is not None) is proxied
    assert proxy is None or proxy.url == "http://127.0.0.1:3128"


@pytest.mark.parametrize(
    "variables",
    [
        {"NO_PROXY": "fd00::/8"},
        {"HTTPS_PROXY": "ftp://x"},
        {"SSL_CERT_FILE": "/nowhere"},
        {"ALL_PROXY": "http://[x", "NO_PROXY": "127.0.0.1"},
    ],
)
def test_delivery_goes_on_where_a_variable_does_not_concern_it(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Langfuse() as server:
        _trace(server, variables, monkeypatch)
        assert get_tracker().flush(60) == 0
        assert server.named("test.run")


def test_delivery_waits_and_says_once_which_variable_is_wrong(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with Langfuse() as server:
        _trace(server, {"HTTP_PROXY": "socks5://127.0.0.1:9"}, monkeypatch)
        for _ in range(3):
            assert get_tracker().flush(0.2) == 1
        assert caplog.text.count("socksio, which is not installed") == 1
        monkeypatch.delenv("HTTP_PROXY")
        assert get_tracker().flush(60) == 0
        assert server.named("test.run")


def _trace(server: Langfuse, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Record a run of an agent, for a server, with variables that are wrong."""
    keys: dict[str, Any] = {"LANGFUSE_PUBLIC_KEY": "pk-lf-4711", "LANGFUSE_SECRET_KEY": "sk-lf-4711"}
    for name, value in {**keys, "LANGFUSE_HOST": server.url, **variables}.items():
        monkeypatch.setenv(name, value)

    @observe_agent(agent_type="test")
    def run() -> None:
        """Do nothing."""

    run()

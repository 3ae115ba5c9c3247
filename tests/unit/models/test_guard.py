"""Every direct request to a provider is detected, whatever route it takes; traced calls pass."""

from __future__ import annotations

import asyncio
import http.client
import logging
import os
import socket
import subprocess
import sys
import textwrap
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import httpx2
import openai
import pytest
import requests

from src.migration.check.vocabulary.providers import HOSTS, SUFFIXES
from src.models import ModelFactory, guard
from src.models.errors import InvalidRequest
from src.models.guard import hosts
from src.observability import get_tracker
from tests import loopback
from tests.servers import Reply, Server, chat_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATH = "/v1/chat/completions"


@pytest.fixture(autouse=True)
def unpatched() -> Iterator[None]:
    """Leave sockets unpatched: the usual patch would be taken for the caller here."""
    with loopback.unpatched():
        yield


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server(lambda _: chat_reply("hold")) as running:
        monkeypatch.setenv("OPENAI_KEY", "sk-test-0123456789abcdef")
        monkeypatch.setenv("OPENAI_BASE_URL", running.url + "/v1")
        yield running
    guard.uninstall()


async def _async_post(library: Any, url: str) -> None:
    async with library.AsyncClient() as client:
        await client.post(url, json={})


async def _by_aiohttp(url: str) -> None:
    async with aiohttp.ClientSession() as session, session.post(url + PATH, json={}) as reply:
        await reply.read()


def _by_stream(url: str) -> None:
    with httpx.stream("POST", url + PATH, json={}) as reply:
        reply.read()


async def _from_base(url: str) -> None:
    async with aiohttp.ClientSession(url) as session, session.post(PATH, json={}) as reply:
        await reply.read()


async def _by_asyncio(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
    await writer.drain()
    await reader.read(10)
    writer.close()


def _by_pool(url: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_by_socket, url).result()


def _by_http_client(url: str) -> None:
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    connection.request("POST", PATH, b"{}")
    connection.getresponse().read()
    connection.close()


def _by_socket(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as sock:
        sock.sendall(f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        sock.recv(10)


def _by_sdk(url: str) -> None:
    client = openai.OpenAI(api_key="k", base_url=url + "/v1", max_retries=0)
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])


ROUTES: dict[str, Callable[[str], Any]] = {
    "httpx": lambda url: httpx.post(url + PATH, json={}),
    "httpx2": lambda url: httpx2.post(url + PATH, json={}),
    "httpx async": lambda url: asyncio.run(_async_post(httpx, url + PATH)),
    "httpx2 async": lambda url: asyncio.run(_async_post(httpx2, url + PATH)),
    "aiohttp": lambda url: asyncio.run(_by_aiohttp(url)),
    "requests": lambda url: requests.post(url + PATH, json={}, timeout=5),
    "urllib": lambda url: urllib.request.urlopen(url + PATH, b"{}", timeout=5).read(),  # noqa: S310 - our own server
    "http.client": _by_http_client,
    "socket": _by_socket,
    "httpx stream": _by_stream,
    "aiohttp from a base": lambda url: asyncio.run(_from_base(url)),
    "asyncio streams": lambda url: asyncio.run(_by_asyncio(url)),
    "a pool's thread": _by_pool,
    "sdk": _by_sdk,
}


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_is_blocked_before_anything_is_sent(route: str, server: Server) -> None:
    ROUTES[route](server.url)
    assert len(server.received) == 1
    guard.install("block")
    with pytest.raises(Exception, match=r"calls 127\.0\.0\.1 directly") as caught:
        ROUTES[route](server.url)
    chain, seen = caught.value, []
    while chain is not None:
        seen.append(type(chain))
        chain = chain.__cause__ or chain.__context__  # type: ignore[assignment] # the end is None
    assert guard.DirectCallBlocked in seen
    assert __file__ in str(caught.value)
    assert len(server.received) == 1


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_is_warned_of_once_and_passes(route: str, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    guard.install("warn")
    for _ in range(3):
        ROUTES[route](server.url)
    assert len(server.received) == 3
    warnings = [record.getMessage() for record in caplog.records if record.name == "moondev.guard"]
    assert len(warnings) == 1
    assert f"{__file__}:" in warnings[0]
    assert "ModelFactory" in warnings[0]


@pytest.mark.parametrize("route", ["requests", "httpx", "aiohttp", "asyncio streams", "a pool's thread"])
def test_this_machine_is_known_by_all_its_names(route: str, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    guard.install("warn")
    ROUTES[route](server.url.replace("127.0.0.1", "localhost"))
    assert [record.name for record in caplog.records if "directly" in record.getMessage()] == ["moondev.guard"]


def test_a_request_through_a_plain_proxy_is_detected(server: Server) -> None:
    guard.install("block")
    with pytest.raises(guard.DirectCallBlocked, match=r"calls api\.openai\.com directly"):
        requests.post("http://api.openai.com/v1/responses", proxies={"http": server.url}, timeout=5)
    assert server.received == []


def test_calls_over_grpc_are_detected(server: Server, tmp_path: Path) -> None:
    code = """
        import asyncio, os, sys
        import src.models
        import grpc
        target = os.environ["OPENAI_BASE_URL"].removeprefix("http://").removesuffix("/v1")
        async def later():
            async with grpc.aio.insecure_channel(target) as channel:
                await channel.unary_unary("/a/b")(b"", timeout=5)
        for ask in (lambda: grpc.insecure_channel("dns:///" + target).unary_unary("/a/b")(b"", timeout=5),
                    lambda: list(grpc.insecure_channel(target).unary_stream("/a/b")(b"", timeout=5)),
                    lambda: asyncio.run(later())):
            try:
                ask()
            except Exception as error:
                print(type(error).__name__, error)
    """
    done = _run(tmp_path, code, MOONDEV_GUARD="block")
    assert done.stdout.count("calls 127.0.0.1 directly (grpc)") == 3, done.stdout + done.stderr
    assert done.stdout.count("agent.py:") == 3
    assert server.received == []


@pytest.mark.parametrize(
    "command",
    [
        "subprocess.run(['curl', '-s', url])", "subprocess.run('curl -s ' + url, shell=True)",
        "os.system('curl -s ' + url)", "os.posix_spawn('/bin/echo', ['echo', url], os.environ)",
        "os.execv('/bin/echo', ['echo', url])", "subprocess.run(['ollama', 'run', 'm'])",
        "os.system('echo hi | claude -p summarise')", "subprocess.run(['env', 'codex', 'exec', 'x'])",
    ],
)  # fmt: skip
def test_a_command_is_detected_before_it_starts(command: str, server: Server, tmp_path: Path) -> None:
    code = f"""
        import os, subprocess, src.models
        url = os.environ["OPENAI_BASE_URL"]
        {command}
    """
    done = _run(tmp_path, code, MOONDEV_GUARD="block")
    assert done.returncode == 1
    assert "agent.py:4 calls " in done.stderr
    assert "directly (command)" in done.stderr
    assert server.received == []


@pytest.mark.parametrize(
    "command",
    [["echo", "ollama"], ["ollama", "list"], ["git", "commit", "-m", "use claude -p"], ["echo", "openai.com"]],
)
def test_other_commands_start(command: list[str]) -> None:
    from src.models.guard import commands

    targets = list(commands.targets("subprocess.Popen", (command[0], command, None, None)))
    assert not [target for target in targets if hosts.is_provider(*target)]


def test_code_without_a_file_is_named(server: Server, tmp_path: Path) -> None:
    done = _run(tmp_path, "", "-c", "import src.models\n" + textwrap.dedent(DIRECT), MOONDEV_GUARD="block")
    assert "<string>:4 calls 127.0.0.1 directly" in done.stderr, done.stderr


def test_knows_every_host_that_the_check_knows() -> None:
    for host in HOSTS:
        assert hosts.is_provider(host.partition("/")[0], 443), host
    for suffix in SUFFIXES:
        assert hosts.is_provider(f"mine{suffix}", 443), suffix


def test_a_second_request_on_an_open_connection_is_detected(server: Server) -> None:
    with httpx.Client() as client:
        client.post(server.url + PATH, json={})
        guard.install("block")
        with pytest.raises(guard.DirectCallBlocked):
            client.post(server.url + PATH, json={})
    assert len(server.received) == 1


def test_calls_through_the_factory_pass_sync_and_async(server: Server) -> None:
    guard.install("block")
    model = ModelFactory.get_model("openai", "gpt-4o")
    assert model.generate_response(None, "hi").content == "hold"
    assert asyncio.run(model.agenerate_response(None, "hi")).content == "hold"
    assert len(server.received) == 2


def test_calls_through_the_factory_pass_with_tracing_off(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONDEV_TRACING", "off")
    guard.install("block")
    assert ModelFactory.get_model("openai", "gpt-4o").generate_response(None, "hi").content == "hold"


def test_a_function_with_the_tracing_decorator_passes(server: Server) -> None:
    guard.install("block")
    get_tracker().trace_llm_call(lambda: _by_sdk(server.url))()
    assert len(server.received) == 1


def test_listing_the_models_passes(server: Server) -> None:
    from src.models.live_models import listed_names

    guard.install("block")
    with pytest.raises(Exception, match=r"^(?!.*directly)"):
        listed_names(ModelFactory.get_model("openai", "gpt-4o"))
    assert len(server.received) == 1


def test_a_line_with_a_reason_passes_and_so_does_an_allowed_file(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard.install("block")
    httpx.post(server.url + PATH, json={})  # direct-call: allow (a test of the guard)
    # direct-call: allow (the line below)
    httpx.post(server.url + PATH, json={})
    monkeypatch.setenv("MOONDEV_GUARD_ALLOW", "other.py, *test_guard.py")
    httpx.post(server.url + PATH, json={})
    assert len(server.received) == 3


def test_other_hosts_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    guard.install("block")
    try:
        with Server(lambda _: Reply(404)) as other:
            assert httpx.post(other.url, json={}).status_code == 404
    finally:
        guard.uninstall()


@pytest.mark.parametrize(
    ("host", "port", "known"),
    [
        ("api.openai.com", 443, True), ("API.OpenAI.com.", 443, True), ("my.openai.azure.com", 443, True),
        ("us-central1-aiplatform.googleapis.com", 443, True), ("localhost", 11434, True), ("127.0.0.1", 8080, False),
        ("notapi.openai.com.evil.test", 443, False), ("openai.com", 443, False), ("example.com", 443, False),
    ],
)  # fmt: skip
def test_knows_providers_by_their_hosts(host: str, port: int, known: bool) -> None:
    assert hosts.is_provider(host, port) is known


def test_a_wrong_value_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONDEV_GUARD", "loud")
    with pytest.raises(InvalidRequest, match="MOONDEV_GUARD is 'loud'"):
        guard.install()


def _run(tmp_path: Path, code: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    script = tmp_path / "agent.py"
    script.write_text(textwrap.dedent(code))
    variables = {**os.environ, "PYTHONPATH": str(Path.cwd()), **environment}
    command = [sys.executable, *(words or (str(script),))]
    return subprocess.run(
        [str(script) if word == "SCRIPT" else word for word in command],
        env=variables, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


DIRECT = """
    import os, httpx
    reply = httpx.post(os.environ["OPENAI_BASE_URL"] + "/chat/completions", json={})
    print(reply.status_code)
"""


def test_the_variable_switches_the_guard_on_at_import(server: Server, tmp_path: Path) -> None:
    done = _run(tmp_path, "    import src.models" + DIRECT, MOONDEV_GUARD="block")
    assert done.returncode == 1
    assert "agent.py:3 calls 127.0.0.1 directly" in done.stderr, done.stderr
    assert server.received == []
    assert _run(tmp_path, "    import src.models" + DIRECT).stdout.strip() == "200"


def test_any_program_runs_under_the_guard(server: Server, tmp_path: Path) -> None:
    done = _run(tmp_path, DIRECT, "-m", "src.models.guard", "SCRIPT")
    assert done.stdout.strip() == "200"
    assert done.stderr.count("calls 127.0.0.1 directly") == 1
    assert _run(tmp_path, DIRECT, "-m", "src.models.guard", "SCRIPT", MOONDEV_GUARD="block").returncode == 1


def test_the_guard_is_a_pytest_plugin(server: Server, tmp_path: Path) -> None:
    (tmp_path / "test_agent.py").write_text(
        "import os, httpx\n\n\ndef test_it():\n    httpx.post(os.environ['OPENAI_BASE_URL'], json={})\n"
    )
    done = _run(tmp_path, "", "-m", "pytest", "-p", "src.models.guard", "-q", str(tmp_path / "test_agent.py"))
    assert "DirectCallBlocked" in done.stdout, done.stdout + done.stderr
    assert server.received == []


def test_a_command_with_a_providers_address_is_detected(tmp_path: Path) -> None:
    code = """
        import subprocess, sys, src.models
        subprocess.run([sys.executable, "-c", "pass", "https://api.openai.com/v1/chat/completions"])
    """
    done = _run(tmp_path, code, MOONDEV_GUARD="block")
    assert done.returncode == 1
    assert "agent.py:3 calls api.openai.com directly (command)" in done.stderr


def test_nothing_is_hooked_unless_it_is_switched_on(tmp_path: Path) -> None:
    code = """
        import http.client
        real = http.client.HTTPConnection.putrequest
        from src.models import ModelFactory
        ModelFactory.get_model("openai", "gpt-4o", api_key="k")
        assert http.client.HTTPConnection.putrequest is real
        import sys
        assert "src.models.guard.routes" not in sys.modules
    """
    assert _run(tmp_path, code).returncode == 0


def test_a_warning_holds_no_secret(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    guard.install("warn")
    with caplog.at_level(logging.WARNING):
        httpx.post(f"{server.url}{PATH}?key=sk-test-0123456789abcdef", headers={"authorization": "Bearer abcdefgh12"})
    assert "sk-test" not in caplog.text

"""Behind a proxy nothing leaves either: whatever library asks, whenever it was imported, however it was copied."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
from typing import TYPE_CHECKING

import httpcore
import httpx
import pytest
import requests
import respx

from src.models import guard
from src.models.guard import commands
from tests.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PROVIDER = "https://api.openai.com/v1/chat/completions"
PLAIN = "http://api.openai.com/v1/chat/completions"


class Proxy:
    """A proxy on loopback that keeps what it receives, and opens tunnels to one server."""

    def __init__(self, server_port: int) -> None:
        self.received: list[bytes] = []
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            head = client.recv(65536)
            if not head:
                return
            self.received.append(head)
            if not head.startswith(b"CONNECT "):
                client.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                return
            with socket.create_connection(("127.0.0.1", self._server_port)) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=_copy, args=(server, client), daemon=True)
                back.start()
                _copy(client, server)
                back.join(5)

    def close(self) -> None:
        self._listener.close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


class TlsServer:
    """A server that speaks TLS, and answers every request with `ok`."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self.received: list[bytes] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with self._context.wrap_socket(client, server_side=True) as secure:
                while data := secure.recv(65536):
                    self.received.append(data)
                    secure.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        except OSError:
            return

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def only_loopback() -> None:
    """Leave sockets unpatched: the usual patch would be taken for the caller here."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TlsServer]:
    running = TlsServer(*Authority(tmp_path).issue("server", ["elsewhere.test", "api.openai.com"]))
    yield running
    running.close()


@pytest.fixture
def proxy(server: TlsServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    running = Proxy(server.port)
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, running.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield running
    guard.uninstall()
    running.close()


# Each line asks a provider by a library that the program has not imported before, or by another copy of it.
PROGRAM = """
    import asyncio, importlib, socket, ssl, sys
    import src.models
    assert not {"httpx", "requests", "aiohttp", "urllib3", "websockets", "pycurl"} & set(sys.modules)
    PROXY = ("127.0.0.1", int(sys.argv[1]))
    PROXY_URL = "http://127.0.0.1:" + sys.argv[1]
    TLS = ssl.create_default_context()
    CONNECT = b"CONNECT api.openai.com:443 HTTP/1.1\\r\\nHost: api.openai.com:443\\r\\n\\r\\n"

    def ask_requests(): import requests; requests.post(URL, timeout=5)
    def ask_vendored(): from pip._vendor import requests; requests.post(URL, timeout=5)
    def ask_urllib3(): import urllib3; urllib3.ProxyManager(PROXY_URL).request("POST", URL, retries=False)
    def ask_urllib(): from urllib.request import urlopen; urlopen(URL, b"{}", timeout=5)
    def ask_httpcore(): import httpcore; httpcore.HTTPProxy(PROXY_URL).request("POST", URL)
    def ask_httpx(): import httpx; httpx.post(URL)
    def ask_httpx2(): import httpx2; httpx2.post(URL)
    def ask_reloaded():
        import httpx
        importlib.reload(sys.modules["httpx._client"]); importlib.reload(httpx)
        httpx.Client().post(URL)
    def ask_async():
        import httpx
        async def go():
            async with httpx.AsyncClient() as client: await client.post(URL)
        asyncio.run(go())
    def ask_aiohttp():
        import aiohttp
        async def go():
            async with aiohttp.ClientSession(trust_env=True) as session: await session.post(URL)
        asyncio.run(go())
    def ask_websockets():
        import websockets.sync.client
        websockets.sync.client.connect("wss://api.openai.com/v1/realtime", proxy=PROXY_URL)
    def ask_by_hand():
        with socket.create_connection(PROXY) as sock: sock.sendall(CONNECT)
    def ask_by_parts():
        with socket.create_connection(PROXY) as sock: sock.sendmsg([CONNECT[:9], CONNECT[9:]])
    def ask_by_file():
        with socket.create_connection(PROXY) as sock, sock.makefile("wb", buffering=0) as file: file.write(CONNECT)
    def ask_plainly():
        with socket.create_connection(PROXY) as sock:
            sock.send(b"POST http://api.openai.com/v1 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    def ask_by_host():
        with socket.create_connection(PROXY) as sock:
            sock.send(b"POST /v1 HTTP/1.1\\r\\nAccept: */*\\r\\nHost: api.openai.com\\r\\n\\r\\n")
    def ask_by_tls():
        with socket.create_connection(PROXY) as sock: TLS.wrap_socket(sock, server_hostname="api.openai.com")
    def ask_by_bare_socket():
        import _socket
        sock = _socket.socket(); sock.connect(PROXY); sock.sendall(CONNECT)
    def ask_by_bare_socket_with_a_name():
        from _socket import socket as bare
        sock = bare(socket.AF_INET, socket.SOCK_STREAM); sock.connect(PROXY); sock.send(CONNECT)
        assert isinstance(sock, bare) and isinstance(socket.socket(), bare)
    def ask_by_streams():
        async def go():
            _, writer = await asyncio.open_connection(*PROXY); writer.write(CONNECT); await writer.drain()
        asyncio.run(go())
    def ask_by_stream_tls():
        async def go(): await asyncio.open_connection(*PROXY, ssl=True, server_hostname="api.openai.com")
        asyncio.run(go())
    URL = "https://api.openai.com/v1/chat/completions"
    for name, ask in [item for item in globals().items() if item[0].startswith("ask_")]:
        error = None
        try: ask()
        except BaseException as raised: error = raised
        names = []
        while error is not None:
            names.append(type(error).__name__); error = error.__cause__ or error.__context__
        print(name, "blocked" if "DirectCallBlocked" in names else "WENT OUT: " + " < ".join(names))
"""


def test_no_library_sends_its_first_request(proxy: Proxy, server: TlsServer, tmp_path: Path) -> None:
    script = tmp_path / "agent.py"
    script.write_text(textwrap.dedent(PROGRAM))
    done = subprocess.run(
        [sys.executable, str(script), str(proxy.port)],
        env={**os.environ, "PYTHONPATH": os.getcwd(), "MOONDEV_GUARD": "block"},  # noqa: PTH109 - the checkout's root
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert len(lines) == PROGRAM.count("    def ask_"), done.stdout + done.stderr
    assert [line for line in lines if not line.endswith(" blocked")] == []
    assert proxy.received == []
    assert server.received == []


@pytest.mark.parametrize(
    "ask", [lambda url: requests.post(url, timeout=5), lambda url: httpx.post(url, follow_redirects=True)]
)
def test_a_redirect_to_a_provider_is_judged_by_itself(
    ask: Callable[[str], object], proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        answer = f"HTTP/1.1 307 Moved\r\nlocation: {PLAIN}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode()
        threading.Thread(target=_answer_once, args=(listener, answer), daemon=True).start()
        guard.install("block")
        with pytest.raises(guard.DirectCallBlocked, match=r"calls api\.openai\.com directly"):
            ask(f"http://127.0.0.1:{port}/")
    assert proxy.received == []


def _answer_once(listener: socket.socket, answer: bytes) -> None:
    client, _ = listener.accept()
    with client:
        client.recv(65536)
        client.sendall(answer)


def _by_requests(url: str) -> str:
    return requests.post(url, data=b"{}", timeout=5, verify=False).text  # noqa: S501 - our own server


def _by_pool(url: str) -> str:
    with httpcore.HTTPProxy(os.environ["HTTPS_PROXY"], ssl_context=ssl._create_unverified_context()) as pool:  # noqa: S323
        return pool.request("POST", url).content.decode()


def _by_streams(url: str) -> str:
    async def go() -> str:
        host, port = "127.0.0.1", int(os.environ["HTTPS_PROXY"].rpartition(":")[2])
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"CONNECT elsewhere.test:443 HTTP/1.1\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        await writer.start_tls(ssl._create_unverified_context(), server_hostname="elsewhere.test")  # noqa: S323
        writer.write(b"POST / HTTP/1.1\r\nHost: elsewhere.test\r\n\r\n")
        reply = await reader.readuntil(b"ok")
        writer.close()
        return reply.decode()[-2:]

    return asyncio.run(go())


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize("ask", [_by_requests, _by_pool, _by_streams])
def test_what_goes_elsewhere_passes_the_proxy_as_before(
    ask: Callable[[str], str], proxy: Proxy, server: TlsServer
) -> None:
    guard.install("block")
    assert ask("https://elsewhere.test/v1") == "ok"
    assert proxy.received[0].startswith(b"CONNECT elsewhere.test:443")
    assert server.received


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_an_allowed_line_passes_the_proxy_too(proxy: Proxy, server: TlsServer) -> None:
    guard.install("block")
    # direct-call: allow (a test of the guard)
    assert requests.post(PROVIDER, timeout=5, verify=False).text == "ok"  # noqa: S501 - our own server
    assert proxy.received[0].startswith(b"CONNECT api.openai.com:443")


def test_a_socket_that_was_opened_before_is_judged(server: TlsServer) -> None:
    context = ssl._create_unverified_context()  # noqa: S323 - our own server
    with context.wrap_socket(socket.create_connection(("127.0.0.1", server.port)), server_hostname="x.test") as secure:
        secure.sendall(b"POST /v1 HTTP/1.1\r\nHost: elsewhere.test\r\n\r\n")
        assert secure.recv(100)
        guard.install("block")
        try:
            for send in (secure.send, secure.sendall, secure.write):
                with pytest.raises(guard.DirectCallBlocked):
                    send(b"POST /v1 HTTP/1.1\r\nHost: api.anthropic.com\r\n\r\n")
            secure.sendall(b"POST /v1 HTTP/1.1\r\nHost: elsewhere.test\r\n\r\n")
            assert secure.recv(100)
        finally:
            guard.uninstall()
    assert len(server.received) == 2


@pytest.mark.parametrize(
    "data", [b"", b"\x16\x03\x01", b"GETTING on", b"POST", memoryview(b"PO"), bytearray(b"GET / HTTP/1.1\r\n")]
)
def test_other_bytes_pass(data: bytes) -> None:
    guard.install("block")
    ours, theirs = socket.socketpair()
    try:
        with ours, theirs:
            ours.sendall(data)
            assert ours.send(data) == len(data)
            assert ours.sendmsg([data, b"x"]) == len(data) + 1
            assert theirs.recv(100) == bytes(data) * 3 + b"x"
            with pytest.raises(TypeError):
                ours.send("text")  # type: ignore[arg-type] # what a socket says of it
    finally:
        guard.uninstall()


@pytest.mark.parametrize(
    "line",
    [
        "echo 'a; claude -p b'",
        'git commit -m "x | ollama run m"',
        "echo \\; ollama run m",
        "echo claude-p",
        "echo ollama run m",
    ],
)
def test_what_is_quoted_on_a_command_line_is_text(line: str) -> None:
    assert list(commands.targets("os.system", (line,))) == []


@pytest.mark.parametrize(
    "line",
    [
        "a; claude -p b",
        "echo $(claude -p b)",
        "x=`claude -p b`",
        "(claude -p 'a;b')",
        "a\nclaude -p b",
        "a|claude -p 'x'",
        "a;claude -p 'it",
        "sudo -u me env A=1 timeout 5 claude -p x",
    ],
)
def test_every_command_of_a_line_is_seen(line: str) -> None:
    assert ("api.anthropic.com", None) in list(commands.targets("os.system", (line,)))


def test_tests_that_answer_by_respx_work_under_the_guard() -> None:
    guard.install("block")
    try:
        with respx.mock() as router:
            router.post("https://elsewhere.test/v1").respond(text="ok")
            assert httpx.post("https://elsewhere.test/v1").text == "ok"
        with httpcore.ConnectionPool() as pool, pytest.raises(guard.DirectCallBlocked):
            pool.request("POST", PROVIDER)
    finally:
        guard.uninstall()

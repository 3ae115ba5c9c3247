"""Where gevent or eventlet replace sockets and TLS, before the guard or after it, nothing leaves either."""

from __future__ import annotations

import importlib.util
import os
import socket
import ssl
import sys
import textwrap
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from src.models import guard
from tests import loopback, warm
from tests.servers import Server, chat_reply

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = [
    "stand-in",
    *(
        pytest.param(
            name,
            marks=pytest.mark.skipif(
                importlib.util.find_spec(name) is None, reason=f"{name} is not installed: see docs/guard.md"
            ),
        )
        for name in ("gevent", "eventlet")
    ),
]
# Replaces what gevent replaces: a class that holds a socket of another class, and contexts with methods of their own.
STAND_IN = """
    def patch():
        import _socket, socket, ssl
        class Inner(_socket.socket): pass
        class Outer:
            def __init__(self, *args, **kwargs): self._sock = Inner(*args, **kwargs)
            def __getattr__(self, name): return getattr(self._sock, name)
            def __enter__(self): return self
            def __exit__(self, *_): self._sock.close()
            def send(self, data, flags=0): return self._sock.send(data, flags)
            def sendall(self, data, flags=0): self._sock.sendall(data, flags)
        class Context(ssl.SSLContext):
            __slots__ = ()
            def wrap_socket(self, sock, server_side=False, server_hostname=None, **_):
                secure = self._wrap_socket(sock._sock, server_side, server_hostname)
                secure.do_handshake()
        make = ssl.create_default_context
        def create_default_context(*args, **kwargs):
            context = make(*args, **kwargs)
            context.__class__ = Context
            return context
        socket.socket, ssl.create_default_context = Outer, create_default_context
"""
PATCHES = {
    "stand-in": STAND_IN,
    "gevent": """
    def patch():
        from gevent import monkey; monkey.patch_all()
    """,
    "eventlet": """
    def patch():
        import eventlet; eventlet.monkey_patch()
    """,
}
PROGRAM = """
    import os, sys, warnings
    warnings.simplefilter("ignore")
    {patch}
    def guarded(): import src.models
    steps = [patch, guarded]
    for step in steps if sys.argv[1] == "before" else reversed(steps): step()
    import socket, ssl
    PROXY_URL = os.environ["HTTPS_PROXY"]
    PROXY = ("127.0.0.1", int(PROXY_URL.rpartition(":")[2]))
    URL = "https://api.openai.com/v1/chat/completions"
    CONNECT = b"CONNECT api.openai.com:443 HTTP/1.1\\r\\nHost: api.openai.com:443\\r\\n\\r\\n"

    def ask_urllib3(): import urllib3; urllib3.ProxyManager(PROXY_URL).request("POST", URL, retries=False)
    def ask_requests(): import requests; requests.post(URL, timeout=5)
    def ask_httpx(): import httpx; httpx.post(URL)
    def ask_urllib(): from urllib.request import urlopen; urlopen(URL, b"{{}}", timeout=5)
    def ask_by_hand():
        with socket.create_connection(PROXY) as sock: sock.sendall(CONNECT)
    def ask_by_host():
        with socket.create_connection(PROXY) as sock:
            sock.send(b"POST /v1 HTTP/1.1\\r\\nHost: api.openai.com\\r\\n\\r\\n")
    def ask_by_tls():
        with socket.create_connection(PROXY) as sock:
            ssl.create_default_context().wrap_socket(sock, server_hostname="api.openai.com")
    for name, ask in [item for item in globals().items() if item[0].startswith("ask_")]:
        error = None
        try: ask()
        except BaseException as raised: error = raised
        names = []
        while error is not None:
            names.append(type(error).__name__); error = error.__cause__ or error.__context__
        print(name, "blocked" if "DirectCallBlocked" in names else "WENT OUT: " + " < ".join(names))
"""
TRACED = """
    import sys, warnings
    warnings.simplefilter("ignore")
    {patch}
    patch()
    from src.models import ModelFactory
    print(ModelFactory.get_model("openai", "gpt-4o").generate_response(None, "hi").content)
"""


class Listener:
    """A proxy that closes each connection, and keeps what it received on it."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                self.received += filter(None, [client.recv(65536)])

    def close(self) -> None:
        self._listener.close()


@pytest.fixture(autouse=True)
def unpatched() -> Iterator[None]:
    """Leave sockets unpatched: the usual patch would be taken for the caller here."""
    with loopback.unpatched():
        yield
    guard.uninstall()


def _run(folder: Path, code: str, kind: str, *words: str, **environment: str) -> Any:
    script = folder / "agent.py"
    script.write_text(textwrap.dedent(code.format(patch=PATCHES[kind].strip("\n").lstrip())))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])}
    return warm.run(
        [sys.executable, script, *words], env={**env, "MOONDEV_GUARD": "block", **environment},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_leaves_a_patched_program(kind: str, order: str, tmp_path: Path) -> None:
    proxy = Listener()
    try:
        done = _run(tmp_path, PROGRAM, kind, order, HTTPS_PROXY=proxy.url, https_proxy=proxy.url)
    finally:
        proxy.close()
    lines = done.stdout.splitlines()
    assert len(lines) == PROGRAM.count("    def ask_"), done.stdout + done.stderr
    assert [line for line in lines if not line.endswith(" blocked")] == []
    assert proxy.received == []


@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_traced_call_passes_in_a_patched_program(kind: str, tmp_path: Path) -> None:
    with Server(lambda _: chat_reply("hold")) as server:
        address = server.url.replace("127.0.0.1", "localhost")  # looked up in a thread of gevent's own
        done = _run(tmp_path, TRACED, kind, OPENAI_BASE_URL=f"{address}/v1", OPENAI_KEY="sk-test-0123456789abcdef")
    assert done.stdout.strip() == "hold", done.stderr


def test_a_lookup_is_judged_where_a_greenlet_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    guard.install("block")
    code = "import _socket\ndef look_up(*address): return _socket.getaddrinfo(*address)"
    for file, is_judged in (("/site/gevent/threadpool.py", False), ("/site/agent.py", True)):
        names: dict[str, Any] = {}
        exec(compile(code, file, "exec"), names)  # noqa: S102 - our own code, in a file of another name
        if is_judged:
            with pytest.raises(guard.DirectCallBlocked):
                names["look_up"]("127.0.0.1", 9)
        else:
            assert names["look_up"]("127.0.0.1", 9)


def test_the_functions_whose_globals_eventlet_replaces_stay_python_s_own() -> None:
    guard.install("block")
    assert ssl.SSLContext.wrap_socket.__globals__ is vars(ssl)
    assert ssl.SSLSocket._create.__globals__ is vars(ssl)  # type: ignore[attr-defined] # not in the stubs

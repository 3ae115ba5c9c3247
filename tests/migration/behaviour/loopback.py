"""Serve every provider's real address from this machine: one server with TLS, one without, one record of both."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from tests.certificates import Authority
from tests.servers import Received, Reply, Server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# The names that a certificate of the loopback server stands for; a program that asks another host fails.
HOSTS = (
    "api.openai.com", "api.anthropic.com", "api.deepseek.com", "api.x.ai", "openrouter.ai", "api.groq.com",
    "generativelanguage.googleapis.com", "llm.corp.example",
)  # fmt: skip


class Loopback:
    """Two servers that stand for every host, reply with `answer`, and record requests in order of arrival."""

    def __init__(self, folder: Path) -> None:
        self.answer: Callable[[Received], Reply] = lambda _: Reply(404)
        self.received: list[Received] = []
        authority = Authority(folder)
        self.trusted = authority.file
        self._plain, self._tls = Server(self._take), Server(self._take)
        for server in (self._plain, self._tls):  # head and body are two writes: do not wait between them
            server._httpd.RequestHandlerClass.disable_nagle_algorithm = True  # type: ignore[attr-defined] # http.server's
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue("loopback", HOSTS))
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

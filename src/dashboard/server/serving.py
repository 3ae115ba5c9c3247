"""Listen on a port, say where, and serve until Ctrl-C."""

from __future__ import annotations

import errno
import socket
import threading
import webbrowser
from typing import TYPE_CHECKING, Any, Final

from src.dashboard.server.access import Hosts, Key
from src.dashboard.server.app import create_app

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.dashboard.server.app import Content

USUAL_PORT: Final = 8420
_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - what a browser here opens, of all addresses
_PATIENCE_S: Final = 2  # for answers under way when the server ends


class CannotListen(ValueError):
    """The address cannot be listened on; the message names it, the reason and the remedy."""


def listen(host: str, port: int | None) -> socket.socket:
    """Return a listening socket; without a port the usual one, or a free one where that is taken.

    Raises:
        CannotListen: it cannot be.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise CannotListen(
            f"--host {host!r:.60} is no address of this machine: give one, such as 127.0.0.1."
        ) from error
    if port is None:
        try:
            return _bound(family, (address[0], USUAL_PORT))
        except OSError:
            port = 0
    try:
        return _bound(family, (address[0], port))
    except OSError as error:
        raise CannotListen(_reason(error, host, port)) from error


def _bound(family: int, address: tuple[Any, int]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except BaseException:
        listener.close()
        raise
    return listener


def _reason(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is in use: give another one with --port, or leave --port out."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"Port {port} is not allowed to you: give one from 1024 on with --port."
    return f"{host} port {port} cannot be listened on ({error.strerror}): give an address of this machine with --host."


def serve(
    content: Content, *, host: str, port: int | None, say: Callable[[str], None], open_browser: bool = True
) -> None:
    """Serve until Ctrl-C; `say` gets the link once the port is listened on.

    Raises:
        CannotListen: it cannot be listened on.
    """
    import uvicorn

    listener = listen(host, port)
    try:
        number = listener.getsockname()[1]
        key = Key(number)
        app = create_app(content, key=key, hosts=Hosts(host, number))
        name = _ANY.get(host, f"[{host}]" if ":" in host else host)
        link = f"http://{name}:{number}/?token={key.token}"
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, lifespan="on", ws="none", http="h11",
            timeout_graceful_shutdown=_PATIENCE_S, log_config=None,
        )  # fmt: skip
        say(link)
        if open_browser:
            threading.Thread(target=webbrowser.open, args=(link,), daemon=True).start()
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        listener.close()

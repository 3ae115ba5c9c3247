"""Why a server could not be reached is said in words, with what to look at, and without the rest of its address."""

from __future__ import annotations

import contextlib
import socket

import httpx
import pytest

from src.observability.delivery.connection_errors import explain


def _error(url: str) -> Exception:
    with contextlib.closing(httpx.HTTPTransport(trust_env=False)) as transport:
        with pytest.raises(httpx.HTTPError) as caught:
            transport.handle_request(httpx.Request("POST", url, content=b"{}"))
        return caught.value


@pytest.fixture(autouse=True)
def _without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_a_closed_port_is_one_at_which_nothing_answers() -> None:
    with socket.socket() as unused:  # bound, and not listening
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        words = explain(_error(f"http://127.0.0.1:{port}/hook/secret"), f"http://127.0.0.1:{port}/hook/secret")
    assert words == f"nothing answers at 127.0.0.1:{port}: check that the server runs and that the port is right"


def test_behind_a_proxy_it_is_the_proxy_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        error = _error(f"http://127.0.0.1:{port}")
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:word@127.0.0.1:{port}")
        words = explain(error, "https://hooks.example.com/secret")
    assert words.startswith(f"nothing answers at the proxy 127.0.0.1:{port}: ")


@pytest.mark.parametrize(
    ("number", "beginning"),
    [(socket.EAI_NONAME, "no host hooks.example.invalid is known: check the address"),
     (socket.EAI_AGAIN, "the name hooks.example.invalid cannot be looked up now")],
)  # fmt: skip
def test_a_name_that_is_not_known_is_told_from_one_that_cannot_be_looked_up(number: int, beginning: str) -> None:
    error = httpx.ConnectError("[Errno -2] Name or service not known")
    error.__cause__ = socket.gaierror(number, "Name or service not known")
    words = explain(error, "https://hooks.example.invalid/services/secret")
    assert words.startswith(beginning)
    assert "Errno" not in words
    assert "secret" not in words


def test_what_is_not_known_here_keeps_its_own_words() -> None:
    assert explain(httpx.ReadError("the peer went away"), "https://x.example") == "the peer went away"
    assert explain(httpx.ReadTimeout(""), "https://x.example") == "ReadTimeout"

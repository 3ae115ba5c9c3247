"""The doctor reads its test observation back by the route that the server has, and says plainly what it lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from src.observability import tracker as trackers
from src.observability.commands import probe, setup_checks
from src.observability.delivery import langfuse_server
from tests.langfuse_server import LangfuseServer, Mode
from tests.servers import Received, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from src.observability.commands.finding import Finding

V2 = "/api/public/v2/observations"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(probe, "_PAUSE_S", 0.05)
    langfuse_server.forget_all()
    yield
    langfuse_server.forget_all()


def findings_of(server: LangfuseServer, monkeypatch: pytest.MonkeyPatch, **variables: str) -> list[Finding]:
    keys = {"LANGFUSE_HOST": server.url, "LANGFUSE_PUBLIC_KEY": "pk-lf-1", "LANGFUSE_SECRET_KEY": "sk-lf-1"}
    for name, value in (keys | variables).items():
        monkeypatch.setenv(name, value)
    tracker = trackers.get_tracker()
    try:
        return setup_checks.of_tracing(offline=False, probe_s=2.0)
    finally:
        tracker.shutdown(0)


def detail_of(findings: list[Finding], server: LangfuseServer, part: str) -> tuple[bool | None, str]:
    finding = next(item for item in findings if item.part == part and item.name == server.url)
    return finding.ok, finding.detail


@pytest.mark.parametrize(
    ("mode", "version", "route"),
    [
        ("events_only", "4.16.0", V2),
        ("events_only", "4.60.0", V2),
        ("dual", "4.16.0", "/api/public/traces"),
        ("v3", "3.225.4", "/api/public/traces"),
    ],
)
def test_the_test_observation_is_read_back_from_every_version(
    mode: Mode, version: str, route: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LangfuseServer(mode, version, shown_after_s=0.2) as server:
        findings = findings_of(server, monkeypatch)
        ok, detail = detail_of(findings, server, "test")
        assert (ok, f"shows it by {route}:" in detail) == (True, True), detail
        ok, detail = detail_of(findings, server, "langfuse")
        assert ok is True
        assert f"version {version}" in detail
        assert [span.name for span in server.spans] == ["moondev.doctor"]


def only_for(path: str, reply: Reply) -> Callable[[Received], Reply | None]:
    return lambda request: reply if request.path.startswith(path) else None


NEVER_SHOWN = only_for(V2, Reply(200, b'{"data": [], "meta": {}}', {"content-type": "application/json"}))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (NEVER_SHOWN, f"does not show it by {V2} after"),
        (only_for(V2, Reply(403, b"{}")), "the keys may not read"),
        (only_for(V2, Reply(429)), "rate limit"),
        (only_for(V2, Reply(404, b'{"message": "only available in a Langfuse v4 write mode"}')), "its v2 API is off"),
        (lambda request: Reply(404) if request.method == "GET" else None, "no route that shows observations"),
    ],
    ids=["not shown", "no rights", "limited", "no v2", "no reads"],
)
def test_what_keeps_it_from_being_read_back_is_said(
    answer: Callable[[Received], Reply | None], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LangfuseServer() as server:
        server.answer = answer
        ok, detail = detail_of(findings_of(server, monkeypatch), server, "test")
        assert ok is None
        assert words in detail
        assert "took the test observation" in detail


def test_a_leak_is_found_by_either_route(monkeypatch: pytest.MonkeyPatch) -> None:
    key = probe._MADE_UP_KEY
    for mode, path in (("events_only", V2), ("v3", "/api/public/traces/")):
        langfuse_server.forget_all()
        with LangfuseServer(mode) as server:  # type: ignore[arg-type] # one of its modes
            body = b'{"data": [{"id": "x", "input": "%s"}], "observations": []}' % key.encode()
            leak = Reply(200, body, {"content-type": "application/json"})

            def answer(request: Received, path: str = path, leak: Reply = leak) -> Reply | None:
                return leak if request.path.startswith(path) and "authorization" in request.headers else None

            server.answer = answer
            ok, detail = detail_of(findings_of(server, monkeypatch), server, "test")
            assert (ok, "a leak" in detail) == (False, True)
        trackers.set_tracker(None)


def test_a_switch_that_stops_langfuse_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with LangfuseServer() as server:
        findings = findings_of(server, monkeypatch, LANGFUSE_TRACING_ENABLED="False")
        assert detail_of(findings, server, "langfuse") == (None, "switched off (LANGFUSE_TRACING_ENABLED)")
        assert server.requests == []

"""A user and a password in an address are sent as Basic authentication, and shown nowhere."""

from __future__ import annotations

import asyncio
import base64
import logging
import traceback
from typing import TYPE_CHECKING

import pytest

from src.models.errors import ModelError
from src.models.model_factory import PROVIDERS, ModelFactory
from src.models.retry import RetryPolicy
from src.observability import get_tracker, network, observe_agent
from src.observability.settings import Settings
from tests.servers import Langfuse, Server, error_reply
from tests.unit.models.test_network import answer

if TYPE_CHECKING:
    from src.models.base_model import BaseModel
    from src.observability.store.spool import Spool

PASSWORD = "p@ss:word/4711"
QUOTED = "p%40ss%3Aword%2F4711"
BASIC = "Basic " + base64.b64encode(f"user:{PASSWORD}".encode()).decode()
ONCE = RetryPolicy(max_attempts=1)
CASES = ["openai", "deepseek", "groq", "claude", "gemini", "gemini-legacy", "ollama"]


def with_credentials(url: str) -> str:
    return url.replace("://", f"://user:{QUOTED}@")


def is_shown_in(text: str) -> bool:
    return any(secret in text for secret in (PASSWORD, QUOTED, BASIC.removeprefix("Basic ")))


def failure_of(model: BaseModel, *, asynchronous: bool) -> ModelError | None:
    try:
        asyncio.run(model.agenerate_response(None, "hi")) if asynchronous else model.generate_response(None, "hi")
    except ModelError as error:
        return error
    return None


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("from_variable", [False, True])
def test_a_password_is_sent_and_not_shown(
    case: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, spool: Spool, *, from_variable: bool
) -> None:
    name, _, variant = case.partition("-")
    monkeypatch.setenv("MOONDEV_GEMINI_SDK", "legacy" if variant else "")
    suffix = "/v1" if name in ("openai", "deepseek") else ""
    # Debug logs of the HTTP libraries; the SDKs' own write whole requests, as their users ask for.
    for library in ("httpx", "httpx2", "httpcore", "httpcore2", "moondev"):
        caplog.set_level(logging.INFO if library.startswith("httpcore") else logging.DEBUG, logger=library)
    with Server(answer) as good, Server(lambda _: error_reply(404, "no such thing")) as bad:
        for url in (good.url, bad.url, "http://127.0.0.1:9"):
            address = with_credentials(url) + suffix
            if from_variable:
                monkeypatch.setenv(str(PROVIDERS[name].base_url), address)
            settings = {} if from_variable else {"base_url": address}
            model = ModelFactory.get_model(name, "m", api_key="key-4711-abc", retry_policy=ONCE, **settings)
            assert not is_shown_in(repr(model))
            for asynchronous in (False, True):
                error = failure_of(model, asynchronous=asynchronous)
                assert (error is None) is (url == good.url)
                assert not is_shown_in(f"{error} {error!r} {''.join(traceback.format_exception(error))}")
        assert [request.headers["authorization"] for request in good.received] == [BASIC] * 2
    assert not is_shown_in(caplog.text)
    for row in spool.rows_after(0, limit=100):
        assert not is_shown_in(row.span.decode("latin-1"))


def test_a_prompt_that_quotes_the_password_is_stored_without_it(spool: Spool) -> None:
    with Server(answer) as server:
        model = ModelFactory.get_model("ollama", "m", base_url=with_credentials(server.url))
        reply = model.generate_response(None, f"why does {PASSWORD} not work?")
    assert not is_shown_in(spool.trace(str(reply.trace_id))[0].span.decode("latin-1"))


def test_langfuses_host_is_shown_without_its_password(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="httpx")
    with Langfuse() as server:
        for name, value in {"LANGFUSE_PUBLIC_KEY": "pk-lf-4711", "LANGFUSE_SECRET_KEY": "sk-lf-secret"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("LANGFUSE_HOST", with_credentials(server.url))
        assert not is_shown_in(repr(Settings.read()))
        assert "sk-lf-secret" not in repr(Settings.read())

        @observe_agent(agent_type="test")
        def run() -> None:
            """Do nothing."""

        run()
        assert get_tracker().flush(60) == 0
        exporter = get_tracker().exporter
        assert exporter is not None
        assert not is_shown_in(repr(exporter.destinations))
        asked = [request for request in server.requests if request.path != "/api/public/health"]  # which takes no keys
        assert {request.headers["authorization"] for request in asked} == {BASIC}
    assert not is_shown_in(caplog.text)


@pytest.mark.parametrize(
    ("address", "plain", "shown"),
    [
        ("http://u:p@h/v1", "http://h/v1", "Basic dTpw"),
        ("http://u@h", "http://h", "Basic dTo="),
        ("u:p@h:11434", "h:11434", "Basic dTpw"),
        ("http://h/a@b", "http://h/a@b", None),
        ("http://u:p@x@h/v1", "http://h/v1", "Basic dTpwQHg="),
        ("http://h", "http://h", None),
    ],
)
def test_splits_an_address(address: str, plain: str, shown: str | None) -> None:
    assert network.split_credentials(address) == (plain, shown)

"""A Langfuse server is kept from inventing tokens for a call that used none, or of which nobody knows what it used."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from src.models import ModelFactory
from src.models.errors import ModelError
from src.models.retry import NO_RETRIES
from src.observability import attributes as names
from src.observability import flush
from src.observability.delivery import langfuse_server
from tests.langfuse_server import LangfuseServer
from tests.servers import Reply, Server, chat_reply, error_reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.langfuse_server import Mode

ZERO = {"cost": {"total": 0}}


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    langfuse_server.forget_all()
    yield
    langfuse_server.forget_all()


def delivered(answer: Reply, mode: Mode, version: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what a server of a version hears of usage and cost of a call with this answer."""
    with Server(lambda _: answer) as openai, LangfuseServer(mode, version) as langfuse:
        for name, value in {"OPENAI_BASE_URL": openai.url + "/v1", "OPENAI_KEY": "sk-test-0123456789",
                            "LANGFUSE_HOST": langfuse.url, "LANGFUSE_PUBLIC_KEY": "pk-lf-1",
                            "LANGFUSE_SECRET_KEY": "sk-lf-1"}.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        with contextlib.suppress(ModelError):
            ModelFactory.get_model("openai", "gpt-4o", retry_policy=NO_RETRIES).generate_response(None, "hi")
        assert flush(20) == 0
        (span,) = langfuse.spans
    wanted = {"usage": names.USAGE_DETAILS, "cost": names.COST_DETAILS, "known": names.METADATA + names.USAGE_KNOWN}
    return {key: json.loads(span.attributes[name]) for key, name in wanted.items() if name in span.attributes}


OLD: list[tuple[Mode, str]] = [("v3", "3.225.4"), ("dual", "4.0.0"), ("events_only", "4.1.9")]
NEW: list[tuple[Mode, str]] = [("events_only", "4.2.0"), ("events_only", "4.16.0"), ("events_only", "5.0.0")]


@pytest.mark.parametrize(("mode", "version"), OLD + NEW)
def test_a_refused_call_costs_0_and_on_older_servers_used_no_tokens(
    mode: Mode, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = {"usage": {"total": 0}} if (mode, version) in OLD else {}
    assert delivered(error_reply(400, "no"), mode, version, monkeypatch) == {**ZERO, **usage}


@pytest.mark.parametrize(("mode", "version"), [OLD[-1], NEW[0]])
def test_a_call_that_may_have_been_billed_says_that_its_usage_is_not_known(
    mode: Mode, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = {"usage": {"total": 0}} if (mode, version) in OLD else {}
    assert delivered(error_reply(504, "late"), mode, version, monkeypatch) == {**ZERO, "known": False, **usage}


@pytest.mark.parametrize(("mode", "version"), [OLD[-1], NEW[0]])
def test_a_usage_that_is_known_is_what_the_provider_reported(
    mode: Mode, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = delivered(chat_reply("hello"), mode, version, monkeypatch)
    assert heard["usage"] == {"input": 10, "output": 5}
    assert heard["cost"] == pytest.approx({"input": 25e-6, "output": 50e-6, "total": 75e-6})

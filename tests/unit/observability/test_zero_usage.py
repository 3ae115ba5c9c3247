"""A Langfuse server is kept from inventing tokens for a call that used none, or of which nobody knows what it used."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from src.models import ModelFactory
from src.models.errors import ModelError
from src.models.retry import NO_RETRIES, RetryPolicy
from src.observability import attributes as names
from src.observability import flush
from src.observability.delivery import langfuse_server
from tests.langfuse_server import LangfuseServer
from tests.servers import Reply, Server, chat_reply, error_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.langfuse_server import Mode
    from tests.servers import Received

ZERO = {"cost": {"total": 0}}
ONE_RETRY = RetryPolicy(max_attempts=2, first_wait_s=0.0)


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    langfuse_server.forget_all()
    yield
    langfuse_server.forget_all()


def delivered_span(
    answer: Reply | Callable[[Received], Reply],
    mode: Mode,
    version: str,
    monkeypatch: pytest.MonkeyPatch,
    retries: RetryPolicy = NO_RETRIES,
    model: str = "gpt-4o",
) -> dict[str, Any]:
    """Return the attributes of a call with this answer, as a server of a version gets them."""
    replies = answer if callable(answer) else lambda _: answer
    with Server(replies) as openai, LangfuseServer(mode, version) as langfuse:
        for name, value in {"OPENAI_BASE_URL": openai.url + "/v1", "OPENAI_KEY": "sk-test-0123456789",
                            "LANGFUSE_HOST": langfuse.url, "LANGFUSE_PUBLIC_KEY": "pk-lf-1",
                            "LANGFUSE_SECRET_KEY": "sk-lf-1"}.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        with contextlib.suppress(ModelError):
            ModelFactory.get_model("openai", model, retry_policy=retries).generate_response(None, "hi")
        assert flush(60) == 0
        generations = [item for item in langfuse.spans if item.attributes.get(names.TYPE) == "generation"]
    (span,) = generations
    return dict(span.attributes)


def delivered(answer: Reply, mode: Mode, version: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what a server of a version hears of usage and cost of a call with this answer."""
    attributes = delivered_span(answer, mode, version, monkeypatch)
    wanted = {"usage": names.USAGE_DETAILS, "cost": names.COST_DETAILS, "known": names.METADATA + names.USAGE_KNOWN}
    return {key: json.loads(attributes[name]) for key, name in wanted.items() if name in attributes}


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


REPLY = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}],
}  # fmt: skip
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
REMARKS: dict[str, tuple[dict[str, Any], str | None]] = {
    "whole": ({**REPLY, "usage": USAGE}, None),
    "no price": (
        {**REPLY, "model": "nobody-7", "usage": USAGE},
        "Cost: not known (input, output). An amount shown here is by the model prices of this Langfuse project.",
    ),
    "no usage": (REPLY, "Cost: not known (usage)."),
    "no such usage": ({**REPLY, "usage": {**USAGE, "total_tokens": 7}}, "Cost: not known (usage contradicts itself: "),
}


@pytest.mark.parametrize(("body", "remark"), REMARKS.values(), ids=REMARKS)
def test_what_is_unknown_of_a_cost_stands_beside_it(
    body: dict[str, Any], remark: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = Reply(body=json.dumps(body).encode(), headers={"content-type": "application/json"})
    span = delivered_span(reply, "events_only", "4.16.0", monkeypatch, model=str(body["model"]))
    message = span.get(names.STATUS_MESSAGE)
    assert (message is None) is (remark is None)
    assert (message or "").startswith(remark or "")


def test_a_partly_known_cost_is_a_total_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a total a server counts the call as free: less than what is known."""
    lost, answers = error_reply(504, "late"), iter([0])

    def answer(_: object) -> Reply:
        return lost if next(answers, None) is not None else chat_reply("hello")

    span = delivered_span(answer, "events_only", "4.16.0", monkeypatch, retries=ONE_RETRY)
    assert json.loads(span[names.COST_DETAILS]) == pytest.approx({"input": 25e-6, "output": 50e-6, "total": 75e-6})
    assert span[names.STATUS_MESSAGE].startswith("Cost: at least this. Not known: a failed request (")


def test_the_reason_of_a_failure_stays_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "late" in delivered_span(error_reply(504, "late"), "v3", "3.225.4", monkeypatch)[names.STATUS_MESSAGE]

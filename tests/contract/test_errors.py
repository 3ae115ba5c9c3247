"""Every provider's failures become the same errors, are retried by the same rule, and are recorded on the trace."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

from src.models import errors
from src.models.errors import CATEGORIES, ContentBlocked, MalformedResponse, ModelError, RateLimited
from src.observability import attributes as names
from src.observability.spans import otlp
from tests.contract.conftest import QUICK
from tests.contract.dialects.base import Says
from tests.contract.harness import naming
from tests.servers import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.models.base_model import BaseModel
    from src.models.types import ModelResponse
    from src.observability.store.spool import Spool
    from tests.contract.dialects.base import Dialect
    from tests.contract.harness import Caller, Wire

KINDS = {kind.category: kind for kind in reversed(ModelError.__subclasses__()) if kind is not errors.UnknownProvider}
KINDS |= {"context_length": errors.ContextTooLong, "invalid_request": errors.InvalidRequest}
OVER_THE_WIRE = ("authentication", "permission", "model_not_found", "invalid_request", "context_length", "rate_limit",
                 "quota", "overloaded", "server", "content_blocked")  # fmt: skip


def test_every_category_has_a_class() -> None:
    assert set(KINDS) == set(CATEGORIES)


def _sayable(dialect: Dialect, *categories: str) -> list[str]:
    """Return those of the categories that this provider can say: all but a few can say any."""
    sayable = [category for category in categories if category not in dialect.unsaid]
    assert sayable or dialect.engine
    return sayable


@pytest.mark.parametrize("streamed", [False, True])
def test_an_error_response_is_its_category(
    model: BaseModel, dialect: Dialect, wire: Wire, call: Caller, spool: Spool, *, streamed: bool
) -> None:
    for category in _sayable(dialect, *OVER_THE_WIRE):
        wire.say(dialect.error(category))
        with naming(category):
            with pytest.raises(ModelError) as caught:
                call.stream(model, None, "hi") if streamed else call.ask(model, None, "hi")
            _check(caught.value, category, model, dialect, spool)


def _check(error: ModelError, category: str, model: BaseModel, dialect: Dialect, spool: Spool) -> None:
    assert type(error) is KINDS[category]
    assert error.category == category
    assert (error.provider, error.model) == (model.provider, dialect.model)
    assert error.status == dialect.error(category).status or dialect.engine
    assert error.attempts == 1
    if category == "invalid_request":
        assert error.parameter == "temperature"
    (row,) = spool.trace(str(error.trace_id))
    assert (row.type, row.level, row.error_category) == ("generation", "ERROR", category)
    assert row.span_id == error.observation_id
    assert "test-key-4711" not in str(error) + str(row.span)


def test_retries_what_may_pass_and_tells_each_attempt(
    make: Callable[..., BaseModel], dialect: Dialect, wire: Wire, call: Caller, spool: Spool
) -> None:
    model = make(retry_policy=QUICK)
    for category in _sayable(dialect, "rate_limit", "overloaded", "server"):
        wire.received.clear()
        wire.say(dialect.error(category), dialect.error(category), dialect.reply(Says(text="at last")))
        with naming(category):
            reply = call.ask(model, None, "hi")
            assert (reply.content, reply.attempts) == ("at last", 3)
            assert len(wire.received) == 3
            _check_attempts(reply, spool)


def _check_attempts(reply: ModelResponse, spool: Spool) -> None:
    rows = spool.trace(str(reply.trace_id))
    events = [row for row in rows if row.name == "attempt_failed"]
    assert [(row.type, row.level, row.parent_span_id) for row in events] == [
        ("event", "WARNING", reply.observation_id)
    ] * 2
    assert len([row for row in rows if row.type == "generation"]) == 1


def test_does_not_retry_what_cannot_pass(
    make: Callable[..., BaseModel], dialect: Dialect, wire: Wire, call: Caller
) -> None:
    model = make(retry_policy=QUICK)
    for category in _sayable(dialect, "authentication", "permission", "model_not_found", "invalid_request",
                          "context_length", "quota", "content_blocked"):  # fmt: skip
        wire.received.clear()
        wire.say(dialect.error(category))
        with naming(category):
            with pytest.raises(ModelError):
                call.ask(model, None, "hi")
            assert len(wire.received) == 1


@pytest.mark.parametrize("form", ["seconds", "date", "milliseconds"])
def test_carries_how_long_a_provider_asks_to_wait(
    make: Callable[..., BaseModel], dialect: Dialect, wire: Wire, call: Caller, form: str
) -> None:
    if "rate_limit" in dialect.unsaid:
        pytest.skip("this provider has no rate limit")
    headers = {
        "seconds": {"retry-after": "77"},
        "date": {"retry-after": format_datetime(datetime.now(UTC) + timedelta(seconds=77), usegmt=True)},
        "milliseconds": {"retry-after-ms": "77000", "retry-after": "1"},
    }[form]
    refused = dialect.error("rate_limit")
    wire.say(Reply(refused.status, refused.body, {**refused.headers, **headers}))
    with pytest.raises(RateLimited) as caught:
        call.ask(make(retry_policy=QUICK), None, "hi")
    assert caught.value.retry_after_s is not None
    assert 17 < caught.value.retry_after_s <= 77  # a date comes nearer while the call goes on
    assert len(wire.received) == 1  # longer than the cap: not tried again


def test_waits_as_long_as_a_provider_asks(
    make: Callable[..., BaseModel], dialect: Dialect, wire: Wire, call: Caller, spool: Spool
) -> None:
    if "rate_limit" in dialect.unsaid:
        pytest.skip("this provider has no rate limit")
    refused = dialect.error("rate_limit")
    wire.say(Reply(refused.status, refused.body, {**refused.headers, "retry-after": "0.125"}), dialect.reply(Says()))
    reply = call.ask(make(retry_policy=QUICK), None, "hi")
    (event,) = [row for row in spool.trace(str(reply.trace_id)) if row.name == "attempt_failed"]
    assert b"0.125" in event.span


def test_an_error_inside_a_stream_that_began_with_200_is_raised(
    model: BaseModel, dialect: Dialect, wire: Wire, call: Caller, spool: Spool
) -> None:
    wire.say(dialect.stream_error())
    with pytest.raises(ModelError) as caught:
        call.stream(model, None, "hi")
    assert caught.value.category in dialect.stream_error_categories
    (row,) = spool.trace(str(caught.value.trace_id))
    assert row.level == "ERROR"
    # The text before the error came in the same piece; it was written, and so it may cost something.
    assert str(otlp.decode_span(row.span).attributes[names.OUTPUT]).startswith("he")
    assert row.cost_unknown or row.provider in ("ollama", "local")


def test_a_reply_that_cannot_be_read_is_malformed(model: BaseModel, dialect: Dialect, wire: Wire, call: Caller) -> None:
    if dialect.engine:
        pytest.skip("the engine hands over decoded values")
    for body in (b"", b"{", b"not json", b"[]", b"null", b'"text"', b"{}", b"\xff\xfe", b"<html></html>"):
        wire.say(Reply(200, body, {"content-type": "application/json"}))
        with naming(body), pytest.raises((MalformedResponse, errors.EmptyResponse)):
            call.ask(model, None, "hi")


def test_a_whole_reply_cut_short_is_malformed(model: BaseModel, dialect: Dialect, wire: Wire, call: Caller) -> None:
    if dialect.engine:
        pytest.skip("the engine hands over decoded values")
    whole = dialect.reply(Says(text="a longer text"))
    wire.say(Reply(200, whole.body[: len(whole.body) // 2], whole.headers))
    with pytest.raises(MalformedResponse):
        call.ask(model, None, "hi")


def test_a_stream_cut_short_is_no_success(model: BaseModel, dialect: Dialect, wire: Wire, call: Caller) -> None:
    whole = dialect.stream(Says(text="first half, second half")).body
    cut = whole.index(b"second") - 30
    boundary = whole.rfind(b"\n", 0, cut) + 1
    wire.say(Reply(200, whole[:boundary], dialect.stream(Says()).headers))
    with pytest.raises(ModelError) as caught:
        call.stream(model, None, "hi")
    assert caught.value.category in ("malformed_response", "connection", "empty_response")


def test_rubbish_inside_a_stream_is_malformed(model: BaseModel, dialect: Dialect, wire: Wire, call: Caller) -> None:
    if dialect.engine:
        pytest.skip("the engine hands over decoded values")
    reply = dialect.stream(Says(text="first half, second half"))
    wire.say(Reply(200, reply.body.replace(b'"', b"'"), reply.headers))
    with pytest.raises(ModelError) as caught:
        call.stream(model, None, "hi")
    assert caught.value.category in ("malformed_response", "empty_response")


def test_an_error_page_of_a_proxy_is_a_server_error(
    model: BaseModel, dialect: Dialect, wire: Wire, call: Caller
) -> None:
    if dialect.engine:
        pytest.skip("nothing stands between")
    wire.say(Reply(502, b"<html><body>502 Bad Gateway</body></html>", {"content-type": "text/html"}))
    with pytest.raises(errors.ServerFailed) as caught:
        call.ask(model, None, "hi")
    assert caught.value.status == 502


def test_a_reply_withheld_for_safety_is_content_blocked(
    model: BaseModel, dialect: Dialect, wire: Wire, call: Caller
) -> None:
    blocked = dialect.blocked()
    if blocked is None:
        pytest.skip("this provider withholds nothing")
    wire.say(blocked)
    with pytest.raises(ContentBlocked):
        call.ask(model, None, "hi")


def test_a_limit_used_up_before_any_text_says_so(
    model: BaseModel, dialect: Dialect, wire: Wire, call: Caller, spool: Spool
) -> None:
    wire.say(dialect.reply(Says(text="", reasoning="hm", finish="length")))
    with pytest.raises(errors.EmptyResponse, match="max_tokens") as caught:
        call.ask(model, None, "hi")
    (row,) = spool.trace(str(caught.value.trace_id))
    assert row.output_tokens is not None  # what it took is still counted


def test_a_key_in_an_error_is_not_repeated(
    model: BaseModel, dialect: Dialect, wire: Wire, call: Caller, spool: Spool
) -> None:
    if dialect.engine:
        pytest.skip("there is no key")
    secret = "sk-proj-" + "Ab3" * 16
    wire.say(
        Reply(
            401,
            json.dumps({"error": {"message": f"Incorrect key {secret}"}}).encode(),
            dict(dialect.reply(Says()).headers),
        )
    )
    with pytest.raises(errors.AuthenticationFailed) as caught:
        call.ask(model, None, "hi")
    assert secret not in str(caught.value)
    assert secret.encode() not in spool.trace(str(caught.value.trace_id))[0].span

"""Texts in metadata reach each version of Langfuse in the form that its filters compare with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from src.observability import attributes as names
from src.observability import flush, observe_agent
from src.observability.delivery import langfuse_server
from tests.langfuse_server import LangfuseServer
from tests.servers import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.langfuse_server import Mode
    from tests.servers import Received

OLD: list[tuple[Mode, str]] = [("v3", "3.225.4"), ("events_only", "4.16.0"), ("dual", "4.58.9")]
NEW: list[tuple[Mode, str]] = [("events_only", "4.59.0"), ("events_only", "5.0.0")]
METADATA = {
    "plain": "BTC-USD", "digits": "123", "number": 123, "yes": True, "empty": "", "quotes": 'he said "é\n"',
    "looks_like_json": '{"a": 1}', "mapping": {"a": "b"}, "items": ["x", 1],
}  # fmt: skip
AS_JSON = {
    "plain": '"BTC-USD"', "digits": '"123"', "number": "123", "yes": "true", "empty": '""',
    "quotes": '"he said \\"é\\n\\""', "looks_like_json": '"{\\"a\\": 1}"', "mapping": '{"a":"b"}', "items": '["x",1]',
}  # fmt: skip
TEXTS = {name: value for name, value in METADATA.items() if isinstance(value, str)}


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    langfuse_server.forget_all()
    yield
    langfuse_server.forget_all()


def delivered(langfuse: LangfuseServer, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, object]:
    """Return the attributes of an agent's run as a server heard them."""
    for name, value in {"LANGFUSE_HOST": langfuse.url, "LANGFUSE_PUBLIC_KEY": "pk-lf-1",
                        "LANGFUSE_SECRET_KEY": "sk-lf-1"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    with observe_agent("risk", trading_pair="BTC-USD", metadata=METADATA, input='"a text in quotes"'):
        pass
    assert flush(60) == 0
    (span,) = langfuse.spans
    return span.attributes


def metadata(attributes: Mapping[str, object], prefix: str) -> dict[str, object]:
    return {name: attributes[prefix + name] for name in METADATA if prefix + name in attributes}


@pytest.mark.parametrize(("mode", "version"), OLD)
@pytest.mark.parametrize("prefix", [names.METADATA, names.TRACE_METADATA])
def test_a_server_that_does_not_decode_gets_texts_without_quotes(
    mode: Mode, version: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LangfuseServer(mode, version) as langfuse:
        attributes = delivered(langfuse, monkeypatch)
    assert metadata(attributes, prefix) == {**AS_JSON, **TEXTS}
    assert attributes[names.INPUT] == '"a text in quotes"'  # no metadata


@pytest.mark.parametrize(("mode", "version"), NEW)
@pytest.mark.parametrize("prefix", [names.METADATA, names.TRACE_METADATA])
def test_a_server_that_decodes_gets_json(
    mode: Mode, version: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LangfuseServer(mode, version) as langfuse:
        attributes = delivered(langfuse, monkeypatch)
    assert metadata(attributes, prefix) == AS_JSON


def test_a_server_that_does_not_say_its_version_gets_json(monkeypatch: pytest.MonkeyPatch) -> None:
    with LangfuseServer() as langfuse:
        langfuse.answer = lambda request: Reply(404, b"") if request.path.endswith("/health") else None
        attributes = delivered(langfuse, monkeypatch)
    assert metadata(attributes, names.METADATA) == AS_JSON


def send(count: int, langfuse: LangfuseServer, monkeypatch: pytest.MonkeyPatch, flush_s: float = 20) -> list[object]:
    """Deliver runs one by one; return the metadata `text` of each as the server heard it."""
    for name, value in {"LANGFUSE_HOST": langfuse.url, "LANGFUSE_PUBLIC_KEY": "pk-lf-1",
                        "LANGFUSE_SECRET_KEY": "sk-lf-1"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    before = len(langfuse.spans)
    for _ in range(count):
        with observe_agent("risk", metadata={"text": "a"}):
            pass
        flush(flush_s)
    return [span.attributes[names.METADATA + "text"] for span in langfuse.spans[before:]]


def asked(langfuse: LangfuseServer) -> int:
    return langfuse.paths().count("/api/public/health")


def is_health(request: Received) -> bool:
    return request.path.endswith("/health")


def test_a_server_that_does_not_answer_for_its_version_is_not_asked_at_each_delivery(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with LangfuseServer() as langfuse:
        langfuse.answer = lambda request: Reply(504) if is_health(request) else None
        assert send(3, langfuse, monkeypatch) == ['"a"'] * 3
        assert asked(langfuse) == 2  # again once it has taken an empty request, and is up
        monkeypatch.setattr(langfuse_server, "_FIRST_PAUSE_S", 0.0)
        langfuse.answer = lambda _: None
        assert send(2, langfuse, monkeypatch) == ["a", "a"]
        assert asked(langfuse) == 3


def test_a_server_that_comes_back_between_the_question_and_the_delivery_gets_the_form_of_its_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answer(request: Received) -> Reply | None:
        if is_health(request) and asked(langfuse) == 1:
            return Reply(503)
        return None

    with LangfuseServer() as langfuse:
        langfuse.answer = answer
        assert send(2, langfuse, monkeypatch) == ["a", "a"]
        assert asked(langfuse) == 2


def test_a_server_that_was_down_altogether_is_asked_for_its_version_as_soon_as_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with LangfuseServer() as langfuse:
        langfuse.answer = lambda _: Reply(503)
        assert send(1, langfuse, monkeypatch, flush_s=0.5) == []
        langfuse.answer = lambda _: None
        assert send(1, langfuse, monkeypatch) == ["a", "a"]


def test_a_version_that_a_server_named_before_holds_while_it_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with LangfuseServer() as langfuse:
        assert send(1, langfuse, monkeypatch) == ["a"]
        monkeypatch.setattr(langfuse_server, "_KNOWN_FOR_S", 0.0)
        langfuse.answer = lambda request: Reply(504) if is_health(request) else None
        assert send(2, langfuse, monkeypatch) == ["a", "a"]
        assert asked(langfuse) == 2

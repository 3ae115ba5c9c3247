"""What recurs is remembered, and what is remembered never outlives what made it clean."""

from __future__ import annotations

import pytest

from src.observability import attributes as names
from src.observability import redaction
from src.observability.spans import otlp
from src.observability.spans.clean_attributes import AttributeEncoder, safe_by_shape
from src.observability.spans.otlp import decode_span, encode_span

KEY = "sk-ant-api03-" + "a1B2" * 24


def decoded(fields: bytes) -> dict[str, object]:
    span = encode_span(
        trace_id=1, span_id=2, parent_span_id=None, name="n", kind=1, start_ns=1, end_ns=2, attributes=fields
    )
    return dict(decode_span(span).attributes)


@pytest.fixture(autouse=True)
def default_redactor() -> object:
    yield
    redaction.configure()


def test_clean_attributes_come_out_as_they_went_in_every_time() -> None:
    given = {
        names.INPUT: "what now?", names.MODEL: "gpt-4o", names.INPUT_TOKENS: 12, names.IS_APP_ROOT: True, "share": 0.5,
        names.TRACE_TAGS: ("risk", "BTC-USD"), "long": "x " * 5000, "big": 2**70, "negative": -3,
    }  # fmt: skip
    fields = AttributeEncoder()
    for _ in range(3):
        attributes, encoded = fields.encode(given)
        assert attributes == given
        assert decoded(encoded) == {**given, "big": str(2**70)}


@pytest.mark.parametrize("name", [names.INPUT, names.OUTPUT, names.TRACE_METADATA + "note", "user.id", "anything"])
@pytest.mark.parametrize("padding", ["", "price 42,137.55 rsi 61 " * 400])
def test_a_secret_is_found_in_any_attribute_and_any_length(name: str, padding: str) -> None:
    fields = AttributeEncoder()
    fields.encode({name: f"{padding}nothing here"})
    attributes, encoded = fields.encode({name: f"{padding}use {KEY} now", names.MODEL: "gpt-4o"})
    assert KEY not in str(attributes)
    assert KEY.encode() not in encoded
    assert "[REDACTED" in str(attributes[name])
    assert attributes[names.MODEL] == "gpt-4o"


def test_a_secret_in_an_attributes_name_is_found() -> None:
    fields = AttributeEncoder()
    for value in ("text", 5, True, ("a", "b")):
        for _ in range(2):
            attributes, encoded = fields.encode({f"{names.METADATA}{KEY}": value, names.MODEL: "gpt-4o"})
            assert KEY not in str(attributes)
            assert KEY.encode() not in encoded
            assert attributes == {names.METADATA + "[REDACTED:anthropic_key]": value, names.MODEL: "gpt-4o"}


def test_of_users_attributes_only_what_looks_as_it_should_is_left_unread() -> None:
    looks_right = {
        names.TYPE: "generation", names.LEVEL: "ERROR", names.COMPLETION_START_TIME: '"2026-11-27T03:23:43.912033Z"',
        names.USAGE_DETAILS: '{"input": 10,"output_reasoning_tokens":5}', names.COST_DETAILS: '{"total":7.5e-05}',
    }  # fmt: skip
    assert safe_by_shape({**looks_right, names.IS_APP_ROOT: True}) == set(looks_right)
    assert safe_by_shape({names.USAGE_DETAILS: "{}", names.COST_DETAILS: '{"a":1,"b":2.5}'}) == {
        names.USAGE_DETAILS, names.COST_DETAILS,
    }  # fmt: skip
    for name in looks_right:
        for wrong in (KEY, f'{{"{KEY}":1}}', f'{{"input":"{KEY}"}}', f"2026-11-27T03:23:43Z {KEY}"):
            assert not safe_by_shape({name: wrong})
            _, encoded = AttributeEncoder().encode({name: wrong}, safe_by_shape({name: wrong}))
            assert KEY.encode() not in encoded


@pytest.mark.parametrize("length", [20, 9000])
def test_what_was_clean_is_read_again_once_it_is_a_secret(length: int) -> None:
    """A value becomes one of our own secrets, for instance when a .env file is loaded."""
    fields, value = AttributeEncoder(), ("correct-horse-battery " * 500)[:length] + "!"
    _, before = fields.encode({names.INPUT: value})
    assert value.encode() in before
    redaction.configure(secrets=[value])
    attributes, after = fields.encode({names.INPUT: value})
    assert value.encode() not in after
    assert value not in str(attributes)


def test_a_name_that_makes_a_secret_of_its_value_is_not_confused_with_another() -> None:
    fields = AttributeEncoder()
    clean, _ = fields.encode({"metadata.note": "plainword1"})
    hidden, _ = fields.encode({"metadata.api_key": "plainword1"})
    assert clean["metadata.note"] == "plainword1"
    assert "plainword1" not in str(hidden)


def test_truth_and_one_are_told_apart() -> None:
    fields = AttributeEncoder()
    for value in (True, 1, 1.0, ("1",)):
        _, encoded = fields.encode({"a": value})
        assert repr(decoded(encoded)["a"]) == repr(value)


def test_a_redactor_that_cannot_be_made_withholds_the_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> object:
        raise RuntimeError("broken")

    monkeypatch.setattr(redaction, "current", broken)
    given = {names.INPUT: "the words", names.INPUT_TOKENS: 5, names.TYPE: "generation", "the name": 1}
    attributes, encoded = AttributeEncoder().encode(given)
    told = {names.INPUT: redaction.FAILED, names.INPUT_TOKENS: 5, names.TYPE: "generation"}
    assert attributes == {**told, names.METADATA + "withheld_3": redaction.FAILED}
    assert b"the words" not in encoded
    assert b"the name" not in encoded


def test_what_is_remembered_is_bounded() -> None:
    fields = AttributeEncoder()
    for number in range(20_000):
        fields.encode({names.RESPONSE_ID: f"resp-{number}"})
    assert len(fields._cache.encoded) + len(fields._cache.names) < 5000


def test_an_attribute_alone_is_what_it_is_among_others() -> None:
    given = {"a": "x", "b": 3, "c": ("d", "e")}
    alone = b"".join(otlp.encode_attribute(name, value) for name, value in given.items())
    assert alone == otlp.encode_attributes(given)


@pytest.mark.parametrize("value", [1, True, "fine", ("fine",)])
def test_a_secret_in_the_name_of_an_attribute_is_found(value: object) -> None:
    fields = AttributeEncoder()
    for _ in range(2):
        attributes, encoded = fields.encode({names.TRACE_METADATA + KEY: value, names.MODEL: "gpt-4o"})
        assert KEY.encode() not in encoded
        assert list(attributes.values()) == [value, "gpt-4o"]

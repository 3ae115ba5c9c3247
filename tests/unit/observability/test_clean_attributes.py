"""Test that recurring attributes are cached, and that no cached one outlives the redactor that found it clean."""

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


def test_clean_attributes_are_unchanged_every_time() -> None:
    values = {
        names.INPUT: "what now?", names.MODEL: "gpt-4o", names.INPUT_TOKENS: 12, names.IS_APP_ROOT: True, "share": 0.5,
        names.TRACE_TAGS: ("risk", "BTC-USD"), "long": "x " * 5000, "big": 2**70, "negative": -3,
    }  # fmt: skip
    encoder = AttributeEncoder()
    for _ in range(3):
        attributes, encoded = encoder.encode(values)
        assert attributes == values
        assert decoded(encoded) == {**values, "big": str(2**70)}


def test_the_attributes_of_a_run_are_encoded_the_same_from_the_cache() -> None:
    run = {
        names.SESSION_ID: "loop-1",
        names.TRACE_TAGS: ("risk", "BTC-USD"),
        names.TRACE_METADATA + "pair": '"BTC-USD"',
    }
    encoder = AttributeEncoder()
    for number in range(4):
        own = {names.INPUT: f"call {number}", names.IS_APP_ROOT: True}
        _, plain = AttributeEncoder().encode({**run, **own})
        attributes, encoded = encoder.encode({**run, **own}, of_run=run)
        assert attributes == {**run, **own}
        assert encoded == plain
    other = {**run, names.SESSION_ID: "loop-2"}
    assert decoded(encoder.encode(other, of_run=other)[1]) == other


@pytest.mark.parametrize("value", [["a", "b"], 7, "long " * 100])
def test_values_of_a_run_that_are_not_cached_are_encoded_each_time(value: object) -> None:
    run, encoder = {names.SESSION_ID: "loop-1", names.TRACE_METADATA + "note": value}, AttributeEncoder()
    for _ in range(3):
        attributes, encoded = encoder.encode(run, of_run=run)
        assert attributes == run
        assert decoded(encoded) == decoded(AttributeEncoder().encode(run)[1])


def test_a_runs_cached_attributes_are_read_again_where_they_have_become_secrets() -> None:
    run, encoder = {names.SESSION_ID: "correct-horse-battery-9"}, AttributeEncoder()
    for _ in range(3):
        encoder.encode(run, of_run=run)
    redaction.configure(secrets=["correct-horse-battery-9"])
    for _ in range(3):
        attributes, encoded = encoder.encode(run, of_run=run)
        assert "correct-horse" not in str(attributes)
        assert b"correct-horse" not in encoded


@pytest.mark.parametrize("name", [names.INPUT, names.OUTPUT, names.TRACE_METADATA + "note", "user.id", "anything"])
@pytest.mark.parametrize("padding", ["", "price 42,137.55 rsi 61 " * 400])
def test_a_secret_is_redacted_in_any_attribute_of_any_length(name: str, padding: str) -> None:
    encoder = AttributeEncoder()
    encoder.encode({name: f"{padding}nothing here"})
    attributes, encoded = encoder.encode({name: f"{padding}use {KEY} now", names.MODEL: "gpt-4o"})
    assert KEY not in str(attributes)
    assert KEY.encode() not in encoded
    assert "[REDACTED" in str(attributes[name])
    assert attributes[names.MODEL] == "gpt-4o"


def test_a_secret_in_an_attributes_name_is_redacted() -> None:
    encoder = AttributeEncoder()
    for value in ("text", 5, True, ("a", "b")):
        for _ in range(2):
            attributes, encoded = encoder.encode({f"{names.METADATA}{KEY}": value, names.MODEL: "gpt-4o"})
            assert KEY not in str(attributes)
            assert KEY.encode() not in encoded
            assert attributes == {names.METADATA + "[REDACTED:anthropic_key]": value, names.MODEL: "gpt-4o"}


def test_a_users_attribute_is_safe_only_if_its_value_has_the_right_shape() -> None:
    well_formed = {
        names.TYPE: "generation", names.LEVEL: "ERROR", names.COMPLETION_START_TIME: '"2026-11-27T03:23:43.912033Z"',
        names.USAGE_DETAILS: '{"input": 10,"output_reasoning_tokens":5}', names.COST_DETAILS: '{"total":7.5e-05}',
    }  # fmt: skip
    assert safe_by_shape({**well_formed, names.IS_APP_ROOT: True}) == set(well_formed)
    assert safe_by_shape({names.USAGE_DETAILS: "{}", names.COST_DETAILS: '{"a":1,"b":2.5}'}) == {
        names.USAGE_DETAILS, names.COST_DETAILS,
    }  # fmt: skip
    for name in well_formed:
        for wrong in (KEY, f'{{"{KEY}":1}}', f'{{"input":"{KEY}"}}', f"2026-11-27T03:23:43Z {KEY}"):
            assert not safe_by_shape({name: wrong})
            _, encoded = AttributeEncoder().encode({name: wrong}, safe_by_shape({name: wrong}))
            assert KEY.encode() not in encoded


@pytest.mark.parametrize("length", [20, 9000])
def test_a_clean_value_is_scanned_again_once_it_becomes_a_secret(length: int) -> None:
    """A value becomes one of our own secrets, for instance when a .env file is loaded."""
    encoder, value = AttributeEncoder(), ("correct-horse-battery " * 500)[:length] + "!"
    _, before = encoder.encode({names.INPUT: value})
    assert value.encode() in before
    redaction.configure(secrets=[value])
    attributes, after = encoder.encode({names.INPUT: value})
    assert value.encode() not in after
    assert value not in str(attributes)


def test_a_name_that_makes_a_secret_of_its_value_is_not_confused_with_another() -> None:
    encoder = AttributeEncoder()
    clean, _ = encoder.encode({"metadata.note": "plainword1"})
    hidden, _ = encoder.encode({"metadata.api_key": "plainword1"})
    assert clean["metadata.note"] == "plainword1"
    assert "plainword1" not in str(hidden)


def test_true_and_1_are_distinguished() -> None:
    encoder = AttributeEncoder()
    for value in (True, 1, 1.0, ("1",)):
        _, encoded = encoder.encode({"a": value})
        assert repr(decoded(encoded)["a"]) == repr(value)


def test_a_redactor_that_cannot_be_made_withholds_the_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> object:
        raise RuntimeError("broken")

    monkeypatch.setattr(redaction, "current", broken)
    values = {names.INPUT: "the words", names.INPUT_TOKENS: 5, names.TYPE: "generation", "the name": 1}
    attributes, encoded = AttributeEncoder().encode(values)
    ours = {names.INPUT: redaction.FAILED, names.INPUT_TOKENS: 5, names.TYPE: "generation"}
    assert attributes == {**ours, names.METADATA + "withheld_3": redaction.FAILED}
    assert b"the words" not in encoded
    assert b"the name" not in encoded


def test_the_cache_is_bounded() -> None:
    encoder = AttributeEncoder()
    for number in range(20_000):
        encoder.encode({names.RESPONSE_ID: f"resp-{number}"})
    assert len(encoder._cache.encoded) + len(encoder._cache.names) < 5000


def test_an_attribute_is_encoded_alone_as_among_others() -> None:
    values = {"a": "x", "b": 3, "c": ("d", "e")}
    alone = b"".join(otlp.encode_attribute(name, value) for name, value in values.items())
    assert alone == otlp.encode_attributes(values)


@pytest.mark.parametrize("value", [1, True, "fine", ("fine",)])
def test_a_secret_in_the_name_of_trace_metadata_is_redacted(value: object) -> None:
    encoder = AttributeEncoder()
    for _ in range(2):
        attributes, encoded = encoder.encode({names.TRACE_METADATA + KEY: value, names.MODEL: "gpt-4o"})
        assert KEY.encode() not in encoded
        assert list(attributes.values()) == [value, "gpt-4o"]

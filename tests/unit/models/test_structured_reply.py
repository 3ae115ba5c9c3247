"""What a structured reply must be, for a call through a real SDK and for the values that decide a trade."""

from __future__ import annotations

import asyncio
import datetime
import decimal
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.agents.decisions import Decision
from src.models import errors
from src.models.adapters.openai import OpenAIModel
from src.models.call.structured_reply import DoesNotFit, parse
from src.models.request.schemas import response_format
from src.models.request.tool_results import tool_results
from src.models.retry import NO_RETRIES
from src.models.types import ToolCall
from tests.long import rounds
from tests.servers import Server, chat_reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.models.types import ModelResponse

FITTING = '{"action": "BUY", "confidence": 80}'
PRICE = {"type": "object", "properties": {"p": {"type": "number", "multipleOf": 0.01}}, "required": ["p"]}


class Price(pydantic.BaseModel):
    p: float = pydantic.Field(multiple_of=0.01)


class Money(pydantic.BaseModel):
    p: decimal.Decimal = pydantic.Field(multiple_of=0.01)


class Order(pydantic.BaseModel):
    legs: list[Price]


class Expiry(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)

    day: datetime.date


class Wordless(Exception):
    def __str__(self) -> str:
        raise RuntimeError


RAISED: list[Exception] = [
    KeyError("side"), ZeroDivisionError("division by zero"), RecursionError("too deep"), AttributeError("lots"),
    IndexError(0), TypeError("no"), OverflowError("big"), StopIteration(1), LookupError(), OSError(2, "no file"),
    decimal.InvalidOperation(), MemoryError(), Wordless(), errors.ServerFailed("another call"),
]  # fmt: skip


class Ratio(pydantic.BaseModel):
    """A model whose validator fails as a user's can; the reply's number chooses how."""

    number: int

    @pydantic.field_validator("number")
    @classmethod
    def _fails(cls, value: int) -> int:
        if value < len(RAISED):
            raise RAISED[value]
        return value


class Provider:
    """A model behind a real server that gives prepared texts, the last one again and again."""

    def __init__(self, server: Server, texts: list[str]) -> None:
        self.texts = texts
        self.server = server
        self.model = OpenAIModel(
            "gpt-4o", api_key="sk-test-0123456789abcdef", base_url=f"{server.url}/v1", retry_policy=NO_RETRIES
        )

    def ask(self, wanted: Any, *texts: str, asynchronous: bool = False) -> tuple[int, ModelResponse | None]:
        """Return how many requests were paid for, and the reply; None where it was malformed."""
        self.texts[:] = texts
        before = len(self.server.received)
        arguments: dict[str, Any] = {"system_prompt": "s", "user_content": "u", "response_format": wanted}
        try:
            if asynchronous:
                reply = asyncio.run(self.model.agenerate_response(**arguments))
            else:
                reply = self.model.generate_response(**arguments)
        except errors.MalformedResponse:
            return len(self.server.received) - before, None
        return len(self.server.received) - before, reply


@pytest.fixture
def provider() -> Iterator[Provider]:
    texts: list[str] = []
    with Server(lambda _: chat_reply(texts.pop(0) if len(texts) > 1 else texts[0])) as server:
        yield Provider(server, texts)


class Targets(pydantic.BaseModel):
    symbol: str = "X"
    stop: float
    targets: list[float] = pydantic.Field(default_factory=list)


class Bounds(pydantic.BaseModel):
    symbol: str = "X"
    stop: float
    targets: list[float] = pydantic.Field(default_factory=list)
    ceiling: float = float("inf")


@pytest.mark.parametrize("text", ["Infinity", "-inf", " NaN ", "+INFINITY"])
def test_a_text_is_no_infinite_number(text: str) -> None:
    wanted = response_format(Bounds)
    assert wanted is not None
    for reply in ({"stop": text, "ceiling": 9}, {"stop": 1, "targets": [2, text], "ceiling": 9}):
        with pytest.raises(DoesNotFit, match="finite number"):
            parse(json.dumps(reply), wanted)
    assert parse('{"stop": 1}', wanted) == Bounds(stop=1)
    named = parse(json.dumps({"symbol": text, "stop": 1, "ceiling": 9}), wanted)
    assert named == Bounds(symbol=text, stop=1, ceiling=9)


@pytest.mark.parametrize("text", ["65.000", "1.250", " +101.500", "-7.125"])
def test_a_text_that_may_group_thousands_is_no_number(provider: Provider, text: str) -> None:
    calls, reply = provider.ask(Targets, json.dumps({"stop": 1, "targets": [text]}), '{"stop": 1, "targets": [65000]}')
    assert (calls, reply and reply.parsed) == (2, Targets(stop=1, targets=[65_000]))
    assert provider.ask(Targets, json.dumps({"stop": text})) == (2, None)
    for single in ("65000.0", "65.00", "0.125", "1234.567", "65"):
        assert provider.ask(Targets, json.dumps({"stop": single}))[0] == 1, single
    assert provider.ask(Targets, json.dumps({"symbol": text, "stop": 1}))[0] == 1


@pytest.mark.parametrize("asynchronous", [False, True])
def test_whatever_a_validator_raises_is_repaired_once_or_malformed(provider: Provider, *, asynchronous: bool) -> None:
    for number in range(4 if asynchronous else len(RAISED)):
        bad, good = f'{{"number": {number}}}', f'{{"number": {len(RAISED)}}}'
        calls, reply = provider.ask(Ratio, bad, good, asynchronous=asynchronous)
        assert (calls, reply and reply.parsed) == (2, Ratio(number=len(RAISED))), RAISED[number]
        assert provider.ask(Ratio, bad, asynchronous=asynchronous) == (2, None), RAISED[number]


def test_the_repair_names_what_the_validator_raised_without_secrets(provider: Provider) -> None:
    RAISED.append(KeyError("sk-proj-Zr8Kq2Wm5Tn9Xb3Vc7Lp4Hd6Jf1Gs0Qa"))
    try:
        provider.ask(Ratio, f'{{"number": {len(RAISED) - 1}}}')
    finally:
        RAISED.pop()
    instruction = provider.server.received[-1].json["messages"][-1]["content"]
    assert "KeyError" in instruction
    assert "Zr8Kq2Wm5Tn9Xb3Vc7Lp4Hd6Jf1Gs0Qa" not in instruction


REFUSED_CONFIDENCES = ["Infinity", "-Infinity", "NaN", "1e999", "-1e999", "1e308", "9" * 400, "9" * 5000, "80.5", "-1",
                   "101", '"80%"', '"80"', "true", "null", "[80]", "{}"]  # fmt: skip


def test_a_confidence_that_is_no_whole_number_up_to_100_is_repaired_once(provider: Provider) -> None:
    for confidence in REFUSED_CONFIDENCES:
        bad = f'{{"action": "BUY", "confidence": {confidence}}}'
        calls, reply = provider.ask(Decision, bad, FITTING)
        assert (calls, reply and reply.parsed) == (2, Decision(action="BUY", confidence=80)), bad[:80]


@pytest.mark.parametrize(("confidence", "value"), [("-0", 0), ("-0.0", 0), ("80.0", 80), ("8e1", 80), ("100", 100)])
def test_a_confidence_in_another_notation_is_read(provider: Provider, confidence: str, value: int) -> None:
    calls, reply = provider.ask(Decision, f'{{"action": "BUY", "confidence": {confidence}}}')
    assert reply is not None
    assert (calls, repr(reply.parsed)) == (1, repr(Decision(action="BUY", confidence=value)))


CONTRADICTIONS = [
    '{"action": "BUY", "confidence": 80, "action": "SELL"}',
    '{"action": "BUY", "confidence": 80, "action": "BUY"}',
    '{"action": "BUY", "confidence": 80, "\\u0061ction": "SELL"}',
    '{"action": "BUY", "confidence": 80, "Action": "SELL"}',
    '{"action": "BUY", "confidence": 80, "action ": "SELL"}',
    '{"action": "BUY", "confidence": 80, "notes": [{"n": 1, "n": 2}]}',
    '{"action": "BUY", "confidence": 80}{"action": "SELL", "confidence": 80}',
    '{"action": "BUY", "confidence": 80}\n{"action": "BUY", "confidence": 80}',
    '[{"action": "BUY", "confidence": 80}]',
    'For example {"action": "SELL", "confidence": 10}, so: {"action": "BUY", "confidence": 80}',
    '{"action": "BUY", "confidence": 80} is what I say; {"action": "SELL"} would be wrong',
    '```json\n{"action": "BUY", "confidence": 80}\n```\n```json\n{"action": "SELL", "confidence": 80}\n```',
    '```json\n{"action": "BUY", "confidence": 80}\n{"action": "SELL", "confidence": 80}\n```',
    '```python\n{"action": "BUY", "confidence": 80}\n```',
    '```json\n{"action": "BUY", "confidence": 80}\n```\nor SELL',
    json.dumps(Decision.model_json_schema()),
    '{"properties": {"action": "BUY", "confidence": 80, "reasoning": ""}, "action": "SELL", "confidence": 80}',
]


def test_a_reply_with_two_readings_is_no_decision(provider: Provider) -> None:
    for text in CONTRADICTIONS:
        assert provider.ask(Decision, text) == (2, None), text


def test_duplicate_keys_and_numbers_that_json_has_not_do_not_fit_a_plain_schema_either(provider: Provider) -> None:
    schema = {"type": "object", "properties": {"p": {"type": "number"}, "legs": {"type": "array"}}}
    for text in (
        '{"p": 1, "p": 2}',
        '{"legs": [{"a": 1, "a": 1}]}',
        '{"p": Infinity}',
        '{"p": 1e999}',
        json.dumps(schema),
    ):
        assert provider.ask(schema, text) == (2, None), text
    assert provider.ask({"type": "json_object"}, '{"a": 1, "b": {"c": 1, "c": 2}}') == (2, None)


@pytest.mark.parametrize(
    "text", [f"\ufeff{FITTING}", f"```\n{FITTING}\n```", f"``` JSON \n{FITTING}```",
             f"\n\n```json\n\n{FITTING}\n\n```\n",
             '```json\n{"action": "BUY", "confidence": 80, "reasoning": "uses ``` inside"}\n```'],
)  # fmt: skip
def test_an_object_alone_is_read_with_or_without_a_fence(provider: Provider, text: str) -> None:
    calls, reply = provider.ask(Decision, text)
    assert reply is not None
    assert isinstance(reply.parsed, Decision)
    assert (calls, reply.parsed.action) == (1, "BUY")


def test_a_reply_nested_too_deeply_or_full_of_blanks_or_keys_does_not_fit(provider: Provider) -> None:
    many_keys = "".join(f'"k{number}":0,' for number in range(50_000))
    for text in ('{"action": ' + "[" * 900 + "]" * 900 + "}", '{"a":' * 10_000, "```json\n" + "\n" * 50_000 + "x"):
        assert provider.ask(Decision, text) == (2, None), text[:20]
    for text in (f'{{{many_keys}"k49999":1}}', "```json\n" + "\n" * 200_000 + "x"):  # too long to be paid for twice
        assert provider.ask(Decision, text) == (1, None), text[:20]


@pytest.mark.parametrize(
    "wanted", [PRICE, {**PRICE, "$schema": "http://json-schema.org/draft-07/schema#"}, Price, Money]
)
def test_multiples_are_counted_in_decimal_with_one_paid_call(provider: Provider, wanted: Any) -> None:
    for literal in ("19.99", "0.07", "1.1", "-4.35", "20", "1e2", "1152921504606846.75", "0", "100000000000000000000"):
        calls, reply = provider.ask(wanted, f'{{"p": {literal}}}')
        assert (calls, reply is not None) == (1, True), literal
    for literal in ("19.999", "0.001", "1e-9", "-0.015"):
        assert provider.ask(wanted, f'{{"p": {literal}}}') == (2, None), literal


def test_multiples_inside_a_reference_and_inside_a_list_are_exact_too(provider: Provider) -> None:
    tree = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"p": {"multipleOf": 0.01}, "next": {"$ref": "#"}},
    }
    assert provider.ask(tree, '{"p": 19.99, "next": {"p": 4.35}}')[0] == 1
    calls, reply = provider.ask(Order, '{"legs": [{"p": 19.99}, {"p": 4.35}]}')
    assert reply is not None
    assert (calls, reply.parsed) == (1, Order(legs=[Price.model_construct(p=19.99), Price.model_construct(p=4.35)]))
    assert provider.ask(Order, '{"legs": [{"p": 19.99}, {"p": 4.355}]}') == (2, None)


@pytest.mark.parametrize(
    ("bounds", "inside", "outside"),
    [
        ({"maximum": 9007199254740993}, "9007199254740993", "9007199254740994"),
        ({"minimum": 10**30}, str(10**30), str(10**30 - 1)),
        ({"exclusiveMaximum": 0.3}, "0.29999999999999993", "0.3"),
        ({"minimum": 0.1}, "0.1", "0.09999999999999999"),
        ({"type": "integer", "multipleOf": 3}, str(3 * 10**40), str(3 * 10**40 + 1)),
        ({"multipleOf": 1e-8}, "0.00000003", "0.000000005"),
        ({"multipleOf": 0.5}, "1e300", "0.3"),
    ],
)
def test_bounds_hold_for_large_whole_numbers_and_for_decimals(
    provider: Provider, bounds: dict[str, Any], inside: str, outside: str
) -> None:
    schema = {"type": "object", "properties": {"p": {"type": "number", **bounds}}}
    assert provider.ask(schema, f'{{"p": {inside}}}')[0] == 1
    assert provider.ask(schema, f'{{"p": {outside}}}') == (2, None)


@settings(max_examples=rounds(30, 20_000))
@given(st.integers(-(10**15), 10**15))
def test_any_price_in_cents_is_a_multiple_of_a_cent_and_no_other_is(mills: int) -> None:
    text = json.dumps({"p": mills / 1000})
    for wanted in (PRICE, Price):
        form = response_format(wanted)
        assert form is not None
        if mills % 10 == 0:
            parse(text, form)
        else:
            with pytest.raises(DoesNotFit, match=r"multiple of 0\.01"):
                parse(text, form)


def test_a_strict_model_takes_a_date_as_json_writes_it(provider: Provider) -> None:
    calls, reply = provider.ask(Expiry, '{"day": "2026-01-31"}')
    assert reply is not None
    assert (calls, reply.parsed) == (1, Expiry(day=datetime.date(2026, 1, 31)))
    assert provider.ask(Expiry, '{"day": "soon"}') == (2, None)


def test_a_schema_that_no_value_can_be_judged_by_is_refused_unpaid(provider: Provider) -> None:
    class Unfinished(pydantic.BaseModel):
        leg: "Nowhere"  # type: ignore[name-defined] # noqa: F821, UP037 - the fault under test

    circle = {"type": "object", "properties": {"p": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"$ref": "#/$defs/a"}}}
    for wanted in (circle, {"$ref": "#"}, Unfinished):
        with pytest.raises(errors.InvalidRequest, match="response_format"):
            provider.ask(wanted, "{}")
    assert provider.server.received == []


def test_arguments_of_a_tool_call_are_read_as_strictly() -> None:
    orders: list[tuple[str, float]] = []

    def order(side: Literal["buy", "sell"], price: Annotated[float, pydantic.Field(multiple_of=0.01)]) -> str:
        """Place an order."""
        orders.append((side, price))
        return "placed"

    def content(tool: Any, arguments: str) -> str:
        reply = SimpleNamespace(tool_calls=(ToolCall(id="c", name=tool.__name__, arguments=arguments),))
        return tool_results(reply, [tool])[0]["content"]

    assert content(order, '{"side": "buy", "price": 19.99}') == "placed"
    for arguments in (
        '{"side": "buy", "price": 1, "side": "sell"}',
        '{"side": "buy", "price": 1, "price": 1}',
        '{"side": "buy", "price": Infinity}',
        '{"side": "buy", "price": 1e999}',
        '{"side": "buy", "price": 1}{"side": "sell", "price": 1}',
        "[" * 100_000,
    ):
        assert content(order, arguments).startswith("error: the arguments are not JSON"), arguments[:60]
    assert content(order, '{"side": "buy", "price": 19.999}').startswith("error: the arguments do not fit")
    assert orders == [("buy", 19.99)]
    for number in range(len(RAISED)):
        assert content(Ratio, f'{{"number": {number}}}').startswith("error: the arguments do not fit"), RAISED[number]

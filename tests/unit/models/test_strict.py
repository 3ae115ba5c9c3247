"""How a schema is sent to providers that accept a subset of JSON Schema."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any, Generic, Literal, TypeVar

import jsonschema
import pydantic
import pytest

from src.models import ModelFactory, errors
from src.models.protocols.generate_content import legacy_schema
from tests.servers import Server, chat_reply

Value = TypeVar("Value")
CLOSED = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


class Leg(pydantic.BaseModel):
    pair: str = pydantic.Field(description="Which.")
    size: float = pydantic.Field(default=1, gt=0)


class Spot(pydantic.BaseModel):
    kind: Literal["spot"]


class Swap(pydantic.BaseModel):
    kind: Literal["swap"]
    funding: float


class Plan(pydantic.BaseModel):
    first: Leg = pydantic.Field(description="The first of them.")
    rest: list[Leg]
    venue: Annotated[Spot | Swap, pydantic.Field(discriminator="kind")]
    note: str | None = None
    page: pydantic.HttpUrl | None = None


class Tree(pydantic.BaseModel):
    name: str
    under: list[Tree] = []


class Book(pydantic.BaseModel):
    weights: dict[str, float]


class Box(pydantic.BaseModel, Generic[Value]):
    value: Value


class Listed(pydantic.RootModel[list[int]]):
    pass


def _sent_format(response_format: object, reply: str = "{}") -> dict[str, Any]:
    with Server(lambda _: chat_reply(reply)) as server:
        model = ModelFactory.get_model("openai", "gpt-4o", api_key="k", base_url=server.url + "/v1")
        with contextlib.suppress(errors.MalformedResponse):
            model.generate_response("Plan.", "Now.", response_format=response_format)
        return server.received[0].json["response_format"]["json_schema"]  # type: ignore[no-any-return] # JSON


def _nodes(schema: Any) -> list[dict[str, Any]]:
    """Return every object inside a schema."""
    inner = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    return [schema] * isinstance(schema, dict) + [node for value in inner for node in _nodes(value)]


@pytest.mark.parametrize("response_format", [Plan, Tree, Box[int], CLOSED])
def test_a_schema_is_translated_for_strict_modes(response_format: Any) -> None:
    sent = _sent_format(response_format)
    assert sent["strict"] is True
    assert sent["schema"]["type"] == "object"
    jsonschema.Draft202012Validator.check_schema(sent["schema"])
    for node in _nodes(sent["schema"]):
        assert not {"oneOf", "allOf", "default", "discriminator", "exclusiveMinimum"} & node.keys()
        assert node.get("format") != "uri"
        if "$ref" in node:
            assert set(node) == {"$ref"}
        if node.get("type") == "object":
            assert node["additionalProperties"] is False
            assert node["required"] == list(node["properties"])
    assert set(sent["name"]) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def test_a_reply_that_fits_is_parsed_whatever_was_sent() -> None:
    reply = '{"first":{"pair":"x","size":2},"rest":[],"venue":{"kind":"swap","funding":0.1},"note":null,"page":null}'
    jsonschema.validate(pydantic.TypeAdapter(dict).validate_json(reply), _sent_format(Plan, reply)["schema"])
    with Server(lambda _: chat_reply(reply)) as server:
        model = ModelFactory.get_model("openai", "gpt-4o", api_key="k", base_url=server.url + "/v1")
        plan = model.generate_response(None, "Now.", response_format=Plan).parsed
    assert isinstance(plan, Plan)
    assert plan.venue == Swap(kind="swap", funding=0.1)


@pytest.mark.parametrize(
    "response_format",
    [
        Book,
        {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"type": "array", "prefixItems": [{}]}}, "required": ["a"]},
    ],
)
def test_a_schema_that_strict_modes_lack_is_sent_unchanged_and_not_strictly(response_format: Any) -> None:
    sent = _sent_format(response_format)
    assert sent["strict"] is False
    if isinstance(response_format, dict):
        assert sent["schema"] == response_format


def test_a_format_in_the_form_of_the_responses_api_is_accepted_too() -> None:
    sent = _sent_format({"type": "json_schema", "name": "my plan", "schema": CLOSED, "strict": True})
    assert (sent["name"], sent["strict"]) == ("my_plan", True)


def test_a_pydantic_model_that_is_no_object_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(errors.InvalidRequest, match="Listed is a JSON array") as raised:
        ModelFactory.get_model("openai", api_key="k").generate_response(None, "hi", response_format=Listed)
    assert raised.value.parameter == "response_format"


@pytest.mark.parametrize(
    "broken", [{"type": "nothing"}, {"required": "a"}, {"properties": {"a": {"$ref": "#/$defs/Gone"}}},
               {"properties": {"a": {"$ref": "https://example.test/schema.json"}}}],
)  # fmt: skip
def test_an_invalid_schema_is_refused_before_anything_is_sent(broken: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidRequest, match="not a valid JSON Schema"):
        ModelFactory.get_model("openai", api_key="k").generate_response(
            None, "hi", response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": broken}}
        )


def test_the_old_gemini_sdk_gets_references_choices_and_enums_in_its_own_form() -> None:
    sent = legacy_schema.convert(
        {
            "type": "object",
            "$defs": {"Side": {"type": "string", "enum": ["BUY", "SELL"]}},
            "properties": {
                "side": {"$ref": "#/$defs/Side"},
                "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                "level": {"enum": [1, 2], "type": "integer"},
            },
            "required": ["side"],
        }
    )
    assert sent == {
        "type": "OBJECT",
        "properties": {
            "side": {"type": "STRING", "enum": ["BUY", "SELL"]},
            "note": {"type": "STRING", "nullable": True},
            "level": {"type": "INTEGER", "description": "(one of [1, 2])"},
        },
        "required": ["side"],
    }


@pytest.mark.parametrize("response_format", [Tree, Book, Plan])
def test_a_schema_that_the_old_gemini_sdk_lacks_has_no_translation(response_format: type[pydantic.BaseModel]) -> None:
    assert legacy_schema.convert(response_format.model_json_schema()) is None

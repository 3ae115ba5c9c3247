"""Python functions as tools: what a model is told of them, what is refused, and how they are called."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt  # noqa: TC003 - a tool's hint is read at run time
import enum
import functools
import json
from collections.abc import Callable  # noqa: TC003 - as above
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional

import pydantic
import pytest
from typing_extensions import TypedDict

from src.models import ModelFactory, atool_results, tool_results
from src.models.errors import InvalidRequest
from src.observability import observe_agent
from src.observability.store import background
from tests.servers import Reply, Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.observability.store.spool import Spool


class Side(enum.Enum):
    BUY = "buy"
    SELL = "sell"


class Order(pydantic.BaseModel):
    symbol: str
    quantity: float = pydantic.Field(gt=0, description="In units of the base currency.")


@dataclasses.dataclass
class Window:
    days: int
    title: str = "week"


class Filter(TypedDict):
    venue: str


def get_price(symbol: str, currency: str = "USD") -> float:
    """Return the last price of a symbol.

    It may be late by a minute.

    Args:
        symbol: The market, such as BTC-USD,
            in the exchange's own spelling.
        currency (str): The currency of the price.

    Returns:
        The price.
    """
    return 42.5 if currency == "USD" else 40.0


def place(side: Side, order: Order, when: dt.datetime, *, tags: list[str], prices: dict[str, float]) -> str:
    return f"{side.name} {order.quantity:g} {order.symbol} {when:%Y-%m-%d} {tags} {prices}"


def choose(
    kind: Literal["a", "b"],
    window: Window,
    limit: Optional[int] = None,  # noqa: UP045 - as people write it
    note: Annotated[str, "A remark."] = "",
    title: Annotated[int, pydantic.Field(ge=1, description="A number.")] = 1,
    only: Filter | None = None,
    both: int | str = 0,
) -> None:
    pass


async def later(symbol: str) -> str:
    """Wait."""
    await asyncio.sleep(0)
    return f"later {symbol}"


def positional(first: int, /, second: int = 2) -> int:
    return first * 10 + second


class Desk:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    def double(self, value: int) -> int:
        """Double it."""
        return value * 2 * self.factor

    @staticmethod
    def half(value: float) -> float:
        return value / 2


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    message = {"role": "assistant", "content": "hi"}
    body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}]}  # fmt: skip
    with Server(lambda _: Reply(body=json.dumps(body).encode())) as server:
        monkeypatch.setenv("OPENAI_KEY", "sk-test-0123456789abcdef")
        monkeypatch.setenv("OPENAI_BASE_URL", server.url + "/v1")
        yield server


def sent_tools(server: Server, *tools: object, **options: Any) -> list[dict[str, Any]]:
    ModelFactory.get_model("openai", "gpt-4o").generate_response(None, "hi", tools=list(tools), **options)
    return [tool["function"] for tool in server.received[-1].json["tools"]]


def test_a_function_with_a_docstring(server: Server) -> None:
    assert sent_tools(server, get_price) == [
        {
            "name": "get_price",
            "description": "Return the last price of a symbol.\n\nIt may be late by a minute.",
            "parameters": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "symbol": {
                        "type": "string",
                        "description": "The market, such as BTC-USD, in the exchange's own spelling.",
                    },
                    "currency": {"type": "string", "default": "USD", "description": "The currency of the price."},
                },
                "required": ["symbol"],
            },
        }
    ]


def test_every_kind_of_hint(server: Server) -> None:
    (place_tool, choose_tool) = sent_tools(server, place, choose)
    assert "description" not in place_tool
    parameters = place_tool["parameters"]
    assert parameters["required"] == ["side", "order", "when", "tags", "prices"]
    properties = parameters["properties"]
    assert properties["side"] == {"$ref": "#/$defs/Side"}
    assert parameters["$defs"]["Side"] == {"enum": ["buy", "sell"], "type": "string"}
    assert parameters["$defs"]["Order"]["properties"]["quantity"] == {
        "type": "number", "exclusiveMinimum": 0, "description": "In units of the base currency.",
    }  # fmt: skip
    assert properties["when"] == {"type": "string", "format": "date-time"}
    assert properties["tags"] == {"type": "array", "items": {"type": "string"}}
    assert properties["prices"] == {"type": "object", "additionalProperties": {"type": "number"}}

    chosen = choose_tool["parameters"]["properties"]
    assert choose_tool["parameters"]["required"] == ["kind", "window"]
    assert chosen["kind"] == {"type": "string", "enum": ["a", "b"]}
    assert chosen["limit"] == {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}
    assert chosen["note"] == {"type": "string", "description": "A remark.", "default": ""}
    assert chosen["title"] == {"type": "integer", "minimum": 1, "description": "A number.", "default": 1}
    assert chosen["both"] == {"anyOf": [{"type": "integer"}, {"type": "string"}], "default": 0}
    assert set(choose_tool["parameters"]["$defs"]["Window"]["properties"]) == {"days", "title"}
    assert choose_tool["parameters"]["$defs"]["Filter"]["required"] == ["venue"]


def test_methods_partial_functions_wrappers_and_models(server: Server) -> None:
    @functools.wraps(get_price)
    def wrapped(*args: Any, **options: Any) -> float:
        return get_price(*args, **options)

    names = [
        (tool["name"], sorted(tool["parameters"]["properties"]))
        for tool in sent_tools(server, Desk(1).double, Desk.half, later, Order, positional)
    ]
    assert names == [
        ("double", ["value"]), ("half", ["value"]), ("later", ["symbol"]), ("Order", ["quantity", "symbol"]),
        ("positional", ["first", "second"]),
    ]  # fmt: skip
    assert sent_tools(server, wrapped)[0]["parameters"] == sent_tools(server, get_price)[0]["parameters"]
    given_currency = sent_tools(server, functools.partial(get_price, currency="EUR"))[0]
    assert given_currency["name"] == "get_price"
    assert given_currency["parameters"]["required"] == ["symbol"]
    definition = {"type": "function", "function": {"name": "x", "parameters": {"type": "object", "properties": {}}}}
    assert [tool["name"] for tool in sent_tools(server, definition, get_price)] == ["x", "get_price"]
    ModelFactory.get_model("openai", "gpt-4o").generate_response(None, "hi", tools=[get_price], tool_choice=get_price)
    assert server.received[-1].json["tool_choice"] == {"type": "function", "function": {"name": "get_price"}}


def test_hints_that_name_what_is_local(server: Server) -> None:
    class Local(pydantic.BaseModel):
        depth: int

    def book(of: Local) -> int:
        return of.depth + len(str(Local))

    assert sent_tools(server, book)[0]["parameters"]["$defs"]["Local"]["properties"] == {"depth": {"type": "integer"}}


def no_hint(symbol) -> None:  # type: ignore[no-untyped-def]
    pass


def any_number(*symbols: str) -> None:
    pass


def any_names(**symbols: str) -> None:
    pass


def with_callback(symbol: str, callback: Callable[[int], int]) -> None:
    pass


def with_connection(connection: Server) -> None:
    pass


def unresolved(symbol: Nowhere) -> None:  # type: ignore[name-defined] # noqa: F821 - what is refused
    pass


REFUSED: list[tuple[object, tuple[str, ...]]] = [
    (no_hint, ("no_hint", "symbol", "no type hint")),
    (any_number, ("any_number", "*symbols")),
    (any_names, ("any_names", "**symbols")),
    (with_callback, ("with_callback", "callback", "Callable")),
    (with_connection, ("with_connection", "connection", "Server")),
    (unresolved, ("unresolved", "symbol", "Nowhere")),
    (Desk.double, ("double", "self")),
    (lambda: None, ("<lambda>", "Use def")),
    (Desk, ("Desk",)),
    ("get_price", ("get_price", "functions")),
    (7, ("7",)),
]


@pytest.mark.parametrize(("tool", "words"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_described_is_refused_by_name(tool: object, words: tuple[str, ...], server: Server) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        sent_tools(server, tool)
    assert refusal.value.parameter == "tools"
    for word in words:
        assert word in str(refusal.value)
    assert not server.received


def test_no_list_and_two_tools_of_a_name_are_refused(server: Server) -> None:
    model = ModelFactory.get_model("openai", "gpt-4o")
    for tools in (get_price, [get_price, functools.partial(get_price)], "get_price"):
        with pytest.raises(InvalidRequest, match="tools"):
            model.generate_response(None, "hi", tools=tools)
    assert not server.received


class Asked:
    """A reply that asks for calls."""

    def __init__(self, *calls: tuple[str, object]) -> None:
        from src.models.types import ToolCall

        self.tool_calls = tuple(
            ToolCall(id=f"c{place}", name=name, arguments=value if isinstance(value, str) else json.dumps(value))
            for place, (name, value) in enumerate(calls)
        )


TOOLS = [get_price, place, later, positional, Desk(3).double, Order]


@pytest.mark.parametrize(
    ("name", "arguments", "content"),
    [
        ("get_price", {"symbol": "BTC"}, "42.5"),
        ("get_price", {"symbol": "BTC", "currency": "EUR"}, "40.0"),
        (
            "place",
            {"side": "buy", "order": {"symbol": "BTC", "quantity": 2}, "when": "2026-01-02T00:00:00Z", "tags": ["x"],
             "prices": {"a": 1}},
            "BUY 2 BTC 2026-01-02 ['x'] {'a': 1.0}",
        ),
        ("positional", {"first": 4}, "42"),
        ("double", {"value": 2}, "12"),
        ("Order", {"symbol": "BTC", "quantity": 1}, '{"symbol":"BTC","quantity":1.0}'),
        ("get_price", {}, "error: the arguments do not fit: symbol: Field required"),
        ("get_price", {"symbol": "X", "venue": 1}, "error: the arguments do not fit: venue: Extra inputs are not"),
        ("place", {"side": "hold"}, "error: the arguments do not fit: side: Input should be 'buy' or 'sell'"),
        ("get_price", "{broken", "error: the arguments are not JSON"),
        ("get_price", "[]", "error: the arguments do not fit"),
        ("sell_all", {}, "error: there is no tool sell_all. Known: get_price, place"),
    ],
)  # fmt: skip
def test_calls_are_validated_made_and_answered(name: str, arguments: object, content: str) -> None:
    (message,) = tool_results(Asked((name, arguments)), TOOLS)
    assert message["content"].startswith(content)
    assert (message["role"], message["tool_call_id"], message["name"]) == ("tool", "c0", name)


async def test_asynchronous_functions_are_awaited_and_the_order_is_that_of_the_calls(spool: Spool) -> None:
    asked = Asked(("later", {"symbol": "BTC"}), ("get_price", {"symbol": "BTC"}))
    with pytest.raises(InvalidRequest, match="atool_results"):
        tool_results(asked, TOOLS)
    with observe_agent("desk") as run:
        messages = await atool_results(asked, TOOLS)
    assert [(item["tool_call_id"], item["content"]) for item in messages] == [("c0", "later BTC"), ("c1", "42.5")]
    assert background.drain(20) == 0  # of an event loop nothing waits for a row, and rows come in any order
    rows = spool.trace(str(run.trace_id))
    assert {(row.name, row.type) for row in rows} == {("later", "tool"), ("get_price", "tool"), ("desk.run", "agent")}


def test_what_a_function_raises_is_raised_and_recorded(spool: Spool) -> None:
    def broken(symbol: str) -> None:
        raise KeyError(symbol)

    with pytest.raises(KeyError, match="BTC"):
        tool_results(Asked(("broken", {"symbol": "BTC"})), [broken])
    assert [(row.name, row.level) for row in spool.rows_after(0)] == [("broken", "ERROR")]

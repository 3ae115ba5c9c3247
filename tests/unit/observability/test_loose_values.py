"""What programs pass as input, output and metadata is stored with all its keys, whatever their types."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import json
import types
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
import pydantic
import pytest

from src.observability import attributes as names
from src.observability import observe_agent, score
from src.observability.spans import otlp

if TYPE_CHECKING:
    from src.observability.store.spool import Spool


class Side(enum.Enum):
    LONG = "long"


class Timestamp(dt.datetime):
    """A subclass of datetime, as pandas' Timestamp is."""


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


@dataclasses.dataclass
class Order:
    legs: dict[Any, Any]


class Quote(pydantic.BaseModel):
    by_level: dict[tuple[str, int], float]


def circular() -> dict[str, object]:
    value: dict[str, object] = {"price": 7}
    value["again"] = [value]
    return value


CASES: list[tuple[object, object]] = [
    ({("BTC", 1): 2}, {"('BTC', 1)": 2}),
    ({"book": {("bid", 0): {("ask", 1): 3}}}, {"book": {"('bid', 0)": {"('ask', 1)": 3}}}),
    ({dt.datetime(2026, 1, 2, tzinfo=dt.UTC): 1, (0,): 0}, {"2026-01-02T00:00:00+00:00": 1, "(0,)": 0}),
    ({Timestamp(2026, 1, 2, 9, 30): 1}, {"2026-01-02T09:30:00": 1}),
    ({dt.date(2026, 1, 2): {dt.time(9): 1, (0,): 0}}, {"2026-01-02": {"09:00:00": 1, "(0,)": 0}}),
    ({decimal.Decimal("1.10"): decimal.Decimal("2.50")}, {"1.10": "2.50"}),
    ({b"side": "buy", b"\xff": 1}, {"side": "buy", "\\xff": 1}),
    ({np.int64(3): np.float64(1.5), np.float64(0.5): np.int32(2)}, {"3": 1.5, "0.5": 2}),
    ({np.str_("a"): np.bool_(True), np.datetime64("2026-01-02"): 1}, {"a": True, "2026-01-02": 1}),
    ({np.float32(0.5): np.array([1, 2])}, {"0.5": [1, 2]}),
    ({frozenset({1}): {3, 1}}, {"frozenset({1})": [1, 3]}),
    ({Side.LONG: Side.LONG, (1,): Side.LONG}, {"long": "long", "(1,)": "long"}),
    ({None: 1, True: 2, (): 3}, {"null": 1, "true": 2, "()": 3}),
    ({uuid.UUID(int=1): 1, (1,): 1}, {"00000000-0000-0000-0000-000000000001": 1, "(1,)": 1}),
    ({1: "a", "1": "b", (2,): "c"}, {"1": "a", "1 (str)": "b", "(2,)": "c"}),
    (Order({("a", 1): Order({})}), {"legs": {"('a', 1)": {"legs": {}}}}),
    ({Order: 1, (1,): Quote(by_level={("bid", 1): 2.5})}, {str(Order): 1, "(1,)": {"by_level": {"bid,1": 2.5}}}),
    (types.MappingProxyType({("a",): types.MappingProxyType({1: 2})}), {"('a',)": {"1": 2}}),
    (circular(), {"price": 7, "again": ["[circular reference]"]}),
    ({"n": 2**70, "m": 10**5000 % 7}, {"n": 2**70, "m": 10**5000 % 7}),
    ({"n": 1 << 20_000, "x": 1}, {"n": hex(1 << 20_000), "x": 1}),
    ({"bad": Hostile(), "good": 1, (1,): 2}, {"bad": "[not encodable: Hostile, RuntimeError]", "good": 1, "(1,)": 2}),
    ({"nan": float("nan"), ("x",): float("inf")}, {"nan": None, "('x',)": None}),
    ({"half": "\ud800", "x": 1}, {"half": "\ud800", "x": 1}),
]


@pytest.mark.parametrize(("value", "stored"), CASES, ids=range(len(CASES)))
def test_every_key_and_value_is_stored(value: object, stored: object, spool: Spool) -> None:
    with observe_agent("keys", input=value, metadata={"data": value}) as run:
        run.update(output=value)
    assert score("outcome", 1.0, trace_id=run.trace_id, metadata=value)
    attributes = otlp.decode_span(spool.trace(str(run.trace_id))[0].span).attributes
    metadata = spool.read_scores("any")[0][1].metadata
    for text in (attributes[names.INPUT], attributes[names.OUTPUT], attributes[names.METADATA + "data"], metadata):
        assert json.loads(str(text)) == stored


def test_metadata_keeps_keys_that_are_no_strings(spool: Spool) -> None:
    metadata: Any = {("BTC", 1): 1, b"raw": 2, dt.date(2026, 1, 2): 3, decimal.Decimal("1.10"): 4, Hostile(): 5}
    with observe_agent("keys", metadata=metadata) as run:
        pass
    attributes = otlp.decode_span(spool.trace(str(run.trace_id))[0].span).attributes
    values = {name.removeprefix(names.METADATA): value for name, value in attributes.items()}
    for key, value in {
        "('BTC', 1)": "1", "raw": "2", "2026-01-02": "3", "1.10": "4", "[not encodable: Hostile, RuntimeError]": "5",
    }.items():  # fmt: skip
        assert values[key] == value


def test_a_value_that_is_nested_too_deep_keeps_its_upper_levels(spool: Spool) -> None:
    value: object = "bottom"
    for _ in range(5_000):
        value = {"next": value}
    with observe_agent("deep", input={"top": 1, "chain": value}) as run:
        pass
    text = otlp.decode_span(spool.trace(str(run.trace_id))[0].span).attributes[names.INPUT]
    assert json.loads(str(text))["top"] == 1
    assert "levels]" in str(text)


def test_a_secret_under_a_key_of_another_type_is_redacted(spool: Spool) -> None:
    secret = "Tr4ding-Passw0rd-9173"
    with observe_agent("keys", input={b"password": secret, ("x",): 1}) as run:
        pass
    text = str(otlp.decode_span(spool.trace(str(run.trace_id))[0].span).attributes[names.INPUT])
    assert secret not in text
    assert "('x',)" in text


def _fail(run: Any, text: str) -> None:
    run.update(output=text)
    raise ValueError(text)


def test_half_characters_cost_neither_the_observation_nor_the_score(spool: Spool) -> None:
    """File names that are no text, and truncated emoji of a server's error, hold them."""
    half = "BTC-\udcc3\ud83d"
    scope: dict[str, Any] = {"agent_name": half, "trading_pair": half, "session_id": half, "tags": [half]}
    with pytest.raises(ValueError, match="BTC"), observe_agent(half, metadata={half: half}, **scope) as run:
        _fail(run, half)
    assert score(half, half, trace_id=run.trace_id, comment=half, metadata={half: half})
    (row,) = spool.trace(str(run.trace_id))
    attributes = otlp.decode_span(row.span).attributes
    assert (row.name, row.agent, row.status_message) == ("BTC-??.run", "BTC-??", "BTC-??")
    assert attributes[names.OUTPUT] == "BTC-??"
    assert attributes[names.TRACE_TAGS] == ("BTC-??",)
    assert json.loads(str(attributes[names.METADATA + "trading_pair"])) == half
    assert spool.read_scores("any")[0][1].name == "BTC-??"
    assert spool.stats().losses == 0

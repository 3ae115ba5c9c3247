"""What reports group and filter by stands in columns of the store when a call returns, as its span says it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from src.agents.decisions import Decision
from src.models.call.membership import as_member
from src.observability import observe_agent
from src.observability.spans import facts, otlp
from src.observability.spans.facts import span_facts
from tests.servers import Reply, Server, chat_reply, decision, error_reply, in_turn
from tests.unit.models.test_call import model_at

if TYPE_CHECKING:
    from src.observability.store.spool import Spool, TraceRow

LIMITS = {
    "x-ratelimit-limit-requests": "500",
    "x-ratelimit-remaining-requests": "400",
    "x-ratelimit-limit-tokens": "30000",
    "x-ratelimit-remaining-tokens": "6000",
}
USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 50,
    "total_tokens": 150,
    "prompt_tokens_details": {"cached_tokens": 40},
    "completion_tokens_details": {"reasoning_tokens": 20},
}


def generations(spool: Spool) -> list[TraceRow]:
    return [row for row in spool.rows_after(0) if row.type == "generation"]


def test_a_members_call_with_retry_and_repair_fills_the_columns(spool: Spool) -> None:
    good = chat_reply(decision("SELL", 65), usage=USAGE)
    replies = iter(
        [error_reply(429, "slow down"), chat_reply("no decision"), replace(good, headers={**good.headers, **LIMITS})]
    )
    with (
        Server(in_turn(replies)) as server,
        observe_agent("momentum", trading_pair="BTC-USD", user_id="u1", tags=("swarm", "a, b"), environment="paper"),
        as_member("openai:gpt-4o"),
    ):
        model_at(server).generate_response(
            "You trade.", "Go.", response_format=Decision, langfuse_prompt={"name": "trader", "version": 12}
        )
    (row,) = generations(spool)
    stored = row.facts
    assert (stored.requested_model, row.model) == ("gpt-4o", "gpt-4o-2024-08-06")
    assert (stored.symbol, stored.user_id, stored.environment) == ("BTC-USD", "u1", "paper")
    assert (stored.prompt_name, stored.prompt_version) == ("trader", "12")
    assert (stored.cached_tokens, stored.written_tokens, stored.reasoning_tokens) == (40, None, 20)
    assert (stored.finish_reason, stored.attempts, stored.retried) == ("stop", 3, "rate_limit")
    assert (stored.member, stored.vote, stored.confidence) == ("openai:gpt-4o", "SELL", 65.0)
    assert (stored.headroom, stored.repaired) == (0.2, 1)
    assert json.loads(stored.tags or "")[-2:] == ["swarm", "a, b"]


def test_what_a_span_says_is_what_its_columns_hold(spool: Spool) -> None:
    with Server(lambda _: chat_reply("fine", usage=USAGE)) as server:
        model_at(server).generate_response("You trade.", "Go.")
    for row in spool.rows_after(0):
        attributes = {
            name: value for name, value in otlp.decode_span(row.span).attributes.items() if name in facts.READ
        }
        again = span_facts(attributes, name=row.name, type_=row.type, provider=row.provider, start_ns=row.start_ns)
        assert again == row.facts
        assert row.facts.member is None


HOSTILE: dict[str, object] = {
    "gen_ai.request.model": 7,
    "langfuse.trace.metadata.trading_pair": '"cut',
    "user.id": b"bytes",
    "langfuse.environment": "",
    "langfuse.observation.prompt.version": (1, 2),
    "gen_ai.usage.cache_read.input_tokens": 2**70,
    "gen_ai.usage.reasoning.output_tokens": True,
    "langfuse.observation.completion_start_time": '"yesterday"',
    "gen_ai.response.finish_reasons": (),
    "langfuse.trace.tags": ({"a": 1},),
    "langfuse.observation.metadata.attempts": "1e400",
    "langfuse.observation.metadata.retried": '{"a": 1}',
    "langfuse.observation.metadata.rate_limits": '{"r": {"limit": 0, "remaining": NaN}}',
    "langfuse.observation.output": '{"action": "BUY", "confidence": 1e999}',
}


@pytest.mark.parametrize("name", [None, *HOSTILE])
def test_attributes_of_any_form_raise_nothing_and_can_be_stored(spool: Spool, name: str | None) -> None:
    hostile = HOSTILE if name is None else {"gen_ai.request.model": "m", name: HOSTILE[name]}
    values = span_facts(hostile, name="x", type_="generation", provider="p", start_ns=1)
    assert all(value is None or isinstance(value, (str, int, float)) for value in values)
    assert (values.vote, values.headroom, values.first_token_ms) == (None, None, None)
    assert values.cached_tokens is None


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ('{"action": "buy", "confidence": 80}', ("BUY", 80.0)),
        ('```json\n{"Action": " NOTHING ", "Confidence": 5.0}\n```', ("NOTHING", 5.0)),
        ('{"role": "assistant", "content": "{\\"action\\": \\"ABSTAIN\\", \\"confidence\\": 0}"}', ("ABSTAIN", 0.0)),
        ("I would not BUY {", (None, None)),
        ('{"action": "HOLD", "confidence": 80}', (None, None)),
        ('{"action": "BUY", "confidence": 180}', (None, None)),
        ('{"action": "BUY", "confidence": true}', (None, None)),
        ('["BUY"]', (None, None)),
    ],
)
def test_a_vote_is_a_typed_decision_or_none(output: str, expected: tuple[str | None, float | None]) -> None:
    attributes = {"gen_ai.request.model": "m", "langfuse.observation.output": output}
    values = span_facts(attributes, name="m#1", type_="generation", provider="p", start_ns=1)
    assert (values.vote, values.confidence) == expected
    other = span_facts(attributes, name="p.generate", type_="generation", provider="p", start_ns=1)
    assert (other.member, other.vote) == (None, None)


EQUAL_VALUES = (1, True, 1.0, "1", (1,), (True,), ("1",), [1], "1")


@pytest.mark.parametrize(
    "name", ["langfuse.environment", "langfuse.trace.tags", "langfuse.observation.metadata.attempts"]
)
def test_facts_that_are_kept_are_not_those_of_an_equal_value_of_another_type(name: str) -> None:
    def read(value: object) -> tuple[object, ...]:
        return span_facts({name: value}, name="x", type_="span", provider=None, start_ns=1)

    alone = []
    for value in EQUAL_VALUES:
        facts._recurring.clear()
        alone.append(read(value))
    assert [read(value) for value in EQUAL_VALUES] == alone


def test_facts_that_recur_are_stored_beside_what_differs_from_call_to_call(spool: Spool) -> None:
    cached = iter((0, 7, 0, 7))

    def reply(_: object) -> Reply:
        count = next(cached)
        return chat_reply("fine", usage={**USAGE, "prompt_tokens_details": {"cached_tokens": count}})

    with Server(reply) as server:
        for agent in ("a", "a", "b", "b"):
            with observe_agent(agent, trading_pair=f"{agent}-USD", tags=(agent,)):
                model_at(server).generate_response("You trade.", "Go.")
    stored = [row.facts for row in generations(spool)]
    assert [(row.symbol, row.cached_tokens) for row in stored] == [
        ("a-USD", 0),
        ("a-USD", 7),
        ("b-USD", 0),
        ("b-USD", 7),
    ]
    assert [json.loads(row.tags or "")[0] for row in stored] == ["a", "a", "b", "b"]

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from src.agents.risk_agent import RiskAgent
from src.agents.risk_rules import Limits, Portfolio, Position, RiskAction, RiskInputError, judge
from src.models.adapters.openai import OpenAIModel
from src.models.retry import NO_RETRIES
from tests.servers import Reply, Server, chat_reply, error_reply

if TYPE_CHECKING:
    from src.observability.store.spool import Spool


def portfolio_of(equity: float, start: float, **values: float) -> Portfolio:
    positions = tuple(Position(symbol=symbol, value_usd=value) for symbol, value in values.items())
    return Portfolio(equity_usd=equity, start_equity_usd=start, positions=positions)


CALM = portfolio_of(10_000, 10_000, BTC=2_000, EURUSD=-1_000)
LIMITS = Limits(max_loss_usd=500, max_gain_usd=500, min_equity_usd=5_000, max_position_share=0.3)


def test_a_calm_portfolio_is_within_limits() -> None:
    assert judge(CALM, LIMITS).demanded is RiskAction.WITHIN_LIMITS


@pytest.mark.parametrize(
    ("portfolio", "limits", "limit"),
    [
        (portfolio_of(9_500, 10_000), Limits(max_loss_usd=500), "max_loss_usd"),
        (portfolio_of(10_500, 10_000), Limits(max_gain_usd=500), "max_gain_usd"),
        (portfolio_of(4_999, 5_000), Limits(min_equity_usd=5_000), "min_equity_usd"),
    ],
)
def test_each_account_limit_closes_all(portfolio: Portfolio, limits: Limits, limit: str) -> None:
    judgement = judge(portfolio, limits)
    assert (judgement.demanded, [item.limit for item in judgement.breaches]) == (RiskAction.CLOSE_ALL, [limit])


def test_just_inside_each_limit_is_fine() -> None:
    assert judge(portfolio_of(9_500.01, 10_000), Limits(max_loss_usd=500)).demanded is RiskAction.WITHIN_LIMITS
    assert judge(portfolio_of(5_000, 5_000), Limits(min_equity_usd=5_000)).demanded is RiskAction.WITHIN_LIMITS


def test_a_position_that_is_too_large_is_reduced_to_its_share_long_or_short() -> None:
    portfolio = portfolio_of(10_000, 10_000, A=4_000, B=-5_000, C=3_000)
    judgement = judge(portfolio, Limits(max_position_share=0.3))
    assert judgement.demanded is RiskAction.REDUCE
    assert [(item.symbol, item.position, float(item.to_usd)) for item in judgement.reductions] == [
        ("A", 0, 3_000), ("B", 1, -3_000),
    ]  # fmt: skip


def test_closing_all_names_every_position() -> None:
    portfolio = portfolio_of(9_000, 10_000, A=100, B=-50)
    closings = judge(portfolio, Limits(max_loss_usd=1)).reductions
    assert {item.symbol: str(item.to_usd) for item in closings} == {"A": "0", "B": "0"}


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_number_that_is_not_finite_is_refused_not_judged(bad: float) -> None:
    for portfolio in (portfolio_of(bad, 1), portfolio_of(1, bad), portfolio_of(1, 1, A=bad)):
        with pytest.raises(RiskInputError, match="real number"):
            judge(portfolio, Limits())


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({}, "equity_usd"),
        ({"equity_usd": "ten", "start_equity_usd": 1}, "equity_usd"),
        ({"equity_usd": "1,000.50", "start_equity_usd": 1}, "equity_usd"),
        ({"equity_usd": 1, "start_equity_usd": True}, "start_equity_usd"),
        ({"equity_usd": 1, "start_equity_usd": 1, "equity": 2}, "equity"),
        ({"equity_usd": 1, "start_equity_usd": 1, "positions": [{"symbol": "A"}]}, "value_usd"),
        ({"equity_usd": 1, "start_equity_usd": 1, "positions": {"A": 1}}, "positions"),
        ({"equity_usd": 1, "start_equity_usd": 1, "positions": {}}, "positions"),
        ({"equity_usd": 1, "start_equity_usd": 1, "positions": ""}, "positions"),
        ({"equity_usd": 1, "start_equity_usd": 1, "positions": [{"symbol": " ", "value_usd": 1}]}, "positions"),
    ],
)
def test_a_portfolio_that_cannot_be_read_names_the_field(data: dict[str, Any], field: str) -> None:
    with pytest.raises(RiskInputError, match=field):
        Portfolio.from_dict(data)


LOSS = Portfolio(
    equity_usd=9_000,
    start_equity_usd=10_000,
    positions=(Position(symbol="BTC-USD", value_usd=2_000, pnl_usd=-1_000),),
)
MAX_LOSS = Limits(max_loss_usd=500)


def agent(server: Server, **settings: Any) -> RiskAgent:
    model = OpenAIModel(
        "gpt-4o", api_key="sk-test-0123456789abcdef", base_url=f"{server.url}/v1", retry_policy=NO_RETRIES
    )
    return RiskAgent(model, **settings)


def opinion(override: bool, confidence: int = 99) -> Reply:
    return chat_reply(json.dumps({"override": override, "confidence": confidence, "comment": "the loss is large"}))


def test_the_model_may_argue_but_the_rules_stand_unless_allowed() -> None:
    with Server(lambda _: opinion(override=True)) as server:
        verdict = agent(server).assess(LOSS, MAX_LOSS)
        allowed = agent(server, allow_override=True).assess(LOSS, MAX_LOSS)
    assert (verdict.action, verdict.overridden) == (RiskAction.CLOSE_ALL, False)
    assert (allowed.action, allowed.overridden, allowed.demanded) == (
        RiskAction.WITHIN_LIMITS, True, RiskAction.CLOSE_ALL,
    )  # fmt: skip


def test_an_override_needs_confidence_and_never_passes_the_minimum_equity() -> None:
    with Server(lambda _: opinion(override=True, confidence=89)) as server:
        assert not agent(server, allow_override=True).assess(LOSS, MAX_LOSS).overridden
    with Server(lambda _: opinion(override=True)) as server:
        verdict = agent(server, allow_override=True).assess(LOSS, Limits(min_equity_usd=9_500))
    assert (verdict.action, verdict.overridden) == (RiskAction.CLOSE_ALL, False)


def test_a_model_that_fails_changes_nothing() -> None:
    with Server(lambda _: error_reply(500, "down")) as server:
        verdict = agent(server, allow_override=True).assess(LOSS, MAX_LOSS)
    assert verdict.action is RiskAction.CLOSE_ALL
    assert "down" in (verdict.model_error or "")


def test_a_verdict_is_one_trace_with_the_models_generation_in_it(spool: Spool) -> None:
    with Server(lambda _: opinion(override=False)) as server:
        verdict = agent(server).assess(LOSS, MAX_LOSS)
    rows = {row.name: row for row in spool.trace(verdict.trace_id or "")}
    assert rows["risk_agent.run"].parent_span_id is None
    assert rows["risk_agent.run"].type == "agent"
    assert rows["openai.generate"].parent_span_id == rows["risk_agent.run"].span_id


def test_rules_only_asks_no_model() -> None:
    assert RiskAgent(rules_only=True).assess(LOSS, MAX_LOSS).action is RiskAction.CLOSE_ALL

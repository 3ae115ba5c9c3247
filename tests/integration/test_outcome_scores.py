"""Scores of outcomes reach a Langfuse server on the decision's date, on its observation, once; corrections replace."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from src.judging.resolving import Rules, resolve
from src.observability import decision, flush, get_tracker, observe_agent, outcome, score
from src.observability.delivery import langfuse_server, score_routes
from src.observability.ledger import LedgerReader
from src.observability.store.reader import StoreReader
from tests.langfuse_server import LangfuseServer
from tests.unit.judging.test_outcomes import series

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR_NS = 3_600 * 10**9


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LangfuseServer]:
    monkeypatch.setattr(score_routes, "_missing_routes", {})
    langfuse_server.forget_all()
    with LangfuseServer("events_only", "4.59.0") as running:
        monkeypatch.setenv("LANGFUSE_HOST", running.url)
        monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "pk-lf-1")
        monkeypatch.setenv("LANGFUSE_SECRET_KEY", "sk-lf-1")
        yield running
    langfuse_server.forget_all()


def judge(as_of_ns: int, **changes: Any) -> None:
    """Resolve the ledger by bars that begin with the decision."""
    spool = get_tracker().spool
    assert spool is not None
    prices = series(**changes)
    prices.open_ns[:] = prices.open_ns + (as_of_ns - int(prices.open_ns[1]))
    entries = LedgerReader(StoreReader(spool.path)).entries()
    resolve(entries, prices, spool, rules=Rules(symbol="BTC-USD"), resolved_ns=time.time_ns(), score=score)
    assert flush() == 0


def outcomes(server: LangfuseServer) -> dict[str, dict[str, Any]]:
    return {name: body for (_, _, name, _), body in server.scores.items() if name.startswith("outcome.")}


def test_outcomes_reach_the_server_once_on_the_decision_s_date_and_observation(server: LangfuseServer) -> None:
    as_of_ns = 1_714_521_600 * 10**9
    with observe_agent("whale", trading_pair="BTC-USD") as run:
        name = decision("BTC-USD", "BUY", confidence=80, as_of=as_of_ns / 1e9, price=100.5, horizon="2h")
    judge(as_of_ns)
    outcome(name, pnl_usd=12.5)
    assert flush() == 0
    taken = outcomes(server)
    assert sorted(taken) == ["outcome.brier", "outcome.correct", "outcome.pnl_usd", "outcome.return_net"]
    spool = get_tracker().spool
    assert spool is not None
    (entry,) = LedgerReader(StoreReader(spool.path)).newest(1)
    day = time.strftime("%Y-%m-%d", time.gmtime(entry.decision.time_ns / 1e9))
    for body in taken.values():
        assert (body["traceId"], body["observationId"]) == (run.trace_id, run.id)
        assert body["timestamp"][:10] == day
    assert taken["outcome.pnl_usd"]["value"] == 12.5
    assert taken["outcome.brier"]["value"] == pytest.approx(0.04)

    requests = len(server.score_requests)
    judge(as_of_ns)
    outcome(name, pnl_usd=12.5)
    assert flush() == 0
    assert len(server.score_requests) == requests  # the same again sends nothing

    ids = {key: body["id"] for key, body in taken.items()}
    outcome(name, pnl_usd=11.0)
    judge(as_of_ns, bars={0: (99, 101, 98, 100.5), 1: (100, 101, 99, 100), 2: (99, 101, 98, 99), 3: (90, 91, 89, 90)})
    corrected = outcomes(server)
    assert {key: body["id"] for key, body in corrected.items()} == ids
    assert len([key for key in server.scores if key[2].startswith("outcome.")]) == 4
    assert corrected["outcome.pnl_usd"]["value"] == 11.0
    assert corrected["outcome.return_net"]["value"] == pytest.approx(90 / 100 - 1 - 0.002)
    assert corrected["outcome.correct"]["value"] == 0

"""Decisions are resolved once, corrected where prices are, and scored where they were made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from src.judging.resolving import DISAGREEING, OTHER_SYMBOL, UNNAMED_SYMBOL, Resolution, Rules, resolve
from src.observability import score
from src.observability.ledger import LedgerReader, parse_horizons, write_decision
from src.observability.store.ledger_records import DecisionRecord
from src.observability.store.reader import StoreReader
from tests.unit.judging.test_outcomes import BARS, ns, series

if TYPE_CHECKING:
    from src.judging.prices import PriceSeries
    from src.observability.store.records import ScoreRecord
    from src.observability.store.spool import Spool


def decide(name: str = "d", **fields: Any) -> DecisionRecord:
    values: dict[str, Any] = {
        "time_ns": ns(1), "as_of_ns": ns(1), "symbol": "BTC-USD", "action": "BUY", "price": 100.5, "confidence": 80.0,
        "horizons": "2h,6h", "trace_id": "a" * 32, "observation_id": "b" * 16,
    }  # fmt: skip
    record = DecisionRecord(id=name, **{**values, **fields})
    assert write_decision(record)
    return record


def run(spool: Spool, prices: PriceSeries | None = None, **rules: Any) -> Resolution:
    entries = LedgerReader(StoreReader(spool.path)).entries()
    return resolve(entries, prices or series(), spool, rules=Rules(**rules), resolved_ns=5, score=score)


def scores(spool: Spool) -> list[ScoreRecord]:
    return [record for _, record in spool.read_scores("d", 1_000)]


def test_each_horizon_gets_an_outcome_and_its_scores_on_the_decision_s_observation(spool: Spool) -> None:
    record = decide()
    result = run(spool)
    assert (result.resolved, result.changed, result.open) == (2, 2, 0)
    (entry,) = LedgerReader(StoreReader(spool.path)).newest(5)
    assert entry.status == "resolved"
    assert {name: outcome.net for name, outcome in entry.outcomes.items()} == pytest.approx(
        {"2h": 0.048, "6h": 120 / 100 - 1 - 0.002}
    )
    written = {item.name: item for item in scores(spool)}
    assert written["outcome.return_net"].value == pytest.approx(0.048)
    assert written["outcome.correct"].data_type == "BOOLEAN"
    assert written["outcome.brier.6h"].value == pytest.approx(0.04)
    for item in written.values():
        assert (item.trace_id, item.observation_id, item.timestamp_ns) == ("a" * 32, "b" * 16, record.time_ns)


def test_the_same_prices_again_change_nothing(spool: Spool) -> None:
    decide()
    run(spool)
    before = scores(spool)
    again = run(spool)
    assert (again.resolved, again.changed) == (2, 0)
    assert scores(spool) == before


def test_corrected_prices_replace_the_outcome_and_the_score_by_its_id(spool: Spool) -> None:
    decide()
    run(spool)
    first = {item.name: item.id for item in scores(spool)}
    corrected = series({**BARS, 3: (110.0, 111.0, 95.0, 96.0)})
    assert run(spool, corrected).changed == 1
    newest = scores(spool)[-3:]
    assert {item.name: item.id for item in newest} == {
        name: first[name] for name in ("outcome.return_net", "outcome.correct", "outcome.brier")
    }
    assert newest[0].value == pytest.approx(0.098)


def test_prices_of_another_market_judge_nothing(spool: Spool) -> None:
    decide("other", symbol="ETH-USD")
    decide("unit", price=100_500.0, as_of_ns=ns(2))
    decide("unnamed", price=None)
    result = run(spool, replace(series(), symbol=None))
    assert result.resolved == 2  # ETH-USD at a price that fits: nothing says otherwise
    assert dict(result.reasons) == {DISAGREEING: 2, UNNAMED_SYMBOL: 2}
    assert run(spool, symbol="ETH/USD").resolved == 2
    assert run(spool, symbol="SOL-USD").reasons[OTHER_SYMBOL] == 4


def test_failed_and_abstained_decisions_are_not_judged(spool: Spool) -> None:
    decide("f", status="failed", action="NOTHING")
    decide("a", status="abstained", action="NOTHING")
    assert (run(spool).resolved, run(spool).open) == (0, 0)


def test_other_horizons_can_be_asked_for(spool: Spool) -> None:
    decide()
    assert run(spool, horizons=parse_horizons("4h")).resolved == 1
    (entry,) = LedgerReader(StoreReader(spool.path)).newest(1)
    assert list(entry.outcomes) == ["4h"]
    assert entry.status == "open"

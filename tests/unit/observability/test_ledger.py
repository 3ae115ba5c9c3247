"""The ledger: decisions are durable, stay as they were written, and go neither by age nor by size."""

from __future__ import annotations

import logging
import sqlite3
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from src.observability import decision, observe_agent, outcome
from src.observability.ledger import LedgerReader, MemberVote, read_votes, write_votes
from src.observability.redaction import redactor
from src.observability.settings import Settings
from src.observability.store.background import Rows, collecting
from src.observability.store.ledger_records import DecisionRecord, OutcomeRecord, ResultRecord
from src.observability.store.reader import StoreReader
from src.observability.store.retention import Retention
from src.observability.store.schema import APPLICATION_ID, LEDGER_SINCE, MIGRATIONS
from src.observability.store.spool import Spool
from tests.unit.observability.test_spool import record as observation

if TYPE_CHECKING:
    from pathlib import Path


def entries(path: Path) -> list[Any]:
    return list(LedgerReader(StoreReader(path)).entries())


def made(number: int, **fields: Any) -> DecisionRecord:
    return DecisionRecord(
        id=f"{number:032x}", time_ns=number, as_of_ns=number, symbol="BTC-USD", action="BUY", **fields
    )


def test_a_decision_knows_the_run_that_it_was_made_in(spool: Spool) -> None:
    with observe_agent("whale", trading_pair="BTC-USD", session_id="s1", environment="live") as run:
        name = decision(
            "BTC-USD", "buy", confidence=80, price=64_000, horizon="24h,7d", target=70_000, metadata={"a": 1}
        )
    (entry,) = entries(spool.path)
    record = entry.decision
    assert (record.id, record.action, record.confidence, record.price) == (name, "BUY", 80.0, 64_000.0)
    assert (record.agent, record.session_id, record.environment) == ("whale", "s1", "live")
    assert (record.trace_id, record.observation_id) == (run.trace_id, run.id)
    assert (record.horizons, record.target, record.metadata, record.book) == ("24h,7d", 70_000.0, '{"a":1}', "live")
    assert (record.cost_usd, record.cost_unknown) == (0.0, False)  # nothing was asked in its trace
    scores = {score.name: score.value for _, score in spool.read_scores("d")}
    assert scores == {"decision": "BUY", "confidence": 80.0}


def test_a_decision_about_the_past_is_not_live(spool: Spool) -> None:
    decision("BTC-USD", "SELL", as_of=datetime(2023, 1, 1, tzinfo=UTC))
    assert entries(spool.path)[0].decision.book == "inside"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"action": "HOLD"}, "its action is 'HOLD': give BUY, SELL or NOTHING"),
        ({"action": "don't BUY"}, "give BUY, SELL or NOTHING"),
        ({"confidence": 101}, "its confidence is 101: give a number from 0 to 100"),
        ({"confidence": 0.85}, "its confidence is 0.85, a share: give a number from 0 to 100; 85 is 85%"),
        ({"confidence": True}, "its confidence is True"),
        ({"confidence": "high"}, "its confidence is 'high'"),
        ({"price": 0}, "its price is 0: give a price above 0"),
        ({"price": float("nan")}, "its price is nan"),
        ({"symbol": "  "}, "the symbol is '  '"),
        ({"symbol": "BTC\nUSD"}, "has control characters"),
        ({"venue": 5}, "its venue is 5: give a text"),
        ({"agent": b"whale"}, "its agent is b'whale'"),
        ({"models": [1]}, r"its models are [1]"),
        ({"horizon": "tomorrow"}, "'tomorrow' is no horizon"),
        ({"horizon": 24}, "'24' is no horizon: give a whole number with s, m, h, d or w"),
        ({"as_of": -5}, "its time is -5"),
        ({"as_of": 1_733_000_000_000}, "seconds since 1970, not milliseconds or finer"),
        ({"as_of": "2026-11-30T00:00:00Z"}, "give a datetime with its zone, or seconds since 1970."),
        ({"colour": "red"}, "it has no field 'colour'"),
    ],
)
def test_what_is_no_decision_is_refused_with_one_error_and_never_raises(
    spool: Spool, caplog: pytest.LogCaptureFixture, fields: dict[str, Any], reason: str
) -> None:
    with caplog.at_level(logging.ERROR, "moondev.observability"):
        assert decision(**{"symbol": "BTC-USD", "action": "BUY", **fields}) is None
    assert reason in caplog.text
    assert entries(spool.path) == []


def test_a_decision_that_is_recorded_already_is_not_scored_again(spool: Spool) -> None:
    for action in ("BUY", "SELL"):
        with observe_agent("whale"):
            assert decision("BTC-USD", action, confidence=60, decision_id="again") == "again"
    scores = [record for _, record in spool.read_scores("nobody")]
    assert [(record.name, record.value) for record in scores] == [("decision", "BUY"), ("confidence", 60.0)]


def test_a_second_decision_of_one_id_changes_nothing(spool: Spool) -> None:
    decision("BTC-USD", "BUY", decision_id="mine")
    decision("BTC-USD", "SELL", decision_id="mine")
    assert [entry.decision.action for entry in entries(spool.path)] == ["BUY"]


def test_a_repeated_decision_gets_the_scores_that_its_process_was_killed_before(spool: Spool) -> None:
    with observe_agent("whale"):
        decision("BTC-USD", "BUY", confidence=60, decision_id="again")
    first = [record for _, record in spool.read_scores("nobody")]
    with sqlite3.connect(spool.path) as connection:
        connection.execute("DELETE FROM scores WHERE name = 'confidence'")
    with observe_agent("whale"):
        decision("BTC-USD", "SELL", confidence=10, decision_id="again")
    scores = {(record.id, record.name): record for _, record in spool.read_scores("nobody")}
    assert list(scores.values()) == first  # of the same ids, dates, values and observation


def test_a_result_that_loses_its_money_says_that_the_score_stays(
    spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    with observe_agent("whale"):
        name = decision("BTC-USD", "BUY")
    outcome(name, pnl_usd=12.5)
    assert "stays at" not in caplog.text
    outcome(name, net_return=0.1)
    assert "its score outcome.pnl_usd stays at 12.5" in caplog.text


def test_real_results_are_kept_by_source_and_replaced(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    name = decision("BTC-USD", "BUY")
    assert name is not None
    assert outcome(name, pnl_usd=12.5)
    assert outcome(name, pnl_usd=13.5, net_return=0.01, details={"order": 7})
    assert outcome(name, pnl_usd=13.4, source="binance.csv")
    (entry,) = entries(spool.path)
    assert {key: item.pnl_usd for key, item in entry.results.items()} == {"program": 13.5, "binance.csv": 13.4}
    assert outcome(None, pnl_usd=1.0) is False  # what decision() returns where it could not be written
    with caplog.at_level(logging.ERROR, "moondev.observability"):
        assert outcome(name) is False
        assert outcome(name, pnl_usd=float("inf")) is False
    assert "give pnl_usd or net_return" in caplog.text
    assert "its pnl_usd is inf" in caplog.text


def test_secrets_stay_out_of_the_ledger(spool: Spool) -> None:
    secret = "sk-ant-api03-" + "Ab1" * 31
    redactor.learn(secret)
    decision("BTC-USD", "BUY", agent=f"agent {secret}", metadata={"note": f"key {secret}"}, models=[secret])
    decision(
        "BTC-USD", "BUY", votes=[MemberVote(member=f"openai:{secret}", action="BUY")], prompt=(secret, secret, None)
    )
    spool.close()
    assert secret.encode() not in spool.path.read_bytes()
    assert len(entries(spool.path)) == 2


def test_it_is_committed_before_it_returns_and_beside_the_caller_where_rows_are_collected(spool: Spool) -> None:
    decision("BTC-USD", "BUY", decision_id="now")
    with sqlite3.connect(spool.path) as other:
        assert other.execute("SELECT id FROM decisions").fetchall() == [("now",)]
    rows = Rows()
    with collecting(rows):
        assert decision("BTC-USD", "SELL", decision_id="later") == "later"
    assert rows.wait(10)
    assert [entry.decision.id for entry in entries(spool.path)] == ["now", "later"]


def test_neither_age_nor_size_takes_a_decision(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "t.db", max_bytes=600_000)
    for number in range(20):
        spool.append_ledger(made(number))
    for number in range(1_500):
        spool.append(observation(number, size=300))
    assert spool.stats().observations < 1_500  # the limit took the oldest
    retention = Retention(spool.path, 1, unsent_too=True, clock=lambda: 4e9, pause=lambda _: False)
    assert retention.run_once(force=True) > 0
    assert spool.stats().observations <= 1
    assert len(entries(spool.path)) == 20


def test_salvage_takes_the_whole_ledger_along(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    spool = Spool(path)
    spool.append_ledger_rows([made(number) for number in range(300)])
    spool.append_ledger(_outcome(7))
    spool.append_ledger(
        ResultRecord(decision_id=f"{7:032x}", source="program", pnl_usd=1.0, net_return=None, time_ns=1)
    )
    spool.append(observation(1))
    assert spool.recover(_corrupt())
    _until(lambda: len(entries(path)) == 300 and entries(path)[7].results)
    entry = entries(path)[7]
    assert (entry.decision, entry.outcomes["24h"]) == (made(7), _outcome(7))


def test_a_file_of_the_version_before_gets_a_ledger(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    with sqlite3.connect(path) as connection:
        for script in MIGRATIONS[: LEDGER_SINCE - 1]:
            connection.executescript(script)
        connection.execute(f"PRAGMA user_version = {LEDGER_SINCE - 1}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.close()
    assert entries(path) == []  # a reader changes nothing
    spool = Spool(path)
    spool.append_ledger(made(1))
    assert len(entries(path)) == 1


def test_a_million_decisions_of_three_members_take_less_than_a_gigabyte(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "t.db")
    votes = [
        MemberVote(
            member=member, action="BUY", confidence=71, latency_ms=812.34, cost_usd=0.000123, observation_id="a" * 16,
            model=member.partition(":")[2],
        )
        for member in ("openai:gpt-4o-mini", "claude:claude-sonnet-4-5", "gemini:gemini-2.5-flash")
    ]  # fmt: skip
    whole = {
        "confidence": 71.0, "price": 64_123.5, "venue": "binance", "timeframe": "15m", "agent": "trading_agent",
        "prompt_name": "trading", "prompt_hash": "a" * 32, "snapshot_hash": "b" * 32, "trace_id": "c" * 32,
        "observation_id": "d" * 16, "session_id": "run-20260101T000000Z-abcdef12", "cost_usd": 0.0004,
        "models": '["openai:gpt-4o-mini","claude:claude-sonnet-4-5","gemini:gemini-2.5-flash"]', "book": "live",
        "environment": "paper",
    }  # fmt: skip
    empty = spool.stats().bytes
    count = 2_000
    spool.append_ledger_rows([made(number, votes=write_votes(votes), **whole) for number in range(count)])
    assert (spool.stats().bytes - empty) / count * 1e6 < 1e9


def test_votes_are_read_as_they_were_written() -> None:
    votes = (
        MemberVote(member="openai:gpt-4o", action="BUY", confidence=80, latency_ms=1.0, cost_usd=None, model="gpt-4o"),
        MemberVote(member="local#2", error="timeout"),
        MemberVote(member="local#3", weight=2.0),
    )
    assert read_votes(write_votes(votes)) == votes
    assert write_votes([]) is None
    assert read_votes('[["a","BUY",80,1,null,null,null,null,"m","of a newer program"]]')[0].model == "m"


def _outcome(number: int) -> OutcomeRecord:
    return OutcomeRecord(
        decision_id=f"{number:032x}", horizon="24h", entry_ns=1, entry=1.0, exit_ns=2, exit=2.0, exit_reason="horizon",
        gross=1.0, net=0.998, correct=True, brier=0.04, costs="{}", source="test", resolved_ns=3,
    )  # fmt: skip


def _corrupt() -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError("malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _until(condition: Any, tries: int = 2_000) -> None:
    import time

    for _ in range(tries):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come about")


def test_a_single_model_is_not_taken_for_its_letters() -> None:
    name = decision("BTC-USD", "BUY", models="openai:gpt-4o")
    (entry,) = LedgerReader(StoreReader(Settings.read().trace_db)).starting_with(str(name))
    assert entry.decision.models == '["openai:gpt-4o"]'

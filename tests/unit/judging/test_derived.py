"""Decisions read out of recorded replies: what matches exactly, once; what does not, with its reason."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from src.judging.resolving import Rules as Judging
from src.judging.resolving import resolve
from src.judging.rules.definitions import Rules, RulesError, read_rules
from src.judging.rules.deriving import Derivation, derive
from src.judging.rules.patterns import LONGEST_TEXT, Pattern, PatternError
from src.judging.rules.reading import TOO_LONG
from src.observability import decision, observe_agent, score
from src.observability.ledger import LedgerReader, RecordedCalls, write_decisions
from src.observability.store.reader import StoreReader
from tests.unit.judging.recorded import DECISIONS, FUNDING, MINT, OTHERS, THREE_LINES, TRADING, WHALE, Desk, desk
from tests.unit.judging.test_outcomes import series

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from src.observability.store.ledger_records import DecisionRecord
    from src.observability.store.spool import Spool


@pytest.fixture
def asking() -> Iterator[Desk]:
    with desk() as running:
        yield running


def run(spool: Spool, rules: Rules | None = None, *, dry_run: bool = False, **options: Any) -> Derivation:
    store = StoreReader(spool.path)
    write = None if dry_run else lambda records: write_decisions(records, spool)
    return derive(RecordedCalls(store), LedgerReader(store), rules or read_rules(), write=write, **options)


def derived(spool: Spool) -> list[DecisionRecord]:
    return [entry.decision for entry in LedgerReader(StoreReader(spool.path)).entries() if entry.decision.derived]


def written(tmp_path: Path, **fields: Any) -> Path:
    values = {"name": "mine", "agent": "whale_agent", "symbol": "BTC-USD", "reply": "(?P<action>BUY|SELL)", **fields}
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items() if value is not None]
    path = tmp_path / "rules.toml"
    path.write_text("\n".join(["[[rule]]", *lines, ""]))
    return path


def test_each_agent_of_the_checkout_is_read_as_it_answers_and_nothing_else_is(asking: Desk, spool: Spool) -> None:
    for (agent, prompt, system, reply), _ in DECISIONS:
        asking.ask(agent, prompt, reply, system)
    for (agent, prompt, system, reply), _ in OTHERS:
        asking.ask(agent, prompt, reply, system)
    asking.ask("rbi_agent", "An idea?", "BUY")
    result = run(spool)
    read = [(item.symbol, item.action, item.confidence, item.price) for item in derived(spool)]
    assert read == [expected for _, expected in DECISIONS]
    assert (result.added, result.known, result.undecided) == (len(DECISIONS), 0, len(OTHERS))
    reasons: dict[str, dict[str, int]] = {}
    for (agent, *_), reason in OTHERS:
        counts = reasons.setdefault(agent, {})
        counts[reason] = counts.get(reason, 0) + 1
    assert {agent: dict(counts) for agent, counts in result.reasons.items()} == reasons
    assert result.other_agents == {"rbi_agent": 1}
    again = run(spool)
    assert (again.added, again.known, again.changed) == (0, len(DECISIONS), 0)
    assert len(derived(spool)) == len(DECISIONS)


def test_a_derived_decision_stands_on_its_generation_and_is_judged_like_any(asking: Desk, spool: Spool) -> None:
    asking.ask("whale_agent", WHALE, THREE_LINES)
    run(spool)
    (record,) = derived(spool)
    (row,) = spool.rows_after(0)
    assert (record.trace_id, record.observation_id) == (row.trace_id, row.span_id)
    assert (record.time_ns, record.as_of_ns, record.session_id) == (row.end_ns, row.end_ns, row.session_id)
    assert (record.agent, record.models, record.horizons) == (
        "whale_agent", '["openai:gpt-4o-2024-08-06"]', "4h,24h",
    )  # fmt: skip
    assert (record.cost_usd, record.cost_unknown, record.book) == (row.cost_usd, False, "live")
    prices = series()
    shift = record.as_of_ns + 1 - int(prices.open_ns[1])
    prices.open_ns[:] = prices.open_ns + shift
    entries = LedgerReader(StoreReader(spool.path)).entries()
    result = resolve(entries, prices, spool, rules=Judging(symbol="BTC-USD"), resolved_ns=5, score=score)
    assert result.changed == 2
    names = {item.name for _, item in spool.read_scores("d") if item.observation_id == row.span_id}
    assert "outcome.return_net" in names


def test_what_a_run_decided_itself_failed_or_belongs_to_a_back_test_is_not_counted_again(
    asking: Desk, spool: Spool
) -> None:
    with observe_agent("whale_agent"):
        asking.ask("whale_agent", WHALE, THREE_LINES)
        decision("BTC-USD", "BUY")
    with observe_agent("whale_agent", environment="backtest"):
        asking.ask("whale_agent", WHALE, THREE_LINES)
    asking.ask("whale_agent", WHALE, "")
    result = run(spool)
    assert result.added == 0
    assert sorted(result.reasons["whale_agent"]) == [
        "it belongs to a back-test", "its run wrote its own decision", "the call failed",
    ]  # fmt: skip


def test_the_market_may_be_recorded_with_the_call_and_must_not_contradict_the_prompt(
    asking: Desk, spool: Spool
) -> None:
    reply = "SELL\nWeak.\nMy confidence is 60%"
    asking.ask("trading_agent", TRADING, reply, metadata={"symbol": "ETH-USD"})
    asking.ask("trading_agent", TRADING, f"{reply}\nOverall confidence 80%", metadata={"symbol": MINT})
    asking.ask("funding_agent", FUNDING, THREE_LINES, metadata={"symbol": "FARTCOIN-USDT"})
    asking.ask("funding_agent", FUNDING, THREE_LINES, metadata={"symbol": "WIF"})
    result = run(spool)
    assert [(item.symbol, item.confidence) for item in derived(spool)] == [
        ("ETH-USD", 60), (MINT, None), ("FARTCOIN-USDT", 75),
    ]  # fmt: skip
    assert result.without_confidence == 1
    assert dict(result.reasons["funding_agent"]) == {"it names several markets": 1}


@pytest.mark.parametrize(("confidence_of", "expected"), [(100, [85.0]), (1, [85.0])])
def test_a_share_is_no_percentage(
    asking: Desk, spool: Spool, tmp_path: Path, confidence_of: int, expected: list[float]
) -> None:
    asking.ask("whale_agent", "Trend?", "BUY 0.85" if confidence_of == 1 else "BUY 85")
    asking.ask("whale_agent", "Trend?", "SELL 85" if confidence_of == 1 else "SELL 0.85")
    pattern = r"(?P<action>BUY|SELL) (?P<confidence>[\d.]+)"
    result = run(spool, read_rules(written(tmp_path, reply=pattern, confidence_of=confidence_of)))
    assert [item.confidence for item in derived(spool)] == expected
    assert dict(result.reasons["whale_agent"]) == {"a number in it cannot be": 1}


def test_a_changed_rule_says_what_it_would_change_and_changes_nothing(
    asking: Desk, spool: Spool, tmp_path: Path
) -> None:
    asking.ask("whale_agent", "Trend?", "BUY")
    asking.ask("whale_agent", "Trend?", "SELL")
    assert run(spool, read_rules(written(tmp_path)), dry_run=True).added == 2
    assert derived(spool) == []
    run(spool, read_rules(written(tmp_path)))
    before = derived(spool)
    changed = read_rules(written(tmp_path, reply="(?P<action>BUY)", horizon="7d"))
    result = run(spool, changed)
    assert (result.added, result.known, result.changed) == (0, 2, 2)
    assert result.changes[0].before == {"horizons": "24h"}
    assert result.changes[0].after == {"horizons": "7d"}
    assert (result.changes[1].after, result.changes[1].reason) == (None, "the reply does not match")
    assert derived(spool) == before


def test_only_recent_calls_are_read_and_progress_is_told(asking: Desk, spool: Spool) -> None:
    asking.ask("whale_agent", WHALE, THREE_LINES)
    (row,) = spool.rows_after(0)
    steps: list[tuple[int, int]] = []
    assert run(spool, since_ns=row.end_ns + 1).calls == 0
    assert run(spool, since_ns=row.end_ns, on_progress=lambda *step: steps.append(step)).added == 1
    assert steps == [(1, 1)]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": None}, "rule 1: name is missing"),
        ({"agent": 5}, "agent is 5: give an agent's name"),
        ({"reply": None}, "reply is missing"),
        ({"reply": "BUY"}, r"reply has no group \(\?P<action>"),
        ({"reply": "(BUY)"}, r"reply is no pattern: it has a group without a name: write \(\?:\.\.\.\)"),
        ({"reply": "(?P<action>BUY)|(?P<action>SELL)"}, "two groups named action"),
        ({"reply": "(?P<action>BUY"}, "reply is no pattern: missing"),
        ({"reply": r"(?P<action>BUY)(?=x)"}, "they have no look-around"),
        ({"reply": "(?P<action>(?:a{1,1000}){1,1000})"}, "reply is no pattern"),
        ({"reply": "(?P<action>BUY)" + "x" * 2_000}, "at most 2,000 are allowed"),
        ({"reply": "(?P<acton>BUY)(?P<action>x)"}, "a group 'acton' that nothing uses"),
        ({"actions": {"UP": "LONG"}}, "actions has 'UP' = 'LONG': give BUY, SELL, NOTHING"),
        ({"actions": {"UP": "$way"}}, r"actions name \$way, and no pattern has such a group"),
        ({"horizon": "soon"}, "'soon' is no horizon"),
        ({"confidence": "x"}, r"confidence needs one group"),
        ({"confidence_of": 0}, "confidence_of is 0"),
        ({"symbol": "a\nb"}, "symbol is"),
        ({"colour": "red"}, "colour is no key of a rule"),
    ],
)
def test_what_is_no_rule_is_refused_with_its_place(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    values = {key: value for key, value in fields.items() if key != "actions"}
    path = written(tmp_path, **values)
    if "actions" in fields:
        table = ", ".join(f'"{key}" = "{value}"' for key, value in fields["actions"].items())
        path.write_text(f"{path.read_text()}actions = {{ {table} }}\n")
    with pytest.raises(RulesError, match=message):
        read_rules(path)


def test_a_file_that_is_no_rules_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    for text, message in (
        ("rule = 5", r"has no \[\[rule\]\]"), ("[[rules]]\nname = 'x'", "has 'rules'"), ("- a: b", "is no TOML"),
    ):  # fmt: skip
        path.write_text(text)
        with pytest.raises(RulesError, match=message):
            read_rules(path)
    path.write_text(written(tmp_path).read_text() * 2)
    with pytest.raises(RulesError, match="two rules named 'mine'"):
        read_rules(path)
    with pytest.raises(RulesError, match="cannot be read"):
        read_rules(tmp_path / "none.toml")


def test_patterns_are_linear_on_a_million_characters() -> None:
    evil = Pattern(r"(?P<action>(?:(?:a|aa)+)+)b")
    text = "a" * 1_000_000
    assert evil.whole([text, text + "b"])[0] is None
    assert evil.search([text]) == [None]
    assert Pattern(r"(?P<action>a)").search(["a" * 1_000]) == [{"action": frozenset({"a"})}]  # no more than fifty
    with pytest.raises(PatternError, match="back-references"):
        Pattern(r"(?P<action>a)\1")


def test_a_reply_of_a_million_characters_is_no_decision(asking: Desk, spool: Spool) -> None:
    asking.ask("copybot_agent", MINT, "BUY\n" + "x " * LONGEST_TEXT)
    asking.ask("copybot_agent", MINT, "BUY\nlone \ud83d surrogate")
    result = run(spool)
    assert dict(result.reasons["copybot_agent"]) == {TOO_LONG: 1}
    assert result.added == 1

"""Agents of the user's in a back-test: how they are named, what they may return, and that none sees the future."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from src.agents.market import Candle, Candles
from src.judging.backtest.agents import AgentError, UserAgent
from src.judging.backtest.as_of import LookAheadError, Replay
from src.judging.backtest.deciders import WINDOW, deciders_named
from src.judging.backtest.plan import Plan, make_plan
from src.judging.backtest.runner import Progress, Runner
from src.observability.ledger import LedgerReader, parse_horizon, parse_horizons
from src.observability.store.reader import StoreReader
from tests.servers import Reply, Server, chat_reply

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from src.observability.store.ledger_records import DecisionRecord
    from src.observability.store.spool import Spool

START = datetime(2024, 1, 1, tzinfo=UTC)
HEAD = "from src.models import ModelFactory\n"
ASKING = HEAD + (
    "class Asking:\n"
    "    def decide(self, view):\n"
    "        reply = ModelFactory.get_model('openai', 'gpt-4o-mini').generate_response('Trade.', str(view.price))\n"
    "        return reply.content.strip()\n"
)


def market(hours: int = 40) -> Candles:
    bars = [
        Candle(time=START + timedelta(hours=hour), open=100 + hour, high=102 + hour, low=99 + hour, close=101 + hour)
        for hour in range(hours)
    ]
    return Candles(bars=bars, symbol="BTC-USD", source="rising", interval_s=3600)


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], str]:
    """Return what writes a module with agents, and returns its path."""

    def write(code: str, name: str = "my_agents.py") -> str:
        (tmp_path / name).write_text(code)
        return str(tmp_path / name)

    return write


def made(name: str, spool: Spool, **options: Any) -> tuple[list[DecisionRecord], Progress, Plan]:
    """Let an agent decide every 12 hours; return what the ledger has of it."""
    deciders = deciders_named([f"agent:{name}"], swarm=False)
    replay = Replay(market(), "BTC-USD", window=WINDOW)
    plan = make_plan(replay, deciders, every=parse_horizon("12h"), horizons=parse_horizons("24h"))
    progress = Runner(plan, replay, deciders, spool, **options).run()
    entries = LedgerReader(StoreReader(spool.path)).entries(run_id=plan.run_id)
    return [entry.decision for entry in entries], progress, plan


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("class A:\n    models = ()\n    def decide(self, view): return 'buy'", ("BUY", None, "decided")),
        ("class A:\n    models = ()\n    def decide(self, view): return 'SELL', 60", ("SELL", 60.0, "decided")),
        ("def A(view): return {'action': 'NOTHING', 'confidence': 55.5}", ("NOTHING", 55.5, "decided")),
        ("import numpy\ndef A(view): return 'BUY', numpy.int64(70)", ("BUY", 70.0, "decided")),
        ("import decimal\ndef A(view): return 'BUY', decimal.Decimal('85')", ("BUY", 85.0, "decided")),
        ("class A:\n    def decide(self, view): return None", ("NOTHING", None, "abstained")),
        (
            "from src.agents.decisions import Action\nclass R:\n    action = Action.BUY\n    confidence = 1\n"
            "class A:\n    def decide(self, view): return R",
            ("BUY", 1.0, "decided"),
        ),
    ],
)
def test_what_an_agent_may_be_and_return(
    spool: Spool, written: Callable[[str], str], code: str, expected: tuple[str, float | None, str]
) -> None:
    records, _, _ = made(f"{written(code)}:A", spool)
    assert {(item.action, item.confidence, item.status) for item in records} == {expected}
    assert len(records) == 3
    assert records[0].agent is not None
    assert records[0].agent.startswith("agent:my_agents:A@")
    # What is not known to ask no model may have learned the past.
    assert {item.book for item in records} == {"after" if "models = ()" in code else "inside"}


def test_a_module_of_the_present_folder_is_an_agent_too(
    tmp_path: Path, written: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    written("def follow(view): return 'BUY'", "my_own_agents.py")
    monkeypatch.chdir(tmp_path)
    try:
        assert UserAgent("my_own_agents:follow").name.startswith("agent:my_own_agents:follow@")
    finally:
        sys.modules.pop("my_own_agents", None)
    assert str(tmp_path) not in sys.path


def test_a_changed_agent_is_another_run(spool: Spool, written: Callable[[str], str]) -> None:
    path = written("def A(view): return 'BUY'")
    first = made(f"{path}:A", spool)[2].run_id
    assert made(f"{path}:A", spool)[2].run_id == first
    written("def A(view): return 'SELL'")
    assert made(f"{path}:A", spool)[2].run_id != first


@pytest.mark.parametrize(
    "read",
    [
        "view.candles.bars[len(view.candles) + 3]",
        "view.bar_at(view.as_of + __import__('datetime').timedelta(days=1))",
    ],
)
@pytest.mark.parametrize("caught", [False, True])
def test_a_read_past_the_view_raises_and_hiding_that_does_not_help(
    spool: Spool, written: Callable[[str], str], read: str, *, caught: bool
) -> None:
    body = f"    try:\n        {read}\n    except Exception:\n        pass\n" if caught else f"    {read}\n"
    with pytest.raises(LookAheadError, match=r"not (known|closed)"):
        made(f"{written(f'def A(view):{chr(10)}{body}    return str()')}:A", spool)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def A(view): return 'HOLD'", "returned 'HOLD': return BUY, SELL or NOTHING"),
        ('def A(view): return "don\'t BUY"', "return BUY, SELL or NOTHING"),
        ("def A(view): return 'BUY', 101", "returned the confidence 101: return a number from 0 to 100"),
        ("def A(view): return 'BUY', 0.85", "0.85 is refused as a share"),
        ("def A(view): return 'BUY', True", "the confidence True"),
        ("def A(view): return {'action': 'BUY', 'stop': 90}", "a target, a stop, a size or a horizon is not"),
        ("def A(view): return {'action': 'BUY', 'Action': 'SELL'}", "alone are judged, each once"),
        ("def A(view): return 1 / 0", r"failed at .*: ZeroDivisionError: division by zero \(my_agents.py, line 1\)"),
        ("def A(): return 'BUY'", "is called as decide"),
        ("async def A(view): return 'BUY'", "is asynchronous"),
        ("class A:\n    def __init__(self, key): pass", "cannot be made without arguments"),
        ("A = 7", "has no decide"),
        ("B = 7", "has no 'A'"),
        ("class A:\n    models = 'openai:gpt-4o'\n    def decide(self, view): return 'BUY'", "give a tuple"),
        ("class A:\n    fewest_bars = 0\n    def decide(self, view): return 'BUY'", "fewest_bars = 0"),
        ("import nothing_of_that_name", "cannot be loaded: ModuleNotFoundError"),
        ("def A(view:", "cannot be loaded: SyntaxError"),
    ],
)
def test_what_is_no_agent_or_no_decision_says_why(
    spool: Spool, written: Callable[[str], str], code: str, reason: str
) -> None:
    with pytest.raises(AgentError, match=reason):
        made(f"{written(code)}:A", spool)


@pytest.mark.parametrize("name", ["nobody", "no/such/file.py:A", ":A", "json:", "no_module_of_that_name:A"])
def test_a_name_that_names_no_agent_is_refused(name: str) -> None:
    with pytest.raises(AgentError, match=r"names no agent|no installed agent|there is no file|cannot be loaded"):
        UserAgent(name)


def test_the_calls_of_an_agent_are_part_of_its_decision_and_of_the_budget(
    spool: Spool, written: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    replies = [chat_reply("BUY"), Reply(400, b'{"error": {"message": "no", "type": "invalid_request_error"}}')]
    with Server(lambda _: replies.pop(0) if replies else chat_reply("SELL")) as server:
        monkeypatch.setenv("OPENAI_KEY", "sk-test-0123456789abcdef")
        monkeypatch.setenv("OPENAI_BASE_URL", server.url + "/v1")
        path = written(ASKING)
        records, progress, _ = made(f"{path}:Asking", spool)
        assert [(item.action, item.status) for item in records] == [
            ("BUY", "decided"), ("NOTHING", "failed"), ("SELL", "decided"),
        ]  # fmt: skip
        assert (progress.calls, len(server.received)) == (3, 3)
        assert progress.cost_usd == pytest.approx(sum(item.cost_usd or 0 for item in records))
        assert progress.cost_usd > 0
        rows = spool.trace(records[0].trace_id or "")
        assert [row.name for row in rows] == ["openai.generate", "backtest_agent.run"]
        again, progress, _ = made(f"{path}:Asking", spool)
        assert (progress.calls, len(again)) == (1, 4)  # the one that had failed
        each = records[0].cost_usd or 0.0
        written(ASKING + "# another one\n")
        _, progress, _ = made(f"{path}:Asking", spool, budget_usd=1.5 * each)
        assert progress.stopped is not None
        assert progress.calls == 1

"""Make stores and files of rules for tests of alerts, and a clock that they set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from src.observability.alerts.rule_file import read_rules
from src.observability.alerts.watcher import Watcher
from src.observability.store.ledger_records import DecisionRecord
from src.observability.store.spool import Spool
from tests.unit.observability.records import score_record, span_record

if TYPE_CHECKING:
    from pathlib import Path

    from src.observability.alerts.rules import RuleFile
    from src.observability.alerts.watcher import Checked, Pass

NOW = 1_764_000_000.0  # 2025-11-24 16:00 UTC, a Monday
NS = 1_000_000_000


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


def rules_of(folder: Path, text: str, name: str = "alerts.toml") -> RuleFile:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return read_rules(path)


def add_calls(store: Path, count: int, *, ago_s: float = 60.0, seconds: float = 1.0, **changes: Any) -> None:
    """Store calls that ended so long ago."""
    spool = Spool(store)
    end_ns = int((NOW - ago_s) * NS)
    for number in range(count):
        record = span_record(number, start_ns=end_ns - int(seconds * NS), end_ns=end_ns + number, **changes)
        spool.append(record)
    spool.close()


def add_decision(store: Path, name: str, *, ago_s: float, agreement: float | None = None, **changes: Any) -> None:
    """Store a decision of two votes and, where there is one, the score of how far they agreed."""
    spool, time_ns = Spool(store), int((NOW - ago_s) * NS)
    trace_id = name.encode().hex().rjust(32, "0")
    votes = '[["a","BUY",50],["b","SELL",50]]'
    fields = {"symbol": "BTC-USD", "action": "BUY", "votes": votes, "trace_id": trace_id, "environment": "paper"}
    spool.append_ledger(DecisionRecord(**{"id": name, "time_ns": time_ns, "as_of_ns": time_ns, **fields, **changes}))
    if agreement is not None:
        spool.append_score(score_record(id=name, trace_id=trace_id, name="agreement", value=agreement))
    spool.close()


class Desk:
    """A store with rules that are checked at the times that a test sets."""

    def __init__(self, folder: Path, text: str, *, owner: str = "host|1|a", offline: bool = False) -> None:
        self.store = folder / "t.db"
        self.clock = Clock()
        self.rules = rules_of(folder, text)
        self.watcher = Watcher(self.store, self.rules, owner, clock=self.clock, offline=offline)

    def check(self, later_s: float = 0.0) -> Pass:
        self.clock.now += later_s
        return self.watcher.run_once()

    def only(self, later_s: float = 0.0) -> Checked:
        (checked,) = self.check(later_s).checked
        return checked

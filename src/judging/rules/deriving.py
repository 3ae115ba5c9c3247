"""Turn recorded calls into decisions of the ledger, once each, and say what changed rules would have made of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from src.judging.rules.reading import decision_id, read_page

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from src.judging.rules.definitions import Rules
    from src.judging.rules.reading import Reading
    from src.observability.ledger.reader import LedgerReader
    from src.observability.ledger.recorded_calls import RecordedCalls
    from src.observability.store.ledger_records import DecisionRecord

# The fields that a rule decides about.
_COMPARED: Final = ("action", "confidence", "symbol", "price", "target", "stop", "horizons", "venue", "timeframe")
_MOST_CHANGES: Final = 100  # that are listed


@dataclass(frozen=True, slots=True)
class Change:
    """What the present rules would make of a decision that stands in the ledger: `after` is None for no decision."""

    decision_id: str
    rule: str
    before: dict[str, Any]
    after: dict[str, Any] | None
    reason: str | None = None


@dataclass(slots=True)
class Derivation:
    """What came of it.

    Attributes:
        calls: The recorded calls of agents with rules.
        added: The decisions that are new.
        known: Those that stood in the ledger before.
        without_confidence: New ones whose reply states no confidence, or several.
        by_rule: The new ones by rule and action.
        reasons: How many calls are no decision, by agent and reason.
        other_agents: The calls of agents without rules.
        changed: How many known ones the present rules would read otherwise.
        changes: The first of these.
    """

    calls: int = 0
    added: int = 0
    known: int = 0
    without_confidence: int = 0
    by_rule: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    reasons: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    other_agents: dict[str, int] = field(default_factory=dict)
    changed: int = 0
    changes: list[Change] = field(default_factory=list)

    @property
    def undecided(self) -> int:
        """Return how many calls are no decision."""
        return sum(sum(counts.values()) for counts in self.reasons.values())


def derive(
    recorded: RecordedCalls,
    ledger: LedgerReader,
    rules: Rules,
    *,
    since_ns: int = 0,
    write: Callable[[Sequence[DecisionRecord]], object] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Derivation:
    """Read all recorded calls of the rules' agents, and write the decisions that are not in the ledger yet.

    Args:
        recorded: The recorded calls.
        ledger: The ledger.
        rules: The rules.
        since_ns: Only calls that ended since this time.
        write: Writes decisions; None only tells what would be written.
        on_progress: Is told how many of how many calls were read.

    Raises:
        SpoolError: the store cannot be read or written.
    """
    counts = recorded.counts(since_ns)
    total = sum(counts.get(agent, 0) for agent in rules.agents)
    result = Derivation(
        other_agents={agent or "unknown": count for agent, count in counts.items() if agent not in rules.agents}
    )
    deciding = recorded.traces_with_decisions()
    for calls in recorded.pages(rules.agents, since_ns):
        readings = read_page(calls, rules, deciding)
        known = {record.id: record for record in ledger.with_ids([decision_id(call) for call in calls])}
        fresh = [item for item in (_counted(reading, known, result) for reading in readings) if item is not None]
        if fresh and write is not None:
            write(fresh)
        result.calls += len(calls)
        if on_progress is not None:
            on_progress(result.calls, max(total, result.calls))
    return result


def _counted(reading: Reading, known: dict[str, DecisionRecord], result: Derivation) -> DecisionRecord | None:
    """Count one call; return its decision where that is new."""
    name = decision_id(reading.call)
    before, decision = known.get(name), reading.decision
    if before is not None:
        result.known += 1
        _note_change(before, reading, result)
        return None
    if decision is None:
        result.reasons[reading.call.agent or "unknown"][reading.reason or ""] += 1
        return None
    result.added += 1
    result.without_confidence += decision.confidence is None
    result.by_rule[reading.rule.name if reading.rule else ""][decision.action] += 1
    return decision


def _note_change(before: DecisionRecord, reading: Reading, result: Derivation) -> None:
    after = reading.decision
    names = [name for name in _COMPARED if after is None or getattr(before, name) != getattr(after, name)]
    if not names:
        return
    result.changed += 1
    if len(result.changes) < _MOST_CHANGES:
        result.changes.append(
            Change(
                decision_id=before.id,
                rule=reading.rule.name if reading.rule else "",
                before={name: getattr(before, name) for name in names if getattr(before, name) is not None},
                after=None if after is None else {name: getattr(after, name) for name in names},
                reason=reading.reason,
            )
        )

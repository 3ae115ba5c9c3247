"""Define what a decider of a back-test chooses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from src.observability.store.ledger_records import DecisionStatus


@dataclass(frozen=True, slots=True)
class Choice:
    """What a decider chose; `is_written` where it is in the ledger already. Costs are in US dollars."""

    action: str
    confidence: float | None = None
    status: DecisionStatus = "decided"
    cost_usd: float = 0.0
    cost_unknown: bool = False
    calls: int = 0
    is_written: bool = False

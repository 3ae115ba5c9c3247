"""Define the records of a trial: past decisions as they were made, and replies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from src.observability.ledger import Entry

NO_DECISION: Final = "NO DECISION"


class NotFrozen(Exception):
    """A decision cannot be made again; `reason` says why, in the same words for all of its kind."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model replied, as the store has it.

    Attributes:
        word: BUY, SELL, NOTHING or ABSTAIN; None for a reply that is no decision.
        confidence: 0 to 100.
        is_valid: Whether it was a decision at once, without being shown to the model again.
        input_tokens: All input tokens, those from a cache included; None where they are not known.
        output_tokens: All output tokens.
        cost_usd: What it cost; None where a part is not known.
        latency_ms: How long it took, retries included.
        start_ns: When the call began, in nanoseconds since 1970.
        failure: The category of a failure that is not the reply's; None for a reply, good or bad.
    """

    word: str | None
    confidence: float | None
    is_valid: bool
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    latency_ms: float
    start_ns: int
    failure: str | None = None

    @property
    def voted(self) -> str | None:
        """Return the action; None for an abstention and for what is no decision."""
        return None if self.word == "ABSTAIN" else self.word


@dataclass(frozen=True, slots=True)
class FrozenCall:
    """One call of a past decision, as it can be made again.

    Attributes:
        member: The label of the swarm's member; else the model.
        model: The model as provider:model.
        weight: The weight of its vote.
        parameters: What it was asked with, such as the temperature.
        is_structured: Whether the reply was requested in the form of a decision.
        values: What the prompt's variables were.
        ending: What followed in the prompt's last message, such as a member's brief.
        rest: The messages after those of the prompt.
        recorded: What came back; None for a model that was not asked then.
        characters: The length of what the prompt made of it then.
    """

    member: str
    model: str
    weight: float
    parameters: Mapping[str, Any]
    is_structured: bool
    values: Mapping[str, str] = field(repr=False)
    ending: str = field(repr=False)
    rest: tuple[Mapping[str, Any], ...] = field(repr=False)
    recorded: Reply | None
    characters: int


@dataclass(frozen=True, slots=True)
class FrozenDecision:
    """A past decision as it can be made again; `action` is BUY, SELL, NOTHING or `NO_DECISION`."""

    entry: Entry
    symbol: str
    action: str
    calls: tuple[FrozenCall, ...]

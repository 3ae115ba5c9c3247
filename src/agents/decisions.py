"""Define the typed decision that every trading reply must be, and nothing else counts as."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

import pydantic

LONGEST_REASONING = 240


class Action(StrEnum):
    """What to do. NOTHING is a decision: the trader has judged that no trade is right."""

    BUY = "BUY"
    SELL = "SELL"
    NOTHING = "NOTHING"


class Decision(pydantic.BaseModel):
    """Hold one model's decision; this is also the schema that the model is given.

    `action` is BUY, SELL, NOTHING, or ABSTAIN where the model cannot judge (which is not a vote); `confidence`
    is 0 to 100. Lengths are bounded in the schema, since a small model can run out of tokens inside a string; a
    longer text that arrives all the same is cut, not refused.
    """

    model_config = pydantic.ConfigDict(frozen=True, title="decision")

    action: Literal["BUY", "SELL", "NOTHING", "ABSTAIN"]
    confidence: int = pydantic.Field(ge=0, le=100)
    reasoning: str = pydantic.Field(default="", max_length=LONGEST_REASONING)

    @pydantic.field_validator("action", mode="before")
    @classmethod
    def _whole_word(cls, value: Any) -> Any:
        """Take the exact word in any case; a sentence that contains it is no decision."""
        return value.strip().upper() if isinstance(value, str) else value

    @pydantic.field_validator("confidence", mode="before")
    @classmethod
    def _no_guessing(cls, value: Any) -> Any:
        """Refuse what could be meant in two ways, such as 0.8 or true."""
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
            raise ValueError("a whole number from 0 to 100 is needed")
        return int(value)

    @pydantic.field_validator("reasoning", mode="before")
    @classmethod
    def _cut(cls, value: Any) -> Any:
        return value[:LONGEST_REASONING] if isinstance(value, str) else value

    @property
    def voted(self) -> Action | None:
        """Return the action, or None for an abstention."""
        return None if self.action == "ABSTAIN" else Action(self.action)

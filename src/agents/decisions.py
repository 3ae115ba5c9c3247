"""Define the decision that a trading reply must be: a reply of any other form is no decision."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, TypeAlias

import pydantic

LONGEST_REASONING = 240
_LONGEST_STATEMENT: Final = 40
_DEEPEST: Final = 8
_DECIDING: Final = re.compile("action|decision|signal|recommend|verdict|final", re.IGNORECASE)
_SIDED: Final = re.compile("(?:final_?)?(?:action|decision|signal|side|direction|position|trade)", re.IGNORECASE)
_SIDES: Final = {"LONG": "BUY", "SHORT": "SELL"}
_MEANINGS: Final = {"BUY": "BUY", "SELL": "SELL", "NOTHING": "NOTHING", "ABSTAIN": "ABSTAIN", "HOLD": "NOTHING"}


class Action(StrEnum):
    """What to do. NOTHING is a decision too: that no trade is right."""

    BUY = "BUY"
    SELL = "SELL"
    NOTHING = "NOTHING"


def whole_number(value: object) -> int:
    """Return a confidence as an int: 80 and 80.0 are whole numbers; true, "80%", 0.8 and infinity are refused.

    1.0 is refused too: of a model that thinks in shares it is 100%, of one that thinks in percent 1%.
    """
    if isinstance(value, float) and value == 1:
        raise ValueError("1.0 may be 1% or 100%: a whole number from 0 to 100 is needed, such as 1 or 100")
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value == int(value):
        return int(value)
    raise ValueError("a whole number from 0 to 100 is needed")


def refuse_two_spellings(value: object) -> None:
    """Raise ValueError where an object has two spellings of a key, such as action and Action: one would be ignored."""
    if isinstance(value, Mapping):
        spellings = Counter(str(key).strip().casefold() for key in value)
        for name, count in spellings.items():
            if count > 1:
                raise ValueError(f"the key {name!r:.40} occurs in {count} spellings")


# A confidence in percent; ambiguous values, such as 0.8 or true, are refused.
Confidence: TypeAlias = Annotated[int, pydantic.Field(ge=0, le=100), pydantic.BeforeValidator(whole_number)]


def refuse_other_action(value: object) -> None:
    """Raise ValueError where an object names another action beside its own, as in `"final_decision": "SELL"`."""
    if not isinstance(value, Mapping) or not isinstance(value.get("action"), str):
        return
    action = value["action"].strip().upper()
    rest = {name: item for name, item in value.items() if name not in ("action", "reasoning")}
    for name, text in _named_texts(rest, "", 0):
        if _meanings(name, text) - {action}:
            raise ValueError(f"{name!r:.40} says {text.strip():.20}, and action says {action:.20}")


def _named_texts(value: object, name: str, depth: int) -> Iterator[tuple[str, str]]:
    """Yield the texts of a value, each with the key that it stands under."""
    if isinstance(value, str):
        yield name, value
    elif depth < _DEEPEST and isinstance(value, Mapping):
        for key, item in value.items():
            yield from _named_texts(item, str(key), depth + 1)
    elif depth < _DEEPEST and isinstance(value, list):
        for item in value:
            yield from _named_texts(item, name, depth + 1)


def _meanings(name: str, text: str) -> set[str]:
    """Return the actions that a text states: one word alone, or any in a short text whose key names a decision."""
    if len(text) > _LONGEST_STATEMENT:
        return set()
    word = text.strip().strip(".!").upper()
    if word in _SIDES:
        return {_SIDES[word]} if _SIDED.fullmatch(name) else set()  # a "horizon" is short, too
    words = re.findall(r"[A-Z]+", word) if _DECIDING.search(name) else [word]
    return {_MEANINGS[item] for item in words if item in _MEANINGS}


class Decision(pydantic.BaseModel):
    """One model's decision, and the schema of the reply that is requested from it.

    `action` is BUY, SELL, NOTHING, or ABSTAIN where the model cannot judge (which is not a vote); `confidence` is 0 to
    100. The schema bounds the reasoning's length, since a small model can run out of tokens inside a string; a longer
    text is cut, not refused.
    """

    model_config = pydantic.ConfigDict(frozen=True, title="decision")

    action: Literal["BUY", "SELL", "NOTHING", "ABSTAIN"]
    confidence: Confidence
    reasoning: str = pydantic.Field(default="", max_length=LONGEST_REASONING)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _single_spelling(cls, value: Any) -> Any:
        refuse_two_spellings(value)
        refuse_other_action(value)
        return value

    @pydantic.field_validator("action", mode="before")
    @classmethod
    def _upper_case(cls, value: Any) -> Any:
        """Accept the word alone, in any case; a sentence that contains it is no decision."""
        return value.strip().upper() if isinstance(value, str) else value

    @pydantic.field_validator("reasoning", mode="before")
    @classmethod
    def _cut(cls, value: Any) -> Any:
        return value[:LONGEST_REASONING] if isinstance(value, str) else value

    @property
    def voted(self) -> Action | None:
        """Return the action, or None for an abstention."""
        return None if self.action == "ABSTAIN" else Action(self.action)

"""Turn the prompt `trading` into what a model is asked: a system message and the market.

A text is the system message, and the market follows as `MARKET`. A chat prompt says both in its own words. Either may
use the variables symbol, market and position.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from src.prompts import Prompt, PromptError

NAME: Final = "trading"
_ROLES: Final = (("user",), ("system", "user"), ("developer", "user"))


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decision is made on.

    Attributes:
        symbol: The market's symbol.
        market: Its prices and indicators, as text.
        position: The position now, in words; empty where none is stated.
    """

    symbol: str
    market: str
    position: str = ""

    @property
    def content(self) -> str:
        """Return them as the message that follows a text prompt, and as the input of the decision's run."""
        position_line = f"\nPosition now: {self.position}" if self.position else ""
        return f"Market: {self.symbol}\n{self.market}{position_line}"


def facts_in(content: str, symbol: str, position: str) -> Facts | None:
    """Return the facts that such a message states; None where it is not one of this symbol and position."""
    beginning, end = f"Market: {symbol}\n", f"\nPosition now: {position}" if position else ""
    if not (content.startswith(beginning) and content.endswith(end)):
        return None
    return Facts(symbol, content[len(beginning) : len(content) - len(end)], position)


def texts_of(prompt: Prompt, facts: Facts) -> tuple[str, str]:
    """Return the system message, empty for none, and the user's message.

    Raises:
        PromptError: the prompt is of another form, has a variable of another name, or never shows the market.
    """
    values = {"symbol": facts.symbol, "market": facts.market, "position": facts.position}
    where = f"The prompt {prompt.name!r}, version {prompt.version}"
    unknown = [name for name in prompt.variables if name not in values]
    if unknown:
        raise PromptError(f"{where}, has the variable {unknown[0]}: the trading agent fills in {', '.join(values)}.")
    bound = prompt.bind(**{name: values[name] for name in prompt.variables})
    if prompt.kind == "text":
        return bound.text, facts.content
    if tuple(turn.role for turn in prompt.turns) not in _ROLES:
        raise PromptError(f"{where}, has other messages than system and user: the trading agent asks one question.")
    if "market" not in prompt.variables:
        raise PromptError(f"{where}, never shows the market: write {{{{market}}}} into its user message.")
    *system, user = (message["content"] for message in bound.messages)
    return system[0] if system else "", user

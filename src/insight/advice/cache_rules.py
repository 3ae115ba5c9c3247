"""State how providers cache the beginnings of prompts, each rule with the page to check it by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final


@dataclass(frozen=True, slots=True)
class CacheRule:
    """How a provider caches a model's prompts.

    Attributes:
        least_tokens: Shorter beginnings are not cached.
        lifetime_s: So long a beginning stays after its last use.
        is_marked: Whether a request must mark what is to be cached; else the provider caches by itself, and what it
            does is beyond the program's control.
        source: The provider's page.
        checked_on: The day on which public pages that quote it agreed on the figures; the page itself was not read.
    """

    least_tokens: int
    lifetime_s: int
    is_marked: bool
    source: str
    checked_on: str


_CLAUDE: Final = "platform.claude.com/docs/en/build-with-claude/prompt-caching"
_OPENAI: Final = "developers.openai.com/api/docs/guides/prompt-caching"
_CHECKED: Final = "2026-11-30"
# Parts of names of Claude's models whose least length differs from 1,024 tokens; newer ones may have a lower one.
_CLAUDE_LEAST: Final = (
    ("haiku-4-5", 4_096), ("opus-4-5", 4_096), ("opus-4-6", 4_096), ("opus-4-7", 4_096), ("sonnet-4-6", 2_048),
    ("haiku", 2_048),
)  # fmt: skip


@lru_cache(maxsize=1_000)
def rule_of(provider: str | None, model: str | None) -> CacheRule | None:
    """Return a model's rule; None where none is known here."""
    name = (model or "").lower()
    if provider == "claude":
        least = next((tokens for part, tokens in _CLAUDE_LEAST if part in name), 1_024)
        return CacheRule(least, 300, is_marked=True, source=_CLAUDE, checked_on=_CHECKED)
    if provider == "openai":
        return CacheRule(1_024, 300, is_marked=False, source=_OPENAI, checked_on=_CHECKED)
    return None

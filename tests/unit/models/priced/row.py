"""What a row of usages and its price is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

MILLION, THOUSAND = 10**6, 10**3
CATALOGUE = "genai-prices 0.2.3; the provider's page was not read"
ANTHROPIC = "platform.claude.com/docs/en/about-claude/pricing"
AUDIO = "developers.openai.com/api/docs/models/gpt-4o-audio-preview"
OPENROUTER = "openrouter.ai/docs/use-cases/usage-accounting"
XAI = "docs.x.ai/developers/pricing"
GROQ = "console.groq.com/docs/flex-processing: the same price as on demand; the price itself is genai-prices 0.2.3"


@dataclass(frozen=True)
class Row:
    """One reply and its cost.

    `priced` maps each unit to its count, its price, and what that is the price of; `body` is added to the reply.
    """

    name: str
    provider: str
    model: str
    usage: dict[str, Any]
    priced: dict[str, tuple[int, str, int]]
    page: str
    unknown: tuple[str, ...] = ()
    body: dict[str, Any] = field(default_factory=dict)
    message: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def known(self) -> Decimal:
        """Return the sum of the priced units."""
        return sum((count * Decimal(price) / per for count, price, per in self.priced.values()), Decimal(0))


def tokens(count: int, price: str) -> tuple[int, str, int]:
    return count, price, MILLION


def pieces(count: int, price: str) -> tuple[int, str, int]:
    return count, price, THOUSAND


def chat(sent: int, output: int, *, total: int | None = None, **details: dict[str, int]) -> dict[str, Any]:
    return {
        "prompt_tokens": sent,
        "completion_tokens": output,
        "total_tokens": sent + output if total is None else total,
        **{f"{name}_tokens_details": counts for name, counts in details.items()},
    }


def gemini(prompt: int, output: int, *, thoughts: int = 0, tools: int = 0, **more: Any) -> dict[str, Any]:
    body = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": output,
        "totalTokenCount": prompt + output + thoughts + tools,
    }
    optional = {"thoughtsTokenCount": thoughts, "toolUsePromptTokenCount": tools}
    return {**body, **{name: count for name, count in optional.items() if count}, **more}


def modality(**counts: int) -> list[dict[str, Any]]:
    return [{"modality": kind.upper(), "tokenCount": count} for kind, count in counts.items()]


def grounded(*queries: str) -> dict[str, Any]:
    return {"groundingMetadata": {"webSearchQueries": list(queries)}}


def responses(prompt: int, output: int, *, cached: int = 0, written: int = 0, reasoning: int = 0) -> dict[str, Any]:
    return {
        "input_tokens": prompt,
        "output_tokens": output,
        "total_tokens": prompt + output,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
        "output_tokens_details": {"reasoning_tokens": reasoning},
    }


def search_call(action: str) -> dict[str, Any]:
    return {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": action, "query": "q"}}

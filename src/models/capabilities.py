"""Hold what each model can do and how it wants to be asked: quirks as rows, not branches.

`of(provider, model)` merges, in order, the provider's row and every row whose pattern fits the model; a later row
wins. A model that fits none gets its provider's defaults, so a new model works before it has a row.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

Structured = Literal["json_schema", "json_object", "instructed"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Describe one model. `None` for a number means: not known, no limit is held here."""

    max_tokens_name: str = "max_tokens"
    default_max_tokens: int | None = None
    max_output: int | None = None
    context: int | None = None
    structured: Structured = "instructed"
    json_mode: bool = True
    schema_bounds: bool = True
    temperature: bool = True
    top_p: bool = True
    stop: bool = True
    seed: bool = True
    images: bool = True
    tools: bool = True
    streaming: bool = True
    reasoning_effort: bool = True
    system_role: Literal["system", "developer", "merged"] = "system"


@dataclass(frozen=True, slots=True)
class Row:
    """Hold one quirk: which models, what differs, and where that is documented."""

    provider: str
    pattern: str
    change: dict[str, Any]
    source: str


ROWS: tuple[Row, ...] = (
    Row("openai", r".*", {"structured": "json_schema", "max_tokens_name": "max_completion_tokens",
        "schema_bounds": False},
        "platform.openai.com/docs/api-reference/chat/create: max_tokens is deprecated for max_completion_tokens"),
    Row("openai", r"gpt-3\.5|gpt-4(-|$)(?!o)(?!\.)", {"structured": "json_object"},
        "platform.openai.com/docs/guides/structured-outputs: json_schema from gpt-4o on"),
    Row("openai", r"(o[1-9]|gpt-5)(-|\.|$)(?!.*chat)", {"temperature": False, "top_p": False, "stop": False,
        "system_role": "developer"},
        "platform.openai.com/docs/guides/reasoning: sampling parameters are refused"),
    Row("openai", r"o1-(mini|preview)", {"system_role": "merged", "tools": False, "structured": "instructed"},
        "platform.openai.com/docs/guides/reasoning: no system or developer messages"),
    Row("claude", r".*", {"default_max_tokens": 4096, "seed": False, "json_mode": False, "schema_bounds": False},
        "docs.anthropic.com/en/api/messages: max_tokens is required; there is no seed, and no JSON mode"),
    Row("claude", r"claude-(opus-4-[1-9]|sonnet-4-[5-9]|haiku-4-[5-9]|[a-z]+-[5-9])", {"structured": "json_schema"},
        "docs.claude.com/en/docs/build-with-claude/structured-outputs: from Opus 4.1, Sonnet 4.5 and Haiku 4.5 on"),
    Row("ollama", r".*", {"structured": "json_schema"}, "docs.ollama.com/capabilities/structured-outputs"),
    Row("local", r".*", {"structured": "json_schema", "images": False, "reasoning_effort": False},
        "llama.cpp's server: response_format json_schema is turned into a grammar"),
)  # fmt: skip


@lru_cache(maxsize=512)
def of(provider: str, model: str) -> Capabilities:
    """Return what a model can do; sane defaults where nothing is known of it."""
    found = Capabilities()
    for row in ROWS:
        if row.provider == provider and re.match(row.pattern, model, re.IGNORECASE):
            found = replace(found, **row.change)
    return found

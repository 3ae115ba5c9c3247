"""Hold what each model can do and how it wants to be asked: quirks as rows, not branches.

`of(provider, model)` merges, in order, the provider's row and every row whose pattern fits the model; a later row
wins. A model that fits none gets its provider's defaults, so a new model works before it has a row.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from src.models.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

Structured = Literal["json_schema", "json_object", "instructed"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Describe one model. `None` for a number means: not known, no limit is held here.

    What is False is refused by the provider. `src.models.fitting` leaves out what can be left out (and the trace says
    so) and raises `Unsupported` for the rest, before anything is sent. `json_object` for `structured` means: the
    provider keeps the reply JSON, the schema is said in words and checked here; `instructed`: words alone.
    """

    max_tokens_name: str = "max_tokens"
    default_max_tokens: int | None = None
    max_output: int | None = None
    min_output: int = 1
    max_temperature: float = 2.0
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
    reasoning_effort: bool = True
    system_role: Literal["system", "developer", "merged"] = "system"
    keep_reasoning: bool = False
    api: Literal["chat", "responses"] = "chat"


@dataclass(frozen=True, slots=True)
class Row:
    """Hold one quirk: which models, what differs, and where that is documented."""

    provider: str
    pattern: str
    change: dict[str, Any]
    source: str


ROWS: tuple[Row, ...] = (
    # OpenAI
    Row("openai", r".*", {"structured": "json_schema", "max_tokens_name": "max_completion_tokens",
        "schema_bounds": False},
        "platform.openai.com/docs/api-reference/chat/create: max_tokens is deprecated for max_completion_tokens"),
    Row("openai", r"gpt-3\.5|gpt-4(-|$)", {"structured": "json_object", "reasoning_effort": False},
        "platform.openai.com/docs/guides/structured-outputs: json_schema from gpt-4o on"),
    Row("openai", r"(chatgpt-|gpt-)4(o|\.\d)|gpt-[5-9].*chat|chatgpt", {"reasoning_effort": False},
        "platform.openai.com/docs/api-reference/chat/create#reasoning_effort: reasoning models only"),
    Row("openai", r"gpt-3\.5|gpt-4(-32k|-0\d|$)|o1-mini|o3-mini", {"images": False},
        "platform.openai.com/docs/models: text only"),
    Row("openai", r"gpt-3\.5|gpt-4-(turbo|1106|0125|vision)", {"max_output": 4096}, "platform.openai.com/docs/models"),
    Row("openai", r"gpt-4(-0\d|$)", {"max_output": 8192, "context": 8192}, "platform.openai.com/docs/models/gpt-4"),
    Row("openai", r"(chatgpt-|gpt-)4o", {"max_output": 16_384, "context": 128_000},
        "platform.openai.com/docs/models/gpt-4o"),
    Row("openai", r"gpt-4\.1", {"max_output": 32_768, "context": 1_047_576}, "platform.openai.com/docs/models/gpt-4.1"),
    Row("openai", r"(o[1-9]|gpt-([5-9]|\d\d))(-|\.|$)(?!.*chat)",
        {"temperature": False, "top_p": False, "stop": False, "system_role": "developer"},
        "platform.openai.com/docs/guides/reasoning and docs/guides/latest-model: sampling parameters are refused"),
    Row("openai", r"(o1|o3|o4-mini)(-\d|-pro|$)", {"max_output": 100_000, "context": 200_000},
        "platform.openai.com/docs/models/o3"),
    Row("openai", r"o1-(mini|preview)", {"system_role": "merged", "tools": False, "structured": "instructed",
        "json_mode": False, "reasoning_effort": False},
        "platform.openai.com/docs/guides/reasoning: no system or developer messages"),
    Row("openai", r"o\d-pro|gpt-5(\.\d)?-pro|.*codex|computer-use|.*deep-research", {"api": "responses"},
        "platform.openai.com/docs/models/o3-pro: in the Responses API only"),
    # DeepSeek
    Row("deepseek", r".*", {"structured": "json_object", "images": False},
        "api-docs.deepseek.com/guides/json_mode: json_object alone; docs/api/create-chat-completion: text messages"),
    Row("deepseek", r"deepseek-(?!chat|reasoner)", {"keep_reasoning": True},
        "api-docs.deepseek.com/guides/thinking_mode: reasoning_content must come back after a tool call"),
    Row("deepseek", r"deepseek-reasoner", {"temperature": False, "top_p": False},
        "api-docs.deepseek.com/guides/reasoning_model: accepted without effect"),
    # Groq
    Row("groq", r".*", {"structured": "json_object", "max_tokens_name": "max_completion_tokens", "images": False,
        "reasoning_effort": False},
        "console.groq.com/docs/api-reference#chat-create: max_tokens is deprecated"),
    Row("groq", r"openai/gpt-oss-\d", {"structured": "json_schema", "schema_bounds": False},
        "console.groq.com/docs/structured-outputs#supported-models: strict mode, which refuses bounds"),
    Row("groq", r"meta-llama/llama-4|.*vision", {"images": True}, "console.groq.com/docs/vision"),
    Row("groq", r"openai/gpt-oss|qwen/qwen3", {"reasoning_effort": True}, "console.groq.com/docs/reasoning"),
    Row("groq", r".*guard", {"tools": False, "structured": "instructed", "json_mode": False},
        "console.groq.com/docs/content-moderation"),
    # xAI
    Row("xai", r".*", {"structured": "json_schema", "max_tokens_name": "max_completion_tokens"},
        "docs.x.ai/docs/api-reference#chat-completions: max_tokens is deprecated"),
    Row("xai", r"grok-(3-mini|4)(?!.*non-reasoning)", {"stop": False},
        "docs.x.ai/docs/guides/reasoning: stop is refused by reasoning models"),
    Row("xai", r"grok-(2|3(?!-mini)|4-0709|4(-1)?-fast|4$|4\.20|code)", {"reasoning_effort": False},
        "docs.x.ai/docs/guides/reasoning: reasoning_effort is refused by these"),
    Row("xai", r"grok-(2-1212|3|code)", {"images": False}, "docs.x.ai/docs/models"),
    # OpenRouter drops what a model does not take, by itself, except for schemas and images.
    Row("openrouter", r"(openai/(gpt-4o|gpt-4\.1|gpt-[5-9]|o\d)|google/gemini|x-ai/grok-[3-9]|"
        r"anthropic/claude-(opus-4\.[1-9]|sonnet-4\.[5-9]|haiku-4\.[5-9]))",
        {"structured": "json_schema", "schema_bounds": False},
        "openrouter.ai/docs/features/structured-outputs#model-support"),
    Row("gemini", r".*", {"structured": "json_schema"},
        "ai.google.dev/gemini-api/docs/structured-output: responseJsonSchema takes JSON Schema with its bounds"),
    Row("claude", r".*", {"default_max_tokens": 4096, "seed": False, "json_mode": False, "schema_bounds": False},
        "docs.anthropic.com/en/api/messages: max_tokens is required; there is no seed, and no JSON mode"),
    Row("claude", r"claude-(opus-4-[1-9]|sonnet-4-[5-9]|haiku-4-[5-9]|[a-z]+-[5-9])", {"structured": "json_schema"},
        "docs.claude.com/en/docs/build-with-claude/structured-outputs: from Opus 4.1, Sonnet 4.5 and Haiku 4.5 on"),
    # Ollama
    Row("ollama", r".*", {"structured": "json_schema"}, "docs.ollama.com/capabilities/structured-outputs"),
    Row("ollama", r"(llama[23](\.[13])?|llama3\.2|mistral|mixtral|qwen2(\.5)?|qwen3|deepseek-r1|"
        r"phi[34]|gemma2?|codellama|gpt-oss)(:|$)", {"images": False}, "ollama.com/search?c=vision: not among them"),
    Row("ollama", r"(llama[23]|gemma[23]?|phi3|codellama|llava)(:|$)", {"tools": False},
        "ollama.com/search?c=tools: not among them"),
    Row("ollama", r"(llama[23](\.\d)?|mistral|mixtral|qwen2(\.5)?|phi[34]|gemma[23]?|codellama|llava)(-[a-z]+)?(:|$)",
        {"reasoning_effort": False}, "ollama.com/search?c=thinking: not among them"),
    Row("local", r".*", {"structured": "json_schema", "images": False, "reasoning_effort": False},
        "llama.cpp's server: response_format json_schema is turned into a grammar"),
)  # fmt: skip


_added: dict[str, Mapping[str, Any]] = {}


def set_row(provider: str, change: Mapping[str, Any]) -> None:
    """Say what differs for all models of a provider that was added.

    Raises:
        InvalidRequest: there is no such capability.
    """
    unknown = set(change) - {item.name for item in fields(Capabilities)}
    if unknown:
        raise InvalidRequest(
            f"The provider {provider} has capabilities that are not known: {', '.join(sorted(unknown))}.",
            parameter="capabilities",
        )
    _added[provider] = dict(change)
    of.cache_clear()


@lru_cache(maxsize=512)
def of(provider: str, model: str) -> Capabilities:
    """Return what a model can do; sane defaults where nothing is known of it."""
    found = replace(Capabilities(), **_added.get(provider, {}))
    for row in ROWS:
        if row.provider == provider and re.match(row.pattern, model, re.IGNORECASE):
            found = replace(found, **row.change)
    return found

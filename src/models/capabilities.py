"""Define the capabilities of models: quirks are rows of a table, not branches.

`of(provider, model)` merges, in order, every row of the provider whose pattern matches the model; a later row wins. A
new model gets its provider's defaults, so it works before it has a row.
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
    """The capabilities of one model. A number of None is unknown, and not enforced.

    The provider refuses what is False. `src.models.request.fitting` drops what can be dropped (and the trace says so)
    and raises `Unsupported` for the rest, before anything is sent.

    Attributes:
        structured: How structured output is requested. `json_schema`: by the schema; `json_object`: the provider
            guarantees JSON, while the schema is part of the prompt; `instructed`: by the prompt alone.
        parts: The types of parts other than texts and images that a message may hold.
        efforts: The values of reasoning_effort that the model accepts, least first; empty for any.
        effort_as: The form in which a provider with several forms expects the effort.
        effort_off: How reasoning is switched off in a model that reasons by default.
        continues: Whether a conversation may end with an assistant's message, which the model then continues.
        tools_api: The API that accepts tools, at all or together with an effort.
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
    parts: frozenset[str] = frozenset({"input_audio", "audio_url", "video_url", "file", "input_file"})
    tools: bool = True
    forced_tools: bool = True
    reasoning_effort: bool = True
    efforts: tuple[str, ...] = ()
    effort_as: Literal["effort", "adaptive", "budget", "level"] = "effort"
    effort_off: Literal["omitted", "disabled", "between_tools"] = "omitted"
    system_role: Literal["system", "developer", "merged"] = "system"
    keep_reasoning: bool = False
    continues: bool = True
    api: Literal["chat", "responses"] = "chat"
    tools_api: Literal["chat", "responses_to_think", "responses"] = "chat"


@dataclass(frozen=True, slots=True)
class Row:
    """A quirk: the models that have it, what differs for them, and where that is documented."""

    provider: str
    pattern: str
    change: Mapping[str, Any]
    source: str


def _row(provider: str, pattern: str, *, source: str, **change: Any) -> Row:
    return Row(provider=provider, pattern=pattern, change=change, source=source)


_OPENAI_PREFIX = re.compile(r"(ft:|openai/)", re.IGNORECASE)  # of fine-tuned models, and of gateways
_ALL_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_GEMINI = r"(models/)?gemini-"
_CLAUDE = r"(.*[./:])?claude-"  # gateways put their own words before a name
# The families from version 5 on, and those that started there; future families are assumed to be like them.
_CLAUDE_NEW = r"((opus|sonnet|haiku)-([5-9]|\d\d(?!\d))|(?!opus|sonnet|haiku|instant|v?\d)[a-z]+)"

ROWS: tuple[Row, ...] = (
    # OpenAI
    _row("openai", r".*", structured="json_schema", max_tokens_name="max_completion_tokens", schema_bounds=False,
        source="platform.openai.com/docs/api-reference/chat/create: max_tokens is deprecated for "
               "max_completion_tokens"),
    _row("openai", r"gpt-3\.5|gpt-4(-|$)", structured="json_object", reasoning_effort=False,
        source="platform.openai.com/docs/guides/structured-outputs: json_schema from gpt-4o on"),
    _row("openai", r"(chatgpt-|gpt-)4(o|\.\d)|gpt-([5-9].*)?chat|chatgpt", reasoning_effort=False,
        source="platform.openai.com/docs/api-reference/chat/create#reasoning_effort: reasoning models only"),
    _row("openai", r"gpt-3\.5|gpt-4(-32k|-0\d|$)|o1-mini|o3-mini", images=False,
        source="platform.openai.com/docs/models: text only"),
    _row("openai", r"gpt-3\.5|gpt-4-(turbo|1106|0125|vision)", max_output=4096,
        source="platform.openai.com/docs/models"),
    _row("openai", r"gpt-4(-0\d|$)", max_output=8192, context=8192,
        source="platform.openai.com/docs/models/gpt-4"),
    _row("openai", r"(chatgpt-|gpt-)4o", max_output=16_384, context=128_000,
        source="platform.openai.com/docs/models/gpt-4o"),
    _row("openai", r"gpt-4\.1", max_output=32_768, context=1_047_576,
        source="platform.openai.com/docs/models/gpt-4.1"),
    _row("openai", r"(o[1-9]|gpt-([5-9]|[12]\d))(-|\.|$)(?!.*chat)", temperature=False, top_p=False, stop=False,
        system_role="developer",
        source="platform.openai.com/docs/guides/reasoning and docs/guides/latest-model: sampling parameters are "
               "refused"),
    _row("openai", r"(o1|o3|o4-mini)(-\d|-pro|$)", max_output=100_000, context=200_000,
        source="platform.openai.com/docs/models/o3"),
    _row("openai", r"o1-(mini|preview)", system_role="merged", tools=False, structured="instructed", json_mode=False,
        reasoning_effort=False,
        source="platform.openai.com/docs/guides/reasoning: no system or developer messages"),
    _row("openai", r"o\d-pro|gpt-5(\.\d)?-pro|.*codex|computer-use|.*deep-research", api="responses",
        source="platform.openai.com/docs/models/o3-pro: in the Responses API only"),
    _row("openai", r"o[1-9]", efforts=("low", "medium", "high"),
        source="platform.openai.com/docs/api-reference/chat/create#reasoning_effort: minimal from gpt-5 on, none "
               "from 5.1 on"),
    _row("openai", r"gpt-5(-mini|-nano)?(-\d|$)", efforts=("minimal", "low", "medium", "high"),
        source="platform.openai.com/docs/api-reference/chat/create#reasoning_effort"),
    _row("openai", r"gpt-5-pro", efforts=("high",),
        source="platform.openai.com/docs/models/gpt-5-pro: high effort only"),
    _row("openai", r"gpt-5\.1(-\d|$)", efforts=("none", "low", "medium", "high"),
        source="platform.openai.com/docs/api-reference/chat/create#reasoning_effort: xhigh after gpt-5.1-codex-max"),
    _row("openai", r"gpt-5\.[2-5](?!.*chat)", efforts=("none", "low", "medium", "high", "xhigh"),
        tools_api="responses_to_think",
        source="developers.openai.com/api/docs/guides/reasoning; github.com/openai/openai-openapi/issues/541: Chat "
               "Completions refuses an effort beside functions"),
    _row("openai", r"gpt-(5\.[6-9]|[6-9]|[12]\d)(?!.*chat)", efforts=("none", "low", "medium", "high", "xhigh"),
        tools_api="responses",
        source="developers.openai.com/api/docs/guides/latest-model: these think unless told not to, and Chat "
               "Completions then refuses functions; max is of the Responses API alone"),
    _row("openai", r"gpt-6(-astra|\.[1-9])", efforts=("low", "medium", "high", "xhigh"),
        source="developers.openai.com/api/docs/guides/latest-model: GPT-6 Astra and GPT-6.1 cannot be kept from "
               "thinking"),
    _row("openai", r"gpt-5\.\d-codex", efforts=("low", "medium", "high", "xhigh"),
        source="developers.openai.com/api/docs/models/gpt-5.3-codex"),
    _row("openai", r"gpt-5(\.1)?-codex(-mini|$)", efforts=("low", "medium", "high"),
        source="platform.openai.com/docs/api-reference/chat/create#reasoning_effort: xhigh from gpt-5.1-codex-max on"),
    _row("openai", r"gpt-5\.\d-pro", efforts=("medium", "high", "xhigh"),
        source="developers.openai.com/api/docs/models/gpt-5.2-pro"),
    _row("openai", r".*-search-(preview|api)", temperature=False, top_p=False, seed=False, stop=False,
        source="platform.openai.com/docs/guides/tools-web-search?api-mode=chat: «Model incompatible request argument»"),
    # DeepSeek
    _row("deepseek", r".*", structured="json_object", images=False,
        source="api-docs.deepseek.com/guides/json_mode: json_object alone; docs/api/create-chat-completion: text "
               "messages"),
    _row("deepseek", r"deepseek-(v4-)?flash", images=True,
        source="api-docs.deepseek.com/quick_start/pricing: image understanding, not in V4 Pro"),
    _row("deepseek", r"deepseek-(?!chat|reasoner)", keep_reasoning=True, effort_off="disabled",
        source="api-docs.deepseek.com/guides/thinking_mode: reasoning_content must come back after a tool call; "
               "thinks unless told not to by `thinking`; other efforts are mapped there"),
    _row("deepseek", r"deepseek-reasoner", temperature=False, top_p=False,
        source="api-docs.deepseek.com/guides/reasoning_model: accepted without effect"),
    # Groq
    _row("groq", r".*", structured="json_object", max_tokens_name="max_completion_tokens", images=False,
        reasoning_effort=False,
        source="console.groq.com/docs/api-reference#chat-create: max_tokens is deprecated"),
    _row("groq", r"openai/gpt-oss-\d", structured="json_schema", schema_bounds=False,
        source="console.groq.com/docs/structured-outputs#supported-models: strict mode, which refuses bounds"),
    _row("groq", r"meta-llama/llama-4|.*vision", images=True,
        source="console.groq.com/docs/vision"),
    _row("groq", r"openai/gpt-oss|qwen/qwen3", reasoning_effort=True,
        source="console.groq.com/docs/reasoning"),
    _row("groq", r"openai/gpt-oss-\d", efforts=("low", "medium", "high"),
        source="console.groq.com/docs/reasoning: low, medium or high"),
    _row("groq", r"qwen/qwen3", efforts=("none", "default"),
        source="console.groq.com/docs/reasoning: Qwen 3 thinks or does not"),
    _row("groq", r"qwen/qwen3\.8", efforts=("none", "low", "medium", "high"),
        source="console.groq.com/docs/reasoning"),
    _row("groq", r".*guard", tools=False, structured="instructed", json_mode=False,
        source="console.groq.com/docs/content-moderation"),
    # xAI
    _row("xai", r".*", structured="json_schema", max_tokens_name="max_completion_tokens",
        source="docs.x.ai/docs/api-reference#chat-completions: max_tokens is deprecated"),
    _row("xai", r"grok-(3-mini|[4-9]|code)(?!.*non-reasoning)", stop=False,
        source="docs.x.ai/docs/guides/reasoning: stop is refused by reasoning models"),
    _row("xai", r"grok-(2|3(?!-mini)|4-0709|4([-.]1)?-fast|4$|4\.20|code)", reasoning_effort=False,
        source="docs.x.ai/docs/guides/reasoning: reasoning_effort is refused by these"),
    _row("xai", r"grok-3-mini", efforts=("low", "high"),
        source="docs.x.ai/docs/guides/reasoning: low or high"),
    _row("xai", r"grok-4\.3", efforts=("none", "low", "medium", "high"),
        source="docs.x.ai/developers/model-capabilities/text/reasoning#effort-levels"),
    _row("xai", r"grok-4\.5", efforts=("low", "medium", "high"),
        source="docs.x.ai/developers/grok-4-5"),
    _row("xai", r"grok-(2-1212|3|code)", images=False,
        source="docs.x.ai/docs/models"),
    # OpenRouter itself drops what a model does not accept, except for schemas and images.
    _row("openrouter", r"(openai/(gpt-4o|gpt-4\.1|gpt-[5-9]|o\d)|google/gemini|x-ai/grok-[3-9]|"
        r"anthropic/claude-(opus-4\.[1-9]|(sonnet|haiku)-4\.[5-9]|(opus|sonnet|haiku)-[5-9]|fable|mythos))",
        structured="json_schema", schema_bounds=False,
        source="openrouter.ai/docs/features/structured-outputs#model-support"),
    # Gemini
    _row("gemini", r".*", structured="json_schema", effort_as="budget", parts=frozenset(),
        source="ai.google.dev/gemini-api/docs/structured-output: responseJsonSchema takes JSON Schema with its bounds"),
    _row("gemini", _GEMINI + r"(1|2\.0)", reasoning_effort=False,
        source="ai.google.dev/gemini-api/docs/thinking#supported-models: from 2.5 on"),
    _row("gemini", _GEMINI + r"2\.5-pro", efforts=_ALL_EFFORTS[1:],
        source="ai.google.dev/gemini-api/docs/thinking#set-budget: 2.5 Pro cannot be kept from thinking"),
    _row("gemini", _GEMINI + r"([3-9]|\d\d|flash-latest|flash-lite-latest|pro-latest)", effort_as="level",
        efforts=("low", "medium", "high"),
        source="ai.google.dev/gemini-api/docs/thinking#thinking-levels: a level in place of a budget from Gemini 3 on"),
    _row("gemini", _GEMINI + r"3-pro", efforts=("low", "high"),
        source="ai.google.dev/gemini-api/docs/thinking#thinking-levels"),
    _row("gemini", _GEMINI + r"3(\.[0-7])?-flash", efforts=("minimal", "low", "medium", "high"),
        source="ai.google.dev/gemini-api/docs/thinking#thinking-levels"),
    _row("gemini", r"(models/)?gemma-[1-3]", structured="instructed", json_mode=False, tools=False,
        reasoning_effort=False, system_role="merged",
        source="ai.google.dev/gemma/docs/core/gemma_on_gemini_api: refused with «Developer instruction is not "
               "enabled», «JSON mode is not enabled», «Function calling is not enabled»"),
    # Claude
    _row("claude", r".*", default_max_tokens=4096, seed=False, json_mode=False, schema_bounds=False,
        max_temperature=1.0, parts=frozenset({"text", "image", "document", "search_result", "container_upload"}),
        source="docs.anthropic.com/en/api/messages: max_tokens is required, temperature ends at 1; no seed, no JSON "
               "mode; a text in its own form, which may be marked with cache_control"),
    _row("claude", _CLAUDE + r"(instant|v?2|3-(opus|sonnet|haiku|5-))", reasoning_effort=False,
        source="docs.claude.com/en/docs/build-with-claude/extended-thinking#supported-models: from Sonnet 3.7 on"),
    _row("claude", _CLAUDE + r"(3-7|opus-4|sonnet-4|haiku-4)", effort_as="budget", efforts=_ALL_EFFORTS,
        source="platform.claude.com/docs/en/build-with-claude/extended-thinking: a budget in tokens up to 4.5"),
    _row("claude", _CLAUDE + r"3-(opus|sonnet|haiku)", max_output=4096,
        source="docs.claude.com/en/docs/about-claude/models"),
    _row("claude", _CLAUDE + r"3-5-", max_output=8192,
        source="docs.claude.com/en/docs/about-claude/models"),
    _row("claude", _CLAUDE + r"opus-4(-[01])?(-\d{8}|@|$)", max_output=32_000,
        source="docs.claude.com/en/docs/about-claude/models"),
    _row("claude", _CLAUDE + r"(3-7-|sonnet-4(-[05])?(-\d{8}|@|$)|(haiku|opus)-4-5)", max_output=64_000,
        source="docs.claude.com/en/docs/about-claude/models"),
    _row("claude", _CLAUDE + r"((opus|sonnet|haiku)-4-[5-9](?!\d)|" + _CLAUDE_NEW + r")", structured="json_schema",
        source="platform.claude.com/docs/en/build-with-claude/structured-outputs: generally available from 4.5 on"),
    _row("claude", _CLAUDE + r"((opus|sonnet)-4-[6-9]|" + _CLAUDE_NEW + r")", effort_as="adaptive",
        efforts=("none", "low", "medium", "high", "max"), default_max_tokens=16_000, continues=False,
        source="platform.claude.com/docs/en/build-with-claude/thinking: adaptive from 4.6 on; thinking counts as "
               "output; docs/en/about-claude/models/migration-guide: a turn of the model at the end is refused"),
    _row("claude", _CLAUDE + r"(opus-4-[7-9]|" + _CLAUDE_NEW + r")", temperature=False, top_p=False,
        efforts=("none", "low", "medium", "high", "xhigh", "max"), max_output=128_000,
        source="platform.claude.com/docs/en/models/opus-5-5/migration-guide: sampling parameters are refused from 4.7 "
               "on"),
    _row("claude", _CLAUDE + _CLAUDE_NEW, efforts=("low", "medium", "high", "xhigh", "max"),
        source="platform.claude.com/docs/en/models/opus-5-5/whats-new-opus-5-5: thinking cannot be disabled"),
    _row("claude", _CLAUDE + r"((opus|sonnet)-5(?!-\d\b|\.)|haiku-5)", effort_off="disabled",
        efforts=("none", "low", "medium", "high", "xhigh", "max"),
        source="platform.claude.com/docs/en/build-with-claude/thinking: these think unless told not to"),
    _row("claude", _CLAUDE + r"sonnet-5[-.]5", effort_off="between_tools",
        efforts=("none", "low", "medium", "high", "xhigh", "max"),
        source="platform.claude.com/docs/en/build-with-claude/thinking: between_tools in place of disabled"),
    _row("claude", _CLAUDE + r"((opus|sonnet)-5[-.]5|fable-5[-.][1-9](?!\d))", forced_tools=False,
        source="platform.claude.com/docs/en/models/opus-5-5/whats-new-opus-5-5#forced-tool-use-is-not-supported; "
               "docs/en/models/sonnet-5-5/whats-new-sonnet-5-5: the same; so on Fable 5.1"),
    # Ollama
    _row("ollama", r".*", structured="json_schema", parts=frozenset(), forced_tools=False,
        source="docs.ollama.com/capabilities/structured-outputs; docs.ollama.com/api/chat: texts and images alone, "
               "and no tool_choice"),
    _row("ollama", r"(llama[23](\.[13])?|llama3\.2|mistral|mixtral|qwen2(\.5)?|qwen3|deepseek-r1|"
        r"phi[34]|gemma2?|codellama|gpt-oss)(:|$)",
        images=False,
        source="ollama.com/search?c=vision: not among them"),
    _row("ollama", r"(llama[23]|gemma[23]?|phi3|codellama|llava)(:|$)", tools=False,
        source="ollama.com/search?c=tools: not among them"),
    _row("ollama", r"(llama[23](\.\d)?|mistral|mixtral|qwen2(\.5)?|phi[34]|gemma[23]?|codellama|llava)(-[a-z]+)?(:|$)",
        reasoning_effort=False,
        source="ollama.com/search?c=thinking: not among them"),
    # The embedded model
    _row("local", r".*", structured="json_schema", images=False, parts=frozenset(), reasoning_effort=False,
        source="llama.cpp's server: response_format json_schema is turned into a grammar"),
)  # fmt: skip


def nearest_effort(effort: str, can: Capabilities) -> str:
    """Return the greatest effort that the model accepts up to the requested one, else its least.

    An unknown value is returned unchanged, for the provider to judge.
    """
    if not can.efforts or effort in can.efforts or effort not in _ALL_EFFORTS:
        return effort
    if "default" in can.efforts:  # reasoning can only be on or off
        return "default"
    lower = [value for value in can.efforts if _ALL_EFFORTS.index(value) < _ALL_EFFORTS.index(effort)]
    return lower[-1] if lower and effort != "minimal" else next(value for value in can.efforts if value != "none")


_registered: dict[str, Mapping[str, Any]] = {}


def set_row(provider: str, change: Mapping[str, Any]) -> None:
    """Set what differs for all models of a registered provider.

    Raises:
        InvalidRequest: there is no such capability.
    """
    unknown = set(change) - {item.name for item in fields(Capabilities)}
    if unknown:
        raise InvalidRequest(
            f"The provider {provider} has capabilities that are not known: {', '.join(sorted(unknown))}.",
            parameter="capabilities",
        )
    _registered[provider] = dict(change)
    of.cache_clear()


@lru_cache(maxsize=512)
def of(provider: str, model: str) -> Capabilities:
    """Return a model's capabilities, the defaults where nothing is known of it."""
    merged = replace(Capabilities(), **_registered.get(provider, {}))
    model = _OPENAI_PREFIX.sub("", model) if provider == "openai" else model
    for row in ROWS:
        if row.provider == provider and re.match(row.pattern, model, re.IGNORECASE):
            merged = replace(merged, **row.change)
    return merged

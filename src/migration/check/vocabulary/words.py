"""Look up which provider a module, address, host or chain of attributes belongs to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from src.migration.check.vocabulary.programs import COMMANDS, SHORT
from src.migration.check.vocabulary.providers import HOSTS, MODULES, SUFFIXES

FACTORY = ("claude", "openai", "deepseek", "groq", "gemini", "xai", "ollama", "openrouter", "local")

_COMMON = frozenset(
    {"google", "components", "generators", "inference", "models", "connectors", "cloud", "embeddings", "projects"}
)  # words of too many files
# Packages with ordinary English names: files use them in other senses, so only an import or a whole text counts.
_ENGLISH = (
    "together",
    "replicate",
    "instructor",
    "fireworks",
    "perplexity",
    "swarm",
    "agents",
    "autogen",
    "marvin",
    "ag2",
    "guidance",
    "outlines",
    "reka",
    "zai",
    "strands",
    "agno",
    "phi",
    "nebius",
    "vllm",
    "dspy",
    "browser_use",
)
_WORDS = frozenset({
    "langchain_", "base_url", "api_base", "requests", "httpx", "aiohttp", "HTTPSConnection", "11434",
    "import_module", "__import__", "exec(", "eval(", "chat.comp", "generate_content",
    "/chat/completions", "/v1/messages", "/v1/completions", "invoke_model", ".post(", "urlopen", "direct-call:",
    "bedrock",
    "messages.stream", ".images", ".videos", "embed_content",
})  # fmt: skip
_QUICK = re.compile(
    (
        r"[.\"']a?create\b|\.create_and_|(?:import|from)\b[^\n]*\b(?:{0})\b|[\"'](?:{0})[.:\"']|:\w*[gG]enerateContent"
        r"|\.(?:responses\.(?:stream|parse)|converse|chat_completion|text_generation|text_to_image|tool_runner"
        r"|start_chat|(?:realtime|live)\.connect)\("
        r"|\.(?:chat|generate|complete)\([^()]*\bmodel=|[\"' /](?:mods|gh)[\"' ]"
    )
    .format("|".join(_ENGLISH))
    .encode()
)
_OWN_NAMES = {"anthropic": "claude"}
_LANGCHAIN = re.compile(
    r"langchain_(?:openai|anthropic|groq|ollama|google_genai|google_vertexai|mistralai|cohere|xai|deepseek|together"
    r"|fireworks|aws|huggingface|openrouter|perplexity|nvidia_ai_endpoints|ibm|cerebras|litellm)"
)
_BEDROCK = re.compile(r"bedrock-(?:agent-)?runtime[\w.-]*\.amazonaws\.com")
_CLOUDFLARE = re.compile(r"^/client/v4/accounts/[^/]+/ai/")
# A variable that names a provider and an address: `OPENAI_BASE_URL`, `ollama_host`. What comes after it is a path.
_ADDRESS_VARIABLE = re.compile(
    r"\x00[^\x01]*(openai|anthropic|claude|deepseek|groq|openrouter|xai|gemini|mistral|ollama|llm)_?"
    r"(?:api_?)?(?:base|base_?url|url|host|endpoint|server|uri|api_?base)[^\x01]*\x01/\S*$",
    re.IGNORECASE,
)
# Paths that only model servers answer, whatever their host.
_PATH = re.compile(
    r"(?:/v1)?/(?:chat/completions)/?(?:\?|$)|/v1/messages/?(?:\?|$)|/v1/completions/?(?:\?|$)"
    r"|:(?:stream)?[gG]enerateContent(?:\?|$)"
)
_OLLAMA = re.compile(r"(?::11434(?:/|$|[\x00?])|\x00[^\x01]*ollama[^\x01]*\x01(?:/api|/v1))", re.IGNORECASE)
_URL = re.compile(r"(?:https?|wss?)://(?:[^/@\s]*@)?([^/?#\s]*)([^\s]*)", re.IGNORECASE)


# Methods that generate text; they count only on an object that is known to be an SDK's.
CHAT_VERBS = frozenset({
    "chat", "generate", "completion", "acompletion", "complete", "text_completion", "atext_completion", "run",
    "async_run", "invoke", "ainvoke", "stream", "astream", "batch", "abatch", "predict", "apredict", "create",
    "acreate", "parse", "chat_stream", "chat_completion", "text_generation", "send_message", "send_message_async",
    "send_message_stream", "complete_async", "stream_async", "query", "completions", "responses", "aresponses",
})  # fmt: skip
_CHAIN = re.compile(
    r"\.chat\.completions(?:\.with_\w+_response)?\.(?:create|parse|stream)$"
    r"|\.chat\.completions\.stream_raw$"
    r"|\.chat\.(?:complete|complete_async|stream_async|parse_async)$"
    r"|[.\?](?:ChatCompletion|Completion)\.a?create$"
    r"|\.(?:models\.)?generate_content(?:_async|_stream)?$"
    r"|\.(?:invoke_model|invoke_model_with_response_stream|converse_stream|text_generation)$"
    r"|\.(?:beta\.)?realtime\.connect$|\.aio\.live\.connect$|\.(?:beta\.)?threads\.create_and_(?:run|stream)\w*$"
    r"|\.start_chat(?:\(\))?\.send_message(?:_async)?$|\.chats\.create(?:\(\))?\.send_message(?:_stream)?$"
)
# Mail and telephone clients have these methods too: the keywords decide.
_WEAK = re.compile(
    r"\.messages(?:\.with_\w+_response)?\.(?:create|stream|parse)$|\.messages\.batches\.create$"
    r"|\.responses(?:\.with_\w+_response)?\.(?:create|parse|stream)$|\.completions\.create$"
    r"|\.messages\.tool_runner$|\.interactions\.create$|\.chats\.create$"
)
# Methods with common names, and pairs of keywords that only a provider's take together.
_PAIRS = re.compile(
    r"\.(?:chat|generate|complete|converse|chat_completion|text_generation|chat_stream|achat|create_message)$"
)
_PAIR = (
    frozenset({"model", "messages"}), frozenset({"model", "prompt"}), frozenset({"model", "message"}),
    frozenset({"modelId", "messages"}),
)  # fmt: skip
# Names of objects that hold a client.
_HOLDS = re.compile(
    r"(?:^|[._?])(?:\w*_)?(?:openai|anthropic|claude|llm|groq|deepseek|xai|gpt|mistral)(?:_\w+)?(?:\(\))?\.",
    re.IGNORECASE,
)
_OTHER = re.compile(
    r"\.audio\.(?:speech|transcriptions|translations)(?:\.with_\w+_response)?\.create$|\.images\.(?:generate|edit|create_variation)$"
    r"|\.videos\.(?:create|create_and_poll|remix)$|[.\?](?:Embedding|Image|Audio|Moderation)\.a?(?:create|transcribe|edit)$"
    r"|\.embeddings\.create$|\.moderations\.create$|\.(?:beta\.)?(?:assistants|threads)\.create$|\.threads\.runs\.create\w*$"
    r"|\.embed_content$|\.text_to_image$|\.models\.generate_(?:images|videos)$"
)
CLIENTS = frozenset({
    "OpenAI", "AsyncOpenAI", "AzureOpenAI", "AsyncAzureOpenAI", "Anthropic", "AsyncAnthropic", "AnthropicBedrock",
    "AnthropicVertex", "Groq", "AsyncGroq", "GenerativeModel", "ChatOpenAI", "ChatAnthropic", "ChatGroq",
    "ChatOllama", "ChatGoogleGenerativeAI", "AzureChatOpenAI",
})  # fmt: skip
_ENDS = CHAT_VERBS | CLIENTS | frozenset({
    "stream_raw", "parse_async", "generate_content", "generate_content_async", "generate_content_stream",
    "invoke_model",
    "invoke_model_with_response_stream", "converse_stream", "edit", "remix", "transcribe", "atranscribe", "aedit",
    "embed_content", "generate_images", "generate_videos", "connect", "text_to_image", "text_generation",
    "tool_runner", "converse",
    "achat",
})  # fmt: skip
_WEAK_YES = frozenset({"model", "messages", "max_tokens", "input", "prompt", "system", "model_id", "requests"})
_WEAK_NO = frozenset({"to", "from_", "body", "media_url", "messaging_service_sid"})


def may_end_chain(attribute: str) -> bool:
    """Tell quickly whether a chain that ends in this attribute can be one that `chain_kind` names."""
    return attribute in _ENDS or attribute.startswith(("create", "acreate"))


def chain_kind(dotted: str, keywords: frozenset[str | None]) -> str | None:
    """Return the rule that a chain of attributes breaks, or None. The keyword None stands for `**options`."""
    if _CHAIN.search(dotted):
        return "sdk-call"
    if _OTHER.search(dotted):
        return "non-chat-call"
    if keywords & _WEAK_NO:
        return None
    if _WEAK.search(dotted) and (keywords & _WEAK_YES or None in keywords or _HOLDS.search(dotted)):
        return "sdk-call"
    if _PAIRS.search(dotted) and any(pair <= keywords for pair in _PAIR):
        return "sdk-call"
    return None


@dataclass(frozen=True)
class Vocabulary:
    """The built-in names of providers, with a project's own additions.

    Attributes:
        modules: The project's own SDKs.
        hosts: The project's own hosts.
    """

    modules: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()

    @cached_property
    def _modules(self) -> dict[str, str]:
        return MODULES | {name: name.partition(".")[0] for name in self.modules}

    @cached_property
    def _hosts(self) -> dict[str, str]:
        return HOSTS | dict.fromkeys((host.lower() for host in self.hosts), "gateway")

    def provider_of_module(self, qualified: str) -> str | None:
        """Return the provider whose SDK holds this dotted name, or None."""
        parts = qualified.split(".")
        if _LANGCHAIN.fullmatch(parts[0]):
            return "langchain"
        for length in range(min(len(parts), 4), 0, -1):
            provider = self._modules.get(".".join(parts[:length]))
            if provider:
                return provider
        return None

    def provider_of_url(self, value: str) -> str | None:
        """Return the provider whose address a whole text is, or None; an address inside of prose does not count."""
        url = _URL.fullmatch(value.strip())
        if not url:
            variable = _ADDRESS_VARIABLE.match(value)
            if variable and " " not in value:
                return _OWN_NAMES.get(variable[1].lower(), variable[1].lower())
            return "ollama" if _OLLAMA.match(value) and " " not in value else None
        return self._host(url[1].lower(), url[2], value)

    def _host(self, authority: str, path: str, value: str) -> str | None:
        name = authority.partition(":")[0]
        for host, provider in self._hosts.items():
            domain, _, start = host.partition("/")
            if name == domain and (not start or path.startswith(f"/{start}")):
                return provider
        for suffix, provider in SUFFIXES.items():
            if name.endswith(suffix):
                return provider
        if _BEDROCK.fullmatch(name):
            return "bedrock"
        if name == "api.cloudflare.com" and _CLOUDFLARE.search(path):
            return "cloudflare"
        return "ollama" if _OLLAMA.search(value) else None

    def provider_of_host(self, value: str) -> str | None:
        """Return the provider of a bare host name, or None."""
        return (
            self._host(value.strip().lower(), "/api", "") if re.fullmatch(r"[\w.-]+(?::\d+)?", value.strip()) else None
        )

    def may_matter(self, source: bytes) -> bool:
        """Tell quickly whether a file can hold anything that the check finds."""
        return any(word in source for word in self.triggers) or _QUICK.search(source) is not None

    @cached_property
    def triggers(self) -> tuple[bytes, ...]:
        """Return substrings that make a file worth parsing."""
        names = [name.split(".") for name in self._modules]
        words = {max(set(parts) - _COMMON or set(parts), key=len) for parts in names if parts[0] not in _ENGLISH}
        words |= {host.partition("/")[0] for host in self._hosts} | set(SUFFIXES)
        words |= set(COMMANDS) - SHORT
        words |= _WORDS | CLIENTS
        return tuple(
            sorted(word.encode() for word in words if not any(other != word and other in word for other in words))
        )


def is_model_server_path(value: str) -> bool:
    """Tell whether an address ends in a path that only model servers answer."""
    return bool(_PATH.search(value)) and " " not in value.strip()

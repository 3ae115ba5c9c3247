"""Look up which provider a module, address, host or chain of attributes belongs to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

from src.migration.check.vocabulary.providers import HOSTS, LANGCHAIN, MODULES, SUFFIXES
from src.migration.check.vocabulary.word_filter import Interest, WordFilter

FACTORY = ("claude", "openai", "deepseek", "groq", "gemini", "xai", "ollama", "openrouter", "local")

_OWN_NAMES = {"anthropic": "claude"}
_LANGCHAIN = frozenset(f"langchain_{name}" for name in LANGCHAIN)
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


# Methods that `chain_kind` knows, whatever SDK the object is of.
_CHAIN_ENDS = _ENDS - frozenset({
    "completion", "acompletion", "text_completion", "atext_completion", "run", "async_run", "invoke", "ainvoke",
    "astream", "batch", "abatch", "predict", "apredict", "query", "completions", "responses", "aresponses",
})  # fmt: skip


def may_end_chain(attribute: str, *, of_sdk: bool) -> bool:
    """Tell quickly whether a chain that ends in this attribute can ask a provider.

    Args:
        attribute: The last name of the chain.
        of_sdk: Whether it may be one of an object that an SDK made.
    """
    return attribute in (_ENDS if of_sdk else _CHAIN_ENDS) or attribute.startswith(("create", "acreate"))


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

    @cached_property
    def module_tails(self) -> frozenset[str]:
        """The last names of the modules and members that have a package of others around them."""
        return frozenset(part for name in self._modules for part in name.split(".")[1:])

    def provider_of_module(self, qualified: str) -> str | None:
        """Return the provider whose SDK holds this dotted name, or None."""
        parts = qualified.split(".")
        if parts[0] in _LANGCHAIN:
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
        return self.interest(source) is not Interest.NOTHING

    def interest(self, source: bytes) -> Interest:
        """Tell quickly what a file can hold that the check finds."""
        return self._word_filter.interest(source)

    @cached_property
    def _word_filter(self) -> WordFilter:
        return _word_filter(tuple(self._modules), (*self._hosts, *SUFFIXES))


@lru_cache(maxsize=8)  # making it takes as long as screening several files
def _word_filter(modules: tuple[str, ...], hosts: tuple[str, ...]) -> WordFilter:
    return WordFilter(modules, hosts, [*CLIENTS, *_LANGCHAIN])


def is_model_server_path(value: str) -> bool:
    """Tell whether an address ends in a path that only model servers answer."""
    return bool(_PATH.search(value)) and " " not in value.strip()

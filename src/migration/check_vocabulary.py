"""Know the names of providers: their packages, hosts, client methods, command lines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

FACTORY = ("claude", "openai", "deepseek", "groq", "gemini", "xai", "ollama", "openrouter", "local")

# Import name -> the factory's name for the provider, or the package's own where there is none.
_MODULES = {
    "openai": "openai", "anthropic": "claude", "groq": "groq", "ollama": "ollama", "xai_sdk": "xai",
    "openrouter": "openrouter", "deepseek": "deepseek",
    "google.generativeai": "gemini", "google.genai": "gemini", "google.ai.generativelanguage": "gemini",
    "vertexai": "gemini", "langfuse.openai": "openai",
    "mistralai": "mistral", "cohere": "cohere", "together": "together", "replicate": "replicate",
    "fireworks": "fireworks", "dashscope": "dashscope", "zhipuai": "zhipuai", "ai21": "ai21",
    "cerebras.cloud.sdk": "cerebras", "aleph_alpha_client": "aleph_alpha", "azure.ai.inference": "azure",
    "huggingface_hub.InferenceClient": "huggingface", "huggingface_hub.AsyncInferenceClient": "huggingface",
    "huggingface_hub.inference": "huggingface", "huggingface_hub.InferenceApi": "huggingface",
    "litellm": "litellm", "aisuite": "aisuite", "any_llm": "any_llm", "portkey_ai": "portkey",
    "instructor": "instructor",
    "pydantic_ai": "pydantic_ai", "dspy": "dspy", "crewai": "crewai", "autogen_ext.models": "autogen",
    "semantic_kernel.connectors.ai": "semantic_kernel", "haystack.components.generators": "haystack",
    "langchain.chat_models": "langchain", "langchain.llms": "langchain", "langchain.OpenAI": "langchain",
    "langchain_community.chat_models": "langchain", "langchain_community.llms": "langchain",
    "langchain_classic.chat_models": "langchain", "langchain_classic.llms": "langchain",
    "llama_index.llms": "llama_index", "llama_index.multi_modal_llms": "llama_index",
    "llama_index.embeddings": "llama_index",
    "llama_cpp": "local", "xllamacpp": "local", "gpt4all": "local", "lmstudio": "local",
}  # fmt: skip
_COMMON = frozenset(
    {"google", "components", "generators", "inference", "models", "connectors"}
)  # too many files say these
_ENGLISH = frozenset(
    {"together", "replicate", "instructor", "fireworks"}
)  # these count in an import or as a whole text
_WORDS = frozenset({
    "langchain_", "11434", "import_module", "__import__", "exec(", "eval(", "chat.comp", "generate_content",
    "/chat/completions", "/v1/messages", "/v1/completions", "invoke_model", ".post(", "urlopen", "direct-call:",
    "bedrock",
    "messages.stream", ".images", ".videos", "embed_content",
})  # fmt: skip
_QUICK = re.compile(
    rb"\.a?create\b|(?:import|from)\b[^\n]*\b(?:together|replicate|instructor|fireworks)\b"
    rb"|[\"'](?:together|replicate|instructor|fireworks)[.:\"']"
)
_LANGCHAIN = re.compile(
    r"langchain_(?:openai|anthropic|groq|ollama|google_genai|google_vertexai|mistralai|cohere|xai|deepseek|together"
    r"|fireworks|aws|huggingface|openrouter|perplexity|nvidia_ai_endpoints|ibm|cerebras|litellm)"
)
_HOSTS = {
    "api.openai.com": "openai", "api.anthropic.com": "claude", "api.deepseek.com": "deepseek",
    "api.groq.com": "groq", "generativelanguage.googleapis.com": "gemini", "api.x.ai": "xai",
    "openrouter.ai/api": "openrouter", "api.mistral.ai": "mistral", "api.cohere.com": "cohere",
    "api.cohere.ai": "cohere", "api.together.xyz": "together", "api.together.ai": "together",
    "api.replicate.com": "replicate", "api.fireworks.ai": "fireworks", "api.perplexity.ai": "perplexity",
    "api-inference.huggingface.co": "huggingface", "router.huggingface.co": "huggingface",
    "api.cerebras.ai": "cerebras", "api.moonshot.ai": "moonshot", "dashscope.aliyuncs.com": "dashscope",
}  # fmt: skip
_SUFFIXES = {".openai.azure.com": "openai", "-aiplatform.googleapis.com": "gemini"}
# Paths that only model servers answer, whatever their host.
_PATH = re.compile(r"(?:/v1)?/(?:chat/completions)/?(?:\?|$)|/v1/messages/?(?:\?|$)|/v1/completions/?(?:\?|$)")
_OLLAMA = re.compile(r"(?::11434(?:/|$|[\x00?])|\x00[^\x01]*ollama[^\x01]*\x01(?:/api|/v1))", re.IGNORECASE)
_URL = re.compile(r"(?:https?|wss?)://(?:[^/@\s]*@)?([^/?#\s]*)([^\s]*)", re.IGNORECASE)

COMMANDS: dict[str, tuple[str, frozenset[str]]] = {  # program -> provider, words that make it a call (none: any)
    "ollama": ("ollama", frozenset({"run"})),
    "claude": ("claude", frozenset({"-p", "--print"})),
    "openai": ("openai", frozenset({"api", "chat"})),
    "gemini": ("gemini", frozenset({"-p", "--prompt"})),
    "codex": ("openai", frozenset({"exec", "e"})),
    "llm": ("llm", frozenset()),
    "sgpt": ("openai", frozenset()),
    "aichat": ("aichat", frozenset()),
    "chatgpt": ("openai", frozenset()),
    "litellm": ("litellm", frozenset()),
}
LLM_HARMLESS = frozenset({"keys", "install", "uninstall", "models", "logs", "plugins", "aliases", "templates",
                          "schemas",
                          "collections", "--version", "--help", "version", "help"})  # fmt: skip

# Words that anything an SDK returns is asked with; they count only where the object is known to be an SDK's.
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
    r"|\.(?:invoke_model|invoke_model_with_response_stream|converse_stream)$"
)
# These also belong to mail and telephone clients: their keywords decide.
_WEAK = re.compile(
    r"\.messages(?:\.with_\w+_response)?\.(?:create|stream|parse)$|\.messages\.batches\.create$"
    r"|\.responses(?:\.with_\w+_response)?\.(?:create|parse|stream)$|\.completions\.create$"
)
_OTHER = re.compile(
    r"\.audio\.(?:speech|transcriptions|translations)(?:\.with_\w+_response)?\.create$|\.images\.(?:generate|edit|create_variation)$"
    r"|\.videos\.(?:create|create_and_poll|remix)$|[.\?](?:Embedding|Image|Audio|Moderation)\.a?(?:create|transcribe|edit)$"
    r"|\.embeddings\.create$|\.moderations\.create$|\.(?:beta\.)?(?:assistants|threads)\.create$|\.threads\.runs\.create\w*$"
    r"|\.embed_content$|\.models\.generate_(?:images|videos)$"
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
    "embed_content", "generate_images", "generate_videos",
})  # fmt: skip
_WEAK_YES = frozenset({"model", "messages", "max_tokens", "input", "prompt", "system", "model_id"})
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
    if _WEAK.search(dotted) and not keywords & _WEAK_NO and (keywords & _WEAK_YES or None in keywords):
        return "sdk-call"
    return None


@dataclass(frozen=True)
class Vocabulary:
    """Look names up, in the built-in tables and in a project's own additions."""

    modules: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()

    @cached_property
    def _modules(self) -> dict[str, str]:
        return _MODULES | {name: name.partition(".")[0] for name in self.modules}

    @cached_property
    def _hosts(self) -> dict[str, str]:
        return _HOSTS | dict.fromkeys((host.lower() for host in self.hosts), "gateway")

    def sdk(self, qualified: str) -> str | None:
        """Return the provider whose SDK holds this dotted name, or None."""
        parts = qualified.split(".")
        if _LANGCHAIN.fullmatch(parts[0]):
            return "langchain"
        for length in range(min(len(parts), 4), 0, -1):
            provider = self._modules.get(".".join(parts[:length]))
            if provider:
                return provider
        return None

    def url(self, value: str) -> str | None:
        """Return the provider that a whole string is an address of, or None; prose around an address is no address."""
        found = _URL.fullmatch(value.strip())
        if not found:
            return "ollama" if _OLLAMA.match(value) and " " not in value else None
        return self._host(found[1].lower(), found[2], value)

    def _host(self, authority: str, path: str, value: str) -> str | None:
        name = authority.partition(":")[0]
        for host, provider in self._hosts.items():
            wanted, _, start = host.partition("/")
            if name == wanted and (not start or path.startswith(f"/{start}")):
                return provider
        for suffix, provider in _SUFFIXES.items():
            if name.endswith(suffix):
                return provider
        return "ollama" if _OLLAMA.search(value) else None

    def host(self, value: str) -> str | None:
        """Return the provider of a bare host name, or None."""
        return (
            self._host(value.strip().lower(), "/api", "") if re.fullmatch(r"[\w.-]+(?::\d+)?", value.strip()) else None
        )

    def may_matter(self, source: bytes) -> bool:
        """Tell quickly whether a file can hold anything that the check looks for."""
        return any(word in source for word in self.triggers) or _QUICK.search(source) is not None

    @cached_property
    def triggers(self) -> tuple[bytes, ...]:
        """Return substrings that make a file worth parsing."""
        words = {max(set(name.split(".")) - _COMMON or {name}, key=len) for name in self._modules} - _ENGLISH
        words |= {host.partition("/")[0] for host in self._hosts} | set(_SUFFIXES) | set(COMMANDS)
        words |= _WORDS | CLIENTS
        return tuple(sorted(word.encode() for word in words if not any(one != word and one in word for one in words)))


def path_of_model_server(value: str) -> bool:
    """Tell whether an address ends in a path that only model servers answer."""
    return bool(_PATH.search(value)) and " " not in value.strip()

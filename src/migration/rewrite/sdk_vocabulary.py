"""The names of the provider SDKs' clients, calls and exceptions, with the factory's counterparts."""

from __future__ import annotations

from dataclasses import dataclass

# Constructor -> (SDK, asynchronous)
CONSTRUCTORS: dict[str, tuple[str, bool]] = {
    "openai.OpenAI": ("openai", False), "openai.Client": ("openai", False),
    "openai.AsyncOpenAI": ("openai", True), "openai.AsyncClient": ("openai", True),
    "anthropic.Anthropic": ("anthropic", False), "anthropic.Client": ("anthropic", False),
    "anthropic.AsyncAnthropic": ("anthropic", True), "anthropic.AsyncClient": ("anthropic", True),
    "groq.Groq": ("groq", False), "groq.Client": ("groq", False),
    "groq.AsyncGroq": ("groq", True), "groq.AsyncClient": ("groq", True),
    "ollama.Client": ("ollama", False), "ollama.AsyncClient": ("ollama", True),
    "google.generativeai.GenerativeModel": ("generativeai", False),
    "google.generativeai.generative_models.GenerativeModel": ("generativeai", False),
    "google.genai.Client": ("genai", False), "google.genai.client.Client": ("genai", False),
}  # fmt: skip
# Clients of services that the factory does not support -> how the report describes them.
OTHER_CLIENTS = {
    f"{package}.{prefix}{name}": f"a client for {service}"
    for package, name, service in (
        ("openai", "AzureOpenAI", "Azure"), ("anthropic", "AnthropicBedrock", "AWS Bedrock"),
        ("anthropic", "AnthropicVertex", "Vertex AI"), ("anthropic", "AnthropicFoundry", "Microsoft Foundry"),
        ("openai", "BedrockOpenAI", "AWS Bedrock"),
    )
    for prefix in ("", "Async")
}  # fmt: skip
MODULES = {"openai": "openai", "anthropic": "anthropic", "groq": "groq", "ollama": "ollama",
           "google.generativeai": "generativeai", "google.genai": "genai"}  # fmt: skip
PROVIDERS = {"openai": "openai", "anthropic": "claude", "groq": "groq", "ollama": "ollama", "generativeai": "gemini",
             "genai": "gemini"}  # fmt: skip
PACKAGES = {"generativeai": "google.generativeai", "genai": "google.genai"} | {
    name: name for name in ("openai", "anthropic", "groq", "ollama")
}
STYLES = {"openai": "openai", "anthropic": "anthropic", "groq": "groq", "ollama": "ollama",
          "generativeai": "google.generativeai", "genai": "google.genai"}  # fmt: skip

# SDK -> the variable that it reads its key from first.
OWN_KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY", "groq": "GROQ_API_KEY",
            "genai": "GOOGLE_API_KEY", "generativeai": "GEMINI_API_KEY"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider of the factory.

    Attributes:
        name: Its name in the factory.
        keys: The environment variables that the factory reads its key from.
        addresses: The spellings of its own address.
    """

    name: str
    keys: tuple[str, ...]
    addresses: tuple[str, ...] = ()


FACTORY: dict[str, Provider] = {
    provider.name: provider
    for provider in (
        Provider(
            name="claude",
            keys=("ANTHROPIC_KEY", "ANTHROPIC_API_KEY"),
            addresses=("https://api.anthropic.com",),
        ),
        Provider(
            name="openai",
            keys=("OPENAI_KEY", "OPENAI_API_KEY"),
            addresses=("https://api.openai.com/v1",),
        ),
        Provider(
            name="deepseek",
            keys=("DEEPSEEK_KEY", "DEEPSEEK_API_KEY"),
            addresses=("https://api.deepseek.com", "https://api.deepseek.com/v1"),
        ),
        Provider(
            name="groq",
            keys=("GROQ_API_KEY",),
            addresses=("https://api.groq.com", "https://api.groq.com/openai/v1"),
        ),
        Provider(
            name="gemini",
            keys=("GEMINI_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"),
            addresses=("https://generativelanguage.googleapis.com",),
        ),
        Provider(
            name="xai",
            keys=("GROK_API_KEY", "XAI_API_KEY"),
            addresses=("https://api.x.ai/v1", "https://api.x.ai"),
        ),
        Provider(name="ollama", keys=()),
        Provider(
            name="openrouter",
            keys=("OPENROUTER_API_KEY",),
            addresses=("https://openrouter.ai/api/v1",),
        ),
    )
}

# The SDK and the attributes after a client (or after the SDK's module) -> the kind of call.
CALLS: dict[tuple[str, tuple[str, ...]], str] = {
    ("openai", ("chat", "completions", "create")): "chat",
    ("groq", ("chat", "completions", "create")): "chat",
    ("openai", ("responses", "create")): "responses",
    ("openai", ("ChatCompletion", "create")): "legacy",
    ("openai", ("ChatCompletion", "acreate")): "legacy",
    ("anthropic", ("messages", "create")): "messages",
    ("anthropic", ("messages", "stream")): "messages",
    ("ollama", ("chat",)): "chat",
    ("ollama", ("generate",)): "generate",
    ("generativeai", ("generate_content",)): "generate",
    ("generativeai", ("generate_content_async",)): "generate",
    ("genai", ("models", "generate_content")): "generate",
    ("genai", ("models", "generate_content_stream")): "generate",
    ("genai", ("aio", "models", "generate_content")): "generate",
    ("genai", ("aio", "models", "generate_content_stream")): "generate",
}
# Calls that ask for text and are left to a person -> why, with a suggestion after the colon.
LEFT: dict[tuple[str, tuple[str, ...]], str] = {
    ("openai", ("chat", "completions", "parse")): "a parsed reply: use response_format=YourModel and reply.parsed",
    ("openai", ("beta", "chat", "completions", "parse")): "a parsed reply: use response_format and reply.parsed",
    ("openai", ("chat", "completions", "stream")): "a stream's helper: use stream_response",
    ("openai", ("beta", "chat", "completions", "stream")): "a stream's helper: use stream_response",
    ("openai", ("responses", "parse")): "a parsed reply: use response_format and reply.parsed",
    ("openai", ("responses", "stream")): "a stream's helper: use stream_response",
    ("openai", ("completions", "create")): "plain completions have no messages, and the factory has none of them",
    ("openai", ("Completion", "create")): "plain completions have no messages, and the factory has none of them",
    ("openai", ("Completion", "acreate")): "plain completions have no messages, and the factory has none of them",
    ("anthropic", ("messages", "parse")): "a parsed reply: use response_format and reply.parsed",
    ("anthropic", ("beta", "messages", "create")): "a beta of the Messages API",
    ("anthropic", ("completions", "create")): "plain completions have no messages, and the factory has none of them",
    ("anthropic", ("messages", "batches", "create")): "a batch, not one call",
    ("generativeai", ("start_chat",)): "a chat session: keep the messages in a list and use chat(messages)",
    ("genai", ("chats", "create")): "a chat session: keep the messages in a list and use chat(messages)",
    ("genai", ("aio", "chats", "create")): "a chat session: keep the messages in a list and use achat(messages)",
}

# Words in a chain of attributes on a client that mean another kind of call -> the reason in its allow comment.
NON_CHAT = (
    ("speech", "speech, not text"), ("transcri", "transcription, not text"),
    ("translations", "transcription, not text"),
    ("Audio", "transcription, not text"), ("images", "images, not text"), ("Image", "images, not text"),
    ("videos", "video, not text"), ("embed", "embeddings, not text"), ("Embedding", "embeddings, not text"),
    ("moderation", "moderation, not text"), ("Moderation", "moderation, not text"),
    ("assistants", "assistants, which the factory has not"), ("threads", "assistants, which the factory has not"),
    ("files", "files, not text"), ("fine_tuning", "fine-tuning, not text"), ("batches", "batches, not one call"),
    ("vector_stores", "files, not text"), ("realtime", "realtime audio, not text"),
    ("models", "the list of models, not text"), ("list", "the list of models, not text"),
    ("pull", "management of models, not text"), ("show", "management of models, not text"),
    ("generate_videos", "video, not text"), ("generate_images", "images, not text"),
)  # fmt: skip


def non_chat(names: tuple[str, ...]) -> str | None:
    """Return why a chain of attributes on a client is not a chat call, or None."""
    for word, reason in NON_CHAT:
        if any(word in name for name in names):
            return reason
    return None


# SDK exception -> the factory's errors, which docs/errors.md describes.
_STATUS_ERRORS = (  # raised for a response, unlike failures of the connection and timeouts
    "AuthenticationFailed", "PermissionRefused", "ModelNotFound", "InvalidRequest", "RateLimited",
    "QuotaExhausted", "Overloaded", "ServerFailed", "ContentBlocked",
)  # fmt: skip
_OPENAI_LIKE = {
    "OpenAIError": ("ModelError",), "AnthropicError": ("ModelError",), "GroqError": ("ModelError",),
    "APIError": (*_STATUS_ERRORS, "ConnectionFailed", "ModelTimeout"), "APIStatusError": _STATUS_ERRORS,
    "APIConnectionError": ("ConnectionFailed", "ModelTimeout"), "APITimeoutError": ("ModelTimeout",),
    "AuthenticationError": ("AuthenticationFailed",),
    "PermissionDeniedError": ("PermissionRefused",), "NotFoundError": ("ModelNotFound",),
    "RateLimitError": ("RateLimited", "QuotaExhausted"),
    "BadRequestError": ("InvalidRequest", "ContentBlocked"), "UnprocessableEntityError": ("InvalidRequest",),
    "InternalServerError": ("ServerFailed", "Overloaded"), "ConflictError": ("Overloaded",),
    "OverloadedError": ("Overloaded",), "ServiceUnavailableError": ("Overloaded",),
    "Timeout": ("ModelTimeout",), "InvalidRequestError": ("InvalidRequest", "ContentBlocked"),
    "PermissionError": ("PermissionRefused",), "APIResponseValidationError": ("MalformedResponse",),
}  # fmt: skip
# The openai SDK before version 1 has other classes, and only OpenAIError is the base class of others there.
_OPENAI_BEFORE_1 = {
    "OpenAIError": ("ModelError",), "APIError": ("ServerFailed", "MalformedResponse"),
    "APIConnectionError": ("ConnectionFailed",), "Timeout": ("ModelTimeout",),
    "AuthenticationError": ("AuthenticationFailed", "ModelUnavailable"), "PermissionError": ("PermissionRefused",),
    "RateLimitError": ("RateLimited", "QuotaExhausted"), "ServiceUnavailableError": ("Overloaded",),
    "InvalidRequestError": ("InvalidRequest", "ModelNotFound", "ContentBlocked"), "TryAgain": ("Overloaded",),
}  # fmt: skip
EXPORTED_BEFORE_1 = ("APIError", "InvalidRequestError", "OpenAIError")  # under `openai` besides `openai.error`
ERROR_NAMES = frozenset(_OPENAI_LIKE) | frozenset(_OPENAI_BEFORE_1)
_HTTP = {
    "Timeout": ("ModelTimeout",), "ReadTimeout": ("ModelTimeout",), "ConnectTimeout": ("ModelTimeout",),
    "ConnectionError": ("ConnectionFailed",), "HTTPError": ("ModelError",), "RequestException": ("ModelError",),
    "TimeoutException": ("ModelTimeout",), "ConnectError": ("ConnectionFailed",), "HTTPStatusError": ("ModelError",),
    "RequestError": ("ConnectionFailed", "ModelTimeout"), "JSONDecodeError": ("MalformedResponse",),
}  # fmt: skip


def errors_for(name: str) -> tuple[str, ...] | None:
    """Return the factory's errors for an exception of an SDK or HTTP library by its dotted name, or None."""
    package, last = name.partition(".")[0], name.rpartition(".")[2]
    if name.startswith("openai.error."):
        return _OPENAI_BEFORE_1.get(last)
    if package in ("openai", "anthropic", "groq"):
        return _OPENAI_LIKE.get(last)
    if package in ("requests", "httpx"):
        return _HTTP.get(last)
    if name in ("ollama.ResponseError", "ollama._types.ResponseError"):
        return _STATUS_ERRORS
    if name == "google.genai.errors.APIError":
        return ("ModelError",)
    return None

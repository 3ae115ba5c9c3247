"""The SDKs that programs ask models through: how each is imported, constructed and called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.migration.fuzz.draft import Draft


@dataclass(frozen=True)
class Sdk:
    """A way to a provider.

    Attributes:
        name: The SDK's package.
        wire: The form of calls and replies: chat, messages, genai, generativeai, ollama or requests.
        provider: The provider.
        cls: The client's class.
        async_cls: The asynchronous client's class.
        models: Names of models.
        variables: Environment variables that programs name for the key.
        base_urls: Addresses that the client is given; empty where it keeps its own.
    """

    name: str
    wire: str
    provider: str
    cls: str
    async_cls: str
    models: tuple[str, ...]
    variables: tuple[str, ...] = ()
    base_urls: tuple[str, ...] = ()


_OPENAI = ("openai", "chat")
_CLASSES = ("OpenAI", "AsyncOpenAI")
OPENAI = Sdk(*_OPENAI, "openai", *_CLASSES, ("gpt-4o", "gpt-4o-mini", "gpt-4.1"), ("OPENAI_KEY", "OPENAI_API_KEY"))
ANTHROPIC = Sdk("anthropic", "messages", "anthropic", "Anthropic", "AsyncAnthropic",
                ("claude-haiku-4-5", "claude-sonnet-4-5"), ("ANTHROPIC_KEY", "ANTHROPIC_API_KEY"))  # fmt: skip
SDKS: dict[Sdk, float] = {
    OPENAI: 24,
    Sdk(*_OPENAI, "deepseek", *_CLASSES, ("deepseek-chat", "deepseek-reasoner"),
        ("DEEPSEEK_KEY", "DEEPSEEK_API_KEY"), ("https://api.deepseek.com", "https://api.deepseek.com/v1")): 16,
    Sdk(*_OPENAI, "xai", *_CLASSES, ("grok-3", "grok-4"), ("GROK_API_KEY", "XAI_API_KEY"),
        ("https://api.x.ai/v1",)): 4,
    Sdk(*_OPENAI, "openrouter", *_CLASSES, ("deepseek/deepseek-chat", "google/gemini-2.5-flash"),
        ("OPENROUTER_API_KEY",), ("https://openrouter.ai/api/v1",)): 5,
    Sdk(*_OPENAI, "groq", *_CLASSES, ("llama-3.3-70b-versatile",), ("GROQ_API_KEY",),
        ("https://api.groq.com/openai/v1",)): 2,
    Sdk(*_OPENAI, "ollama", *_CLASSES, ("llama3.2",), (), ("http://localhost:11434/v1",)): 2,
    Sdk(*_OPENAI, "local", *_CLASSES, ("local-model",), ("LOCAL_KEY",),
        ("https://llm.corp.example/v1", "http://localhost:8000/v1", "http://127.0.0.1:1234/v1")): 4,
    ANTHROPIC: 20,
    Sdk("groq", "chat", "groq", "Groq", "AsyncGroq", ("llama-3.3-70b-versatile",), ("GROQ_API_KEY",)): 4,
    Sdk("google.genai", "genai", "gemini", "Client", "Client", ("gemini-2.5-flash", "gemini-2.5-pro"),
        ("GEMINI_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY")): 4,
    Sdk("google.generativeai", "generativeai", "gemini", "GenerativeModel", "GenerativeModel",
        ("gemini-2.5-flash",), ("GEMINI_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY")): 4,
    Sdk("ollama", "ollama", "ollama", "Client", "AsyncClient", ("llama3.2", "qwen3")): 4,
    Sdk("requests", "requests", "openai", "", "", ("gpt-4o-mini",), ("OPENAI_KEY", "OPENAI_API_KEY"),
        ("https://api.openai.com/v1/chat/completions",)): 3,
    Sdk("requests", "requests", "openrouter", "", "", ("deepseek/deepseek-chat",), ("OPENROUTER_API_KEY",),
        ("https://openrouter.ai/api/v1/chat/completions",)): 4,
}  # fmt: skip


@dataclass(frozen=True)
class Construction:
    """What makes a client.

    Attributes:
        sdk: The SDK.
        imports: The statements that it needs before it.
        constants: The constants that it needs before it.
        expression: The construction itself.
        module: The SDK's module, as an expression of the program, where it has a name.
    """

    sdk: Sdk
    imports: tuple[str, ...]
    constants: tuple[str, ...]
    expression: str
    module: str


def draw_import(draft: Draft, sdk: Sdk) -> tuple[tuple[str, ...], str, str]:
    """Draw how the client's class is imported; return the statements, the class and the SDK's module."""
    cls = sdk.async_cls if draft.asynchronous else sdk.cls
    if sdk.wire == "genai":
        return ("from google import genai",), f"genai.{cls}", "genai"
    if sdk.wire == "generativeai":
        return ("import google.generativeai as genai",), f"genai.{cls}", "genai"
    form = draft.pick(name=45, module=30, alias=6, renamed=6, dynamic=3, optional=6, module_and_name=4)
    draft.tag("import", form)
    match form:
        case "module":
            return (f"import {sdk.name}",), f"{sdk.name}.{cls}", sdk.name
        case "alias":
            return (f"import {sdk.name} as llm_sdk",), f"llm_sdk.{cls}", "llm_sdk"
        case "renamed":
            return (f"from {sdk.name} import {cls} as LLM",), "LLM", sdk.name
        case "dynamic":
            lines = ("import importlib", f'{sdk.name} = importlib.import_module("{sdk.name}")')
            return lines, f"{sdk.name}.{cls}", sdk.name
        case "optional":
            guarded = f"try:\n    from {sdk.name} import {cls}\nexcept ImportError:\n    {cls} = None"
            return (guarded,), cls, sdk.name
        case "module_and_name":
            return (f"import {sdk.name}", f"from {sdk.name} import {cls}"), cls, sdk.name
    return (f"from {sdk.name} import {cls}",), cls, sdk.name

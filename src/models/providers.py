"""Hold the table of providers: where each one's adapter is, and what configures it."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from src.models import capabilities
from src.models.errors import InvalidRequest

_COMPATIBLE = "openai_compatible:OpenAICompatibleModel"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class Provider:
    """Describe one provider. One that speaks plain Chat Completions is this row and nothing else.

    Attributes:
        name: By which it is asked for: lower-case letters, digits, - and _.
        adapter: `module:Class` in src.models.adapters; Chat Completions through the openai SDK where not said.
        default_model: Asked where the caller names none.
        keys: The variables that may hold its key; the first one that is set wins, and the first is the one an
            error names.
        base_url: The variable that moves its address.
        package: What must be installed.
        needs_key: Whether it can be asked without a key.
        url: Its address, where the adapter does not know it.
        capabilities: What differs for all its models, by the names of `capabilities.Capabilities`.
    """

    name: str
    adapter: str = _COMPATIBLE
    default_model: str = ""
    keys: tuple[str, ...] = ()
    base_url: str | None = None
    package: str | None = "openai"
    needs_key: bool = True
    url: str | None = None
    capabilities: Mapping[str, Any] = field(default_factory=dict)

    def key(self) -> str | None:
        """Return the configured key, or None."""
        return next((value for name in self.keys if (value := os.environ.get(name, "").strip())), None)

    def address(self) -> str | None:
        """Return the configured address, or None for the provider's own."""
        return (os.environ.get(self.base_url, "").strip() or None) if self.base_url else None

    def __hash__(self) -> int:
        """Hash by name: a table holds one row of a name."""
        return hash(self.name)


# The default models, as looked up in November 2026:
# - gemini: 3.5 Flash-Lite replaces 2.5 Flash, which ends on 1 December, at its price:
#   ai.google.dev/gemini-api/docs/deprecations
# - groq: gpt-oss-120b is the production model that replaced Llama 3.3: console.groq.com/docs/models, /docs/deprecations
# - deepseek: api-docs.deepseek.com/quick_start/pricing; xai: docs.x.ai/docs/migration/may-15-retirement
# - openai: gpt-4o is what existing agents ask. Its dated versions end on 14 January 2027:
#   developers.openai.com/api/docs/deprecations
BUILT_IN: tuple[Provider, ...] = (
    Provider("claude", "claude.adapter:ClaudeModel", "claude-haiku-4-5", ("ANTHROPIC_KEY", "ANTHROPIC_API_KEY"),
             "CLAUDE_BASE_URL", "anthropic"),
    Provider("openai", "openai:OpenAIModel", "gpt-4o", ("OPENAI_KEY", "OPENAI_API_KEY"), "OPENAI_BASE_URL"),
    Provider("deepseek", "deepseek:DeepSeekModel", "deepseek-flash", ("DEEPSEEK_KEY", "DEEPSEEK_API_KEY"),
             "DEEPSEEK_BASE_URL"),
    Provider("groq", "groq:GroqModel", "openai/gpt-oss-120b", ("GROQ_API_KEY",), "GROQ_BASE_URL", "groq"),
    Provider("gemini", "gemini.adapter:GeminiModel", "gemini-3.5-flash-lite",
             ("GEMINI_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"), "GEMINI_BASE_URL", "google.genai"),
    Provider("xai", "xai:XAIModel", "grok-4.3", ("GROK_API_KEY", "XAI_API_KEY"), "XAI_BASE_URL"),
    Provider("ollama", "ollama:OllamaModel", "llama3.2", (), "OLLAMA_HOST", "ollama", needs_key=False),
    Provider("openrouter", "openrouter:OpenRouterModel", "google/gemini-3.5-flash-lite", ("OPENROUTER_API_KEY",),
             "OPENROUTER_BASE_URL"),
    Provider("local", "local.adapter:LocalModel", "", package="xllamacpp", needs_key=False),
)  # fmt: skip

_lock = threading.RLock()


class Table(Mapping[str, Provider]):
    """Map names to rows: the built-in ones, registered ones, and those of the user's file, read when first needed."""

    def __init__(self, rows: tuple[Provider, ...]) -> None:
        self._built_in = frozenset(row.name for row in rows)
        self._rows = {row.name: row for row in rows}
        self._read: str | None = None

    def register(self, row: Provider) -> None:
        """Add a row, or replace one that was added before.

        Raises:
            InvalidRequest: the name is a built-in provider's, or cannot be a name.
        """
        if row.name in self._built_in:
            raise InvalidRequest(
                f"{row.name} is built in: take another name, or move its address with its own variable.",
                parameter="name",
            )
        if not _NAME.fullmatch(row.name):
            raise InvalidRequest(
                f"{row.name!r} cannot be a provider's name: use lower-case letters, digits, - and _.", parameter="name"
            )
        with _lock:
            capabilities.set_row(row.name, row.capabilities)
            self._rows = {**self._rows, row.name: row}

    def _loaded(self) -> dict[str, Provider]:
        named = os.environ.get("MOONDEV_PROVIDERS", "").strip()
        if named and named != self._read:
            with _lock:
                self._read = named
                for row in rows_of(Path(named).expanduser()):
                    self.register(row)
        return self._rows

    def __getitem__(self, name: str) -> Provider:
        """Return the row of that name."""
        return self._loaded()[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._loaded())

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._loaded())


def rows_of(path: Path) -> tuple[Provider, ...]:
    """Return the providers that a user's TOML or JSON file adds, one table for each.

    MOONDEV_PROVIDERS names the file. Each table's name is the provider's; its keys are those of `Provider`:

        [together]
        url = "https://api.together.xyz/v1"
        keys = ["TOGETHER_API_KEY"]
        default_model = "meta-llama/Llama-3.3-70B-Instruct-Turbo"
        capabilities = { structured = "json_schema" }

    Raises:
        InvalidRequest: the file cannot be read, or a table has a key that is not known.
    """
    from src.models import user_tables

    known = {item.name for item in fields(Provider)} - {"name", "adapter"}
    rows = []
    for name, told in user_tables.read(path, "MOONDEV_PROVIDERS").items():
        unknown = set(told) - known if isinstance(told, Mapping) else {str(told)}
        if unknown or not told.get("url"):
            raise InvalidRequest(
                f"{path}: the provider {name} needs a url, and may have {', '.join(sorted(known))}"
                + (f"; not {', '.join(sorted(unknown))}." if unknown else "."),
                parameter="MOONDEV_PROVIDERS",
            )
        keys = tuple(told.get("keys", ()))
        rows.append(Provider(**{"name": name, "needs_key": bool(keys), **told, "keys": keys}))
    return tuple(rows)


PROVIDERS = Table(BUILT_IN)

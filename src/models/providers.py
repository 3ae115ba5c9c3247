"""Define the table of providers: each one's adapter and configuration."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from src.models import capabilities
from src.models.errors import InvalidRequest

if TYPE_CHECKING:
    from pathlib import Path

COMPATIBLE: Final = "openai_compatible:OpenAICompatibleModel"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider. A provider that speaks plain Chat Completions needs this row and nothing else.

    Attributes:
        name: Its name for `get_model`: lower-case letters, digits, - and _.
        adapter: `module:Class` in src.models.adapters; by default Chat Completions through the openai SDK.
        default_model: The model that is used where the caller names none.
        keys: The environment variables that may hold its key. The first one that is set wins; errors name the first
            of the list.
        base_url: The environment variable that moves its address.
        package: The package that must be installed.
        needs_key: Whether calls need a key.
        url: Its address, where the adapter has none.
        capabilities: What differs for all its models, by the field names of `capabilities.Capabilities`.
    """

    name: str
    adapter: str = COMPATIBLE
    default_model: str = ""
    keys: tuple[str, ...] = ()
    base_url: str | None = None
    package: str | None = "openai"
    needs_key: bool = True
    url: str | None = None
    capabilities: Mapping[str, Any] = field(default_factory=dict)

    def key(self) -> str | None:
        """Return the configured key, or None."""
        return self.key_source()[1] or None

    def key_source(self) -> tuple[str, str]:
        """Return the variable that holds the key, and the key; empty texts where none is set."""
        names = ((name, os.environ.get(name, "").strip()) for name in self.keys)
        return next(((name, value) for name, value in names if value), ("", ""))

    def address(self) -> str | None:
        """Return the configured address, or None for the provider's own."""
        return (os.environ.get(self.base_url, "").strip() or None) if self.base_url else None

    def __hash__(self) -> int:
        """Return the hash of the name: a table holds one row for each name."""
        return hash(self.name)


# The default models, checked in November 2026:
# - gemini: 3.5 Flash-Lite replaces 2.5 Flash, which ends on 1 December, at its price:
#   ai.google.dev/gemini-api/docs/deprecations
# - groq: gpt-oss-120b is the production model that replaced Llama 3.3: console.groq.com/docs/models, /docs/deprecations
# - deepseek: api-docs.deepseek.com/quick_start/pricing; xai: docs.x.ai/docs/migration/may-15-retirement
# - openai: gpt-4o is the model that existing agents use. Its dated versions end on 14 January 2027:
#   developers.openai.com/api/docs/deprecations
BUILT_IN: tuple[Provider, ...] = (
    Provider(
        name="claude",
        adapter="claude.adapter:ClaudeModel",
        default_model="claude-haiku-4-5",
        keys=("ANTHROPIC_KEY", "ANTHROPIC_API_KEY"),
        base_url="CLAUDE_BASE_URL",
        package="anthropic",
    ),
    Provider(
        name="openai",
        adapter="openai:OpenAIModel",
        default_model="gpt-4o",
        keys=("OPENAI_KEY", "OPENAI_API_KEY"),
        base_url="OPENAI_BASE_URL",
    ),
    Provider(
        name="deepseek",
        adapter="deepseek:DeepSeekModel",
        default_model="deepseek-flash",
        keys=("DEEPSEEK_KEY", "DEEPSEEK_API_KEY"),
        base_url="DEEPSEEK_BASE_URL",
    ),
    Provider(
        name="groq",
        adapter="groq:GroqModel",
        default_model="openai/gpt-oss-120b",
        keys=("GROQ_API_KEY",),
        base_url="GROQ_BASE_URL",
        package="groq",
    ),
    Provider(
        name="gemini",
        adapter="gemini.adapter:GeminiModel",
        default_model="gemini-3.5-flash-lite",
        keys=("GEMINI_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"),
        base_url="GEMINI_BASE_URL",
        package="google.genai",
    ),
    Provider(
        name="xai",
        adapter="xai:XAIModel",
        default_model="grok-4.3",
        keys=("GROK_API_KEY", "XAI_API_KEY"),
        base_url="XAI_BASE_URL",
    ),
    Provider(
        name="ollama",
        adapter="ollama:OllamaModel",
        default_model="llama3.2",
        keys=("OLLAMA_API_KEY",),
        base_url="OLLAMA_HOST",
        package="ollama",
        needs_key=False,
    ),
    Provider(
        name="openrouter",
        adapter="openrouter:OpenRouterModel",
        default_model="google/gemini-3.5-flash-lite",
        keys=("OPENROUTER_API_KEY",),
        base_url="OPENROUTER_BASE_URL",
    ),
    Provider(name="local", adapter="local.adapter:LocalModel", package="xllamacpp", needs_key=False),
)

_lock = threading.RLock()


class Table(Mapping[str, Provider]):
    """Maps names to rows: built-in ones, registered ones, and those of the user's file, which is read on demand."""

    def __init__(self, rows: tuple[Provider, ...]) -> None:
        self._built_in = frozenset(row.name for row in rows)
        self._rows = {row.name: row for row in rows}
        self._loaded_file: str | None = None

    def register(self, row: Provider) -> None:
        """Add a row, or replace one that was registered before.

        Raises:
            InvalidRequest: the name is a built-in provider's, or not a valid name.
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
        """Return the rows, those of the user's file included."""
        configured = os.environ.get("MOONDEV_PROVIDERS", "").strip()
        if configured and configured != self._loaded_file:
            from src.models import user_tables

            with _lock:
                self._loaded_file = configured
                for row in rows_of(user_tables.expanded(configured, "MOONDEV_PROVIDERS")):
                    self.register(row)
        return self._rows

    def __getitem__(self, name: str) -> Provider:
        """Return the row of that name."""
        return self._loaded()[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._loaded())

    def __len__(self) -> int:
        """Return the number of providers."""
        return len(self._loaded())


def rows_of(path: Path) -> tuple[Provider, ...]:
    """Return the providers that a user's TOML or JSON file adds, one for each table.

    MOONDEV_PROVIDERS names the file. A table's name is the provider's; its keys are the fields of `Provider`:

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
    for name, table in user_tables.read(path, "MOONDEV_PROVIDERS").items():
        unknown = set(table) - known if isinstance(table, Mapping) else {str(table)}
        if unknown or not table.get("url"):
            raise InvalidRequest(
                f"{path}: the provider {name} needs a url, and may have {', '.join(sorted(known))}"
                + (f"; not {', '.join(sorted(unknown))}." if unknown else "."),
                parameter="MOONDEV_PROVIDERS",
            )
        keys = tuple(table.get("keys", ()))
        rows.append(Provider(**{"name": name, "needs_key": bool(keys), **table, "keys": keys}))
    return tuple(rows)


PROVIDERS = Table(BUILT_IN)

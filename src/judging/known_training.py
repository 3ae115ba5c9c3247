"""List what is publicly stated of the training of well-known models: the register that ships with the project.

Only what a source states stands here, read on 30 November 2026; a month counts until its last day. A release bounds a
cut-off that nobody states, since nothing is trained on what comes later. Names that move from one model to the next
(`gpt-4o`, `claude-haiku-4-5`, `gemini-flash-latest`) are left out: nobody can say today what they will name tomorrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One model under the names by which providers serve it; `cutoff` is None where no source states it."""

    names: tuple[str, ...]
    cutoff: date | None
    release: date
    source: str


_META: Final = "https://github.com/meta-llama/llama-models/blob/main/models/{}/MODEL_CARD.md"
_CLAUDE: Final = "https://platform.claude.com/docs/en/models/{}/overview"
_GEMINI: Final = "https://ai.google.dev/gemini-api/docs/models/{}"
_AZURE: Final = (
    "https://github.com/MicrosoftDocs/azure-ai-docs/blob/main/articles/ai-foundry/openai/includes/fine-tune-models.md"
)

ROWS: Final = (
    TrainingRow(
        names=("claude:claude-sonnet-4-5-20250929",),
        cutoff=date(2025, 7, 31),
        release=date(2025, 9, 29),
        source=_CLAUDE.format("sonnet-4-5"),
    ),
    TrainingRow(
        names=("claude:claude-haiku-4-5-20251001",),
        cutoff=date(2025, 7, 31),
        release=date(2025, 10, 15),
        source=_CLAUDE.format("haiku-4-5"),
    ),
    TrainingRow(
        names=("claude:claude-opus-4-6",),
        cutoff=date(2025, 8, 31),
        release=date(2026, 2, 5),
        source=_CLAUDE.format("opus-4-6"),
    ),
    TrainingRow(
        names=("claude:claude-opus-4-8",),
        cutoff=None,
        release=date(2026, 5, 28),
        source=_CLAUDE.format("opus-4-8"),
    ),
    TrainingRow(
        names=("claude:claude-sonnet-5",),
        cutoff=None,
        release=date(2026, 6, 30),
        source=_CLAUDE.format("sonnet-5"),
    ),
    TrainingRow(
        names=("openai:gpt-4o-mini-2024-07-18", "openrouter:openai/gpt-4o-mini-2024-07-18"),
        cutoff=date(2023, 10, 31),
        release=date(2024, 7, 18),
        source=_AZURE,
    ),
    TrainingRow(
        names=("openai:gpt-4o-2024-08-06", "openrouter:openai/gpt-4o-2024-08-06"),
        cutoff=date(2023, 10, 31),
        release=date(2024, 8, 6),
        source=_AZURE,
    ),
    TrainingRow(
        names=("openai:gpt-4o-2024-11-20", "openrouter:openai/gpt-4o-2024-11-20"),
        cutoff=None,
        release=date(2024, 11, 20),
        source="https://openrouter.ai/openai/gpt-4o-2024-11-20",
    ),
    TrainingRow(
        names=("gemini:gemini-2.0-flash-001",),
        cutoff=date(2024, 8, 31),
        release=date(2025, 2, 28),
        source=_GEMINI.format("gemini-2.0-flash"),
    ),
    TrainingRow(
        names=("gemini:gemini-2.5-flash-lite-preview-09-2025",),
        cutoff=date(2025, 1, 31),
        release=date(2025, 9, 30),
        source=_GEMINI.format("gemini-2.5-flash-lite-preview-09-2025"),
    ),
    TrainingRow(
        names=("gemini:gemini-3-pro-preview",),
        cutoff=date(2025, 1, 31),
        release=date(2025, 11, 30),
        source=_GEMINI.format("gemini-3-pro-preview"),
    ),
    TrainingRow(
        names=("gemini:gemini-3.1-pro-preview",),
        cutoff=date(2025, 1, 31),
        release=date(2026, 2, 28),
        source=_GEMINI.format("gemini-3.1-pro-preview"),
    ),
    TrainingRow(
        names=("xai:grok-4.3",),
        cutoff=date(2025, 12, 31),
        release=date(2026, 4, 30),
        source="https://vercel.com/ai-gateway/models/grok-4.3",
    ),
    TrainingRow(
        names=(
            "groq:llama-3.1-8b-instant", "ollama:llama3.1", "ollama:llama3.1:8b", "ollama:llama3.1:70b",
            "openrouter:meta-llama/llama-3.1-8b-instruct", "openrouter:meta-llama/llama-3.1-70b-instruct",
        ),
        cutoff=date(2023, 12, 31),
        release=date(2024, 7, 23),
        source=_META.format("llama3_1"),
    ),
    TrainingRow(
        names=("ollama:llama3.2", "ollama:llama3.2:1b", "ollama:llama3.2:3b"),
        cutoff=date(2023, 12, 31),
        release=date(2024, 9, 25),
        source=_META.format("llama3_2"),
    ),
    TrainingRow(
        names=(
            "groq:llama-3.3-70b-versatile", "ollama:llama3.3", "ollama:llama3.3:70b",
            "openrouter:meta-llama/llama-3.3-70b-instruct",
        ),
        cutoff=date(2023, 12, 31),
        release=date(2024, 12, 6),
        source=_META.format("llama3_3"),
    ),
    TrainingRow(
        names=(
            "groq:meta-llama/llama-4-scout-17b-16e-instruct", "groq:meta-llama/llama-4-maverick-17b-128e-instruct",
            "openrouter:meta-llama/llama-4-scout", "openrouter:meta-llama/llama-4-maverick",
        ),
        cutoff=date(2024, 8, 31),
        release=date(2025, 4, 5),
        source=_META.format("llama4"),
    ),
)  # fmt: skip

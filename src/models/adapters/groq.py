"""Ask the models that Groq serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from src.models.adapters.openai_compatible import OpenAICompatibleModel

if TYPE_CHECKING:
    from collections.abc import Mapping


class GroqModel(OpenAICompatibleModel):
    """A model that Groq serves, through Groq's own SDK, which adds /openai/v1 to the address."""

    provider: ClassVar[str] = "groq"
    default_base_url: ClassVar[str | None] = "https://api.groq.com"
    # A stream always reports its usage, and the SDK has no such parameter.
    stream_options: ClassVar[Mapping[str, object] | None] = None
    sdk: ClassVar[tuple[str, str, str]] = ("groq", "Groq", "AsyncGroq")
    path: ClassVar[str] = "/openai/v1/chat/completions"

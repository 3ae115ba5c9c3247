"""Ask the models that Groq serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from src.models.adapters.openai_compatible import OpenAICompatibleModel

if TYPE_CHECKING:
    from collections.abc import Mapping


class GroqModel(OpenAICompatibleModel):
    """Ask a model through Groq's own SDK, which has the protocol's shape and adds /openai/v1 to its address."""

    provider: ClassVar[str] = "groq"
    default_base_url: ClassVar[str | None] = "https://api.groq.com"
    # A stream tells its usage unasked, and the SDK knows no such parameter.
    stream_options: ClassVar[Mapping[str, object] | None] = None
    sdk: ClassVar[tuple[str, str, str]] = ("groq", "Groq", "AsyncGroq")
    path: ClassVar[str] = "/openai/v1/chat/completions"

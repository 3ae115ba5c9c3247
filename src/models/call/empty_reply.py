"""Classify a reply without text and tool calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src.models.errors import ContentBlocked, EmptyResponse, ModelError
from src.models.failures import bodies

if TYPE_CHECKING:
    from src.models.types import Completion


def error_for(completion: Completion) -> ModelError:
    """Return the error that a completion without text and tool calls means."""
    if completion.finish_reason == "content_filter":
        reason = completion.notes.get("block_reason") or completion.notes.get("refusal")
        return ContentBlocked(f"the reply was withheld ({bodies.one_line(str(reason or 'no reason told'))})")
    if completion.finish_reason == "length":
        error = EmptyResponse("the token limit was used up before any text; raise max_tokens")
        error.retryable = False  # the same limit would be used up again
        return error
    return EmptyResponse(f"the reply has no text (finish reason {completion.finish_reason or 'not told'})")

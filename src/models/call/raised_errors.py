"""Decide how an exception that ends a call is recorded, and what of it may be shown."""

from __future__ import annotations

from typing import Final

from src.models.errors import CallCancelled, ModelError, ModelTimeout

_LONGEST_CAUSE: Final = 20_000  # characters; a longer text is not searched for secrets, and so not shown


def interruption(raised: BaseException) -> ModelError:
    """Return the error to record for a call that was stopped from outside, by a deadline or a cancellation."""
    if "timeout" in raised.args:
        return ModelTimeout("no answer within the caller's deadline")
    reason = "the caller stopped reading" if isinstance(raised, GeneratorExit) else "the caller cancelled the call"
    return CallCancelled(reason)


def safe_cause(raised: BaseException) -> BaseException | None:
    """Return the cause to chain; None where its text holds a secret, which a traceback would print."""
    if isinstance(raised, ModelError) or not isinstance(raised, Exception):
        return raised.__cause__
    from src.observability.redaction import redact_text

    text = str(raised)
    return raised if len(text) <= _LONGEST_CAUSE and redact_text(text) == text else None

"""Replace secrets in any value by [REDACTED:<kind>], before it is written anywhere."""

from src.observability.redaction.redactor import (
    FAILED,
    Redactor,
    configure,
    current,
    hide_own,
    learn,
    redact,
    redact_text,
    refresh,
)

__all__ = ["FAILED", "Redactor", "configure", "current", "hide_own", "learn", "redact", "redact_text", "refresh"]

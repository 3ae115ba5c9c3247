"""Redaction: secrets in any value become [REDACTED:<kind>] before the value is written anywhere."""

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

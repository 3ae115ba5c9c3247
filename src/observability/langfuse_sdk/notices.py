"""Warn once of each client of Langfuse's SDK that bypasses our store."""

from __future__ import annotations

import logging
from typing import Any

from src.observability.langfuse_sdk import other_projects

_log = logging.getLogger("moondev.observability")
_REMEDY = (
    "Set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY to its keys in the environment or .env, "
    "or use get_tracker().client in its place."
)
_logged: set[str] = set()


def guard_and_warn(kind: str, message: str, *values: object, manager: Any, key: str) -> None:
    """Have a client redact what it sends by itself, and warn once that it bypasses our store.

    Args:
        kind: Of warnings of the same kind only the first is logged.
        message: What the client does; what it bypasses and the remedy are added.
        values: The message's values.
        manager: The client's resource manager.
        key: The client's public key.
    """
    bypassed = "redaction and the local store"
    if other_projects.guard(manager, key):
        bypassed = "the local store (its secrets are redacted all the same)"
    warn_once(kind, f"{message}, past %s. %s", *values, bypassed, _REMEDY)


def warn_once(kind: str, message: str, *values: object) -> None:
    """Log a warning, but of its kind only the first."""
    if kind not in _logged:
        _logged.add(kind)
        _log.warning(message, *values)

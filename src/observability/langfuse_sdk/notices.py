"""Tell once what goes past the local store."""

from __future__ import annotations

import logging
from typing import Any

from src.observability.langfuse_sdk import other_projects

_log = logging.getLogger("moondev.observability")


REMEDY = (
    "Set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY to its keys in the environment or .env, "
    "or use get_tracker().client in its place."
)


_said: set[str] = set()


def passed_by(manager: Any, key: str) -> str:
    """Guard what a client sends by itself; return what its observations do not pass through."""
    if other_projects.guard(manager, key):
        return "the local store (its secrets are redacted all the same)"
    return "redaction and the local store"


def say_once(kind: str, message: str, *values: object) -> None:
    """Log a warning, the first time that one of its kind is due."""
    if kind not in _said:
        _said.add(kind)
        _log.warning(message, *values)

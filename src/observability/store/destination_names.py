"""Name destinations in the store, and read from a stored name which rows its destination accepts.

The tables `destinations` and `set_aside` know a destination by its name alone. The column `scores` of the table
`configured` says what it accepts, but only once a process that was set up for it has registered it there, which none
does where rows are kept forever; and a column in `destinations` would make a new file format, which programs of
today refuse to open. So a name begins with the kind of its destination, and this module alone writes and reads that.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from src.observability.store.records import Accepts


class NamePrefix(Enum):
    """How the names of one kind of destination begin."""

    LANGFUSE = "langfuse:"
    LANGFUSE_SCORES = "langfuse-scores:"
    OTLP = "otlp:"


_ACCEPTS: Final = {
    NamePrefix.LANGFUSE: Accepts.BOTH,
    NamePrefix.LANGFUSE_SCORES: Accepts.SCORES,
    NamePrefix.OTLP: Accepts.OBSERVATIONS,
}


def destination_name(prefix: NamePrefix, address: str) -> str:
    """Return the name under which the store knows a destination; `address` must hold no secret."""
    return f"{prefix.value}{address}"


def accepted_by(name: str) -> Accepts:
    """Return what a destination of a stored name accepts.

    A name of no known kind is taken to accept everything, so that nothing counts as delivered there by mistake.
    """
    kinds = (accepts for prefix, accepts in _ACCEPTS.items() if name.startswith(prefix.value))
    return next(kinds, Accepts.BOTH)

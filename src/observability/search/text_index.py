"""Hold what narrows a search for words down to a few traces; where there is none, all texts are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

_lookups: list[Callable[[Path, str], Collection[str] | None]] = []


def use(lookup: Callable[[Path, str], Collection[str] | None]) -> None:
    """Set what looks words up: it returns all traces that may hold them, or None where it cannot tell."""
    _lookups[:] = [lookup]


def traces_with(store: Path, text: str) -> Collection[str] | None:
    """Return all traces of a store that may hold some words; None where only reading the texts can tell."""
    return _lookups[0](store, text) if _lookups else None

"""Bring the facts file up to date with its store."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from src.insight.facts.records import Freshness


def refresh(
    store: Path, *, budget_s: float | None = None, progress: Callable[[int, int], None] | None = None
) -> Freshness:
    """Read what is new in a store into its facts file, for at most so many seconds; return how far that got.

    Another process that does so at the same time is left to it, within the same budget.

    Args:
        store: The trace store's file.
        budget_s: How long to read at most; until all is read where not set.
        progress: Called now and then with how many observations are read, and how many there are.

    Raises:
        SpoolError: the store cannot be read.
        FactsError: the facts file cannot be written; the message says why.
    """
    raise NotImplementedError

"""The check's analysis of a file, which all steps of its migration share."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from src.migration.check.sites import facts_of
from src.migration.check.vocabulary.words import Vocabulary

if TYPE_CHECKING:
    from src.migration.check.records import Facts

VOCABULARY = Vocabulary()


@lru_cache(maxsize=4)  # a file's text before its migration, rewritten, and with allow comments
def check_facts(source: bytes) -> Facts:
    """Return what the check finds in a text, which is parsed at the first call only."""
    return facts_of(source, VOCABULARY)

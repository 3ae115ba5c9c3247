"""Define the file of the text index: `<store>.texts.db`, disposable; where it is, and how large it may become."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from src.insight.texts.signatures import GROUP, PLACES, ROW_BYTES
from src.observability.settings import SettingsError, switch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

APPLICATION_ID: Final = 0x4D4F4E54  # "MONT"
FORMAT: Final = 1
# A block takes about this much of the file.
BLOCK_BYTES: Final = PLACES * ROW_BYTES
# `bits`: GROUP places of a block, under place / GROUP << 32 | block: what a search reads of all blocks lies together.
# `blocks`: which rows of a block are indexed, as one bit each.
SCRIPT: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE blocks (id INTEGER PRIMARY KEY, slots BLOB NOT NULL);
CREATE TABLE bits (id INTEGER PRIMARY KEY, content BLOB NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class TextSettings:
    """Whether texts are indexed, and how many bytes the index may take."""

    enabled: bool
    max_bytes: int

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> TextSettings:
        """Read MOONDEV_SEARCH_INDEX (on or off) and MOONDEV_SEARCH_MAX_MB.

        Raises:
            SettingsError: a variable has an invalid value.
        """
        env = os.environ if environ is None else environ
        text = env.get("MOONDEV_SEARCH_MAX_MB", "").strip() or "512"
        if not text.isdecimal() or int(text) < 1:
            raise SettingsError("MOONDEV_SEARCH_MAX_MB", f"is {text!r}, not a whole number of at least 1.")
        enabled = switch(env, "MOONDEV_SEARCH_INDEX", default=True)
        return cls(enabled=enabled, max_bytes=int(text) * 1024**2)


def texts_path(store: Path) -> Path:
    """Return where the index of a store's texts is."""
    return store.with_name(store.name + ".texts.db")


def bits_id(group: int, block: int) -> int:
    """Return the number under which places of a block stand."""
    return group << 32 | block


def groups_of(places: list[int]) -> dict[int, list[int]]:
    """Return places by the groups that hold them."""
    groups: dict[int, list[int]] = {}
    for place in places:
        groups.setdefault(place // GROUP, []).append(place)
    return groups

"""Tell a damaged trace store from a file that was never one, by its content.

SQLite says of both that they are no database. A damaged store is set aside and a new one begins; any other file belongs
to somebody and stays as it is.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from src.observability.store.schema import APPLICATION_ID

if TYPE_CHECKING:
    from pathlib import Path

_MAGIC: Final = b"SQLite format 3\0"
_APPLICATION_ID_AT: Final = slice(68, 72)  # https://www.sqlite.org/fileformat2.html#the_database_header
_FIRST_PAGES: Final = 1_000_000  # bytes: the tables' definitions take several pages, which a new file has here
_OUR_TABLES: Final = (b"CREATE TABLE observations (", b"CREATE TABLE payloads (")  # as the first pages hold them

# Closing any descriptor of a file drops all locks that this process has on it (the rule of fcntl). Those of damaged
# stores therefore stay open: other connections of this process may still read what is left of them.
_open_descriptors: Final[list[int]] = []


def is_damaged_store(path: Path, *, opened_before: bool) -> bool:
    """Tell whether a file that SQLite cannot read is a store of ours.

    Args:
        path: The file.
        opened_before: This process has opened the same file as a store. It is then taken for one even where its first
            page is destroyed, unless a text was written over it.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    beginning = os.read(descriptor, _FIRST_PAGES)
    ours = _has_our_header(beginning) or _has_our_tables(beginning) or (opened_before and not _is_text(beginning))
    if ours:
        _open_descriptors.append(descriptor)
    else:
        os.close(descriptor)
    return ours


def _has_our_header(beginning: bytes) -> bool:
    owner = int.from_bytes(beginning[_APPLICATION_ID_AT], "big")
    return beginning.startswith(_MAGIC) and owner == APPLICATION_ID


def _has_our_tables(beginning: bytes) -> bool:
    return all(table in beginning for table in _OUR_TABLES) and not _is_text(beginning)


def _is_text(beginning: bytes) -> bool:
    """Tell whether bytes are a text: a dump of a store names its tables too."""
    try:
        return "\0" not in beginning[:-4].decode()  # the last character may be cut
    except UnicodeDecodeError as error:
        return error.start >= len(beginning) - 8 and b"\0" not in beginning

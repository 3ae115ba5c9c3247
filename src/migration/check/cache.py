"""A cache of what files hold, keyed by the digest of their content."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from src.migration.check.records import Facts, from_json

if TYPE_CHECKING:
    from src.migration.check.vocabulary.words import Vocabulary

MOST = 100_000  # entries; the oldest go first
_WITHOUT_WORDS = 0  # the entry of content without a word of interest


def digest(source: bytes) -> str:
    """Return the key of one file's content."""
    return hashlib.blake2b(source, digest_size=16).hexdigest()


def default_folder() -> Path:
    """Return the user's cache folder for this program."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "check-direct-calls"


@lru_cache(maxsize=1)
def _own_digest() -> bytes | None:
    return source_digest(Path(__file__).parent)


def source_digest(folder: Path) -> bytes | None:
    """Return a digest of the check's own source, in all its folders; None where there is no source to read.

    It is part of the cache's key, so that a new version never reads an old one's facts.
    """
    files = sorted(folder.rglob("*.py"))
    own = hashlib.blake2b(digest_size=16)
    for file in files:
        own.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return own.digest() if files else None


class Cache:
    """Facts by the digest of a file's content, in one file of a folder; failing to read or write it is no error."""

    def __init__(self, folder: Path | None, vocabulary: Vocabulary) -> None:
        own = _own_digest() if folder else None
        self._file: Path | None = None
        if folder and own:  # without its source, such as in an archive, the check cannot tell an old version's facts
            key = repr((vocabulary.modules, vocabulary.hosts, sys.version_info[:2])).encode() + own
            self._file = folder / f"facts-{digest(key)}.json"
        self.known: dict[str, object] = {}
        self._fresh: dict[str, object] = {}
        if self._file:
            with contextlib.suppress(OSError, ValueError, RecursionError):
                loaded = json.loads(self._file.read_bytes())
                self.known = loaded if isinstance(loaded, dict) else {}

    def get(self, key: str) -> Facts | None:
        """Return the facts of some content, or None."""
        return from_json(self.known.get(key))

    def is_without_words(self, key: str) -> bool:
        """Tell whether some content is known to hold no word of interest."""
        return self.known.get(key, _WITHOUT_WORDS + 1) == _WITHOUT_WORDS

    def put(self, key: str, facts: Facts | None) -> None:
        """Add the facts of some content, to be written by `save`; None for content without a word of interest."""
        self._fresh[key] = _WITHOUT_WORDS if facts is None else facts.to_json()

    def save(self) -> None:
        """Replace the file whole, where there is anything to add."""
        if not self._file or not self._fresh:
            return
        entries = {**self.known, **self._fresh}
        newest = dict(list(entries.items())[-MOST:])
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._file.parent, suffix=".tmp")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as stream:
                    json.dump(newest, stream, separators=(",", ":"))
                Path(name).replace(self._file)
            except OSError:
                Path(name).unlink(missing_ok=True)

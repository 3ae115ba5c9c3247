"""Remember what files held, by the hash of their content."""

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

MOST = 50_000  # entries; the longest unseen go first


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
def _own_text() -> bytes:
    """Return a hash of the check's own source, so that a new version never trusts an old one's answers."""
    own = hashlib.blake2b(digest_size=16)
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        own.update(file.read_bytes())
    return own.digest()


class Cache:
    """Map content to facts, in one file of a folder. A file that cannot be read or written is no error."""

    def __init__(self, folder: Path | None, vocabulary: Vocabulary) -> None:
        key = repr((vocabulary.modules, vocabulary.hosts, sys.version_info[:2])).encode() + _own_text()
        self._file = folder / f"facts-{digest(key)}.json" if folder else None
        self.known: dict[str, object] = {}
        self._fresh: dict[str, object] = {}
        if self._file:
            with contextlib.suppress(OSError, ValueError, RecursionError):
                loaded = json.loads(self._file.read_bytes())
                self.known = loaded if isinstance(loaded, dict) else {}

    def get(self, key: str) -> Facts | None:
        """Return what is remembered, or None."""
        return from_json(self.known.get(key))

    def put(self, key: str, facts: Facts) -> None:
        """Remember what a file held; written by `save`."""
        self._fresh[key] = facts.to_json()

    def save(self) -> None:
        """Write the file anew, all at once, if there is anything to add."""
        if not self._file or not self._fresh:
            return
        entries = {**self.known, **self._fresh}
        kept = dict(list(entries.items())[-MOST:])
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._file.parent, suffix=".tmp")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as stream:
                    json.dump(kept, stream, separators=(",", ":"))
                Path(name).replace(self._file)
            except OSError:
                Path(name).unlink(missing_ok=True)

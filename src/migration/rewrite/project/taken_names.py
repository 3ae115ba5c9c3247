"""The names that other files take from a file, such as an SDK's class that it has imported."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_FROM_IMPORT = re.compile(r"^\s*from\s+([\w.]+)\s+import\s+(\([^)]*\)|[^\n]*)", re.MULTILINE)


def taken_names(file: Path, users: Iterable[Path]) -> frozenset[str]:
    """Return the names that the files which import a file can take from it.

    Args:
        file: The file.
        users: The files that import it, directly or through others.
    """
    module = file.parent.name if file.stem == "__init__" else file.stem
    names: set[str] = set()
    for user in users:
        try:
            text = user.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # the migration of that file itself reports why
        for source, imported in _FROM_IMPORT.findall(text):
            if source.rpartition(".")[2] == module:
                names.update(re.findall(r"\w+", text if "*" in imported else imported))
        names.update(re.findall(rf"\b{re.escape(module)}\s*\.\s*(\w+)", text))
    return frozenset(names)

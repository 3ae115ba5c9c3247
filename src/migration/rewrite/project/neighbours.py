"""The files that can reach a file's objects, and those whose classes it can inherit from, by the imports of a project.

The imports of all files are shared by each process once: for each file its own neighbours would be far too many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from src.migration.rewrite.project.error_links import Links, reachable

if TYPE_CHECKING:
    from pathlib import Path

_imports: Links = {}
_importers: Links = {}


def share(imports: Links) -> None:
    """Let this process know which files each file of the project imports."""
    links = dict(imports)  # a forked process is given the very dictionary that is emptied here
    _imports.clear()
    _imports.update(links)
    _importers.clear()
    _importers.update({file: set() for file in links})
    for file, others in links.items():
        for other in others:
            _importers.setdefault(other, set()).add(file)


def shared() -> Links:
    """Return what this process knows, for others."""
    return _imports


def users_of(file: Path) -> list[Path]:
    """Return the files that import a file, directly or through others, and so can reach its objects."""
    return sorted(reachable(file, _importers) - {file}) if file in _importers else []


def bases_of(file: Path) -> list[Path]:
    """Return the files that a file imports, directly or through others."""
    return sorted(reachable(file, _imports) - {file}) if file in _imports else []


def fixtures() -> list[Path]:
    """Return the files with fixtures, which pytest runs around tests of any file."""
    return sorted(file for file in _imports if file.name == "conftest.py")

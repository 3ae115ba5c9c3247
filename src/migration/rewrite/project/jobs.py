"""List the files to migrate, each with what other files of the project tell about it."""

from __future__ import annotations

import contextlib
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from src.migration.check.scan import SKIPPED
from src.migration.rewrite.find.raw_posts import addresses_in
from src.migration.rewrite.project.error_links import links, together
from src.migration.rewrite.project.sdk_setup import relies, set_up
from src.migration.rewrite.records import Around

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from src.migration.rewrite.project.error_links import Links

_OURS = (("src", "models"), ("src", "observability"), ("src", "migration"))


_IMPORTED = re.compile(r"^\s*(?:from\s+([\w.]+)\s+import\b|import\s+([\w., ]+))", re.MULTILINE)


_NAMED = re.compile(r"^\s*from\s+[\w.]+\s+import\s+(\([^)]*\)|[^\n]*)", re.MULTILINE)


_CALLED = re.compile(r"\b(\w+)\.(\w+)\(")


_BORROWED = re.compile(r"\b(\w+)\.(\w+)\.(?:chat|messages|responses|models|completions|generate_content)\b")


@dataclass(frozen=True, slots=True)
class Job:
    """Hold one file to migrate: where, its name in reports, and what it shares with other files.

    Attributes:
        path: The file.
        name: Its name in reports.
        around: What is known about the other files.
        imports: The files that it imports.
    """

    path: Path
    name: str
    around: Around
    imports: frozenset[Path] = frozenset()


def jobs_of(paths: Sequence[Path]) -> list[Job]:
    """Return the Python files at and below some paths, but for the factory itself, each once."""
    root = paths[0] if len(paths) == 1 and paths[0].is_dir() else Path(os.path.commonpath([p.resolve() for p in paths]))
    root = root if root.is_dir() else root.parent
    found = {file for path in paths for file in (_walk(path) if path.is_dir() else [path])}
    real = {file.resolve(): file for file in sorted(found, key=lambda one: (not one.is_symlink(), one))}
    files = sorted(real.values())
    lent: dict[Path, tuple[frozenset[str], frozenset[str]]] = {}
    held: set[tuple[str, str]] = set()
    said: dict[Path, tuple[frozenset[str], frozenset[str]]] = {}
    for file in files:
        source = _source(file)
        text = source.decode("utf-8", "replace")
        lent[file], said[file] = _lent(text), (set_up(text), relies(text))
        held.update(addresses_in(source))
    addresses = tuple(sorted(held))
    linked = links({file: imported for file, (imported, _) in lent.items()})
    return [
        Job(
            file,
            _name(file, root),
            Around(_borrowed(file, lent), addresses, settings=settings, needed=needed),
            frozenset(linked[file]),
        )
        for file, (settings, needed) in _of_others(said, linked).items()
    ]


def _of_others(
    said: dict[Path, tuple[frozenset[str], frozenset[str]]], linked: Links
) -> dict[Path, tuple[frozenset[str], frozenset[str]]]:
    """Return for each file what the other ones of its program set up on SDK modules, and need to be set up."""
    found = {}
    for group in together(linked):
        sets = Counter(one for file in group for one in said[file][0])
        needs = Counter(one for file in group for one in said[file][1])
        for file in group:
            settings, needed = said[file]
            found[file] = (
                frozenset(one for one, count in sets.items() if count > (one in settings)),
                frozenset(one for one, count in needs.items() if count > (one in needed)),
            )
    return {file: found[file] for file in said}


def _walk(folder: Path) -> Iterator[Path]:
    for here, folders, names in os.walk(folder):
        inside = Path(here)
        folders[:] = sorted(
            one
            for one in folders
            if one not in SKIPPED and not any((inside / one).parts[-2:] == ours for ours in _OURS)
        )
        yield from (
            inside / name for name in sorted(names) if name.endswith((".py", ".pyw")) and (inside / name).is_file()
        )


def _name(file: Path, root: Path) -> str:
    with contextlib.suppress(ValueError):
        return file.resolve().relative_to(root.resolve()).as_posix()
    return file.as_posix()


def _source(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""  # it is named when it is to be migrated


def _lent(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return what a file imports, and the names of clients that it uses on other objects."""
    imported = {word for pair in _IMPORTED.findall(text) for word in re.split(r"[.,\s]+", pair[0] or pair[1])}
    used = {name for owner, name in _BORROWED.findall(text) + _CALLED.findall(text) if owner not in ("self", "cls")}
    used |= {name for names in _NAMED.findall(text) for name in re.findall(r"\w+", names)}
    return frozenset(imported), frozenset(used)


def _borrowed(file: Path, lent: dict[Path, tuple[frozenset[str], frozenset[str]]]) -> frozenset[str]:
    return frozenset(
        name for other, (imported, used) in lent.items() if other != file and file.stem in imported for name in used
    )

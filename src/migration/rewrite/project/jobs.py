"""The files to migrate, each with what is known about the other files of the project."""

from __future__ import annotations

import contextlib
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from src.migration.check.scan import SKIPPED
from src.migration.rewrite.find.raw_posts import Addresses, addresses_in
from src.migration.rewrite.project import neighbours
from src.migration.rewrite.project.error_links import connected_groups, import_links
from src.migration.rewrite.project.own_server import served_paths
from src.migration.rewrite.project.sdk_setup import custom_settings, setups_required
from src.migration.rewrite.records import ProjectContext

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from src.migration.rewrite.project.error_links import Links

_FACTORY_FOLDERS = (("src", "models"), ("src", "observability"), ("src", "migration"))
_IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+import\b|import\s+([\w., ]+))", re.MULTILINE)
_FROM_IMPORT = re.compile(r"^\s*from\s+[\w.]+\s+import\s+(\([^)]*\)|[^\n]*)", re.MULTILINE)
_NAMED = re.compile(  # modules that a file loads, or patches, by a text
    r"(?:import_module|__import__|run_module|run_path|spec_from_file_location|patch(?:\.\w+)?|setattr)"
    r"""\([^()"']*["']([\w./]+)["']"""
)
_METHOD_CALL = re.compile(r"\b(\w+)\.(\w+)\(")
_CLIENT_USE = re.compile(r"\b(\w+)\.(\w+)\.(?:chat|messages|responses|models|completions|generate_content)\b")


@dataclass(frozen=True, slots=True)
class Job:
    """One file to migrate.

    Attributes:
        path: The file.
        name: Its name in reports.
        project: What is known about the other files.
        imports: The files that it imports.
    """

    path: Path
    name: str
    project: ProjectContext
    imports: frozenset[Path] = frozenset()


@dataclass(frozen=True, slots=True)
class _FileFacts:
    """What one file's text says that matters to other files.

    Attributes:
        imports: The words in its import statements.
        borrowed_names: Names that it uses on other objects or imports, which may be another file's clients.
        settings: What it sets on SDK modules.
        required_setups: SDKs whose module it calls and does not set up.
        addresses: Its constants that hold addresses of models.
        served_paths: The paths that it serves.
    """

    imports: frozenset[str]
    borrowed_names: frozenset[str]
    settings: frozenset[str]
    required_setups: frozenset[str]
    addresses: Addresses
    served_paths: frozenset[str]


def jobs_of(paths: Sequence[Path]) -> list[Job]:
    """Return a job for each Python file at and below some paths, the factory's own files excepted."""
    root = paths[0] if len(paths) == 1 and paths[0].is_dir() else Path(os.path.commonpath([p.resolve() for p in paths]))
    root = root if root.is_dir() else root.parent
    facts = {file: _facts(file) for file in _distinct_files(paths)}
    addresses = tuple(sorted({pair for file_facts in facts.values() for pair in file_facts.addresses}))
    linked = import_links({file: file_facts.imports for file, file_facts in facts.items()})
    neighbours.share(linked)
    setups = _setups_elsewhere(facts, linked)
    served = frozenset[str]().union(*(file_facts.served_paths for file_facts in facts.values()))
    return [
        Job(
            path=file,
            name=_name(file, root),
            project=ProjectContext(
                borrowed_names=_borrowed_names(file, facts),
                addresses=addresses,
                settings=setups[file][0],
                required_setups=setups[file][1],
                served_paths=served,
            ),
            imports=frozenset(linked[file]),
        )
        for file in facts
    ]


def _distinct_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files at and below some paths, each once: by its real name where it has several."""
    files = {file for path in paths for file in (_walk(path) if path.is_dir() else [path])}
    by_real_path = {file.resolve(): file for file in sorted(files, key=lambda file: (not file.is_symlink(), file))}
    return sorted(by_real_path.values())


def _setups_elsewhere(
    facts: dict[Path, _FileFacts], linked: Links
) -> dict[Path, tuple[frozenset[str], frozenset[str]]]:
    """Return for each file what the other files of its program set on SDK modules, and which setups they require."""
    setups = {}
    for group in connected_groups(linked):
        setting_counts = Counter(setting for file in group for setting in facts[file].settings)
        required_counts = Counter(package for file in group for package in facts[file].required_setups)
        for file in group:
            setups[file] = (
                _counted_elsewhere(setting_counts, facts[file].settings),
                _counted_elsewhere(required_counts, facts[file].required_setups),
            )
    return setups


def _counted_elsewhere(counts: Counter[str], own: frozenset[str]) -> frozenset[str]:
    return frozenset(item for item, count in counts.items() if count > (item in own))


def _walk(folder: Path) -> Iterator[Path]:
    for name, folders, files in os.walk(folder):
        current = Path(name)
        folders[:] = sorted(
            child for child in folders if child not in SKIPPED and (current / child).parts[-2:] not in _FACTORY_FOLDERS
        )
        yield from (
            current / file for file in sorted(files) if file.endswith((".py", ".pyw")) and (current / file).is_file()
        )


def _name(file: Path, root: Path) -> str:
    with contextlib.suppress(ValueError):
        return file.resolve().relative_to(root.resolve()).as_posix()
    return file.as_posix()


def _facts(file: Path) -> _FileFacts:
    try:
        source = file.read_bytes()
    except OSError:
        source = b""  # the migration of the file itself reports why
    text = source.decode("utf-8", "replace")
    imports = {word for pair in _IMPORT.findall(text) for word in re.split(r"[.,\s]+", pair[0] or pair[1])}
    uses = _CLIENT_USE.findall(text) + _METHOD_CALL.findall(text)
    imports |= {word for name in _NAMED.findall(text) for word in re.split(r"[./]", name)}
    names = {name for owner, name in uses if owner not in ("self", "cls")}
    names |= {name for imported in _FROM_IMPORT.findall(text) for name in re.findall(r"\w+", imported)}
    return _FileFacts(
        imports=frozenset(imports),
        borrowed_names=frozenset(names),
        settings=custom_settings(text),
        required_setups=setups_required(text),
        addresses=addresses_in(source),
        served_paths=served_paths(text),
    )


def _borrowed_names(file: Path, facts: dict[Path, _FileFacts]) -> frozenset[str]:
    """Return the names that may be a file's clients in the files that import it."""
    return frozenset(
        name
        for other, other_facts in facts.items()
        if other != file and file.stem in other_facts.imports
        for name in other_facts.borrowed_names
    )

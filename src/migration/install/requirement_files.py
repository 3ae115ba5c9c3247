"""Merge what the installed packages need into a checkout's requirement files, and into those that they include."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from src.migration.install.merge_texts import Merged, heading, joined
from src.migration.install.requirement_lines import (
    REQUIREMENT,
    Need,
    canonical,
    in_range,
    names_in,
    pins_in,
    required_needs,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

_INCLUDE = re.compile(r"^\s*(?:-r|-c|--requirement|--constraint)[\s=]*(?P<path>[^\s#]+)")
_NEEDS = Path(__file__).with_name("requirement_ranges.txt")


def known_needs() -> tuple[Need, ...]:
    """Return what the locked versions of the required packages need of others."""
    rows = (line.split() for line in _NEEDS.read_text("utf-8").splitlines() if not line.startswith("#"))
    return tuple(Need(package=package, needer=needer, spec=spec) for package, needer, spec in rows)


def included(text_of: Callable[[str], str], path: str) -> dict[str, str]:
    """Return the texts of a requirements file and of those below the checkout that it includes, by their paths."""
    texts: dict[str, str] = {}
    waiting = [path]
    while waiting:
        file = waiting.pop(0)
        texts[file] = text_of(file)
        for line in texts[file].splitlines():
            match = _INCLUDE.match(line)
            name = _below(PurePosixPath(file).parent / match["path"]) if match else None
            if name is not None and name not in texts and name not in waiting:
                waiting.append(name)
    return texts


def _below(path: PurePosixPath) -> str | None:
    """Return a path without its dots; None for one outside the checkout, or an address."""
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and not parts:
            return None
        parts = parts[:-1] if part == ".." else [*parts, part]
    name = "/".join(parts)
    return None if path.is_absolute() or ":" in name else name


def merge(texts: Mapping[str, str], required: Sequence[str], needs: Sequence[Need]) -> dict[str, Merged] | None:
    """Return requirement files with pins moved into the ranges that are needed; what is missing is added to the first.

    None where lines have hashes: pip refuses to install a requirement without one beside them.

    Args:
        texts: The texts by their paths, the main file first.
        required: What our packages require, as in a pyproject.toml.
        needs: What those packages need of others.
    """
    if any("--hash=" in text for text in texts.values()):
        return None if list(_lines_to_move(texts, required, needs)) else {}
    edits: dict[str, tuple[list[str], list[str]]] = {path: (text.splitlines(), []) for path, text in texts.items()}
    for path, at, after, needers in _lines_to_move(texts, required, needs):
        lines, notes = edits[path]
        if at < 0:
            lines += [] if heading()[0] in lines[-len(required) - 1 :] else ["", *heading()]
            lines.append(after)
            continue
        notes.append(f"{lines[at].strip()} becomes {after.strip()}{f', for {needers}' if needers else ''}")
        lines[at] = after
    first, *_ = texts
    missing = [after for _, at, after, _ in _lines_to_move(texts, required, needs) if at < 0]
    if missing:
        edits[first][1].append(f"added {', '.join(line.split()[0] for line in missing)}")
    return {
        path: Merged(joined(texts[path], lines), tuple(notes))
        for path, (lines, notes) in edits.items()
        if lines != texts[path].splitlines()
    }


def _lines_to_move(
    texts: Mapping[str, str], required: Sequence[str], needs: Sequence[Need]
) -> Iterator[tuple[str, int, str, str]]:
    """Yield the lines that change: the file, the line's number, its new text, and who needs that.

    A line that is missing has the number -1.
    """
    by_package: dict[str, list[Need]] = {}
    own = required_needs(required)
    for need in (*own, *needs):
        by_package.setdefault(need.package, []).append(need)
    pinned = pins_in(texts.values())
    # What a version that moves needs is not known any more, only what the locked one does.
    pinned -= {package for package, _, line, after, _ in _moves(texts, by_package, pinned) if after != line}
    for _, (path, at), line, after, needers in _moves(texts, by_package, pinned):
        if after != line:
            yield path, at, after, needers
    present = names_in(texts.values())
    first, *_ = texts
    yield from ((first, -1, line, "") for line, need in zip(required, own, strict=True) if need.package not in present)


def _moves(
    texts: Mapping[str, str], needs: Mapping[str, Sequence[Need]], pinned: Collection[str]
) -> Iterator[tuple[str, tuple[str, int], str, str, str]]:
    """Yield each requirement: its package, its file and line, its text before and after, and who needs that."""
    for path, text in texts.items():
        for at, line in enumerate(text.splitlines()):
            match = REQUIREMENT.match(line)
            if match is None:
                continue
            package = canonical(match["name"])
            after, needers = in_range(line, needs.get(package, ()), pinned)
            yield package, (path, at), line, after, needers


def dependencies_of(project: Mapping[str, Any]) -> str:
    """Return what a pyproject.toml depends on, as the lines of a requirements file."""
    lines = list(project.get("project", {}).get("dependencies", ()))
    poetry = project.get("tool", {}).get("poetry", {}).get("dependencies", {})
    for name, spec in poetry.items():
        versions = spec if isinstance(spec, str) else spec.get("version", "") if isinstance(spec, dict) else ""
        lines.append(name + (versions if versions[:1] in "<>=~!" else ""))  # a caret is not judged here
    return "\n".join(str(line) for line in lines)

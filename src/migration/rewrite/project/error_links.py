"""Tell which files handle the errors of calls that other files make, so that both are moved together."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from src.migration.rewrite import sdk_vocabulary as sdk
from src.migration.rewrite.project.sdk_setup import relies
from src.migration.rewrite.records import LEFT, MIGRATED, REVIEW

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from src.migration.rewrite.records import Around, Outcome

_NAMED = re.compile(rf"\b(?:{'|'.join(sorted(sdk.ERROR_NAMES | {'ResponseError'}))})\b")
_PACKAGES = {style: sdk.PACKAGES[kit] for kit, style in sdk.STYLES.items()}


Links = dict["Path", set["Path"]]


def links(imports: Mapping[Path, frozenset[str]]) -> Links:
    """Return the files of a tree that each file imports, by their names: those beside it before others."""
    by_stem: dict[str, list[Path]] = {}
    for path in imports:
        by_stem.setdefault(path.stem if path.stem != "__init__" else path.parent.name, []).append(path)
    found: Links = {}
    for path, words in imports.items():
        found[path] = set()
        for word in words:
            named = [other for other in by_stem.get(word, ()) if other != path]
            found[path].update([other for other in named if other.parent == path.parent] or named)
    return found


def together(linked: Links) -> list[set[Path]]:
    """Return the files of a tree in groups that can run in one process: those that imports connect."""
    both: Links = {path: set(others) for path, others in linked.items()}
    for path, others in linked.items():
        for other in others:
            both[other].add(path)
    groups: list[set[Path]] = []
    seen: set[Path] = set()
    for path in both:
        if path not in seen:
            groups.append(_reached(path, both))
            seen |= groups[-1]
    return groups


def _reached(path: Path, linked: Links) -> set[Path]:
    seen, waiting = {path}, [path]
    while waiting:
        for other in linked[waiting.pop()]:
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return seen


def again(outcomes: Sequence[Outcome], linked: Links, around: Mapping[Path, Around]) -> dict[Path, Around]:
    """Return the files to be looked at once more, with what is known by then about the calls of other files.

    Args:
        outcomes: What became of all files, each by itself.
        linked: The files that each file imports.
        around: What each file was told the first time.
    """
    by_path = {outcome.path: outcome for outcome in outcomes}
    moved = {outcome.path: _packages(outcome, MIGRATED, REVIEW) for outcome in outcomes}
    if not any(moved.values()):
        return {}
    found = _no_longer_needed(by_path, linked, around)
    for outcome in outcomes:
        if not outcome.before or not _NAMED.search(outcome.before.decode("utf-8", "replace")):
            continue
        others = [by_path[one] for one in _reached(outcome.path, linked) - {outcome.path}]
        gone = frozenset[str]().union(*(moved[one.path] for one in others))
        named = frozenset(package for package in gone if package.encode() in outcome.before)
        stays = frozenset[str]().union(*(_kept(one) for one in others))
        if named or (stays & moved[outcome.path]):
            told = found.get(outcome.path, around[outcome.path])
            found[outcome.path] = replace(told, moved=named, stays=stays)
    return found


def _no_longer_needed(
    by_path: Mapping[Path, Outcome], linked: Links, around: Mapping[Path, Around]
) -> dict[Path, Around]:
    """Return the files that set up an SDK's module for others, of which none asks through it any more."""
    found = {}
    for group in together(linked):
        for path in group:
            needed = around[path].needed
            if needed and by_path[path].before:
                still = frozenset[str]().union(*(relies(_text(by_path[one])) for one in group - {path}))
                if needed - still:
                    found[path] = replace(around[path], needed=needed & still)
    return found


def _text(outcome: Outcome) -> str:
    return (outcome.after if outcome.after is not None else outcome.before).decode("utf-8", "replace")


def _packages(outcome: Outcome, *statuses: str) -> frozenset[str]:
    """Return the SDKs that calls of a file went through which now have one of these statuses."""
    styles = (site.style.rpartition(".")[0] for site in outcome.sites if site.status in statuses)
    return frozenset(_PACKAGES[style] for style in styles if style in _PACKAGES)


def _kept(outcome: Outcome) -> frozenset[str]:
    """Return the SDKs that a file still uses."""
    text = _text(outcome)
    packages = set(_PACKAGES.values())
    used = {one for one in packages if re.search(rf"^\s*(?:from|import)\s+{re.escape(one)}\b", text, re.MULTILINE)}
    return frozenset(used) | _packages(outcome, LEFT)

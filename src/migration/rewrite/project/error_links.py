"""The import links between files, along which the migration of a call affects handlers of its errors elsewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from src.migration.rewrite import sdk_vocabulary as sdk
from src.migration.rewrite.project.sdk_setup import setups_required
from src.migration.rewrite.records import LEFT, MIGRATED, REVIEW, TRACED, UNKNOWN_CLIENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from src.migration.rewrite.records import Outcome, ProjectContext, ReportedSite

_ERROR_NAME = re.compile(rf"\b(?:{'|'.join(sorted(sdk.ERROR_NAMES | {'ResponseError'}))})\b")
_PACKAGES = {style: sdk.PACKAGES[sdk_name] for sdk_name, style in sdk.STYLES.items()}
_IMPORTED = re.compile(
    rf"^[ \t]*(?:from|import)[ \t]+({'|'.join(map(re.escape, sorted(set(_PACKAGES.values()))))})\b", re.MULTILINE
)
Links = dict["Path", set["Path"]]  # the files of a project that each file imports


def import_links(imports: Mapping[Path, frozenset[str]]) -> Links:
    """Return the files that each file imports, matched by name; files in its own folder come before others.

    Args:
        imports: The words in each file's import statements.
    """
    by_stem: dict[str, list[Path]] = {}
    for path in imports:
        by_stem.setdefault(path.stem if path.stem != "__init__" else path.parent.name, []).append(path)
    linked: Links = {}
    for path, words in imports.items():
        linked[path] = set()
        for word in words:
            candidates = [other for other in by_stem.get(word, ()) if other != path]
            linked[path].update([other for other in candidates if other.parent == path.parent] or candidates)
    return linked


def connected_groups(linked: Links) -> list[set[Path]]:
    """Return the files in groups that imports connect, each of which can run in one process."""
    neighbours: Links = {path: set(others) for path, others in linked.items()}
    for path, others in linked.items():
        for other in others:
            neighbours[other].add(path)
    groups: list[set[Path]] = []
    grouped: set[Path] = set()
    for path in neighbours:
        if path not in grouped:
            groups.append(reachable(path, neighbours))
            grouped |= groups[-1]
    return groups


def reachable(path: Path, linked: Links) -> set[Path]:
    """Return a file with all that it imports, directly or through others."""
    seen, pending = {path}, [path]
    while pending:
        for other in linked[pending.pop()]:
            if other not in seen:
                seen.add(other)
                pending.append(other)
    return seen


def files_to_revisit(
    outcomes: Sequence[Outcome], linked: Links, contexts: Mapping[Path, ProjectContext]
) -> dict[Path, ProjectContext]:
    """Return the files to migrate once more, each with what the first migration of the other files changed.

    Args:
        outcomes: What became of all files, each by itself.
        linked: The files that each file imports.
        contexts: What was known about the other files the first time.
    """
    by_path = {outcome.path: outcome for outcome in outcomes}
    migrated = {outcome.path: _sdks_called(outcome, MIGRATED, REVIEW) for outcome in outcomes}
    revisits = _with_traced_clients(by_path, linked, contexts)
    if not any(migrated.values()):
        return revisits
    revisits |= _with_fewer_setups(by_path, linked, {**contexts, **revisits})
    remaining_of = cache(lambda path: _remaining_sdks(by_path[path]))  # many files reach the same ones
    for outcome in outcomes:
        if not outcome.before or not _ERROR_NAME.search(outcome.before.decode("utf-8", "replace")):
            continue
        imported = reachable(outcome.path, linked) - {outcome.path}
        migrated_elsewhere = frozenset[str]().union(*(migrated[path] for path in imported))
        mentioned = frozenset(package for package in migrated_elsewhere if package.encode() in outcome.before)
        remaining = frozenset[str]().union(*map(remaining_of, imported))
        if mentioned or (remaining & migrated[outcome.path]):
            context = revisits.get(outcome.path, contexts[outcome.path])
            revisits[outcome.path] = replace(
                context,
                migrated_sdks=mentioned,
                remaining_sdks=remaining,
                raises_old_errors=_asked_before_1([by_path[path] for path in imported]),
            )
    return revisits


def _asked_before_1(outcomes: Iterable[Outcome]) -> bool:
    """Tell whether the moved calls of OpenAI's SDK in some files are all calls of its versions before 1."""
    sites = [site for outcome in outcomes for site in outcome.sites if site.status in (MIGRATED, REVIEW)]
    styles = {site.style for site in sites if site.style.startswith("openai.")}
    return styles - {"openai.errors"} == {"openai.ChatCompletion"}


def _with_traced_clients(
    by_path: Mapping[Path, Outcome], linked: Links, contexts: Mapping[Path, ProjectContext]
) -> dict[Path, ProjectContext]:
    """Return the files that use clients of other files which are all traced where they are made."""
    revisits = {}
    reached = {path: reachable(path, linked) for path in by_path if linked.get(path)}
    for path, outcome in by_path.items():
        unknown = {site.style.rpartition(".")[0] for site in outcome.sites if _is_unknown_client(site)}
        packages = frozenset(_PACKAGES[style] for style in unknown if style in _PACKAGES)
        if not packages or packages & _imported_sdks(outcome):
            continue
        related = {other for other, others in reached.items() if path in others} | reached.get(path, set())
        others = [by_path[other] for other in related - {path}]
        traced = frozenset[str]().union(*(_sdks_called(other, TRACED) for other in others))
        left = frozenset[str]().union(*(_sdks_left(other) for other in others))
        if packages <= traced - left:
            revisits[path] = replace(contexts[path], traced_sdks=packages)
    return revisits


def _is_unknown_client(site: ReportedSite) -> bool:
    return site.status == LEFT and site.reason == UNKNOWN_CLIENT


def _sdks_left(outcome: Outcome) -> frozenset[str]:
    """Return the SDKs of the calls that stay in a file and are not traced, those on other files' clients excepted."""
    left = tuple(site for site in outcome.sites if not _is_unknown_client(site))
    return _sdks_called(replace(outcome, sites=left), LEFT)


def _with_fewer_setups(
    by_path: Mapping[Path, Outcome], linked: Links, contexts: Mapping[Path, ProjectContext]
) -> dict[Path, ProjectContext]:
    """Return the files that set up an SDK's module which no other file calls any more."""
    revisits = {}
    for group in connected_groups(linked):
        for path in group:
            required = contexts[path].required_setups
            if required and by_path[path].before:
                others = group - {path}
                still_required = frozenset[str]().union(*(setups_required(_text(by_path[other])) for other in others))
                if required - still_required:
                    revisits[path] = replace(contexts[path], required_setups=required & still_required)
    return revisits


def _text(outcome: Outcome) -> str:
    return (outcome.after if outcome.after is not None else outcome.before).decode("utf-8", "replace")


def _sdks_called(outcome: Outcome, *statuses: str) -> frozenset[str]:
    """Return the SDKs of a file's calls that have one of these statuses."""
    styles = (site.style.rpartition(".")[0] for site in outcome.sites if site.status in statuses)
    return frozenset(_PACKAGES[style] for style in styles if style in _PACKAGES)


def _remaining_sdks(outcome: Outcome) -> frozenset[str]:
    """Return the SDKs that a file still uses."""
    return _imported_sdks(outcome) | _sdks_called(outcome, LEFT, TRACED)


def _imported_sdks(outcome: Outcome) -> frozenset[str]:
    return frozenset(_IMPORTED.findall(_text(outcome)))

"""Plan what an installation changes in a checkout: files that are written, files that go, lines that are added."""

from __future__ import annotations

import functools
import re
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.migration.install import conflicts, former_defaults, merge_texts, requirement_files
from src.migration.install.apply import BACKUP, Change, Refused, installed_digests, pending, read
from src.migration.install.importers import OURS_NOW, broken_places, python_files
from src.migration.install.module_names import Modules
from src.migration.install.old_files import PACKAGES, old_files, own_files, replaced_note
from src.migration.install.requirement_lines import required_needs
from src.migration.install.resolver import Status

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from src.migration.install.merge_texts import Merged

SOURCE = Path(__file__).resolve().parents[3]
_SINGLE_FILES = ("src/migration/__init__.py", "scripts/check_direct_calls.py", ".github/workflows/direct-calls.yml")
_EXECUTABLE = 0o755
_NAMESPACES = ("src/models", "src/observability", "src/migration")
# Requirements of this project that the installed packages do not have.
_NOT_REQUIRED = frozenset(
    {
        "ccxt",
        "jinja2",
        "libcst",
        "narwhals",
        "numpy",
        "pyarrow",
        "pykdtree",
        "starlette",
        "tzdata",
        "uvicorn",
        "xllamacpp",
    }
)
# What to use in place of a module that goes, by its package.
_INSTEAD = {
    "models": "ask src.models.ModelFactory",
    "observability": "import what src.observability offers",
    "migration": "run scripts/check_direct_calls.py",
}


@dataclass(slots=True)
class Installation:
    """What one installation does to a checkout.

    Attributes:
        changes: The files that change.
        notes: What the checkout's owner should know.
        by_hand: What is left to its owner.
        replaced: The sources of the owner's own modules that go, by their paths.
        pending: What of that cannot be seen any more afterwards: the file that its owner has to change, and the advice.
    """

    changes: list[Change] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    by_hand: list[str] = field(default_factory=list)
    replaced: dict[str, bytes] = field(default_factory=dict)
    pending: list[tuple[str, str]] = field(default_factory=list)

    def merge(self, root: Path, path: str, merged: Merged | None, by_hand: str) -> None:
        """Add the change of a text, or the advice where it cannot be made."""
        if merged is None:
            self.by_hand.append(by_hand)
            return
        before = read(root, path)
        after = merged.text.encode()
        if after != (before or b""):
            self.changes.append(Change(path=path, before=before, after=after))
            self.notes += [f"{path}: {note}" for note in merged.notes]


def require_checkout(root: Path) -> None:
    """Refuse a folder that is no checkout, or this project itself.

    Raises:
        Refused: it is.
    """
    if not (root / "src").is_dir():
        raise Refused(f"{root} has no folder src: give the root of a Moon Dev checkout.")
    if root.resolve() == SOURCE:
        raise Refused(f"{root} is this project itself: give the checkout that is to use it.")


def plan(root: Path, *, resolves: bool = False) -> Installation:
    """Return what is to be changed in a checkout.

    Args:
        root: The checkout.
        resolves: Whether uv or pip is asked if the changed requirements can be installed together.

    Raises:
        Refused: the folder is no checkout, or holds what cannot be replaced.
    """
    require_checkout(root)
    installation = Installation()
    packaged = dict(_packaged_files())
    digests = installed_digests(root)
    for path, data in sorted(packaged.items()):
        _write_packaged(root, path, data, digests, installation)
    _remove_old(root, packaged, digests, installation)
    _name_broken(root, packaged, installation)
    installation.notes += _relying_on_old_defaults(root, packaged, installation)
    _merge_texts(root, installation, resolves=resolves)
    return installation


def _packaged_files() -> Iterator[tuple[str, bytes]]:
    """Yield the files that an installation writes, by their paths."""
    for package in PACKAGES:
        for file in (SOURCE / package).rglob("*.py"):
            yield file.relative_to(SOURCE).as_posix(), file.read_bytes()
    for path in _SINGLE_FILES:
        yield path, (SOURCE / path).read_bytes()


def _write_packaged(root: Path, path: str, data: bytes, digests: Mapping[str, str], installation: Installation) -> None:
    before = read(root, path)
    if before == data:
        return
    note = None if before is None else replaced_note(root, path, before, digests)
    installation.notes += [note] if note is not None else []
    if before is not None and note is not None and path not in digests:
        installation.replaced[path] = before
    mode = _EXECUTABLE if path.startswith("scripts/") else None
    installation.changes.append(Change(path=path, before=before, after=data, mode=mode))


def _remove_old(root: Path, packaged: Collection[str], digests: Mapping[str, str], installation: Installation) -> None:
    """Remove what is left of the replaced factory and of older versions, and note the owner's own files that stay."""
    for old in old_files(root, packaged, digests):
        installation.changes.append(Change(path=old.path, before=old.data, after=None))
        installation.notes += [old.note] if old.note else []
        if old.note and old.path not in digests:
            installation.replaced[old.path] = old.data
    installation.notes += [f"{path}: your own file; it stays" for path in own_files(root, packaged, digests)]


def _name_broken(root: Path, packaged: Mapping[str, bytes], installation: Installation) -> None:
    """Name every place in the checkout that needs of the packages what they will not have."""
    removed = {change.path for change in installation.changes if change.after is None}
    modules = Modules(_sources_after(root, packaged, removed), installation.replaced)
    for place in broken_places(root, modules, removed | set(packaged)):
        where = f"{place.path}:{place.line}" if place.line else place.path
        advice = f"{where} {place.what}, {place.why}: {_INSTEAD[place.package]}"
        installation.by_hand.append(advice)
        if place.why == OURS_NOW:
            installation.pending.append((place.path, advice))
    installation.by_hand += [advice for _, advice in pending(root) if advice not in installation.by_hand]


def _relying_on_old_defaults(root: Path, packaged: Mapping[str, bytes], installation: Installation) -> list[str]:
    """Return a line for each default of the replaced factory that a file of the checkout relies on."""
    old = {
        change.path: change.before
        for change in installation.changes
        if change.path.startswith("src/models/") and change.before is not None
    }
    before = former_defaults.former(old)
    if before is None:
        return []
    now = former_defaults.current_models(packaged["src/models/providers.py"])
    return [
        line
        for path, source in python_files(root)
        if path not in packaged and path not in old
        for line in former_defaults.relying(path, source, before, now)
    ]


def _sources_after(root: Path, packaged: Mapping[str, bytes], removed: Collection[str]) -> dict[str, bytes]:
    """Return the modules of the packages as they are after the installation, the owner's own ones included."""
    sources = {}
    for package in _NAMESPACES:
        for file in sorted((root / package).rglob("*.py")):
            path = file.relative_to(root).as_posix()
            data = None if path in removed or path in packaged else read(root, path)
            if data is not None:
                sources[path] = data
    return sources | {path: data for path, data in packaged.items() if path.endswith(".py")}


def _merge_texts(root: Path, installation: Installation, *, resolves: bool) -> None:
    _merge_requirements(root, installation, resolves=resolves)
    example = next((name for name in (".env_example", ".env.example") if (root / name).is_file()), ".env_example")
    ours = (SOURCE / ".env_example").read_text("utf-8")
    installation.merge(root, example, merge_texts.environment(_text(root, example), ours), "")
    installation.merge(root, ".gitignore", merge_texts.ignored(_text(root, ".gitignore"), (f"{BACKUP}/", ".env")), "")
    installation.merge(
        root,
        "pyproject.toml",
        _project(root),
        "pyproject.toml is no TOML that can be read: add [tool.check_direct_calls]",
    )
    hooks = ".pre-commit-config.yaml"
    advice = (
        f"add the check to {hooks}, whose form is not one to add to safely: entry: python scripts/check_direct_calls.py"
    )
    installation.merge(root, hooks, merge_texts.hooks(_text(root, hooks)), advice)
    if (root / "src/config.py").is_file():
        installation.merge(root, "src/config.py", merge_texts.configuration(_text(root, "src/config.py")), "")


def _merge_requirements(root: Path, installation: Installation, *, resolves: bool) -> None:
    required, path = requirements(), "requirements.txt"
    texts = requirement_files.included(functools.partial(_text, root), path)
    project = _toml(root)
    if not texts[path] and project is not None:
        texts = {"pyproject.toml": requirement_files.dependencies_of(project)}
    merged = requirement_files.merge(texts, required, requirement_files.known_needs())
    if merged is None:
        installation.by_hand.append(f"add to {path}, which has hashes: {'; '.join(required)}")
    elif "pyproject.toml" in texts:
        notes = merged["pyproject.toml"].notes if merged else ()
        installation.by_hand += [f"dependencies of pyproject.toml: {note}" for note in notes]
    elif merged and resolves and not _can_be_installed(root, texts, merged, installation):
        needed = [note for text in merged.values() for note in text.notes]
        installation.by_hand.append(f"{path} stays as it is until that is solved. What is needed: {'; '.join(needed)}")
    else:
        for name, text in merged.items():
            installation.merge(root, name, text, "")


def _can_be_installed(
    root: Path, texts: Mapping[str, str], merged: Mapping[str, Merged], installation: Installation
) -> bool:
    """Ask whether changed requirements can be installed together, and say what came out.

    Only a conflict that the change itself makes is a reason not to write it.
    """
    after = {name: merged[name].text if name in merged else text for name, text in texts.items()}
    ours = {need.package for need in (*required_needs(requirements()), *requirement_files.known_needs())}
    outcome = conflicts.judge(root, texts, after, ours)
    rest = f", without {', '.join(outcome.left_out)}, which could not be before" if outcome.left_out else ""
    if outcome.status is Status.CONFLICT:
        installation.by_hand += [f"requirements.txt cannot be installed with what is needed{rest}: {reason}"
                                 for reason in outcome.reasons]  # fmt: skip
        return False
    if outcome.status is Status.RESOLVED:
        asked = f"{outcome.tool} for Python {sys.version_info.major}.{sys.version_info.minor}"
        installation.notes.append(f"requirements.txt: can be installed{rest}, says {asked}")
        return True
    installation.notes.append(
        f"requirements.txt: it is not known whether it can be installed ({'; '.join(outcome.reasons)}); pins that the "
        "packages' own needs exclude were moved"
    )
    return True


def _toml(root: Path) -> dict[str, Any] | None:
    """Return a checkout's pyproject.toml; None where there is none that can be read."""
    text = _text(root, "pyproject.toml")
    try:
        return tomllib.loads(text) if text else None
    except tomllib.TOMLDecodeError:
        return None


def _project(root: Path) -> Merged | None:
    merged = merge_texts.project(_text(root, "pyproject.toml"))
    try:
        tomllib.loads(merged.text)
    except tomllib.TOMLDecodeError:
        return None
    return merged


def _text(root: Path, path: str) -> str:
    data = read(root, path) or b""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Refused(f"{root / path} is not UTF-8 text, so no lines can be added. Save it as UTF-8.") from error


def requirements() -> tuple[str, ...]:
    """Return what the installed packages require, each as this project's pyproject.toml has it."""
    dependencies = tomllib.loads((SOURCE / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    return tuple(line for line in dependencies if re.split(r"[\s;<>=]", line)[0] not in _NOT_REQUIRED)

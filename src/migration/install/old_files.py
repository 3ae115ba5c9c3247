"""Find the files of a checkout that an installation removes, and those in the same folders that stay."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from src.migration.install.apply import digest, read

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

PACKAGES = ("src/models", "src/observability", "src/migration/check")
# Before the check was a folder its modules were these, the marked one always among them.
_FORMER_CHECK = "src/migration/check_*.py"
_FORMER_MARKER = "src/migration/check_command.py"
_FORMER_LAYOUT = Path(__file__).with_name("former_layout.txt")
# The modules of the factory that is replaced; anything else in its folder is the owner's.
_OLD_FACTORY = frozenset(
    {"README.md", "__init__.py", "base_model.py", "model_factory.py", "claude_model.py", "deepseek_model.py",
     "gemini_model.py", "groq_model.py", "ollama_model.py", "openai_model.py", "openrouter_model.py", "xai_model.py"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class OldFile:
    """A file that an installation removes.

    Attributes:
        path: Its path from the checkout's root, with / between its parts.
        data: Its bytes.
        note: What its owner should know; empty where it is as the factory or an installation wrote it.
    """

    path: str
    data: bytes
    note: str = ""


def old_files(root: Path, packaged: Collection[str], digests: Mapping[str, str]) -> Iterator[OldFile]:
    """Yield the files that go, by their paths: the old factory's, older versions', and those in the way of a module.

    Args:
        root: The checkout.
        packaged: The paths that the installation writes.
        digests: The digests of what earlier installations on record wrote, by path.

    Raises:
        Refused: one is no plain file.
    """
    former = former_files(root)
    for path in _candidates(root):
        data = None if path in packaged else read(root, path)
        if data is None:
            continue
        is_ours = path in digests or path in former or _is_old_factory(path)
        blocked = None if is_ours else _blocked_module(path, packaged)
        if is_ours or blocked is not None:
            yield OldFile(path=path, data=data, note=_note(path, data, digests, blocked))


def own_files(root: Path, packaged: Collection[str], digests: Mapping[str, str]) -> Iterator[str]:
    """Yield the owner's own files in the folders of the packages, which stay."""
    going = {old.path for old in old_files(root, packaged, digests)}
    for path in _candidates(root):
        if path not in packaged and path not in going:
            yield path


def replaced_note(root: Path, path: str, before: bytes, digests: Mapping[str, str]) -> str | None:
    """Return the note on a file that an installation writes over; None where nothing of its owner's is in it."""
    if path in digests:
        return edited_note(path) if digest(before) != digests[path] else None
    if path in former_files(root) or _is_old_factory(path) or not before.strip():
        return None
    return f"{path}: your own file; ours takes its place, and yours goes to the backup"


def former_files(root: Path) -> frozenset[str]:
    """Return what the version before the packages were layered wrote; empty where a checkout does not have it.

    A clone of a checkout has no backup, and so no record of the installation that wrote these files.
    """
    if not (root / _FORMER_MARKER).is_file():
        return frozenset()
    return frozenset(_FORMER_LAYOUT.read_text("utf-8").split())


def _candidates(root: Path) -> Iterator[str]:
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*")):
            if not file.is_dir() and "__pycache__" not in file.parts:
                yield file.relative_to(root).as_posix()
    for file in sorted(root.glob(_FORMER_CHECK)):
        yield file.relative_to(root).as_posix()


def _is_old_factory(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    return folder == "src/models" and name in _OLD_FACTORY


def _blocked_module(path: str, packaged: Collection[str]) -> str | None:
    """Return our module of a file's name: of a package and a module of one name Python imports the package alone."""
    folder, _, name = path.rpartition("/")
    package = f"{folder}/{name.removesuffix('.py')}/__init__.py"
    if path.endswith(".py") and package in packaged:
        return package
    parts = path.split("/")
    modules = ("/".join(parts[:count]) + ".py" for count in range(3, len(parts)))
    return next((module for module in modules if module in packaged), None)


def _note(path: str, data: bytes, digests: Mapping[str, str], blocked: str | None) -> str:
    if path in digests:
        return edited_note(path) if digest(data) != digests[path] else ""
    return "" if blocked is None else f"{path}: your own file; it goes to the backup, since {blocked} has its name"


def edited_note(path: str) -> str:
    """Return the note on a file that its owner edited after an installation wrote it."""
    return f"{path}: it was edited here since it was installed; your version goes to the backup"

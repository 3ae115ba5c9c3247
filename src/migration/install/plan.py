"""Say what an installation changes in a checkout: files that are put in, files that go, lines that are added."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from src.migration.install import merge_texts
from src.migration.install.apply import BACKUP, Change, Refused, digest, installed, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.migration.install.merge_texts import Merged

SOURCE = Path(__file__).resolve().parents[3]
_TREES = ("src/models", "src/observability")
_CHECK_TREE = "src/migration/check"
_CHECK = ("src/migration/__init__.py", "scripts/check_direct_calls.py", ".github/workflows/direct-calls.yml")
_EXECUTABLE = 0o755
# What only this project itself needs, and not the packages that are put in.
_NOT_NEEDED = frozenset({"ccxt", "ta-lib", "libcst", "xllamacpp"})
# The modules of the factory that is replaced; anything else in its folder is the owner's.
_OLD = frozenset(
    {"README.md", "__init__.py", "base_model.py", "model_factory.py", "claude_model.py", "deepseek_model.py",
     "gemini_model.py", "groq_model.py", "ollama_model.py", "openai_model.py", "openrouter_model.py", "xai_model.py"}
)  # fmt: skip
_IMPORT = re.compile(
    r"^\s*(?:from\s+src\.models\.(\w+)\s+import|import\s+src\.models\.(\w+)|from\s+src\.models\s+import\s+([\w, ]+))",
    re.MULTILINE,
)


@dataclass(slots=True)
class Installation:
    """Hold the changes of one installation, what a person should know, and what is left to a person."""

    changes: list[Change] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    by_hand: list[str] = field(default_factory=list)

    def merge(self, root: Path, path: str, merged: Merged | None, by_hand: str) -> None:
        """Add the change of a text, or the advice where it cannot be made."""
        if merged is None:
            self.by_hand.append(by_hand)
            return
        before = read(root, path)
        after = merged.text.encode()
        if after != (before or b""):
            self.changes.append(Change(path, before, after))
            self.notes += [f"{path}: {note}" for note in merged.notes]


def plan(root: Path) -> Installation:
    """Return what is to be changed in a checkout.

    Raises:
        Refused: the folder is no checkout, or holds what cannot be replaced.
    """
    if not (root / "src").is_dir():
        raise Refused(f"{root} has no folder src: give the root of a Moon Dev checkout.")
    if root.resolve() == SOURCE:
        raise Refused(f"{root} is this project itself: give the checkout that is to use it.")
    made = Installation()
    ours = dict(_ours())
    for path, data in sorted(ours.items()):
        _file(root, path, data, made)
    _old_files(root, ours, made)
    _texts(root, made)
    return made


def _ours() -> Iterator[tuple[str, bytes]]:
    """Yield the files that are put in, by their paths."""
    for tree in (*_TREES, _CHECK_TREE):
        for file in (SOURCE / tree).rglob("*.py"):
            yield file.relative_to(SOURCE).as_posix(), file.read_bytes()
    for path in _CHECK:
        yield path, (SOURCE / path).read_bytes()


def _file(root: Path, path: str, data: bytes, made: Installation) -> None:
    before = read(root, path)
    if before == data:
        return
    known = installed(root).get(path)
    if before is not None and known is not None and digest(before) != known:
        made.notes.append(f"{path}: it was edited here since it was installed; your version goes to the backup")
    made.changes.append(Change(path, before, data, _EXECUTABLE if path.startswith("scripts/") else None))


def _old_files(root: Path, ours: dict[str, bytes], made: Installation) -> None:
    """Take out what is left of the factory before, and of older versions of these packages."""
    gone = set()
    for tree in _TREES:
        for file in sorted((root / tree).rglob("*")) if (root / tree).is_dir() else ():
            path = file.relative_to(root).as_posix()
            if file.is_dir() or "__pycache__" in file.parts or path in ours:
                continue
            made.changes.append(Change(path, read(root, path), None))
            gone.add(file.stem)
            if file.name not in _OLD and path not in installed(root):
                made.notes.append(f"{path}: your own file; it goes to the backup, since the folder is replaced")
    for path in installed(root):  # such as src/migration/check_scan.py, before the check was a folder
        data = read(root, path) if path.startswith("src/migration/") and path not in ours else None
        if data is not None:
            made.changes.append(Change(path, data, None))
    for user, module in _users(root, gone):
        made.by_hand.append(f"{user} imports src.models.{module}, which is there no more: ask src.models.ModelFactory")


def _users(root: Path, gone: set[str]) -> Iterator[tuple[str, str]]:
    """Yield the files that import a module of the old factory that goes."""
    for file in sorted((root / "src").rglob("*.py")):
        path = file.relative_to(root).as_posix()
        if path.startswith(_TREES):
            continue
        for found in _IMPORT.finditer(file.read_text("utf-8", "replace")):
            names = {found[1], found[2], *re.split(r"[,\s]+", found[3] or "")} & gone
            yield from ((path, name) for name in sorted(names) if not _is_ours(name))


def _is_ours(name: str) -> bool:
    """Tell whether src.models has a module or package of that name."""
    return (SOURCE / f"src/models/{name}.py").exists() or (SOURCE / f"src/models/{name}/__init__.py").exists()


def _texts(root: Path, made: Installation) -> None:
    wanted = needed()
    path = "requirements.txt"
    told = _text(root, path)
    if told or not (root / "pyproject.toml").is_file():
        made.merge(
            root,
            path,
            merge_texts.requirements(told, wanted),
            f"add to {path}, which has hashes: {'; '.join(wanted)}",
        )
    else:
        made.by_hand.append(f"add to your dependencies: {'; '.join(wanted)}")
    example = next((name for name in (".env_example", ".env.example") if (root / name).is_file()), ".env_example")
    ours = (SOURCE / ".env_example").read_text("utf-8")
    made.merge(root, example, merge_texts.environment(_text(root, example), ours), "")
    made.merge(root, ".gitignore", merge_texts.ignored(_text(root, ".gitignore"), (f"{BACKUP}/", ".env")), "")
    made.merge(
        root,
        "pyproject.toml",
        _project(root),
        "pyproject.toml is no TOML that can be read: add [tool.check_direct_calls]",
    )
    hooks = ".pre-commit-config.yaml"
    advice = (
        f"add the check to {hooks}, whose form is not one to add to safely: entry: python scripts/check_direct_calls.py"
    )
    made.merge(root, hooks, merge_texts.hooks(_text(root, hooks)), advice)
    if (root / "src/config.py").is_file():
        made.merge(root, "src/config.py", merge_texts.configuration(_text(root, "src/config.py")), "")


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


def needed() -> tuple[str, ...]:
    """Return the requirements of the packages that are put in."""
    told = tomllib.loads((SOURCE / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    return tuple(one for one in told if re.split(r"[\s;<>=]", one)[0] not in _NOT_NEEDED)

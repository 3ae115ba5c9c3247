"""Find the files of a checkout that import modules which an installation removes."""

from __future__ import annotations

import ast
import warnings
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path


def module_name(path: str) -> str:
    """Return the dotted name of a module (`src/models/errors.py`) or package (`src/models/guard/__init__.py`)."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def importers(root: Path, modules: Collection[str], replaced: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the files below `src` that import one of some modules, each with the module's dotted name.

    Args:
        root: The checkout.
        modules: The dotted names of the modules that go.
        replaced: The files that go or are written anew, whose imports do not matter.
    """
    words = {part.encode() for name in modules for part in name.split(".")[1:2]}
    for file in sorted((root / "src").rglob("*.py")) if modules else ():
        path = file.relative_to(root).as_posix()
        source = b"" if path in replaced else file.read_bytes()
        if any(word in source for word in words):
            yield from ((path, name) for name in sorted(_imports(path, source, modules)))


def _imports(path: str, source: bytes, modules: Collection[str]) -> set[str]:
    """Return which of the modules a file imports; `from a import b` may name `a.b`, else `a`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()  # it cannot run, whatever is installed
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names if alias.name in modules}
        elif isinstance(node, ast.ImportFrom):
            package = _absolute(path, node)
            names = [f"{package}.{alias.name}" for alias in node.names]
            imported |= {name if name in modules else package for name in names} & set(modules)
    return imported


def _absolute(path: str, node: ast.ImportFrom) -> str:
    """Return the dotted name of what an import is from, seen from `src`'s parent folder."""
    if not node.level:
        return node.module or ""
    package = PurePosixPath(path).parts[: -node.level]
    return ".".join([*package, *filter(None, [node.module])])

"""The names that other files take from a file, such as an SDK's class that it has imported."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.check import notebook
from src.migration.rewrite.analysis.syntax import code, walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from src.migration.rewrite.analysis.tree import Tree

_FROM_IMPORT = re.compile(r"^\s*from\s+([\w.]+)\s+import\s+(\([^)]*\)|[^\n]*)", re.MULTILINE)


def exported_names(tree: Tree, file: Path) -> frozenset[str]:
    """Return the names that a file offers to others or names in texts: by `__all__`, in quoted annotations, `X as X`.

    What a package's `__init__` imports and does not use itself is there for others.
    """
    words: set[str] = set()
    has_list = "__all__" in tree.code
    for node in tree.nodes:
        is_statement = has_list and isinstance(node, cst.Assign | cst.AugAssign | cst.AnnAssign | cst.Expr)
        if (is_statement and "__all__" in code(node)) or isinstance(node, cst.Annotation):
            words.update(_words(node))
        elif (
            isinstance(node, cst.ImportAlias) and node.asname is not None and code(node.asname.name) == code(node.name)
        ):
            words.add(code(node.name))
    if file.name == "__init__.py":
        names = tree.bound.get(tree.module, {})
        words.update(name for name in names if not tree.loads(name, tree.module))
    return frozenset(words)


def _words(node: cst.CSTNode) -> Iterator[str]:
    for part in walk(node):
        if isinstance(part, cst.SimpleString):
            yield from re.findall(r"\w+", part.value)


def taken_names(file: Path, users: Iterable[Path]) -> frozenset[str]:
    """Return the names that the files which import a file can take from it.

    Args:
        file: The file.
        users: The files that import it, directly or through others.
    """
    module = file.parent.name if file.stem == "__init__" else file.stem
    names: set[str] = set()
    for user in users:
        try:
            text = notebook.python_of(user.name, user.read_bytes()).decode("utf-8", "replace")
        except OSError:
            continue  # the migration of that file itself reports why
        for source, imported in _FROM_IMPORT.findall(text):
            if source.rpartition(".")[2] == module:
                names.update(re.findall(r"\w+", text if "*" in imported else imported))
        names.update(re.findall(rf"\b{re.escape(module)}\s*\.\s*(\w+)", text))
    return frozenset(names)

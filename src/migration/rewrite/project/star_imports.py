"""The names that `from x import *` brings in where x is a file of the checkout."""

from __future__ import annotations

import ast
import warnings
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite.analysis.syntax import dotted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from src.migration.rewrite.analysis.tree import Tree

_DEPTH = 5


def undefined_names(tree: Tree, path: Path) -> dict[str, list[cst.Name]]:
    """Return the names that a module reads and nothing defines, star imports of the checkout's files included.

    Where a star import is of another package, what it brings in is not known, and the result is empty.
    """
    undefined = tree.undefined()
    if not tree.has_star_import or not undefined:
        return undefined
    imported: set[str] = set()
    for node in tree.nodes:
        if isinstance(node, cst.ImportFrom) and isinstance(node.names, cst.ImportStar):
            names = _exported(path, len(node.relative), dotted(node.module) or "", _DEPTH)
            if names is None:
                return {}
            imported |= names
    return {name: reads for name, reads in undefined.items() if name not in imported}


def _exported(importer: Path, level: int, module: str, depth: int) -> set[str] | None:
    """Return the names that a star import brings in; None where they are not known."""
    for file in _candidates(importer, level, module):
        if file.is_file():
            return _public_names(file, depth - 1) if depth else None
    return None


def _candidates(importer: Path, level: int, module: str) -> Iterator[Path]:
    folders = importer.resolve().parents
    starts = [folders[level - 1]] if 0 < level <= len(folders) else list(folders[:6])
    parts = module.split(".") if module else []
    for start in starts:
        yield start.joinpath(*parts).with_suffix(".py") if parts else start / "__init__.py"
        yield start.joinpath(*parts, "__init__.py")


def _public_names(file: Path, depth: int) -> set[str] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    names: set[str] = set()
    for node in _outside_functions(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List(elts=parts) | ast.Tuple(elts=parts)):
                return {part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)}
            case ast.ImportFrom(level=level, module=module, names=[ast.alias(name="*")]):
                inner = _exported(file, level, module or "", depth)
                if inner is None:
                    return None
                names |= inner
            case ast.alias(name=name, asname=alias):
                names.add(alias or name.partition(".")[0])
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
    return {name for name in names if not name.startswith("_")}


def _outside_functions(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield a module's nodes, those inside functions and classes excepted."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            pending.extend(ast.iter_child_nodes(node))

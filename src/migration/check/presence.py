"""Tell an import that only asks whether a package is installed from one that is used."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from src.migration.check.records import Allow, Site

INSTALLED = "asks whether the package is installed"


def without_stale(allows: tuple[Allow, ...], sites: Iterable[Site], tree: ast.Module) -> tuple[Allow, ...]:
    """Return the comments without those which say that an import only asks, where the file uses it by now."""
    if not any(allow.reason == INSTALLED for allow in allows):
        return allows
    used = [site for site in sites if site.rule == "sdk-import" and not only_tests_presence(tree, site.line)]
    return tuple(
        allow
        for allow in allows
        if allow.reason != INSTALLED or not any(_stands_on(allow, site, allows) for site in used)
    )


def _stands_on(allow: Allow, site: Site, allows: tuple[Allow, ...]) -> bool:
    """Tell whether a comment is on a statement's lines, or with other comments directly above them."""
    alone = {other.line for other in allows if other.alone}
    return site.first <= allow.line <= site.last or (
        allow.line < site.first and all(line in alone for line in range(allow.line, site.first))
    )


def only_tests_presence(tree: ast.Module, line: int) -> bool:
    """Tell whether the names of an import in a `try` or a function are only compared with None or tested for truth."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    imported = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        and node.lineno == line
        and not isinstance(parents[node], ast.Module)
    ]
    aliases = [alias for node in imported for alias in node.names]
    names = {alias.asname or alias.name.partition(".")[0] for alias in aliases}
    reads = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id in names and _is_read(node)]
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    is_exported = "__all__" in {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} and names & texts
    return bool(aliases) and "*" not in names and not is_exported and all(_is_tested(n, parents) for n in reads)


def _is_read(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Load)


def _is_tested(node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> bool:
    """Tell whether only the truth of an expression counts, or whether it is None."""
    parent = parents.get(node)
    match parent:
        case ast.Compare(left=left, ops=[ast.Is() | ast.IsNot()], comparators=[ast.Constant(value=None)]):
            return left is node
        case ast.UnaryOp(op=ast.Not()):
            return True
        case ast.BoolOp():
            return _is_tested(parent, parents)
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) | ast.Assert(test=test):
            return test is node
        case ast.Call(func=ast.Name(id="bool")):
            return True
    return False

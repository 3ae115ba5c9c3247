"""The branches of a module in which an expression is evaluated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite.analysis.syntax import code

if TYPE_CHECKING:
    from src.migration.rewrite.analysis.tree import Tree


def exclude_one_another(first: cst.CSTNode, second: cst.CSTNode, tree: Tree) -> bool:
    """Tell whether two expressions are in branches of the same test, for different outcomes."""
    outcomes = _tests(second, tree)
    return any((test, not outcome) in outcomes for test, outcome in _tests(first, tree))


def _tests(node: cst.CSTNode, tree: Tree) -> set[tuple[str, bool]]:
    """Return the tests around a node in its function, each with its outcome there."""
    tests: set[tuple[str, bool]] = set()
    child = node
    for ancestor in tree.ancestors(node):
        if isinstance(ancestor, cst.FunctionDef | cst.Lambda):
            break
        if isinstance(ancestor, cst.If | cst.IfExp) and child is not ancestor.test:
            tests.add((code(ancestor.test), child is ancestor.body))
        child = ancestor
    return tests

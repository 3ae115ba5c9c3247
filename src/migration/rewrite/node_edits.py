"""Edits of a module that are applied in one pass, so that an edit inside an edited node is not lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import libcst as cst

from src.migration.rewrite.analysis.children import child_fields
from src.migration.rewrite.analysis.syntax import walk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from src.migration.rewrite.analysis.tree import Tree

Resolve = Callable[[cst.BaseExpression], cst.BaseExpression]
Edit = Callable[[Any, Resolve], Any]


class Edits:
    """A collection of edits, by the node that each replaces."""

    def __init__(self) -> None:
        self._edits: dict[cst.CSTNode, Edit] = {}

    def replace(self, node: cst.CSTNode, edit: Edit) -> None:
        """Replace a node by the result of `edit`, which receives the node with its children already edited."""
        if node in self._edits:
            first = self._edits[node]
            self._edits[node] = lambda updated, resolve: edit(first(updated, resolve), resolve)
        else:
            self._edits[node] = edit

    def remove(self, statement: cst.CSTNode) -> None:
        """Remove a statement."""
        self.replace(statement, lambda _updated, _resolve: cst.RemoveFromParent())

    def __bool__(self) -> bool:
        """Tell whether there is any edit."""
        return bool(self._edits)

    def __contains__(self, node: object) -> bool:
        """Tell whether a node has an edit."""
        return node in self._edits

    def apply(self, tree: Tree) -> cst.Module:
        """Return the edited module; it shares the statements without edits with the module before."""
        edited = _Application(self._edits, tree).edited(tree.module)
        assert isinstance(edited, cst.Module)  # noqa: S101 - a module cannot be removed
        return edited


class _Application:
    """One pass of edits, which builds anew what lies between the module and each edit."""

    def __init__(self, edits: Mapping[cst.CSTNode, Edit], tree: Tree) -> None:
        self._edits = edits
        self._replaced: dict[cst.CSTNode, Any] = {}
        self._touched: set[cst.CSTNode] = set(edits)
        for node in edits:
            for ancestor in tree.ancestors(node):
                if ancestor in self._touched and ancestor not in edits:
                    break
                self._touched.add(ancestor)

    def edited(self, node: cst.CSTNode) -> Any:
        """Return a node with all edits in it and on it applied."""
        if node not in self._touched:
            return node
        changes = {}
        for name in child_fields(node):
            value = getattr(node, name)
            if isinstance(value, tuple | list):
                if not self._touched.isdisjoint(value):
                    parts = [self.edited(part) for part in value]
                    changes[name] = [part for part in parts if part is not cst.RemovalSentinel.REMOVE]
            elif value in self._touched:
                changes[name] = self.edited(value)
        return self._on_leave(node, node.with_changes(**changes) if changes else node)

    def _on_leave(self, original_node: Any, updated_node: Any) -> Any:
        """Apply the node's edit; remove empty lines of statements, and put `pass` into empty blocks."""
        edit = self._edits.get(original_node)
        if edit is not None:
            updated_node = edit(updated_node, self._resolve)
        elif isinstance(updated_node, cst.SimpleStatementLine) and not updated_node.body:
            return cst.RemoveFromParent()
        elif isinstance(updated_node, cst.IndentedBlock) and not updated_node.body:
            updated_node = updated_node.with_changes(body=[cst.parse_statement("pass")])
        if isinstance(original_node, cst.BaseExpression):
            self._replaced[original_node] = updated_node
        return updated_node

    def _resolve(self, node: cst.BaseExpression) -> cst.BaseExpression:
        """Return an expression of the original module with the edits so far applied to it and to its parts.

        It is a copy: the module may go on holding the expression in its own place, and holds no node twice.
        """
        resolved = self._replaced.get(node)
        if resolved is None:
            resolved = node
            if any(part in self._replaced for part in walk(node)):
                resolved = node.visit(_ReplacedPartInserter(self._replaced))
        return resolved.deep_clone() if isinstance(resolved, cst.BaseExpression) else node


class _ReplacedPartInserter(cst.CSTTransformer):
    def __init__(self, replaced: Mapping[cst.CSTNode, Any]) -> None:
        super().__init__()
        self._replaced = replaced

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Do not descend into nodes that have a replacement."""
        return node not in self._replaced

    def on_leave(self, original_node: Any, updated_node: Any) -> Any:
        """Return a node's replacement."""
        return self._replaced.get(original_node, updated_node)

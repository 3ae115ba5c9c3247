"""Edits of a module that are applied in one pass, so that an edit inside an edited node is not lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import libcst as cst

if TYPE_CHECKING:
    from collections.abc import Mapping

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

    def apply(self, module: cst.Module) -> cst.Module:
        """Return the edited module."""
        edited = module.visit(_EditApplier(self._edits))
        assert isinstance(edited, cst.Module)  # noqa: S101 - a module cannot be removed
        return edited


class _EditApplier(cst.CSTTransformer):
    def __init__(self, edits: Mapping[cst.CSTNode, Edit]) -> None:
        super().__init__()
        self._edits = edits
        self._replaced: dict[cst.CSTNode, Any] = {}

    def on_leave(self, original_node: Any, updated_node: Any) -> Any:
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
        """Return an expression of the original module with the edits so far applied to it and to its parts."""
        if node in self._replaced:
            return self._replaced[node]  # type: ignore[no-any-return] # an expression's edit returns an expression
        resolved = node.visit(_ReplacedPartInserter(self._replaced))
        return resolved if isinstance(resolved, cst.BaseExpression) else node


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

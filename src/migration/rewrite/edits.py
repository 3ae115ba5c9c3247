"""Apply many edits to one module in a single pass, so that edits inside edits survive."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import libcst as cst

if TYPE_CHECKING:
    from collections.abc import Mapping

Resolve = Callable[[cst.BaseExpression], cst.BaseExpression]
Edit = Callable[[Any, Resolve], Any]


class Edits:
    """Collect edits by the node that they replace, then apply them."""

    def __init__(self) -> None:
        self._edits: dict[cst.CSTNode, Edit] = {}

    def replace(self, node: cst.CSTNode, edit: Edit) -> None:
        """Replace a node by what `edit` makes of it, its own children already edited."""
        if node in self._edits:
            first = self._edits[node]
            self._edits[node] = lambda updated, resolve: edit(first(updated, resolve), resolve)
        else:
            self._edits[node] = edit

    def remove(self, statement: cst.CSTNode) -> None:
        """Take a statement out."""
        self.replace(statement, lambda _updated, _resolve: cst.RemoveFromParent())

    def __bool__(self) -> bool:
        """Tell whether there is anything to do."""
        return bool(self._edits)

    def __contains__(self, node: object) -> bool:
        """Tell whether a node is replaced."""
        return node in self._edits

    def apply(self, module: cst.Module) -> cst.Module:
        """Return the edited module."""
        changed = module.visit(_Applied(self._edits))
        assert isinstance(changed, cst.Module)  # noqa: S101 - a module cannot be removed
        return changed


class _Applied(cst.CSTTransformer):
    def __init__(self, edits: Mapping[cst.CSTNode, Edit]) -> None:
        super().__init__()
        self._edits = edits
        self._done: dict[cst.CSTNode, Any] = {}

    def on_leave(self, original_node: Any, updated_node: Any) -> Any:
        """Replace what is to be replaced; never leave a block empty."""
        edit = self._edits.get(original_node)
        if edit is not None:
            updated_node = edit(updated_node, self._resolve)
        elif isinstance(updated_node, cst.SimpleStatementLine) and not updated_node.body:
            return cst.RemoveFromParent()
        elif isinstance(updated_node, cst.IndentedBlock) and not updated_node.body:
            updated_node = updated_node.with_changes(body=[cst.parse_statement("pass")])
        if isinstance(original_node, cst.BaseExpression):
            self._done[original_node] = updated_node
        return updated_node

    def _resolve(self, node: cst.BaseExpression) -> cst.BaseExpression:
        """Return an expression of the old module as it is now, or a new one with its old parts as they are now."""
        if node in self._done:
            return self._done[node]  # type: ignore[no-any-return] # what replaced it
        found = node.visit(_Swapped(self._done))
        return found if isinstance(found, cst.BaseExpression) else node


class _Swapped(cst.CSTTransformer):
    def __init__(self, done: Mapping[cst.CSTNode, Any]) -> None:
        super().__init__()
        self._done = done

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Stop at what was edited already."""
        return node not in self._done

    def on_leave(self, original_node: Any, updated_node: Any) -> Any:
        """Put in what it was edited to."""
        return self._done.get(original_node, updated_node)

"""Look attributes up in a module's own classes: their values, properties and methods."""

from __future__ import annotations

import ast
from collections import deque
from typing import TYPE_CHECKING

from src.migration.check.evaluate.module import ScopedExpr, decorators

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.migration.check.evaluate.module import Binding, Module, Scope

_MOST_RETURNS = 16
_PROPERTIES = frozenset({"property", "cached_property", "computed_field"})
_BLOCKS = ("body", "handlers", "orelse", "finalbody", "cases")
_WITHOUT_BLOCKS = (ast.Assign, ast.Expr, ast.AugAssign, ast.AnnAssign, ast.Raise, ast.Assert, ast.Pass)

_DOTTED = (ScopedExpr, ast.Attribute, ast.Call, ast.Name, ast.Await, ast.BoolOp, ast.IfExp)


def may_have_dotted_name(value: ast.AST | str) -> bool:
    """Tell whether a value may have a dotted name; of items those do that import: `__builtins__["__import__"]`."""
    if isinstance(value, ast.Subscript):
        return isinstance(value.slice, ast.Constant) and value.slice.value == "__import__"
    return isinstance(value, _DOTTED)


class Objects:
    """Attributes of one module's classes, and of the calls that made an object."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self._return_values: dict[int, list[ast.expr]] = {}

    def attribute_values(self, node: ast.Attribute, scope: Scope) -> list[Binding]:
        """Return what an attribute of this module's own objects may hold."""
        base = node.value
        owner = self.class_scope(base, scope)
        if isinstance(base, ast.Name) and base.id in {"self", "cls"}:
            own = self.module.attributes.get((id(owner), node.attr))
            return own or self.module.attributes_by_name.get(node.attr, [])
        arguments: list[Binding] = [
            ScopedExpr(keyword.value, scope)
            for call in self._constructor_calls(base, scope)
            for keyword in call.keywords
            if keyword.arg == node.attr
        ]
        return [*arguments, *(self.module.attributes_by_name.get(node.attr, []) if owner else [])]

    def class_scope(self, base: ast.expr, scope: Scope) -> Scope | None:
        """Return the scope of the class of this module that an expression is, or is an object of."""
        match base:
            case ast.Name(id="self" | "cls"):
                return scope.owner()
            case ast.Attribute(value=inner, attr="__class__") | ast.Call(func=ast.Name(id="type"), args=[inner]):
                return self.class_scope(inner, scope)
            case ast.Call(func=ast.Name(id="super")):
                return scope.owner()
            case ast.Name(id=name):
                classes = [self._own_class(binding, scope) for binding in scope.find(name) or []]
                return next(filter(None, classes), None)
            case ast.Call():
                return self._own_class(base, scope)
        return None

    def _own_class(self, binding: Binding, scope: Scope) -> Scope | None:
        if isinstance(binding, ScopedExpr):
            return self._own_class(binding.value, binding.scope)
        if isinstance(binding, ast.Call) and isinstance(binding.func, ast.Name):
            classes = [value for value in scope.find(binding.func.id) or [] if isinstance(value, ast.ClassDef)]
            return self.module.scopes.get(id(classes[0])) if classes else None
        return self.module.scopes.get(id(binding)) if isinstance(binding, ast.ClassDef) else None

    @staticmethod
    def _constructor_calls(base: ast.expr, scope: Scope) -> list[ast.Call]:
        """Return the calls that may have made an object."""
        values = (scope.find(base.id) or []) if isinstance(base, ast.Name) else [base]
        return [value for value in values if isinstance(value, ast.Call)]

    def functions(self, node: ast.expr, scope: Scope) -> list[ast.AST]:
        """Return the functions of this module that a name or an attribute may mean."""
        bindings: list[Binding] = []
        if isinstance(node, ast.Name):
            bindings = scope.find(node.id) or []
        elif isinstance(node, ast.Attribute):
            owner = self.class_scope(node.value, scope)
            bindings = owner.names.get(node.attr, []) if owner else []
        return [value for value in bindings if isinstance(value, (ast.FunctionDef, ast.AsyncFunctionDef))]

    def property_functions(self, node: ast.Attribute, scope: Scope) -> Iterator[ast.AST]:
        """Yield the functions that an attribute is read with, where it is a property."""
        owner = self.class_scope(node.value, scope)
        for value in owner.names.get(node.attr, []) if owner else []:
            if isinstance(value, (ast.FunctionDef, ast.AsyncFunctionDef)) and decorators(value) & _PROPERTIES:
                yield value

    def return_values(self, function: ast.AST) -> list[ast.expr]:
        """Return the first values that a function may return, those of its outer blocks before those of inner ones."""
        known = self._return_values.get(id(function))
        if known is None:
            known = self._return_values[id(function)] = _return_values(function)
        return known


def _return_values(function: ast.AST) -> list[ast.expr]:
    """Walk a function's statements level by level; expressions hold none, and need no walk."""
    values: list[ast.expr] = []
    pending = deque([function])
    while pending and len(values) < _MOST_RETURNS:
        node = pending.popleft()
        if isinstance(node, ast.Return):
            if node.value is not None:
                values.append(node.value)
            continue
        if isinstance(node, _WITHOUT_BLOCKS):
            continue
        for block in _BLOCKS:
            pending.extend(getattr(node, block, ()))
    return values

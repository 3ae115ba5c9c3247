"""Tell what a module's own objects hold: their classes, attributes, properties and methods."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from src.migration.check.evaluate.module import Elsewhere, decorators

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.migration.check.evaluate.module import Binding, Module, Scope

_MOST_RETURNS = 16
_PROPERTIES = frozenset({"property", "cached_property", "computed_field"})


class Objects:
    """Look attributes up in one module's classes, and in the calls that made an object."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self._returned: dict[int, list[ast.expr]] = {}

    def held(self, node: ast.Attribute, scope: Scope) -> list[Binding]:
        """Return what an attribute of this module's own objects may hold."""
        base = node.value
        owner = self.owner(base, scope)
        if isinstance(base, ast.Name) and base.id in {"self", "cls"}:
            return self.module.attributes.get((id(owner), node.attr)) or self.module.any_owner.get(node.attr, [])
        made_of = self._makers(base, scope)
        given: list[Binding] = [
            Elsewhere(keyword.value, scope) for one in made_of for keyword in one.keywords if keyword.arg == node.attr
        ]
        return [*given, *(self.module.any_owner.get(node.attr, []) if owner else [])]

    def owner(self, base: ast.expr, scope: Scope) -> Scope | None:
        """Return the scope of the class of this module that an expression is, or is an object of."""
        match base:
            case ast.Name(id="self" | "cls"):
                return scope.owner()
            case ast.Attribute(value=inner, attr="__class__") | ast.Call(func=ast.Name(id="type"), args=[inner]):
                return self.owner(inner, scope)
            case ast.Call(func=ast.Name(id="super")):
                return scope.owner()
            case ast.Name(id=name):
                classes = [self._own_class(one, scope) for one in scope.find(name) or []]
                return next((one for one in classes if one), None)
            case ast.Call():
                return self._own_class(base, scope)
        return None

    def _own_class(self, binding: Binding, scope: Scope) -> Scope | None:
        if isinstance(binding, Elsewhere):
            return self._own_class(binding.value, binding.scope)
        if isinstance(binding, ast.Call) and isinstance(binding.func, ast.Name):
            classes = [one for one in scope.find(binding.func.id) or [] if isinstance(one, ast.ClassDef)]
            return self.module.bodies.get(id(classes[0])) if classes else None
        return self.module.bodies.get(id(binding)) if isinstance(binding, ast.ClassDef) else None

    @staticmethod
    def _makers(base: ast.expr, scope: Scope) -> list[ast.Call]:
        """Return the calls that may have made an object."""
        found = (scope.find(base.id) or []) if isinstance(base, ast.Name) else [base]
        return [one for one in found if isinstance(one, ast.Call)]

    def functions(self, node: ast.expr, scope: Scope) -> list[ast.AST]:
        """Return the functions of this module that a name or an attribute may mean."""
        bindings: list[Binding] = []
        if isinstance(node, ast.Name):
            bindings = scope.find(node.id) or []
        elif isinstance(node, ast.Attribute):
            owner = self.owner(node.value, scope)
            bindings = owner.names.get(node.attr, []) if owner else []
        return [one for one in bindings if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef))]

    def properties(self, node: ast.Attribute, scope: Scope) -> Iterator[ast.AST]:
        """Give the functions that an attribute is read with, where it is a property."""
        owner = self.owner(node.value, scope)
        for one in owner.names.get(node.attr, []) if owner else []:
            if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)) and decorators(one) & _PROPERTIES:
                yield one

    def returns(self, function: ast.AST) -> list[ast.expr]:
        """Return the first values that a function may return."""
        known = self._returned.get(id(function))
        if known is None:
            found = [one.value for one in ast.walk(function) if isinstance(one, ast.Return) and one.value is not None]
            known = self._returned[id(function)] = found[:_MOST_RETURNS]
        return known

"""Say which part of an expression is not known, for the reason why a client stays."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite.analysis.syntax import code

if TYPE_CHECKING:
    from src.migration.rewrite.analysis.values import Evaluator


def why_unknown(node: cst.BaseExpression, values: Evaluator) -> str:
    """Return why an expression can be unknown, with a colon before it; nothing where all of its values are known.

    Variables, choices and functions of the same file are followed to where the unknown value comes from.
    """
    part = _origin(node, values, set())
    if part is None:
        return ""
    line, name = values.tree.line(part), part.func if isinstance(part, cst.Call) else part
    if isinstance(name, cst.Name) and not values.tree.bindings(name) and not hasattr(builtins, name.value):
        return f": {name.value} in line {line} is not defined in this file"
    return "" if part is node else f": the value of {code(part)[:60]} in line {line} is not known"


def _origin(node: cst.BaseExpression, values: Evaluator, visited: set[cst.CSTNode]) -> cst.BaseExpression | None:
    """Return the innermost expression that an unknown value comes from; None where the value is known."""
    if node in visited or all(value.kind != "unknown" for value in values.of(node)):
        return None
    visited.add(node)
    sources = (_origin(source, values, visited) for source in _sources(node, values))
    return next((source for source in sources if source is not None), node)


def _sources(node: cst.BaseExpression, values: Evaluator) -> list[cst.BaseExpression]:
    """Return the expressions whose values an expression can have."""
    match node:
        case cst.Name():
            bindings = [binding for binding in values.tree.bindings(node) if binding.kind in ("assign", "with")]
            return [binding.value for binding in bindings if binding.value is not None]
        case cst.Call():
            returns = [
                part for function in values.functions(node.func) for part in values.returned_by.get(function, ())
            ]
            return [part.value for part in returns if isinstance(part, cst.Return) and part.value is not None]
        case cst.IfExp(body=body, orelse=orelse):
            return [body, orelse]
        case cst.BooleanOperation(left=left, right=right):
            return [left, right]
        case cst.Await(expression=inner) | cst.NamedExpr(value=inner):
            return [inner]
    return []

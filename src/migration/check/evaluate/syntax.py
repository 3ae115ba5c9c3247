"""Read one syntax node without looking names up."""

from __future__ import annotations

import ast

from src.migration.check.evaluate.texts import LONGEST


def constant_text(value: object) -> tuple[str, ...]:
    """Return the text of a constant; nothing where it is neither text nor a number of ordinary size."""
    if isinstance(value, str):
        return (value[:LONGEST],)
    if isinstance(value, bytes):
        return (value[:LONGEST].decode("latin-1"),)
    return (str(value),) if isinstance(value, int) and abs(value) < 1 << 63 else ()


def alternatives(node: ast.IfExp | ast.BoolOp) -> list[ast.expr]:
    """Return the expressions of which a conditional or boolean expression is one."""
    return node.values if isinstance(node, ast.BoolOp) else [node.body, node.orelse]


def callee(node: ast.Call) -> tuple[str, ast.expr | None]:
    """Return the last name of what is called, and the expression that it is a method of."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr, node.func.value
    return (node.func.id if isinstance(node.func, ast.Name) else ""), None


def slice_bound(node: ast.expr | None) -> str | None:
    """Return a bound of a slice as a text; one that is no number makes the slice unknown."""
    if node is None:
        return None
    try:
        return str(int(ast.literal_eval(node)))
    except (ValueError, TypeError, SyntaxError):
        return "?"


def keyword_values(node: ast.Call, *names: str) -> list[ast.expr]:
    """Return the values of some keyword arguments, in the order of the call."""
    return [keyword.value for keyword in node.keywords if keyword.arg in names]


def named_attribute(node: ast.Call) -> tuple[ast.expr | None, ast.expr | None]:
    """Return what a call reads by name: `x` and `"y"` of `getattr(x, "y")` and of `attrgetter("y")(x)`."""
    match node:
        case ast.Call(func=ast.Name(id="getattr"), args=[base, attribute, *_]):
            return base, attribute
        case ast.Call(
            func=ast.Call(func=ast.Name(id="attrgetter") | ast.Attribute(attr="attrgetter"), args=[attribute]),
            args=[base],
        ):
            return base, attribute
    return None, None

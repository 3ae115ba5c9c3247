"""Tell which expressions are texts for certain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite.analysis.syntax import code

if TYPE_CHECKING:
    from src.migration.rewrite.analysis.values import Evaluator

_TEXT_METHODS = frozenset(
    {"format", "join", "strip", "lstrip", "rstrip", "replace", "upper", "lower", "title", "read_text", "dumps",
     "strftime", "isoformat", "decode", "removeprefix", "removesuffix", "to_string", "to_markdown", "to_csv"}
)  # fmt: skip
_TEXT_FUNCTIONS = frozenset({"str", "repr", "input", "format"})
_DEPTH = 6


def is_text(node: cst.BaseExpression | None, values: Evaluator, depth: int = _DEPTH) -> bool:
    """Tell whether an expression is a text whatever the program does."""
    if node is None or depth == 0:
        return False
    match node:
        case cst.SimpleString() | cst.ConcatenatedString() | cst.FormattedString():
            return True
        case cst.BinaryOperation(left=left, operator=cst.Add(), right=right):
            return is_text(left, values, depth - 1) or is_text(right, values, depth - 1)
        case cst.BinaryOperation(left=left, operator=cst.Modulo()):
            return is_text(left, values, depth - 1)
        case cst.Call(func=cst.Attribute(attr=cst.Name(value=name))):
            return name in _TEXT_METHODS
        case cst.Call(func=cst.Name(value=name)):
            return name in _TEXT_FUNCTIONS
        case cst.IfExp(body=first, orelse=second) | cst.BooleanOperation(left=first, right=second):
            return is_text(first, values, depth - 1) and is_text(second, values, depth - 1)
        case cst.Name():
            bindings = values.tree.bindings(node)
            return bool(bindings) and all(
                _is_annotated(binding.node)
                or (binding.kind in ("assign", "aug") and is_text(binding.value, values, depth - 1))
                for binding in bindings
            )
    return False


def _is_annotated(node: cst.CSTNode) -> bool:
    annotation = node.annotation if isinstance(node, cst.Param | cst.AnnAssign) else None
    return annotation is not None and code(annotation.annotation).strip("\"'") == "str"

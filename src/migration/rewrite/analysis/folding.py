"""Fold expressions to the texts they can have; what only a run knows stands as a mark in them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite.analysis.syntax import dotted, is_none, keyword, positional, text_of

if TYPE_CHECKING:
    from src.migration.rewrite.analysis.values import Evaluator

MARK = "\x00"
_DEPTH = 6
_PLACEHOLDER = re.compile(r"[A-Za-z_<> -]*")  # as in `os.getenv("KEY", "your-key-here")`: no key of anybody


def fold(node: cst.CSTNode | None, values: Evaluator, depth: int = _DEPTH) -> set[str]:
    """Return the texts that an expression can have."""
    if node is None or depth == 0:
        return {MARK}
    text = text_of(node)
    if text is not None:
        return {text}
    match node:
        case cst.FormattedString(parts=parts):
            return _joined([_part(part, values, depth) for part in parts])
        case cst.BinaryOperation(left=left, operator=cst.Add(), right=right):
            return _joined([fold(left, values, depth - 1), fold(right, values, depth - 1)])
        case cst.Name() | cst.Attribute():
            return _bound(node, values, depth)
        case cst.Call():
            return _called(node, values, depth)
        case cst.BooleanOperation(left=left, right=right):
            return fold(left, values, depth - 1) | fold(right, values, depth - 1)
        case cst.IfExp(body=body, orelse=orelse):
            return fold(body, values, depth - 1) | fold(orelse, values, depth - 1)
    return {MARK}


def _part(part: cst.BaseFormattedStringContent, values: Evaluator, depth: int) -> set[str]:
    if isinstance(part, cst.FormattedStringText):
        return {part.value.replace("{{", "{").replace("}}", "}")}
    if isinstance(part, cst.FormattedStringExpression) and part.format_spec is None:
        return fold(part.expression, values, depth - 1)
    return {MARK}


def _joined(parts: list[set[str]]) -> set[str]:
    found = {""}
    for part in parts:
        found = {left + right for left in found for right in part}
        if len(found) > 32:
            return {MARK}
    return found


def _bound(node: cst.Name | cst.Attribute, values: Evaluator, depth: int) -> set[str]:
    sources: list[cst.BaseExpression | None] = []
    if isinstance(node, cst.Name):
        sources = [one.value if one.kind == "assign" else None for one in values.tree.bindings(node)]
    else:
        sources = values.stored(node)
    if not sources:
        return {MARK}
    return set().union(*(fold(source, values, depth - 1) for source in sources))


def _called(node: cst.Call, values: Evaluator, depth: int) -> set[str]:
    """Return a variable's default, or what `text.rstrip("/")` and its like leave."""
    given = positional(node)
    if values.module(node.func) in ("os.getenv", "os.environ.get"):
        default = given[1] if len(given) > 1 else keyword(node, "default")
        return {MARK} | (fold(default, values, depth - 1) if default is not None else set())
    if isinstance(node.func, cst.Attribute) and node.func.attr.value in ("strip", "rstrip"):
        return {text.rstrip("/") for text in fold(node.func.value, values, depth - 1)}
    if isinstance(node.func, cst.Name) and node.func.value == "str" and given:
        return fold(given[0], values, depth - 1)
    return {MARK}


def variable(node: cst.CSTNode | None, values: Evaluator, depth: int = _DEPTH) -> set[str] | None:
    """Return the environment variables that an expression reads and is nothing else, or None."""
    if node is None or depth == 0:
        return None
    if isinstance(node, cst.Call) and values.module(node.func) in ("os.getenv", "os.environ.get"):
        given = positional(node)
        name = text_of(given[0]) if given else None
        default = given[1] if len(given) > 1 else keyword(node, "default")
        plain = default is None or is_none(default) or _PLACEHOLDER.fullmatch(text_of(default) or "0") is not None
        return {name} if name and plain else None
    if isinstance(node, cst.Subscript) and values.module(node.value) == "os.environ":
        index = node.slice[0].slice
        name = text_of(index.value) if isinstance(index, cst.Index) else None
        return {name} if name else None
    sources: list[cst.BaseExpression | None]
    if isinstance(node, cst.Name):
        sources = [one.value if one.kind == "assign" else None for one in values.tree.bindings(node)]
    elif isinstance(node, cst.Attribute) and dotted(node):
        sources = values.stored(node)
    elif isinstance(node, cst.BooleanOperation):
        sources = [node.left, node.right]
    else:
        return None
    found = [variable(source, values, depth - 1) for source in sources]
    if not found or any(one is None for one in found):
        return None
    return set().union(*(one for one in found if one))

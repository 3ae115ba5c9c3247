"""Constant folding of string expressions, with a mark for each part that is known only at run time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite.analysis.syntax import dotted, is_none, keyword, positional, text_of

if TYPE_CHECKING:
    from src.migration.rewrite.analysis.values import Evaluator

MARK = "\x00"
_DEPTH = 6
_PLACEHOLDER = re.compile(r"[A-Za-z_<> -]*")  # as in `os.getenv("KEY", "your-key-here")`: not a real key


def fold(node: cst.CSTNode | None, values: Evaluator, depth: int = _DEPTH) -> set[str]:
    """Return the strings that an expression can be; MARK stands for what is unknown."""
    if node is None or depth == 0:
        return {MARK}
    text = text_of(node)
    if text is not None:
        return {text}
    match node:
        case cst.FormattedString(parts=parts):
            return _concatenations([_fold_part(part, values, depth) for part in parts])
        case cst.BinaryOperation(left=left, operator=cst.Add(), right=right):
            return _concatenations([fold(left, values, depth - 1), fold(right, values, depth - 1)])
        case cst.Name() | cst.Attribute():
            return _fold_bindings(node, values, depth)
        case cst.Call():
            return _fold_call(node, values, depth)
        case cst.BooleanOperation(left=left, right=right):
            return fold(left, values, depth - 1) | fold(right, values, depth - 1)
        case cst.IfExp(body=body, orelse=orelse):
            return fold(body, values, depth - 1) | fold(orelse, values, depth - 1)
    return {MARK}


def _fold_part(part: cst.BaseFormattedStringContent, values: Evaluator, depth: int) -> set[str]:
    if isinstance(part, cst.FormattedStringText):
        return {part.value.replace("{{", "{").replace("}}", "}")}
    if isinstance(part, cst.FormattedStringExpression) and part.format_spec is None:
        return fold(part.expression, values, depth - 1)
    return {MARK}


def _concatenations(parts: list[set[str]]) -> set[str]:
    texts = {""}
    for part in parts:
        texts = {left + right for left in texts for right in part}
        if len(texts) > 32:
            return {MARK}
    return texts


def _fold_bindings(node: cst.Name | cst.Attribute, values: Evaluator, depth: int) -> set[str]:
    sources: list[cst.BaseExpression | None] = []
    if isinstance(node, cst.Name):
        sources = [binding.value if binding.kind == "assign" else None for binding in values.tree.bindings(node)]
    else:
        sources = values.attribute_values(node)
    if not sources:
        return {MARK}
    return set().union(*(fold(source, values, depth - 1) for source in sources))


def _fold_call(node: cst.Call, values: Evaluator, depth: int) -> set[str]:
    """Fold a look-up of an environment variable to its default, and `strip`, `rstrip` and `str`."""
    args = positional(node)
    if values.module(node.func) in ("os.getenv", "os.environ.get"):
        default = args[1] if len(args) > 1 else keyword(node, "default")
        return {MARK} | (fold(default, values, depth - 1) if default is not None else set())
    if isinstance(node.func, cst.Attribute) and node.func.attr.value in ("strip", "rstrip"):
        return {text.rstrip("/") for text in fold(node.func.value, values, depth - 1)}
    if isinstance(node.func, cst.Name) and node.func.value == "str" and args:
        return fold(args[0], values, depth - 1)
    return {MARK}


def environment_variables(node: cst.CSTNode | None, values: Evaluator, depth: int = _DEPTH) -> set[str] | None:
    """Return the environment variables that an expression reads, None where it can be anything else."""
    if node is None or depth == 0:
        return None
    if isinstance(node, cst.Call) and values.module(node.func) in ("os.getenv", "os.environ.get"):
        args = positional(node)
        name = text_of(args[0]) if args else None
        default = args[1] if len(args) > 1 else keyword(node, "default")
        has_no_real_default = (
            default is None or is_none(default) or _PLACEHOLDER.fullmatch(text_of(default) or "0") is not None
        )
        return {name} if name and has_no_real_default else None
    if isinstance(node, cst.Subscript) and values.module(node.value) == "os.environ":
        index = node.slice[0].slice
        name = text_of(index.value) if isinstance(index, cst.Index) else None
        return {name} if name else None
    sources: list[cst.BaseExpression | None]
    if isinstance(node, cst.Name):
        sources = [binding.value if binding.kind == "assign" else None for binding in values.tree.bindings(node)]
    elif isinstance(node, cst.Attribute) and dotted(node):
        sources = values.attribute_values(node)
    elif isinstance(node, cst.BooleanOperation):
        sources = [node.left, node.right]
    else:
        return None
    variables: set[str] = set()
    for source in sources:
        read = environment_variables(source, values, depth - 1)
        if read is None:
            return None
        variables |= read
    return variables or None

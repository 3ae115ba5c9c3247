"""The calls in an expression that may do or give something else when they are evaluated again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite.analysis.syntax import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.migration.rewrite.analysis.values import Evaluator

_READS = frozenset({"os.getenv", "os.environ.get"})
_CONVERSIONS = frozenset({"str", "int", "float", "bool", "dict"})
_METHODS = frozenset(
    {"strip", "lstrip", "rstrip", "lower", "upper", "replace", "format", "join", "removeprefix", "removesuffix", "get"}
)


def of(part: cst.CSTNode, values: Evaluator) -> Iterator[cst.Call]:
    """Yield the calls in an expression but for reads of the environment, conversions, and methods of texts."""
    for node in walk(part):
        if isinstance(node, cst.Call) and not _is_repeatable(node.func, values):
            yield node


def _is_repeatable(func: cst.BaseExpression, values: Evaluator) -> bool:
    if values.module(func) in _READS:
        return True
    if isinstance(func, cst.Name):
        return func.value in _CONVERSIONS and values.tree.binding_scope(func.value, values.tree.scope(func)) is None
    return isinstance(func, cst.Attribute) and func.attr.value in _METHODS and values.module(func) is None

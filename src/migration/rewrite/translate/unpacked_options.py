"""The keys that a dictionary passed with `**` can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite.analysis.syntax import code, entries, text_of
from src.migration.rewrite.records import Unprovable

if TYPE_CHECKING:
    from src.migration.rewrite.analysis.tree import Tree
    from src.migration.rewrite.analysis.values import Evaluator

# Options that change what the call returns, or how its prompt is read.
_HARMFUL = frozenset({"stream", "response_format", "system", "input", "instructions", "prompt", "contents", "config"})
_READING_METHODS = ("get", "keys", "items", "values", "copy")
_READING_FUNCTIONS = (
    "print", "len", "json.dumps", "cprint", "str", "repr", "logger.info", "logger.debug", "requests.post", "httpx.post",
)  # fmt: skip


def refuse_unknown_keys(options: cst.BaseExpression, values: Evaluator) -> None:
    """Raise Unprovable unless all keys of `**options` are known, and none changes how the call is translated."""
    keys = keys_of(options, values)
    if keys is None:
        raise Unprovable(f"what **{code(options)} holds is not known", "pass the options by name")
    harmful = keys & _HARMFUL
    if harmful:
        raise Unprovable(f"**{code(options)} holds {', '.join(sorted(harmful))}", "pass the options by name")


def keys_of(node: cst.BaseExpression, values: Evaluator) -> set[str] | None:
    """Return the keys that a dictionary can have, None where they are not all known."""
    if isinstance(node, cst.Dict):
        items = entries(node)
        return set(items) if items is not None else None
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Name) and node.func.value == "dict":
        if any(arg.keyword is None for arg in node.args):
            return None
        return {arg.keyword.value for arg in node.args if arg.keyword is not None}
    if not isinstance(node, cst.Name):
        return None
    bindings = values.tree.bindings(node)
    keys: set[str] = set()
    known: set[str] | None
    for binding in bindings:
        if isinstance(binding.node, cst.Param) and binding.node.star == "**":
            known = _keys_from_callers(binding.scope, values)
        else:
            known = keys_of(binding.value, values) if binding.kind == "assign" and binding.value is not None else None
        if known is None:
            return None
        keys |= known
    added = _keys_added_later(node, values)
    return keys | added if bindings and added is not None else None


def is_never_changed(node: cst.Name, values: Evaluator) -> bool:
    """Tell whether a dictionary is as it was made wherever its name is read."""
    return _keys_added_later(node, values) == set()


def _keys_from_callers(function: cst.CSTNode | None, values: Evaluator) -> set[str] | None:
    """Return the keys that callers in this module pass for a function's `**` parameter, None where they are unknown."""
    if not isinstance(function, cst.FunctionDef):
        return None
    calls = values.calls_of(function)
    if not calls or values.is_passed_around(function) or any(arg.star for call in calls for arg in call.args):
        return None
    params = {param.name.value for param in (*function.params.params, *function.params.kwonly_params)}
    return {arg.keyword.value for call in calls for arg in call.args if arg.keyword is not None} - params


def _keys_added_later(node: cst.Name, values: Evaluator) -> set[str] | None:
    """Return the keys that `name[key] = value` adds; None where the dictionary may change in another way."""
    keys: set[str] = set()
    tree = values.tree
    scope = tree.binding_scope(node.value, tree.scope(node))
    for load in tree.loads(node.value, scope) if scope is not None else []:
        parent = tree.parent(load)
        if isinstance(parent, cst.Subscript) and tree.is_target(parent):
            index = parent.slice[0].slice
            key = text_of(index.value) if isinstance(index, cst.Index) else None
            if key is None:
                return None
            keys.add(key)
        elif _may_change_dictionary(parent, tree):
            return None
    return keys


def _may_change_dictionary(parent: cst.CSTNode | None, tree: Tree) -> bool:
    """Tell whether a use of a dictionary may change it, or keep it where it can be changed; `parent` reads it."""
    match parent:
        case cst.Attribute(attr=cst.Name(value=name)):
            return name not in _READING_METHODS
        case cst.Arg(star=""):
            call = tree.parent(parent)
            return not isinstance(call, cst.Call) or code(call.func) not in _READING_FUNCTIONS
        case cst.Arg() | cst.StarredDictElement() | cst.Subscript() | cst.FormattedStringExpression():
            return False
        case cst.Comparison() | cst.ComparisonTarget() | cst.For() | cst.CompFor() | cst.If() | cst.UnaryOperation():
            return False
    return not isinstance(parent, cst.Expr)

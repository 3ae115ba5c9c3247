"""The keys that a dictionary passed with `**` can hold, and its items where it is a literal that nothing changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite.analysis.syntax import code, entries, is_constant, text_of
from src.migration.rewrite.records import Unprovable
from src.migration.rewrite.translate.texts import is_text

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


def expanded(options: cst.BaseExpression, values: Evaluator) -> dict[str, cst.BaseExpression] | None:
    """Return the arguments that `**options` stands for, where one of them changes how the call is translated.

    Constants are themselves, and everything else is read from the dictionary, which was made before the call. None
    where no argument changes it, or where the dictionary is not known or not only read.
    """
    items = items_of(options, values) if isinstance(options, cst.Name) else None
    if items is None or not _HARMFUL & set(items) or not isinstance(options, cst.Name):
        return None
    if "system" in items and not is_text(items["system"], values):
        return None
    return {
        name: value.deep_clone() if is_constant(value) else read_of(options.deep_clone(), name)
        for name, value in items.items()
    }


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


def items_of(node: cst.BaseExpression, values: Evaluator) -> dict[str, cst.BaseExpression] | None:
    """Return the items of a dictionary: a literal, or a name that holds one literal and is never changed."""
    if isinstance(node, cst.Dict):
        return entries(node)
    if isinstance(node, cst.Call) and code(node.func) == "dict":
        named = {arg.keyword.value: arg.value for arg in node.args if arg.keyword is not None}
        return named if len(named) == len(node.args) else None
    if not isinstance(node, cst.Name):
        return None
    bindings = values.tree.bindings(node)
    if len(bindings) != 1 or bindings[0].kind != "assign" or _keys_added_later(node, values) != set():
        return None
    value = bindings[0].value
    return items_of(value, values) if isinstance(value, cst.Dict | cst.Call) else None


def read_of(dictionary: cst.Name, key: str) -> cst.BaseExpression:
    """Return the expression that reads an item; the dictionary's name is the node of the old text, with its scope."""
    index = cst.Index(cst.SimpleString(f'"{key}"'))
    return cst.Subscript(dictionary, [cst.SubscriptElement(index)])

"""Tell which expressions are texts for certain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite.analysis.syntax import code, text_of

if TYPE_CHECKING:
    from src.migration.rewrite.analysis.tree import Binding
    from src.migration.rewrite.analysis.values import Evaluator

_TEXT_METHODS = frozenset(
    {"format", "join", "strip", "lstrip", "rstrip", "replace", "upper", "lower", "title", "read_text", "dumps",
     "strftime", "isoformat", "decode", "removeprefix", "removesuffix", "to_string", "to_markdown", "to_csv"}
)  # fmt: skip
_TEXT_FUNCTIONS = frozenset({"str", "repr", "input", "format"})
_READERS = frozenset({"len", "enumerate", "print", "map", "sorted", "join"})  # of a list, which leave it as it is
_PLAIN_BASES = frozenset({"object", "ABC", "abc.ABC"})
_DEPTH = 8


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
            return bool(bindings) and all(_binds_text(binding, values, depth - 1) for binding in bindings)
    return False


def _binds_text(binding: Binding, values: Evaluator, depth: int) -> bool:
    if _is_annotated(binding.node):
        return True
    match binding.kind:
        case "assign" | "aug":
            return is_text(binding.value, values, depth)
        case "param":
            return _is_passed_text(binding, values, depth)
        case "for":
            loop = values.tree.parent(binding.node)
            return isinstance(loop, cst.For | cst.CompFor) and _holds_texts(loop.iter, values, depth)
    return False


def _is_annotated(node: cst.CSTNode) -> bool:
    annotation = node.annotation if isinstance(node, cst.Param | cst.AnnAssign) else None
    return annotation is not None and code(annotation.annotation).strip("\"'") == "str"


def _is_passed_text(binding: Binding, values: Evaluator, depth: int) -> bool:
    """Tell whether all callers of a function are known, and each passes a text for a parameter."""
    function = binding.scope
    if (
        not isinstance(function, cst.FunctionDef)
        or function.decorators
        or getattr(binding.node, "star", "") in ("*", "**")
    ):
        return False
    calls, name = values.calls_of(function), function.name.value
    owner = values.tree.enclosing_class(function)
    if (
        not calls
        or values.is_passed_around(function)
        or values.is_used_elsewhere(name)
        or _is_named_by_text(name, values)
    ):
        return False
    if owner is not None and (_has_foreign_base(owner, values) or values.is_used_elsewhere(owner.name.value)):
        return False
    return all(is_text(values.argument_for(call, function, binding.name), values, depth) for call in calls)


def _is_named_by_text(name: str, values: Evaluator) -> bool:
    """Tell whether a text of the module is a name, by which something could be called."""
    return any(isinstance(node, cst.SimpleString) and text_of(node) == name for node in values.tree.nodes)


def _has_foreign_base(owner: cst.ClassDef, values: Evaluator) -> bool:
    """Tell whether a class inherits from one of another file, whose methods may call its own."""
    family = values.family(owner)
    known = {member.name.value for member in family} | _PLAIN_BASES
    return any(code(base.value) not in known for member in family for base in member.bases)


def _holds_texts(node: cst.BaseExpression, values: Evaluator, depth: int) -> bool:
    """Tell whether an expression is a list or tuple of texts: a literal, or a name that holds one and is only read."""
    if depth == 0:
        return False
    match node:
        case cst.List(elements=elements) | cst.Tuple(elements=elements):
            return all(isinstance(item, cst.Element) and is_text(item.value, values, depth - 1) for item in elements)
        case cst.Subscript(value=value, slice=[cst.SubscriptElement(slice=cst.Slice())]):
            return _holds_texts(value, values, depth - 1)
        case cst.Name():
            bindings = values.tree.bindings(node)
            return (
                len(bindings) == 1
                and bindings[0].kind == "assign"
                and bindings[0].value is not None
                and _is_only_read(node, values)
                and _holds_texts(bindings[0].value, values, depth - 1)
            )
    return False


def _is_only_read(node: cst.Name, values: Evaluator) -> bool:
    """Tell whether a list is used for nothing but loops over it, its length and its items, and by no other file."""
    tree = values.tree
    scope = tree.binding_scope(node.value, tree.scope(node))
    if scope is None or (scope is tree.module and values.is_used_elsewhere(node.value)):
        return False
    for load in tree.loads(node.value, scope):
        parent = tree.parent(load)
        if isinstance(parent, cst.Subscript) and not tree.is_target(parent):
            continue
        if isinstance(parent, cst.For | cst.CompFor) and parent.iter is load:
            continue
        call = tree.parent(parent) if isinstance(parent, cst.Arg) and not parent.star else None
        if not isinstance(call, cst.Call) or code(call.func).rpartition(".")[2] not in _READERS:
            return False
    return True

"""The translation of SDK exceptions that a program names into the factory's errors."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite import sdk_vocabulary as sdk
from src.migration.rewrite.analysis.syntax import code, expression
from src.migration.rewrite.records import Unprovable

if TYPE_CHECKING:
    from src.migration.rewrite.analysis.values import Evaluator
    from src.migration.rewrite.node_edits import Edit, Edits, Resolve

# Attributes of the SDKs' exceptions -> those of the factory's errors.
_ATTRIBUTES = {"status_code": "status", "http_status": "status", "message": "message", "user_message": "message",
               "args": "args", "request_id": "request_id", "__class__": "__class__",
               "__cause__": "__cause__"}  # fmt: skip
# The openai SDK before version 1, whose errors the moved calls do not raise.
_LEGACY = re.compile(r"\bopenai\.error\b|\bChatCompletion\.a?create\b")
# Functions that take exception classes, alone or as a tuple, to test for them.
_TESTS = ("isinstance", "issubclass", "retry_if_exception_type", "retry_if_not_exception_type", "suppress",
          "on_exception")  # fmt: skip


@dataclass(slots=True)
class ErrorUses:
    """The places where a module uses the exceptions of one SDK.

    Attributes:
        names: The expressions that name an exception, each with the factory's errors for it.
        reads: The reads of an exception's attributes in its handlers.
        tuples: The tuples that hold some of the names.
        is_old: Whether they are those of the openai SDK before version 1.
    """

    names: list[tuple[cst.BaseExpression, tuple[str, ...]]] = field(default_factory=list)
    reads: list[cst.Attribute] = field(default_factory=list)
    tuples: list[cst.Tuple] = field(default_factory=list)
    is_old: bool = False


def find_error_uses(package: str, values: Evaluator, *, raises_old_errors: bool = False) -> ErrorUses:
    """Return the uses of a package's exceptions.

    Args:
        package: The package.
        values: What the module's expressions can be.
        raises_old_errors: Whether other files raise those of the openai SDK before version 1 here.

    Raises:
        Unprovable: an exception is used in a way that has no counterpart.
    """
    uses = ErrorUses(is_old=raises_old_errors or _LEGACY.search(values.tree.code) is not None)
    tree = values.tree
    for node in tree.nodes:
        if not isinstance(node, cst.Name | cst.Attribute) or isinstance(tree.parent(node), cst.Attribute):
            continue
        if isinstance(node, cst.Name) and not tree.is_load(node):
            continue
        name = values.module(node) or ""
        if not name.startswith(f"{package}.") or not name.rpartition(".")[2][:1].isupper():
            continue
        ours = _errors_for(name, is_legacy=uses.is_old)
        if ours is None:
            if _handler(node, values) is not None:
                raise Unprovable(f"{code(node)} is handled, which has no counterpart", "handle ModelError")
            continue
        _add_use(node, ours, uses, values)
    return uses


def _errors_for(name: str, *, is_legacy: bool) -> tuple[str, ...] | None:
    """Return the factory's errors for an exception, in a program for the openai SDK before version 1 for that one's.

    Raises:
        Unprovable: that SDK has no exception of this name.
    """
    last = name.rpartition(".")[2]
    ours = sdk.errors_for(name)
    if not is_legacy or ours is None or name != f"openai.{last}":
        return ours
    if last not in sdk.EXPORTED_BEFORE_1:
        raise Unprovable(f"the openai SDK before version 1 has no {name}", f"handle openai.error.{last} there")
    return sdk.errors_for(f"openai.error.{last}")


def _add_use(node: cst.Name | cst.Attribute, ours: tuple[str, ...], uses: ErrorUses, values: Evaluator) -> None:
    tree = values.tree
    element = tree.parent(node)
    container = tree.parent(element) if isinstance(element, cst.Element) else None
    handler = _handler(node, values)
    if handler is None and not _is_in_test_or_tuple(node, values):
        if any(isinstance(ancestor, cst.Annotation) for ancestor in tree.ancestors(node)):
            return
        raise Unprovable(f"{code(node)} is used for more than handling it", "use one of src.models.errors there")
    if isinstance(container, cst.Tuple) and container not in uses.tuples:
        uses.tuples.append(container)
    uses.names.append((node, ours))
    for user in [handler] if handler is not None else _handlers_of(container, values):
        if user.name is not None and isinstance(user.name.name, cst.Name):
            _add_attribute_reads(user, user.name.name.value, uses, values)


def _is_in_test_or_tuple(node: cst.CSTNode, values: Evaluator) -> bool:
    """Tell whether an exception is tested for, or is in a named tuple whose uses all handle or test for it."""
    tree = values.tree
    parent = tree.parent(node)
    in_tuple = isinstance(parent, cst.Element) and isinstance(tree.parent(parent), cst.Tuple)
    while isinstance(parent, cst.Element | cst.Tuple):
        parent = tree.parent(parent)
    call = tree.parent(parent) if isinstance(parent, cst.Arg) else None
    if isinstance(call, cst.Call):
        return code(call.func).rpartition(".")[2] in _TESTS
    if not in_tuple or not isinstance(parent, cst.Assign | cst.AnnAssign):
        return False
    names = _assigned_names(parent)
    return bool(names) and all(_handles_or_tests(load, values) for load in _loads(names, values))


def _assigned_names(node: cst.CSTNode | None) -> set[str]:
    """Return the names that an assignment binds; none where a target is not a plain name."""
    targets = [target.target for target in node.targets] if isinstance(node, cst.Assign) else []
    targets += [node.target] if isinstance(node, cst.AnnAssign) else []
    names = {target.value for target in targets if isinstance(target, cst.Name)}
    return names if len(names) == len(targets) else set()


def _loads(names: set[str], values: Evaluator) -> list[cst.Name]:
    tree = values.tree
    return [name for name in tree.nodes if isinstance(name, cst.Name) and name.value in names and tree.is_load(name)]


def _handles_or_tests(node: cst.CSTNode, values: Evaluator) -> bool:
    """Tell whether the name of a tuple of exceptions is used to handle or to test for them."""
    parent = values.tree.parent(node)
    call = values.tree.parent(parent) if isinstance(parent, cst.Arg) else None
    if isinstance(call, cst.Call):
        return code(call.func).rpartition(".")[2] in _TESTS
    return isinstance(parent, cst.ExceptHandler) and parent.type is node


def _handlers_of(exceptions: cst.CSTNode | None, values: Evaluator) -> list[cst.ExceptHandler]:
    """Return the handlers that use a tuple of exceptions by its name."""
    assignment = values.tree.parent(exceptions) if exceptions is not None else None
    parents = [values.tree.parent(load) for load in _loads(_assigned_names(assignment), values)]
    return [handler for handler in parents if isinstance(handler, cst.ExceptHandler)]


def _handler(node: cst.CSTNode, values: Evaluator) -> cst.ExceptHandler | None:
    """Return the handler whose type, or tuple of types, a node is part of."""
    child: cst.CSTNode = node
    for ancestor in values.tree.ancestors(node):
        if isinstance(ancestor, cst.ExceptHandler):
            return ancestor if ancestor.type is child else None
        if not isinstance(ancestor, cst.Tuple | cst.Element):
            return None
        child = ancestor
    return None


def _add_attribute_reads(handler: cst.ExceptHandler, name: str, uses: ErrorUses, values: Evaluator) -> None:
    tree = values.tree
    for node in tree.nodes:
        if not isinstance(node, cst.Attribute) or not isinstance(node.value, cst.Name) or node.value.value != name:
            continue
        if all(ancestor is not handler for ancestor in tree.ancestors(node)):
            continue
        if not uses.is_old:  # the moved call raises the SDK's own errors
            continue
        if node.attr.value not in _ATTRIBUTES:
            raise Unprovable(
                f"the handler reads {code(node)}, which the factory's errors have not",
                "read error.status, error.message, error.retry_after_s or error.__cause__",
            )
        uses.reads.append(node)


def rewrite_error_uses(uses: ErrorUses, edits: Edits, *, keep_sdk: bool) -> set[tuple[str, str]]:
    """Add the edits of all uses; return the imports that they need.

    Args:
        uses: The uses of one SDK's exceptions.
        edits: Where the edits go.
        keep_sdk: Keep the SDK's exceptions beside the factory's errors, for calls that stay.

    Raises:
        Unprovable: a handler that serves both reads an attribute which they name differently.
    """
    if keep_sdk and any(is_renamed(read) for read in uses.reads):
        raise Unprovable("one handler serves this call and one that stays", "give the calls handlers of their own")
    needed: set[tuple[str, str]] = set()
    for node, ours in uses.names:
        names = [code(node)] * keep_sdk + list(ours)
        edits.replace(node, _replace_by_names(names))
        needed |= {("src.models.errors", name) for name in ours}
    for exceptions in uses.tuples:
        edits.replace(exceptions, _flatten)
    for read in uses.reads:
        edits.replace(read, _rename_attribute(_ATTRIBUTES[read.attr.value]))
    return needed


def _replace_by_names(names: list[str]) -> Edit:
    def edit(_updated: cst.BaseExpression, _resolve: Resolve) -> cst.BaseExpression:
        return expression(names[0] if len(names) == 1 else f"({', '.join(names)})")

    return edit


def _flatten(updated: cst.Tuple, _resolve: Resolve) -> cst.Tuple:
    """Return a tuple with the items of nested tuples in their place, since an `except` clause takes no nested ones."""
    parts: list[cst.BaseElement] = []
    for element in updated.elements:
        inner = element.value.elements if isinstance(element.value, cst.Tuple) else [element]
        parts += [item for item in inner if code(item.value) not in {code(part.value) for part in parts}]
    return updated.with_changes(
        elements=[part.with_changes(comma=cst.MaybeSentinel.DEFAULT) for part in parts[:-1]] + parts[-1:]
    )


def _rename_attribute(name: str) -> Edit:
    def edit(updated: cst.Attribute, _resolve: Resolve) -> cst.Attribute:
        return updated.with_changes(attr=cst.Name(name))

    return edit


def is_renamed(read: cst.Attribute) -> bool:
    """Tell whether an attribute of an SDK's exception has another name on the factory's errors."""
    return _ATTRIBUTES[read.attr.value] != read.attr.value

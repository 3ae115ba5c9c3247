"""Say the exceptions of SDKs that handlers name as the factory's errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite import sdk_vocabulary as sdk
from src.migration.rewrite.analysis.syntax import code, expression
from src.migration.rewrite.records import Unprovable

if TYPE_CHECKING:
    from src.migration.rewrite.analysis.values import Evaluator
    from src.migration.rewrite.edits import Edits, Resolve

_ATTRIBUTES = {"status_code": "status", "http_status": "status", "message": "message", "user_message": "message",
               "args": "args", "request_id": "request_id", "__class__": "__class__",
               "__cause__": "__cause__"}  # fmt: skip
_TESTS = ("isinstance", "issubclass", "retry_if_exception_type", "retry_if_not_exception_type", "suppress",
          "on_exception")  # fmt: skip


@dataclass(slots=True)
class Handled:
    """Hold the places that name an SDK's exception, and where its attributes are read."""

    names: list[tuple[cst.BaseExpression, tuple[str, ...]]] = field(default_factory=list)
    reads: list[cst.Attribute] = field(default_factory=list)
    tuples: list[cst.Tuple] = field(default_factory=list)  # that hold some of the names


def find(package: str, values: Evaluator) -> Handled:
    """Return what names exceptions of a package.

    Raises:
        Unprovable: one is used in a way that has no counterpart.
    """
    found = Handled()
    tree = values.tree
    for node in tree.nodes:
        if not isinstance(node, cst.Name | cst.Attribute) or isinstance(tree.parent(node), cst.Attribute):
            continue
        if isinstance(node, cst.Name) and not tree.is_load(node):
            continue
        name = values.module(node) or ""
        if not name.startswith(f"{package}.") or not name.rpartition(".")[2][:1].isupper():
            continue
        ours = sdk.errors_for(name)
        if ours is None:
            if _handler(node, values) is not None:
                raise Unprovable(f"{code(node)} is handled, which has no counterpart", "handle ModelError")
            continue
        _one(node, ours, found, values)
    return found


def _one(node: cst.Name | cst.Attribute, ours: tuple[str, ...], found: Handled, values: Evaluator) -> None:
    tree = values.tree
    element = tree.parent(node)
    around = tree.parent(element) if isinstance(element, cst.Element) else None
    handler = _handler(node, values)
    if handler is None and not _is_listed(node, values):
        if any(isinstance(one, cst.Annotation) for one in tree.above(node)):
            return
        raise Unprovable(f"{code(node)} is used for more than handling it", "use one of src.models.errors there")
    if isinstance(around, cst.Tuple) and around not in found.tuples:
        found.tuples.append(around)
    found.names.append((node, ours))
    handlers = [handler] if handler is not None else _handlers_of(around, values)
    for one in handlers:
        if one.name is not None and isinstance(one.name.name, cst.Name):
            _attributes(one, one.name.name.value, found, values)


def _is_listed(node: cst.CSTNode, values: Evaluator) -> bool:
    """Tell whether an exception stands where several can: in a test, or a tuple of them that has a name."""
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
    names = _named_by(parent)
    return bool(names) and all(_names_exceptions(load, values) for load in _loads(names, values))


def _named_by(node: cst.CSTNode | None) -> set[str]:
    """Return the names that an assignment gives, where it gives plain names alone."""
    targets = [one.target for one in node.targets] if isinstance(node, cst.Assign) else []
    targets += [node.target] if isinstance(node, cst.AnnAssign) else []
    names = {one.value for one in targets if isinstance(one, cst.Name)}
    return names if len(names) == len(targets) else set()


def _loads(names: set[str], values: Evaluator) -> list[cst.Name]:
    tree = values.tree
    return [one for one in tree.nodes if isinstance(one, cst.Name) and one.value in names and tree.is_load(one)]


def _names_exceptions(node: cst.CSTNode, values: Evaluator) -> bool:
    """Tell whether a name of several exceptions is used to handle or to test them."""
    parent = values.tree.parent(node)
    call = values.tree.parent(parent) if isinstance(parent, cst.Arg) else None
    if isinstance(call, cst.Call):
        return code(call.func).rpartition(".")[2] in _TESTS
    return isinstance(parent, cst.ExceptHandler) and parent.type is node


def _handlers_of(around: cst.CSTNode | None, values: Evaluator) -> list[cst.ExceptHandler]:
    """Return the handlers that name a tuple of exceptions."""
    above = values.tree.parent(around) if around is not None else None
    parents = [values.tree.parent(load) for load in _loads(_named_by(above), values)]
    return [one for one in parents if isinstance(one, cst.ExceptHandler)]


def _handler(node: cst.CSTNode, values: Evaluator) -> cst.ExceptHandler | None:
    child: cst.CSTNode = node
    for one in values.tree.above(node):
        if isinstance(one, cst.ExceptHandler):
            return one if one.type is child else None
        if not isinstance(one, cst.Tuple | cst.Element):
            return None
        child = one
    return None


def _attributes(handler: cst.ExceptHandler, name: str, found: Handled, values: Evaluator) -> None:
    tree = values.tree
    for node in tree.nodes:
        if not isinstance(node, cst.Attribute) or not isinstance(node.value, cst.Name) or node.value.value != name:
            continue
        if all(one is not handler for one in tree.above(node)):
            continue
        if node.attr.value not in _ATTRIBUTES:
            raise Unprovable(
                f"the handler reads {code(node)}, which the factory's errors have not",
                "read error.status, error.message, error.retry_after_s or error.__cause__",
            )
        found.reads.append(node)


def rewrite(found: Handled, edits: Edits, *, keep: bool) -> set[tuple[str, str]]:
    """Edit all places; `keep` names the SDK's exception beside ours. Return the imports that this needs.

    Raises:
        Unprovable: attributes are read that the two kinds of error name differently.
    """
    if keep and any(_ATTRIBUTES[node.attr.value] != node.attr.value for node in found.reads):
        raise Unprovable("one handler serves this call and one that stays", "give the calls handlers of their own")
    needed: set[tuple[str, str]] = set()
    for node, ours in found.names:
        names = [code(node)] * keep + list(ours)
        edits.replace(node, _named(names))
        needed |= {("src.models.errors", name) for name in ours}
    for around in found.tuples:
        edits.replace(around, _flat)
    for read in found.reads:
        edits.replace(read, _renamed(_ATTRIBUTES[read.attr.value]))
    return needed


def _named(names: list[str]):  # type: ignore[no-untyped-def] # an Edit
    def edit(_updated: cst.BaseExpression, _resolve: Resolve) -> cst.BaseExpression:
        return expression(names[0] if len(names) == 1 else f"({', '.join(names)})")

    return edit


def _flat(updated: cst.Tuple, _resolve: Resolve) -> cst.Tuple:
    """Return a tuple in which what became a tuple itself stands item by item: handlers take no nested ones."""
    parts: list[cst.BaseElement] = []
    for element in updated.elements:
        inner = element.value.elements if isinstance(element.value, cst.Tuple) else [element]
        parts += [one for one in inner if code(one.value) not in {code(part.value) for part in parts}]
    return updated.with_changes(
        elements=[part.with_changes(comma=cst.MaybeSentinel.DEFAULT) for part in parts[:-1]] + parts[-1:]
    )


def _renamed(name: str):  # type: ignore[no-untyped-def] # an Edit
    def edit(updated: cst.Attribute, _resolve: Resolve) -> cst.Attribute:
        return updated.with_changes(attr=cst.Name(name))

    return edit


def differs(read: cst.Attribute) -> bool:
    """Tell whether an attribute of an error has another name on ours."""
    return _ATTRIBUTES[read.attr.value] != read.attr.value

"""Say the exceptions of SDKs that handlers name as the factory's errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import libcst as cst

from src.migration import migrate_sdk as sdk
from src.migration.migrate_records import Unprovable
from src.migration.migrate_syntax import code, expression

if TYPE_CHECKING:
    from src.migration.migrate_edits import Edits, Resolve
    from src.migration.migrate_values import Evaluator

_ATTRIBUTES = {"status_code": "status", "http_status": "status", "message": "message", "user_message": "message",
               "args": "args", "request_id": "request_id", "__class__": "__class__",
               "__cause__": "__cause__"}  # fmt: skip
_TESTS = ("isinstance", "issubclass", "retry_if_exception_type", "retry_if_not_exception_type", "suppress")


@dataclass(slots=True)
class Handled:
    """Hold the places that name an SDK's exception, and where its attributes are read."""

    names: list[tuple[cst.BaseExpression, tuple[str, ...]]] = field(default_factory=list)
    reads: list[cst.Attribute] = field(default_factory=list)
    tuples: list[cst.Tuple] = field(default_factory=list)  # that hold some of the names


def find(package: str, values: Evaluator, within: cst.CSTNode | None = None) -> Handled:
    """Return what names exceptions of a package, in a whole module or in one `try`.

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
        if within is not None and all(one is not within for one in tree.above(node)):
            continue
        name = values.module(node) or ""
        if not name.startswith(f"{package}.") or not name.rpartition(".")[2][:1].isupper():
            continue
        ours = sdk.errors_for(name)
        if ours is None:
            if _handler(node, values) is not None:
                raise Unprovable(f"{code(node)} is handled, which has no counterpart", "handle ModelError")
            continue
        _one(node, ours, found, values, within)
    return found


def _one(
    node: cst.Name | cst.Attribute,
    ours: tuple[str, ...],
    found: Handled,
    values: Evaluator,
    within: cst.CSTNode | None,
) -> None:
    element = values.tree.parent(node)
    around = values.tree.parent(element) if isinstance(element, cst.Element) else None
    if isinstance(around, cst.Tuple) and around not in found.tuples:
        found.tuples.append(around)
    handler = _handler(node, values)
    if handler is not None:
        if within is not None and values.tree.parent(handler) is not within:
            return
        found.names.append((node, ours))
        if handler.name is not None and isinstance(handler.name.name, cst.Name):
            _attributes(handler, handler.name.name.value, found, values)
        return
    arg = values.tree.parent(node)
    while isinstance(arg, cst.Element | cst.Tuple):
        arg = values.tree.parent(arg)
    call = values.tree.parent(arg) if isinstance(arg, cst.Arg) else None
    if isinstance(call, cst.Call) and code(call.func).rpartition(".")[2] in _TESTS:
        found.names.append((node, ours))
    elif isinstance(arg, cst.Raise | cst.Call):
        raise Unprovable(f"{code(node)} is raised here", "raise one of src.models.errors")


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

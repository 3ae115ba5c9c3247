"""A node's children, read from its fields: LibCST's own `children` builds a copy of the node each time."""

from __future__ import annotations

import dataclasses
from typing import Any

import libcst as cst

_fields: dict[type[cst.CSTNode], tuple[str, ...]] = {}


class _FieldOrder(cst.CSTTransformer):
    """Collects the fields of one node in source order."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def on_visit(self, _node: cst.CSTNode) -> bool:
        return False

    def on_visit_attribute(self, _node: cst.CSTNode, name: str) -> None:
        self.names.append(name)


def child_fields(node: cst.CSTNode) -> tuple[str, ...]:
    """Return the names of a node's fields that hold nodes, in source order."""
    kind = type(node)
    names = _fields.get(kind)
    if names is None:
        order = _FieldOrder()
        node._visit_and_replace_children(order)
        names = tuple(order.names)
        others = [getattr(node, field.name) for field in dataclasses.fields(node) if field.name not in names]
        if all(isinstance(value, str | bool | cst.MaybeSentinel) for value in others):
            _fields[kind] = names  # else a field that is empty here may hold a node elsewhere
    return names


def children_of(node: cst.CSTNode) -> list[cst.CSTNode]:
    """Return a node's children in source order."""
    children: list[Any] = []
    for name in child_fields(node):
        value = getattr(node, name)
        if value is None:
            continue
        kind = type(value)
        if kind is tuple or kind is list:
            children.extend(value)
        elif kind is not cst.MaybeSentinel:
            children.append(value)
    return children

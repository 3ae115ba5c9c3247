"""Put a trace's observations into the order of its tree."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def in_tree_order(rows: Sequence[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    """Return observations depth first, each with its depth; children by their start.

    One whose parent is not here begins a tree of its own; so does one of a circle of parents, which only a damaged or
    hostile store has: every observation comes exactly once.
    """
    known = {row["span_id"] for row in rows}
    children: defaultdict[str | None, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        parent = row["parent_span_id"]
        children[parent if parent in known and parent != row["span_id"] else None].append(row)
    order: list[tuple[int, dict[str, Any]]] = []
    done: set[int] = set()

    def grow(roots: Sequence[dict[str, Any]]) -> None:
        waiting = [(0, row) for row in reversed(roots)]
        while waiting:
            depth, row = waiting.pop()
            if row["seq"] in done:
                continue
            done.add(row["seq"])
            order.append((depth, row))
            waiting += [(depth + 1, child) for child in reversed(children.get(row["span_id"], ()))]

    grow(children[None])
    for row in rows:
        if row["seq"] not in done:
            grow([row])
    return order

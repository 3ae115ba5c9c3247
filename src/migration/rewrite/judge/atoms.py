"""What an expression can be, as the judge sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ast

# Objects that a migration replaces or makes; those of `factory` were models before it.
TRACKED = frozenset({"client", "model", "factory", "reply", "stream", "chunk"})
# Tracked objects that must not be passed to unread code; a factory's model was one before.
GUARDED = TRACKED - {"factory"}


@dataclass(frozen=True, slots=True)
class Atom:
    """One thing that an expression can be.

    Attributes:
        kind: One of TRACKED; or import, builtin, function, class, instance, container, pair (of a key and one of a
            container's items), none, other; raw, a reply in its SDK's own form, beside other.
        node: The call that makes a tracked object, the definition, or the container's display.
        path: The attributes that were read from a tracked object, a raw reply or a container, such as
            ("chat", "completions").
        name: The dotted name of an import, or a builtin's name.
    """

    kind: str
    node: ast.AST | None = None
    path: tuple[str, ...] = ()
    name: str = ""


Value = frozenset[Atom]
NONE = Atom(kind="none")
OTHER = Atom(kind="other")
NOTHING: Value = frozenset()
UNKNOWN: Value = frozenset({OTHER})


def join(*values: Value) -> Value:
    """Return everything that one of several expressions can be."""
    return frozenset().union(*values)


def is_plain(value: Value) -> bool:
    """Tell whether a value needs no watch: it is no tracked object, and gives access to none."""
    return all(atom.kind in ("none", "other", "import", "builtin", "instance", "factory", "raw") for atom in value)

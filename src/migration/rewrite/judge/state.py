"""What is known so far of a module's names, attributes, parameters, results and containers; and what gets away."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from src.migration.rewrite.judge.atoms import GUARDED, NOTHING, UNKNOWN, Atom, Value, join
from src.migration.rewrite.judge.program import FUNCTIONS, all_parameters, fields_of

if TYPE_CHECKING:
    from src.migration.rewrite.judge.program import Function, Program

DEEPEST_READ = 5  # attributes and items of a raw reply that are followed
Key = tuple[object, ...]  # the kind of place first: global, cell, attribute, parameter, result, item


@dataclass(frozen=True, slots=True)
class Leak:
    """A use of a tracked object that is not understood.

    Attributes:
        origin: The call that makes the object.
        line: Where it is used.
        reason: How it is used.
    """

    origin: ast.AST
    line: int
    reason: str


@dataclass(slots=True)
class State:
    """The facts that all functions of a module share; they only grow.

    Attributes:
        program: The module.
        facts: What each place can hold.
        changed: Whether a fact was added since this was last set to False.
        escaped: Functions, classes and containers that unread code can reach, each with where it gets them.
        leaks: The uses that are not understood, by the object's origin.
        receivers: What each call calls.
        patches: Where something of an SDK is replaced, each with what does it.
        raw_reads: What is read from each reply in its SDK's own form: attributes and literal items, in turn.
        attribute_families: The families whose objects have an attribute, by its name.
    """

    program: Program
    facts: dict[Key, Value] = field(default_factory=dict)
    changed: bool = False
    escaped: dict[ast.AST, Leak] = field(default_factory=dict)
    leaks: dict[ast.AST, Leak] = field(default_factory=dict)
    receivers: dict[ast.AST, Value] = field(default_factory=dict)
    patches: dict[ast.AST, str] = field(default_factory=dict)
    raw_reads: dict[ast.AST, dict[tuple[str, ...], int]] = field(default_factory=dict)
    attribute_families: dict[str, set[ast.AST | None]] = field(default_factory=dict)

    def get(self, *key: object) -> Value:
        """Return what a place can hold."""
        return self.facts.get(key, NOTHING)

    def add(self, value: Value, *key: object) -> None:
        """Record that a place can hold a value too."""
        before = self.facts.get(key, NOTHING)
        if not value <= before:
            self.facts[key] = before | value
            self.changed = True

    def set_attribute(self, family: ast.AST | None, name: str, value: Value) -> None:
        """Record an attribute of the objects of a family, None standing for any object."""
        families = self.attribute_families.setdefault(name, set())
        if family not in families:
            families.add(family)
            self.changed = True
        self.add(value, "attribute", family, name)

    def attribute(self, family: ast.AST | None, name: str) -> Value:
        """Return what an attribute can be; None stands for an object of any family."""
        families = self.attribute_families.get(name, set())
        related = [member for member in families if None in (member, family) or member is family]
        return join(*(self.get("attribute", member, name) for member in related))

    def read_raw(self, raw: Atom, name: str, node: ast.AST) -> Value:
        """Record a read of a raw reply and return what it gives; of what is deeper nothing is known."""
        path = (*raw.path, name)
        if raw.node is not None:
            self.raw_reads.setdefault(raw.node, {}).setdefault(path, getattr(node, "lineno", 1))
        return frozenset({replace(raw, path=path)}) if len(path) < DEEPEST_READ else NOTHING

    def items(self, container: ast.AST | None) -> Value:
        """Return what the items of a container can be."""
        escaped = UNKNOWN if container in self.escaped else NOTHING
        fields = range(len(container.elts)) if isinstance(container, ast.Tuple) else ()
        return join(escaped, self.get("item", container), *(self.get("item", container, index) for index in fields))

    # What gets away

    def escape(self, value: Value, node: ast.AST, reason: str) -> None:
        """Record that unread code (code that is not interpreted) gets a value."""
        for atom in value:
            if atom.kind in GUARDED and atom.node is not None:
                where = Leak(origin=atom.node, line=getattr(node, "lineno", 1), reason=reason)
                self.leaks.setdefault(atom.node, where)
            elif atom.kind in ("container", "pair", "function", "class") and atom.node is not None:
                self._expose(atom, node, reason)

    def _expose(self, atom: Atom, node: ast.AST, reason: str) -> None:
        target = atom.node
        assert target is not None  # noqa: S101 - the caller has checked it
        is_new = target not in self.escaped
        if is_new:
            self.escaped[target] = Leak(origin=node, line=getattr(node, "lineno", 1), reason=reason)
            self.changed = True
        if atom.kind in ("container", "pair"):
            if is_new:
                self.escape(self.items(target), node, reason)
        elif isinstance(target, FUNCTIONS):
            self.open_function(target)
            self.escape(self.get("result", target), node, reason)
        elif isinstance(target, ast.ClassDef):
            self.open_class(target)

    def open_class(self, owner: ast.ClassDef) -> None:
        """Record that unknown callers may make objects of a class with anything."""
        family = self.program.families[owner]
        constructors = self.program.methods(family, "__init__")
        for constructor in constructors:
            self.open_function(constructor)
        for name in () if constructors else fields_of(owner):
            self.set_attribute(family, name, UNKNOWN)

    def open_function(self, function: Function) -> None:
        """Record that unknown callers may pass anything for a function's parameters."""
        names = all_parameters(function)
        is_method = self.program.scopes[function].owner is not None
        for name in names[1:] if is_method and names[:1] in (["self"], ["cls"]) else names:
            self.add(UNKNOWN, "parameter", function, name)

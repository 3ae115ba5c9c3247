"""What other files of the project do with the names of the file that is judged."""

from __future__ import annotations

import ast
import itertools
import warnings
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from src.migration.check import notebook
from src.migration.rewrite.judge import vocabulary as words
from src.migration.rewrite.judge.atoms import UNKNOWN
from src.migration.rewrite.judge.program import all_parameters, fields_of, parameters

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from src.migration.rewrite.judge.program import Function, Program
    from src.migration.rewrite.judge.state import State


@dataclass(frozen=True, slots=True)
class ForeignCall:
    """A call in another file.

    Attributes:
        name: The last name of what is called.
        count: How many positional arguments it passes.
        names: The names of the others.
        has_star: Whether it passes more with `*` or `**`.
    """

    name: str
    count: int
    names: frozenset[str]
    has_star: bool


@dataclass(slots=True)
class Mentions:
    """What the files that can reach this one's objects mention.

    Attributes:
        attributes: The attributes that they read or set on other objects than their own.
        own_attributes: The attributes of `self`.
        inherited_attributes: The attributes of `self`, and what classes define, in files with classes that inherit
            from imported ones.
        members: What is imported from, read of or patched in a module, as pairs of its last name and the member's.
        names: The names that they import, or read where they import all names.
        texts: The texts that could be names, as in `getattr(x, "client")`.
        calls: Their calls.
        replaced: What they put something else in the place of, as pairs of an object's last name and the member's.
        replaced_in: The packages whose members they replace, of whatever file.
    """

    attributes: set[str] = field(default_factory=set)
    own_attributes: set[str] = field(default_factory=set)
    inherited_attributes: set[str] = field(default_factory=set)
    members: set[tuple[str, str]] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    calls: set[ForeignCall] = field(default_factory=set)
    replaced: set[tuple[str, str]] = field(default_factory=set)
    replaced_in: set[str] = field(default_factory=set)

    def uses(self, name: str) -> bool:
        """Tell whether a file may use a name of the judged file."""
        return name in self.attributes or name in self.names or name in self.texts or name in self.inherited_attributes


def mentions_in(paths: Iterable[Path]) -> Mentions:
    """Return what some files mention; a file that cannot be read or parsed mentions nothing."""
    merged = Mentions()
    for path in paths:
        try:
            mentions = _mentions_of(notebook.python_of(path.name, path.read_bytes()))
        except OSError:
            continue
        for name in Mentions.__slots__:
            getattr(merged, name).update(getattr(mentions, name))
    return merged


@lru_cache(maxsize=64)
def _mentions_of(source: bytes) -> Mentions:
    mentions = Mentions()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return mentions
    local_classes = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    inherits = any(
        not isinstance(base, ast.Name) or base.id not in local_classes | {"object", "ABC"}
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for base in node.bases
    )
    renamed = {
        alias.asname: alias.name.rpartition(".")[2]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    has_star = any(isinstance(node, ast.alias) and node.name == "*" for node in ast.walk(tree))
    for node in ast.walk(tree):
        _note(node, mentions, inherits=inherits, has_star=has_star)
        _note_member(node, mentions, renamed)
        _note_replacement(node, mentions, renamed)
    return mentions


def _note_replacement(node: ast.AST, mentions: Mentions, renamed: dict[str, str]) -> None:
    """Record `agent.chat = fake`, `patch("agent.chat")`, `monkeypatch.setattr(agent, "chat", fake)` and the like."""
    chain: list[str] = []
    match node:
        case ast.Attribute(ctx=ast.Store() | ast.Del()):
            chain = ast.unparse(node).split(".")
        case ast.Call(func=func, args=[ast.Constant(value=str(text)), *_]) if _replaces(func):
            chain = text.split(".")
        case ast.Call(func=func, args=[owner, ast.Constant(value=str(name)), *_]) if _replaces(func):
            chain = [*ast.unparse(owner).split("."), name]
    if len(chain) < 2 or not all(part.isidentifier() for part in chain) or chain[-1] in words.SETTINGS:
        return
    chain = [*renamed.get(chain[0], chain[0]).split("."), *chain[1:]]
    mentions.replaced.update(itertools.pairwise(chain))
    mentions.replaced_in.add(chain[0])


def _replaces(func: ast.expr) -> bool:
    return ast.unparse(func).rpartition(".")[2] in words.REPLACING


def _note_member(node: ast.AST, mentions: Mentions, renamed: dict[str, str]) -> None:
    match node:
        case ast.ImportFrom(module=module, names=aliases):
            mentions.members.update(((module or "").rpartition(".")[2], alias.name) for alias in aliases)
        case ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner), attr=name):
            mentions.members.add((renamed.get(owner, owner), name))
        case ast.Constant(value=str(text)) if "." in text and len(text) < 200:
            owner, _, name = text.rpartition(".")
            mentions.members.add((owner.rpartition(".")[2], name))


def _note(node: ast.AST, mentions: Mentions, *, inherits: bool, has_star: bool) -> None:
    match node:
        case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
            mentions.own_attributes.add(name)
            if inherits:
                mentions.inherited_attributes.add(name)
        case ast.Attribute(attr=name):
            mentions.attributes.add(name)
        case ast.ClassDef(body=body) if inherits:
            mentions.inherited_attributes.update(_defined_in(body))
        case ast.alias(name=name):
            mentions.names.add(name.rpartition(".")[2])
        case ast.Name(id=name) if has_star:
            mentions.names.add(name)
        case ast.Constant(value=str(text)) if len(text) < 200:
            mentions.texts.add(text.rpartition(".")[2])
        case ast.Call(func=func, args=args, keywords=keywords):
            name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
            names = frozenset(word.arg for word in keywords if word.arg is not None)
            has_more = any(isinstance(arg, ast.Starred) for arg in args) or len(names) < len(keywords)
            mentions.calls.add(ForeignCall(name=name, count=len(args), names=names, has_star=has_more))


def _defined_in(body: list[ast.stmt]) -> set[str]:
    """Return the names of methods and attributes that a class defines."""
    functions = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assigned = [node for part in body for node in ast.walk(part) if isinstance(part, ast.Assign | ast.AnnAssign)]
    return functions | {node.id for node in assigned if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def open_to_callers(program: Program, state: State, foreign: Iterable[ForeignCall]) -> None:
    """Record that other files pass something for the parameters of this module's functions."""
    calls: dict[str, list[ForeignCall]] = {}
    for call in foreign:
        calls.setdefault(call.name, []).append(call)
    for owner in program.classes:
        fields = fields_of(owner)
        for call in calls.get(owner.name, ()):
            for name in {*fields[: call.count], *(call.names if not call.has_star else fields)} & set(fields):
                state.set_attribute(program.families[owner], name, UNKNOWN)
    for function, scope in program.scopes.items():
        if isinstance(function, ast.Lambda) or not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        is_constructor = function.name == "__init__" and scope.owner is not None
        name = scope.owner.name if is_constructor and scope.owner is not None else function.name
        for call in calls.get(name, ()):
            for parameter in _passed(call, function, is_method=scope.owner is not None):
                state.add(UNKNOWN, "parameter", function, parameter)


def _passed(call: ForeignCall, function: Function, *, is_method: bool) -> set[str]:
    names = parameters(function)[1:] if is_method else parameters(function)
    everything = set(all_parameters(function))
    if call.has_star:
        return everything - ({"self", "cls"} if is_method else set())
    return set(names[: call.count]) | (call.names & everything)

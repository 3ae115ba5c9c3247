"""An index of one module for the judge: its scopes, functions, classes and their families."""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass, field

from src.migration.rewrite.judge import vocabulary as words

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(eq=False, slots=True)
class Scope:
    """The names of a function or of the module.

    Attributes:
        node: The function; None for the module.
        outer: The function or module around it.
        names: The names that it binds.
        elsewhere: The names that `global` or `nonlocal` takes from further outside.
        owner: The class that a method belongs to.
    """

    node: Function | None
    outer: Scope | None
    names: set[str] = field(default_factory=set)
    elsewhere: set[str] = field(default_factory=set)
    owner: ast.ClassDef | None = None


@dataclass(eq=False, slots=True)
class Program:
    """One module.

    Attributes:
        tree: Its syntax tree.
        module: The scope of its globals.
        scopes: The scope of each function.
        classes: All classes.
        families: For each class the one that stands for it and all its relatives in this module.
        parents: The parent of each node.
        defined: The methods of all classes, by their name.
    """

    tree: ast.Module
    module: Scope
    scopes: dict[ast.AST, Scope] = field(default_factory=dict)
    classes: list[ast.ClassDef] = field(default_factory=list)
    families: dict[ast.AST, ast.AST] = field(default_factory=dict)
    parents: dict[ast.AST, ast.AST] = field(default_factory=dict)
    defined: dict[str, list[Function]] = field(default_factory=dict)

    def methods(self, family: ast.AST | None, name: str) -> list[Function]:
        """Return the methods of a name in a family of classes, None standing for all families."""
        return [
            method
            for method in self.defined.get(name, ())
            if family is None or self.families.get(self.scopes[method].owner) is family  # type: ignore[arg-type]
        ]

    def has_foreign_base(self, owner: ast.ClassDef) -> bool:
        """Tell whether a class, or one that it is related to, inherits from a class of another file."""
        known = words.KNOWN_BASES | {member.name for member in self.classes}
        family = [member for member in self.classes if self.families[member] is self.families[owner]]
        return any(ast.unparse(base) not in known for member in family for base in member.bases)

    def tests(self, node: ast.AST) -> set[tuple[str, bool]]:
        """Return the tests of the branches that a node stands in, each with its outcome there."""
        tests: set[tuple[str, bool]] = set()
        child, parent = node, self.parents.get(node)
        while parent is not None and not isinstance(child, FUNCTIONS):
            if isinstance(parent, ast.If | ast.IfExp) and child is not parent.test:
                body = parent.body if isinstance(parent.body, list) else [parent.body]
                tests.add((ast.unparse(parent.test), any(child is part for part in body)))
            child, parent = parent, self.parents.get(parent)
        return tests


def program_of(text: str) -> Program:
    """Index a module.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: Python's parser refuses the text.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
    program = Program(tree=tree, module=Scope(node=None, outer=None))
    _index(tree, program.module, None, program)
    _relate(program)
    return program


def _index(node: ast.AST, scope: Scope, owner: ast.ClassDef | None, program: Program) -> None:
    for child in ast.iter_child_nodes(node):
        program.parents[child] = node
        in_comprehension = isinstance(node, ast.comprehension) and child is node.target
        if owner is None and not in_comprehension:
            _bind(child, scope)
        if isinstance(child, FUNCTIONS):
            inner = Scope(node=child, outer=scope, owner=owner)
            program.scopes[child] = inner
            if owner is not None and not isinstance(child, ast.Lambda):
                program.defined.setdefault(child.name, []).append(child)
            _index(child, inner, None, program)
        elif isinstance(child, ast.ClassDef):
            program.classes.append(child)
            _index(child, scope, child, program)
        else:
            _index(child, scope, owner, program)


def _bind(node: ast.AST, scope: Scope) -> None:
    """Record the names that a node itself binds in a scope."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            scope.names.add(name)
        case ast.arg(arg=name):
            scope.names.add(name)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            scope.names.add(name)
        case ast.alias(name=name, asname=alias):
            scope.names.add(alias or name.partition(".")[0])
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            scope.names.add(name)
        case ast.MatchMapping(rest=str(name)):
            scope.names.add(name)
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            scope.elsewhere.update(names)


def _relate(program: Program) -> None:
    """Put classes that inherit from one another into one family."""
    by_name = {owner.name: owner for owner in program.classes}
    root: dict[ast.AST, ast.AST] = {owner: owner for owner in program.classes}

    def find(owner: ast.AST) -> ast.AST:
        while root[owner] is not owner:
            owner = root[owner]
        return owner

    for owner in program.classes:
        for base in owner.bases:
            parent = by_name.get(base.id) if isinstance(base, ast.Name) else None
            if parent is not None:
                root[find(owner)] = find(parent)
    program.families = {owner: find(owner) for owner in program.classes}


def parameters(function: Function) -> list[str]:
    """Return the names of a function's positional parameters."""
    return [arg.arg for arg in (*function.args.posonlyargs, *function.args.args)]


def all_parameters(function: Function) -> list[str]:
    """Return the names of all parameters of a function, starred ones included."""
    starred = [arg.arg for arg in (function.args.vararg, function.args.kwarg) if arg is not None]
    return [*parameters(function), *(arg.arg for arg in function.args.kwonlyargs), *starred]


def fields_of(owner: ast.ClassDef) -> list[str]:
    """Return the annotated attributes of a class, which are the fields of a data class."""
    parts = [part.target for part in owner.body if isinstance(part, ast.AnnAssign)]
    return [target.id for target in parts if isinstance(target, ast.Name)]


def decorator_names(node: ast.AST) -> set[str]:
    """Return the last names of a definition's decorators; a decorator that is no plain name is `?`."""
    names = set()
    for decorator in getattr(node, "decorator_list", ()):
        base = decorator.func if isinstance(decorator, ast.Call) else decorator
        names.add(base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "?"))
    return names

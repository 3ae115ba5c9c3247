"""Index a module once: what each name and attribute is bound to, and the places worth judging."""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Binding = ast.AST | str  # a value, or the qualified name of what an import binds
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_JUDGED_KINDS = frozenset({ast.Import, ast.ImportFrom, ast.Call, ast.Attribute, ast.Subscript, ast.Assign})
_OWN_SCOPE = frozenset({"body", "args"})
_BLOCKS = ("body", "handlers", "cases", "orelse", "finalbody")
_GROW = frozenset({"append", "extend"})
# Fields that never hold a node which binds a name, is judged or has children.
_WITHOUT_NODES = frozenset({"ctx", "op", "ops", "id", "attr", "arg", "kind", "level", "module", "type_comment",
                            "conversion", "simple", "is_async"})  # fmt: skip
# The other fields of each kind of node, each with whether it belongs to the node's own scope.
_FIELDS: dict[type[ast.AST], tuple[tuple[str, bool], ...]] = {}
# Most of what fields hold; nothing below it, and nothing in it to judge or bind.
_LEAVES = frozenset({ast.Name, ast.Constant, ast.alias, type(None), str})
_BINDING = frozenset({
    ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Global,
    ast.Nonlocal, ast.Call, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr, ast.For, ast.AsyncFor,
    ast.comprehension, ast.withitem,
})  # fmt: skip
MOST = 16  # bindings of one name that are worth following


class ScopedExpr(ast.expr):
    """An expression whose names are looked up in another scope than the one that it is bound in."""

    def __init__(self, value: ast.AST, scope: Scope) -> None:
        super().__init__()
        self.value = value
        self.scope = scope


@dataclass(slots=True, eq=False)
class Scope:
    """The names of one module, class or function.

    Attributes:
        parent: The enclosing scope; None for the module's.
        is_class: Whether it is a class's scope, whose names its methods do not see.
        names: The bindings of each name.
        shared: Names that `global` or `nonlocal` declare: they are bound in the module's scope.
        stars: Modules all of whose names were imported.
    """

    parent: Scope | None = None
    is_class: bool = False
    names: dict[str, list[Binding]] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)
    stars: list[str] = field(default_factory=list)

    def bind(self, name: str, value: Binding | None) -> None:
        """Add a value that a name may have; None hides outer names without giving a value."""
        scope = self.top() if name in self.shared else self
        values = scope.names.setdefault(name, [])
        if value is not None and len(values) < MOST:
            values.append(value)

    def top(self) -> Scope:
        """Return the module's scope."""
        return self if self.parent is None else self.parent.top()

    def find(self, name: str) -> list[Binding] | None:
        """Return what a name may be bound to as seen from here; None where this module never binds it."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names and (scope is self or not scope.is_class):
                return scope.names[name]
            scope = scope.parent
        return None

    def add(self, name: str, value: ast.AST) -> None:
        """Add a value to a name that is bound already, here or further out."""
        values = self.find(name)
        if values is not None and len(values) < MOST:
            values.append(value)

    def owner(self) -> Scope | None:
        """Return the nearest enclosing class's scope, or the module's where there is none."""
        return self if self.is_class or self.parent is None else self.parent.owner()


class Candidate(NamedTuple):
    """A node worth judging, with what surrounds it; a tuple, since a large module has ten thousands.

    Attributes:
        node: The node.
        scope: The scope in which its names are looked up.
        statement: The statement that it is part of.
        parent: The node that it is a child of.
        decorates: Whether it is a decorator.
    """

    node: ast.AST
    scope: Scope
    statement: ast.stmt
    parent: ast.AST
    decorates: bool


class Module:
    """The names and places of one module. Blocks that only a type checker runs are left out.

    Attributes:
        top: The module's own scope.
        places: The nodes worth judging, in the order of the text.
        attributes: The values of each attribute, by the id of its owner's scope and its name.
        attributes_by_name: The values of each attribute, by its name alone.
        scopes: The scope of each class and function, by the id of its node.
    """

    def __init__(self, tree: ast.Module, is_of_interest: Callable[[str], bool]) -> None:
        """Index a tree.

        Args:
            tree: A module that nothing changed since it was parsed.
            is_of_interest: Tells whether an attribute with this name is a place worth judging.
        """
        self.top = Scope()
        self._is_of_interest = is_of_interest
        self.candidates: list[Candidate] = []
        self.attributes: dict[tuple[int, str], list[Binding]] = defaultdict(list)
        self.attributes_by_name: dict[str, list[Binding]] = defaultdict(list)
        self.scopes: dict[int, Scope] = {}
        self._type_checking = _type_checking_names(tree)
        self._index(tree)
        self._methods = self._methods_by_name()
        for candidate in self.candidates:
            if isinstance(candidate.node, ast.Call):
                self._bind_arguments(candidate.node, candidate.scope)

    def release(self) -> None:
        """Forget all names, so that this module is freed at once: scopes and their values refer to one another."""
        for scope in (self.top, *self.scopes.values()):
            scope.names.clear()

    def _index(self, tree: ast.Module) -> None:
        """Walk the tree once, in the order of the text."""
        pending: list[tuple[ast.AST, Scope, ast.stmt, ast.AST, bool]] = [
            (statement, self.top, statement, tree, False) for statement in reversed(tree.body)
        ]
        push, note, is_of_interest = pending.append, self.candidates.append, self._is_of_interest
        while pending:
            node, scope, statement, parent, decorates = pending.pop()
            kind = type(node)
            if kind in _JUDGED_KINDS and (kind is not ast.Attribute or is_of_interest(node.attr)):  # type: ignore[attr-defined]
                note(Candidate(node=node, scope=scope, statement=statement, parent=parent, decorates=decorates))
            inner = self._bind(node, scope) if kind in _BINDING else scope
            skipped = self._type_checking_block(node) if isinstance(node, ast.If) else None
            for name, is_inner in _fields_of(kind):  # the last one first, so that the first is taken up next
                value = getattr(node, name, None)
                if type(value) in _LEAVES or name == skipped:
                    continue
                below = inner if is_inner else scope
                for child in reversed(value) if type(value) is list else (value,):
                    if type(child) not in _LEAVES and isinstance(child, ast.AST):
                        push((child, below, child if isinstance(child, ast.stmt) else statement, node,
                              name == "decorator_list"))  # fmt: skip

    def _type_checking_block(self, node: ast.If) -> str | None:
        """Return the name of the block that only a type checker runs, or None."""
        if self._is_type_checking(node.test):
            return "body"
        if isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not):
            return "orelse" if self._is_type_checking(node.test.operand) else None
        return None

    def _is_type_checking(self, test: ast.expr) -> bool:
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            return any(self._is_type_checking(part) for part in test.values)
        if isinstance(test, ast.Attribute):
            return test.attr == "TYPE_CHECKING"
        return isinstance(test, ast.Name) and test.id in self._type_checking

    def _bind(self, node: ast.AST, scope: Scope) -> Scope:
        """Record what a node binds; return the scope of its body."""
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and node.func.attr in _GROW:
                _bind_grown_list(node, scope)
            return scope
        if isinstance(node, (*_FUNCTIONS, ast.Lambda, ast.ClassDef)):
            return self._define(node, scope)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            _bind_imports(node, scope)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            scope.shared.update(node.names)
        else:
            for target, value in _assignments(node):
                self._assign(target, value, scope)
        return scope

    def _define(self, node: ast.AST, scope: Scope) -> Scope:
        inner = self.scopes[id(node)] = Scope(scope, isinstance(node, ast.ClassDef))
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            scope.bind(node.name, node)
        if isinstance(node, (*_FUNCTIONS, ast.Lambda)):
            for name, default in _parameters(node.args):
                inner.bind(name, default)
            for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
                annotation = argument.annotation
                if isinstance(annotation, ast.Name) and annotation.id[:1].isupper():  # an object of that class
                    inner.bind(argument.arg, ast.Call(func=annotation, args=[], keywords=[]))
        return inner

    def _assign(self, target: ast.expr, value: ast.AST, scope: Scope) -> None:
        if isinstance(target, ast.Name):
            scope.bind(target.id, value)
            if scope.is_class:
                self._set_attribute(scope, target.id, ScopedExpr(value, scope))
        elif isinstance(target, ast.Attribute):
            self._set_attribute(scope.owner(), target.attr, ScopedExpr(value, scope))
        elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            scope.add(target.value.id, ast.Dict(keys=[target.slice], values=[ScopedExpr(value, scope)]))
        elif isinstance(target, (ast.Tuple, ast.List)):
            values = value.elts if isinstance(value, (ast.Tuple, ast.List)) else []
            for index, element in enumerate(target.elts):
                if len(values) == len(target.elts):
                    self._assign(element, values[index], scope)
                elif isinstance(element, ast.Name):
                    item = ast.Subscript(value=value, slice=ast.Constant(index))  # type: ignore[arg-type]  # an expression
                    scope.bind(element.id, item)

    def _set_attribute(self, owner: Scope | None, name: str, value: Binding) -> None:
        for values in (self.attributes[id(owner), name], self.attributes_by_name[name]):
            if len(values) < MOST:
                values.append(value)

    # The arguments that this module passes to its own functions are values of their parameters.

    def _methods_by_name(self) -> dict[str, list[Binding]]:
        methods: dict[str, list[Binding]] = defaultdict(list)
        for scope in self.scopes.values():
            for name, values in scope.names.items() if scope.is_class else ():
                methods[name] += [value for value in values if isinstance(value, _FUNCTIONS)]
        return methods

    def _bind_arguments(self, node: ast.Call, scope: Scope) -> None:
        for function, bound in self._callees(node.func, scope):
            inner = self.scopes[id(function)]
            parameters = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)][bound:]
            for name, argument in zip(parameters, node.args, strict=False):
                if isinstance(argument, ast.Starred):
                    break
                inner.bind(name, ScopedExpr(argument, scope))
            for keyword in node.keywords:
                if keyword.arg in inner.names:
                    inner.bind(keyword.arg, ScopedExpr(keyword.value, scope))

    def _callees(self, node: ast.expr, scope: Scope) -> Iterator[tuple[_Function, int]]:
        """Yield the functions that a call may mean, each with the number of parameters that are bound already."""
        if isinstance(node, ast.Name):
            for value in scope.find(node.id) or ():
                if isinstance(value, (*_FUNCTIONS, ast.Lambda)):
                    yield value, 0
                elif isinstance(value, ast.ClassDef):
                    constructors = self.scopes[id(value)].names.get("__init__", ())
                    yield from ((function, 1) for function in constructors if isinstance(function, _FUNCTIONS))
        elif isinstance(node, ast.Attribute) and node.attr in self._methods and not self._is_import(node.value, scope):
            for method in self._methods[node.attr]:
                if isinstance(method, _FUNCTIONS):
                    yield method, 0 if "staticmethod" in decorators(method) else 1

    @staticmethod
    def _is_import(node: ast.expr, scope: Scope) -> bool:
        return isinstance(node, ast.Name) and any(isinstance(value, str) for value in scope.find(node.id) or ())


def decorators(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Return the last names of what decorates a function."""
    names = [getattr(node, "id", None) or getattr(node, "attr", None) for node in function.decorator_list]
    return {name for name in names if isinstance(name, str)}


def _bind_grown_list(node: ast.Call, scope: Scope) -> None:
    """Add the list that a call makes longer to the values of its name: `command.append("-p")`."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method), args=[argument], keywords=[]):
            values = scope.find(name) if method in _GROW else None
            before = values[-1] if values else None
            if isinstance(before, ast.List):
                more = argument if method == "append" else ast.Starred(value=argument)
                scope.add(name, ast.List(elts=[*before.elts, more]))


def _fields_of(kind: type[ast.AST]) -> tuple[tuple[str, bool], ...]:
    """Return the fields of a kind of node that may hold nodes, the last one first, and whether its scope holds them."""
    fields = _FIELDS.get(kind)
    if fields is None:
        names = [name for name in reversed(kind._fields) if name not in _WITHOUT_NODES]
        fields = _FIELDS[kind] = tuple((name, name in _OWN_SCOPE) for name in names)
    return fields


def _type_checking_names(tree: ast.Module) -> set[str]:
    names = {"TYPE_CHECKING"}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module in {"typing", "typing_extensions"}:
            names |= {alias.asname for alias in node.names if alias.name == "TYPE_CHECKING" and alias.asname}
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value:
            names -= {target.id for target in node.targets if isinstance(target, ast.Name)}  # its block does run
    return names


def _bind_imports(node: ast.Import | ast.ImportFrom, scope: Scope) -> None:
    if isinstance(node, ast.Import):
        for alias in node.names:
            scope.bind(alias.asname or alias.name.partition(".")[0],
                       alias.name if alias.asname else alias.name.partition(".")[0])  # fmt: skip
        return
    prefix = "." * node.level + (node.module or "")
    for alias in node.names:
        if alias.name == "*":
            scope.stars.append(prefix)
        scope.bind(alias.asname or alias.name, f"{prefix}.{alias.name}")


def _parameters(arguments: ast.arguments) -> Iterator[tuple[str, ast.expr | None]]:
    positional = [*arguments.posonlyargs, *arguments.args]
    missing: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    for argument, default in zip(positional, [*missing, *arguments.defaults], strict=True):
        yield argument.arg, default
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield argument.arg, default
    for extra in (arguments.vararg, arguments.kwarg):
        if extra:
            yield extra.arg, None


def _assignments(node: ast.AST) -> Iterator[tuple[ast.expr, ast.AST]]:
    """Yield the targets that a node binds, each with an expression for its value."""
    match node:
        case ast.Assign():
            yield from ((target, node.value) for target in node.targets)
        case ast.AnnAssign(value=ast.expr() as value) | ast.NamedExpr(value=value):
            yield node.target, value
        case ast.AugAssign(target=ast.Name(id=name)):
            yield node.target, ast.BinOp(left=ast.Name(id=name), op=node.op, right=node.value)
        case ast.For() | ast.AsyncFor() | ast.comprehension():
            yield from _loop(node.target, node.iter)
        case ast.withitem(optional_vars=ast.expr() as target):
            yield target, node.context_expr


def _loop(target: ast.expr, iterated: ast.expr) -> Iterator[tuple[ast.expr, ast.AST]]:
    any_key = ast.Constant(None)  # matches every element
    if isinstance(iterated, ast.Call) and isinstance(iterated.func, ast.Attribute):
        element = ast.Subscript(value=iterated.func.value, slice=any_key)
        if iterated.func.attr == "items" and isinstance(target, ast.Tuple) and len(target.elts) == 2:
            yield target.elts[1], element
        elif iterated.func.attr == "values":
            yield target, element
    elif isinstance(target, (ast.Tuple, ast.List)) and isinstance(iterated, (ast.Tuple, ast.List)):
        for row in iterated.elts:
            yield target, row
    else:
        yield target, ast.Subscript(value=iterated, slice=any_key)


def header_end(statement: ast.stmt) -> int:
    """Return the last line of a statement; of its header, where it has a body."""
    first_lines = [
        child.lineno
        for name in _BLOCKS
        for child in getattr(statement, name, None) or []
        if isinstance(child, (ast.stmt, ast.ExceptHandler))
    ]
    end = statement.end_lineno or statement.lineno
    return max(statement.lineno, min([*(line - 1 for line in first_lines), end]))


def first_line(statement: ast.stmt) -> int:
    """Return the first line of a statement, its decorators included."""
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(decorator.lineno for decorator in decorators)])

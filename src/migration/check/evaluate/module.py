"""Read a module once: what each name and attribute is bound to, and the places worth judging."""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Binding = ast.AST | str  # a value, or the qualified name of what an import brought
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_JUDGED = (ast.Import, ast.ImportFrom, ast.Call, ast.Attribute, ast.Subscript, ast.Assign)
_BLOCKS = ("body", "handlers", "cases", "orelse", "finalbody")
_GROW = frozenset({"append", "extend"})
MOST = 16  # bindings of one name that are worth following


class Elsewhere(ast.expr):
    """Hold an expression whose names are those of another scope than the one that it is bound in."""

    def __init__(self, value: ast.AST, scope: Scope) -> None:
        super().__init__()
        self.value = value
        self.scope = scope


@dataclass(slots=True, eq=False)
class Scope:
    """Hold the names of one module, class or function."""

    parent: Scope | None = None
    is_class: bool = False
    names: dict[str, list[Binding]] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)
    stars: list[str] = field(default_factory=list)  # modules all of whose names were imported

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
        """Add what is put into an object that a name is bound to already, here or further out."""
        values = self.find(name)
        if values is not None and len(values) < MOST:
            values.append(value)

    def owner(self) -> Scope | None:
        """Return the nearest enclosing class."""
        return self if self.is_class or self.parent is None else self.parent.owner()


@dataclass(frozen=True, slots=True)
class Place:
    """Describe one node worth judging, with what surrounds it."""

    node: ast.AST
    scope: Scope
    statement: ast.stmt
    parent: ast.AST
    decorates: bool


class Module:
    """Hold one module's names and places. Blocks that only a type checker runs are left out."""

    def __init__(self, tree: ast.Module) -> None:
        self.top = Scope()
        self.places: list[Place] = []
        self.attributes: dict[tuple[int, str], list[Binding]] = defaultdict(list)
        self.any_owner: dict[str, list[Binding]] = defaultdict(list)
        self.bodies: dict[int, Scope] = {}
        self._checking = _type_checking_names(tree)
        self._pending: list[tuple[ast.AST, Scope, ast.stmt | None, ast.AST, bool]] = [
            (node, self.top, None, tree, False) for node in reversed(tree.body)
        ]
        while self._pending:
            self._step(*self._pending.pop())
        self._methods = self._by_name()
        for place in self.places:
            if isinstance(place.node, ast.Call):
                self._pass_arguments(place.node, place.scope)

    def _step(self, node: ast.AST, scope: Scope, statement: ast.stmt | None, parent: ast.AST, decorates: bool) -> None:
        if isinstance(node, ast.stmt):
            statement = node
        if isinstance(node, _JUDGED) and statement is not None:
            self.places.append(Place(node, scope, statement, parent, decorates))
        inner = self._bind(node, scope)
        skipped = self._skipped(node)
        children: list[tuple[ast.AST, Scope, ast.stmt | None, ast.AST, bool]] = []
        for name, child in _children(node):
            if name != skipped:
                where = inner if name in {"body", "args"} or inner is scope else scope
                children.append((child, where, statement, node, name == "decorator_list"))
        self._pending.extend(reversed(children))

    def _skipped(self, node: ast.AST) -> str | None:
        if not isinstance(node, ast.If):
            return None
        if self._is_checking(node.test):
            return "body"
        negated = isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not)
        return "orelse" if negated and self._is_checking(node.test.operand) else None  # type: ignore[attr-defined]  # a UnaryOp

    def _is_checking(self, test: ast.expr) -> bool:
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            return any(self._is_checking(one) for one in test.values)
        if isinstance(test, ast.Attribute):
            return test.attr == "TYPE_CHECKING"
        return isinstance(test, ast.Name) and test.id in self._checking

    def _bind(self, node: ast.AST, scope: Scope) -> Scope:
        """Record what a node binds; return the scope of its body."""
        if isinstance(node, (*_FUNCTIONS, ast.Lambda, ast.ClassDef)):
            return self._definition(node, scope)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            _imports(node, scope)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            scope.shared.update(node.names)
        elif isinstance(node, ast.Call):
            _grown(node, scope)
        else:
            for target, value in _assignments(node):
                self._assign(target, value, scope)
        return scope

    def _definition(self, node: ast.AST, scope: Scope) -> Scope:
        inner = self.bodies[id(node)] = Scope(scope, isinstance(node, ast.ClassDef))
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            scope.bind(node.name, node)
        if isinstance(node, (*_FUNCTIONS, ast.Lambda)):
            for name, default in _parameters(node.args):
                inner.bind(name, default)
            for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
                if isinstance(argument.annotation, ast.Name) and argument.annotation.id[:1].isupper():
                    inner.bind(
                        argument.arg, ast.Call(func=argument.annotation, args=[], keywords=[])
                    )  # an object of it
        return inner

    def _assign(self, target: ast.expr, value: ast.AST, scope: Scope) -> None:
        if isinstance(target, ast.Name):
            scope.bind(target.id, value)
            if scope.is_class:
                self._attribute(scope, target.id, Elsewhere(value, scope))
        elif isinstance(target, ast.Attribute):
            self._attribute(scope.owner(), target.attr, Elsewhere(value, scope))
        elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            scope.add(target.value.id, ast.Dict(keys=[target.slice], values=[Elsewhere(value, scope)]))
        elif isinstance(target, (ast.Tuple, ast.List)):
            pairs = value.elts if isinstance(value, (ast.Tuple, ast.List)) else []
            for index, one in enumerate(target.elts):
                if len(pairs) == len(target.elts):
                    self._assign(one, pairs[index], scope)
                elif isinstance(one, ast.Name):
                    scope.bind(one.id, ast.Subscript(value=value, slice=ast.Constant(index)))  # type: ignore[arg-type]  # an expression

    def _attribute(self, owner: Scope | None, name: str, value: Binding) -> None:
        for values in (self.attributes[id(owner), name], self.any_owner[name]):
            if len(values) < MOST:
                values.append(value)

    # What a function's parameters are given by the calls that this module makes of it.

    def _by_name(self) -> dict[str, list[Binding]]:
        found: dict[str, list[Binding]] = defaultdict(list)
        for scope in self.bodies.values():
            for name, values in scope.names.items() if scope.is_class else ():
                found[name] += [one for one in values if isinstance(one, _FUNCTIONS)]
        return found

    def _pass_arguments(self, node: ast.Call, scope: Scope) -> None:
        for function, bound in self._called(node.func, scope):
            inner = self.bodies[id(function)]
            named = [one.arg for one in (*function.args.posonlyargs, *function.args.args)][bound:]
            for name, argument in zip(named, node.args, strict=False):
                if isinstance(argument, ast.Starred):
                    break
                inner.bind(name, Elsewhere(argument, scope))
            for keyword in node.keywords:
                if keyword.arg in inner.names:
                    inner.bind(keyword.arg, Elsewhere(keyword.value, scope))

    def _called(self, node: ast.expr, scope: Scope) -> Iterator[tuple[_Function, int]]:
        """Give the functions that a call may mean, each with the number of arguments that it has got already."""
        if isinstance(node, ast.Name):
            for one in scope.find(node.id) or ():
                if isinstance(one, (*_FUNCTIONS, ast.Lambda)):
                    yield one, 0
                elif isinstance(one, ast.ClassDef):
                    makers = self.bodies[id(one)].names.get("__init__", ())
                    yield from ((maker, 1) for maker in makers if isinstance(maker, _FUNCTIONS))
        elif isinstance(node, ast.Attribute) and node.attr in self._methods and not self._is_import(node.value, scope):
            for one in self._methods[node.attr]:
                if isinstance(one, _FUNCTIONS):
                    yield one, 0 if "staticmethod" in decorators(one) else 1

    @staticmethod
    def _is_import(node: ast.expr, scope: Scope) -> bool:
        return isinstance(node, ast.Name) and any(isinstance(one, str) for one in scope.find(node.id) or ())


def decorators(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Return the last names of what decorates a function."""
    names = [getattr(one, "id", None) or getattr(one, "attr", None) for one in node.decorator_list]
    return {name for name in names if isinstance(name, str)}


def _grown(node: ast.Call, scope: Scope) -> None:
    """Bind a list anew that a call makes longer: `command.append("-p")`."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method), args=[argument], keywords=[]):
            values = scope.find(name) if method in _GROW else None
            before = values[-1] if values else None
            if isinstance(before, ast.List):
                more = argument if method == "append" else ast.Starred(value=argument)
                scope.add(name, ast.List(elts=[*before.elts, more]))


def _children(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, ast.AST):
            yield name, value
        elif isinstance(value, list):
            yield from ((name, one) for one in value if isinstance(one, ast.AST))


def _type_checking_names(tree: ast.Module) -> set[str]:
    names = {"TYPE_CHECKING"}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module in {"typing", "typing_extensions"}:
            names |= {alias.asname for alias in node.names if alias.name == "TYPE_CHECKING" and alias.asname}
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value:
            names -= {target.id for target in node.targets if isinstance(target, ast.Name)}  # it is true as it runs
    return names


def _imports(node: ast.Import | ast.ImportFrom, scope: Scope) -> None:
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
    """Give the targets that a node binds, each with an expression for its value."""
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
    any_of = ast.Constant(None)  # a key that fits every element
    if isinstance(iterated, ast.Call) and isinstance(iterated.func, ast.Attribute):
        element = ast.Subscript(value=iterated.func.value, slice=any_of)
        if iterated.func.attr == "items" and isinstance(target, ast.Tuple) and len(target.elts) == 2:
            yield target.elts[1], element
        elif iterated.func.attr == "values":
            yield target, element
    elif isinstance(target, (ast.Tuple, ast.List)) and isinstance(iterated, (ast.Tuple, ast.List)):
        for row in iterated.elts:
            yield target, row
    else:
        yield target, ast.Subscript(value=iterated, slice=any_of)


def header_end(statement: ast.stmt) -> int:
    """Return the last line of a statement, or of what stands before its body."""
    firsts = [
        child.lineno
        for name in _BLOCKS
        for child in getattr(statement, name, None) or []
        if isinstance(child, (ast.stmt, ast.ExceptHandler))
    ]
    end = statement.end_lineno or statement.lineno
    return max(statement.lineno, min([*(first - 1 for first in firsts), end]))


def first_line(statement: ast.stmt) -> int:
    """Return the first line of a statement, its decorators included."""
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(one.lineno for one in decorators)])

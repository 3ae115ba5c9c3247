"""The interpretation of expressions: what each can be, and where a tracked object goes."""

from __future__ import annotations

import ast
import builtins
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from src.migration.rewrite.judge import vocabulary as words
from src.migration.rewrite.judge.atoms import NONE, NOTHING, TRACKED, UNKNOWN, Atom, Value, join
from src.migration.rewrite.judge.program import decorator_names, parameters

if TYPE_CHECKING:
    from src.migration.rewrite.judge.program import Function, Program, Scope
    from src.migration.rewrite.judge.state import State

Environment = dict[str, Value]


def joined(*states: Environment | None) -> Environment | None:
    """Return the names where several paths meet; None where none of them is reached."""
    result: Environment | None = None
    for state in states:
        if state is None:
            continue
        if result is None:
            result = dict(state)
            continue
        for name, value in state.items():
            result[name] = result.get(name, NOTHING) | value
    return result


class Expressions(ABC):
    """Evaluates expressions in the scope that is interpreted at the moment.

    Attributes:
        program: The module.
        state: What is known so far.
        scope: The function that is interpreted, or the module.
        names: What the local names are at this point; None where it is not reached.
    """

    def __init__(self, program: Program, state: State) -> None:
        self.program = program
        self.state = state
        self.scope: Scope = program.module
        self.names: Environment | None = {}

    @abstractmethod
    def call(self, node: ast.Call) -> Value:
        """Return what a call returns."""

    def bind_defaults(self, node: Function) -> None:
        """Record what the parameters of a function are where no argument is passed."""
        names = parameters(node)
        for name, default in zip(names[len(names) - len(node.args.defaults) :], node.args.defaults, strict=True):
            self.state.add(self.evaluate(default), "parameter", node, name)
        for arg, keyword_default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
            self.state.add(self.evaluate(keyword_default), "parameter", node, arg.arg)

    @abstractmethod
    def store(self, target: ast.expr, value: Value) -> None:
        """Assign a value."""

    @abstractmethod
    def expose_attributes(self, node: ast.AST, what: str) -> None:
        """Record that unread code can read and replace the attributes of all objects."""

    def evaluate(self, node: ast.expr | None) -> Value:  # noqa: C901, PLR0912 - one arm for each kind of expression
        """Return everything that an expression can be."""
        match node:
            case None:
                return NOTHING
            case ast.Constant(value=None):
                return frozenset({NONE})
            case ast.Name(id=name):
                return self.look_up(name)
            case ast.Attribute(value=inner, attr=name):
                return self.attribute(self.evaluate(inner), name, node)
            case ast.Call():
                return self.call(node)
            case ast.Await(value=inner):
                return self.evaluate(inner)
            case ast.BoolOp(values=values):
                return join(*(self.evaluate(part) for part in values))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                self.test(test)
                return self.evaluate(body) | self.evaluate(orelse)
            case ast.NamedExpr(target=target, value=inner):
                value = self.evaluate(inner)
                self.store(target, value)
                return value
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self.test(operand)
                return UNKNOWN
            case ast.Compare():
                return self._compare(node)
            case ast.Lambda():
                self.bind_defaults(node)
                return frozenset({Atom(kind="function", node=node)})
            case ast.Subscript(value=inner, slice=index):
                return self._item(self.evaluate(inner), index, node)
        return self._evaluate_rest(node)

    def _evaluate_rest(self, node: ast.expr) -> Value:
        match node:
            case ast.Dict() | ast.List() | ast.Tuple() | ast.Set():
                return self._display(node)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                return self._comprehension(node)
            case ast.Yield(value=inner) | ast.YieldFrom(value=inner):
                self.state.escape(self.evaluate(inner), node, "it is yielded")
                return UNKNOWN
            case ast.Starred(value=inner):
                self.state.escape(self.state_items(self.evaluate(inner)), node, "it is passed on with *")
                return UNKNOWN
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.expr):
                self.state.escape(self.evaluate(part), node, f"it is used in {_shown(node)}")
        return UNKNOWN

    def test(self, node: ast.expr) -> None:
        """Evaluate an expression of which only the truth counts."""
        self.evaluate(node)

    # Names

    def look_up(self, name: str) -> Value:
        """Return what a name can be at this point."""
        if self.names is not None and name in self.names:
            return self.names[name]
        scope: Scope | None = self.scope
        if scope is not None and scope.node is not None:
            if name in scope.names and name not in scope.elsewhere:
                return NOTHING
            scope = scope.outer
        while scope is not None and scope.node is not None:
            if (name in scope.names and name not in scope.elsewhere) or self.state.get("cell", scope.node, name):
                return self.state.get("cell", scope.node, name)
            scope = scope.outer
        if name in self.program.module.names or self.state.get("global", name):
            return self.state.get("global", name) if self.scope.node is not None else NOTHING
        return frozenset({Atom(kind="builtin", name=name)}) if hasattr(builtins, name) else UNKNOWN

    # Attributes and items

    def attribute(self, value: Value, name: str, node: ast.AST) -> Value:
        """Return what an attribute of a value can be."""
        return join(*(self._attribute_of(atom, name, node) for atom in value))

    def _attribute_of(self, atom: Atom, name: str, node: ast.AST) -> Value:
        if atom.kind in TRACKED:
            return self._attribute_of_tracked(atom, name, node)
        if atom.kind == "raw":
            return self.state.read_raw(atom, name, node) | UNKNOWN
        if atom.kind in ("import", "builtin"):
            return frozenset({Atom(kind="import", name=f"{atom.name}.{name}")})
        if atom.kind in ("container", "pair"):
            return frozenset({Atom(kind=atom.kind, node=atom.node, path=(*atom.path, name))})
        if atom.kind in ("instance", "class"):
            if name == "__dict__":
                self.expose_attributes(node, "__dict__")
            if name == "__class__" and atom.kind == "instance":
                return frozenset({Atom(kind="class", node=atom.node)})
            known = self._member(self.program.families.get(atom.node) if atom.node is not None else None, name)
            return known or UNKNOWN
        if atom.kind == "other":
            if name == "__dict__":
                self.expose_attributes(node, "__dict__")
            return self._member(None, name) | UNKNOWN
        return NOTHING if atom.kind == "none" else UNKNOWN

    def _attribute_of_tracked(self, atom: Atom, name: str, node: ast.AST) -> Value:
        path = (*atom.path, name)
        is_known = path[0] in words.MODEL_METHODS | {words.NARROWING} if atom.kind == "model" else path == ("close",)
        if atom.kind in ("model", "stream") and (len(path) > 1 or not is_known):
            self.state.escape(frozenset({atom}), node, f".{'.'.join(path)} is used")
            return UNKNOWN
        reads = {"reply": words.REPLY_READS, "chunk": words.CHUNK_READS}.get(atom.kind)
        if reads is None:
            return frozenset({Atom(kind=atom.kind, node=atom.node, path=path, name=atom.name)})
        if path in reads:
            return UNKNOWN | {Atom(kind="raw", node=atom.node)} if name == words.RAW else UNKNOWN
        if not any(read[: len(path)] == path for read in reads):
            self.state.escape(frozenset({atom}), node, f"its reply's .{'.'.join(path)} is read")
            return UNKNOWN
        return frozenset({Atom(kind=atom.kind, node=atom.node, path=path, name=atom.name)})

    def _member(self, family: ast.AST | None, name: str) -> Value:
        """Return what an attribute of an object of this module's classes can be, properties and methods included."""
        value = self.state.attribute(family, name)
        for method in self.program.methods(family, name):
            if decorator_names(method) & words.PROPERTIES:
                value |= self.state.get("result", method)
            else:
                value |= {Atom(kind="function", node=method)}
        return value

    def state_items(self, value: Value) -> Value:
        """Return what the items of a value can be."""
        items: Value = NOTHING
        for atom in value:
            if atom.kind == "container" and not atom.path:
                items |= self.state.items(atom.node)
            elif atom.kind == "pair":
                items |= self.state.items(atom.node) | UNKNOWN
            elif atom.kind == "stream" and not atom.path:
                items |= {Atom(kind="chunk", node=atom.node)}
            elif atom.kind in TRACKED or atom.path:
                items |= {atom}
            elif atom.kind != "none":
                items |= UNKNOWN
        return items

    def _item(self, value: Value, index: ast.expr, node: ast.Subscript) -> Value:
        self.state.escape(self.evaluate(index), node, "it is used as a key")
        results: Value = NOTHING
        for atom in value:
            if atom.kind == "container" and not atom.path:
                number = index.value if isinstance(index, ast.Constant) else None
                is_field = isinstance(atom.node, ast.Tuple) and isinstance(number, int)
                is_field = is_field and not self.state.get("item", atom.node)
                field = self.state.get("item", atom.node, number) if is_field else NOTHING
                results |= field or self.state.items(atom.node)
            elif atom.kind in TRACKED or atom.path:
                self.state.escape(frozenset({atom}), node, f"it is used in {_shown(node)}")
                results |= UNKNOWN
            elif atom.kind == "raw" and isinstance(index, ast.Constant):
                results |= self.state.read_raw(atom, repr(index.value), node) | UNKNOWN
            elif atom.kind != "none":
                results |= UNKNOWN
        return results

    # Operators, displays and comprehensions

    def _compare(self, node: ast.Compare) -> Value:
        if _asks_for_name(node):
            return UNKNOWN
        values = [self.evaluate(part) for part in (node.left, *node.comparators)]
        if all(isinstance(operator, ast.Is | ast.IsNot) for operator in node.ops):
            return UNKNOWN
        for at, value in enumerate(values):
            is_container = at > 0 and isinstance(node.ops[at - 1], ast.In | ast.NotIn)
            tracked = frozenset(atom for atom in value if not (is_container and atom.kind == "container"))
            self.state.escape(tracked, node, f"it is used in {_shown(node)}")
        return UNKNOWN

    def _display(self, node: ast.Dict | ast.List | ast.Tuple | ast.Set) -> Value:
        if isinstance(node, ast.Dict):
            for key, part in zip(node.keys, node.values, strict=True):
                if key is None:
                    self.state.add(self.state_items(self.evaluate(part)), "item", node)
                    continue
                self.state.escape(self.evaluate(key), node, "it is used as a key")
                self.state.add(self.evaluate(part), "item", node)
            return frozenset({Atom(kind="container", node=node)})
        is_record = isinstance(node, ast.Tuple) and not any(isinstance(part, ast.Starred) for part in node.elts)
        for index, part in enumerate(node.elts):
            if isinstance(part, ast.Starred):
                self.state.add(self.state_items(self.evaluate(part.value)), "item", node)
            else:
                self.state.add(self.evaluate(part), "item", node, *([index] if is_record else []))
        return frozenset({Atom(kind="container", node=node)})

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Value:
        outside = self.names
        self.names = dict(outside) if outside is not None else {}
        for generator in node.generators:
            self.store_each(generator.target, self.evaluate(generator.iter))
            for condition in generator.ifs:
                self.test(condition)
        if isinstance(node, ast.DictComp):
            self.state.escape(self.evaluate(node.key), node, "it is used as a key")
            element = self.evaluate(node.value)
        else:
            element = self.evaluate(node.elt)
        self.state.add(element, "item", node)
        self.names = outside
        return frozenset({Atom(kind="container", node=node)})

    def store_each(self, target: ast.expr, iterable: Value) -> None:
        """Assign the items of an iterable, one at a time."""
        value: Value = NOTHING
        for atom in iterable:
            if atom.kind == "pair" and isinstance(target, ast.Tuple) and len(target.elts) == 2:
                self.store(target.elts[0], UNKNOWN)
                self.store(target.elts[1], self.state.items(atom.node))
                continue
            items = self.state_items(frozenset({atom}))
            if atom.kind == "pair":
                self.state.escape(items, target, "pairs are used whole")
            elif isinstance(atom.node, ast.Dict | ast.DictComp) and not atom.path:
                items = UNKNOWN  # its keys
            value |= items
        if value or not any(atom.kind == "pair" for atom in iterable):
            self.store(target, value)


def _asks_for_name(node: ast.Compare) -> bool:
    """Tell whether a comparison is `"name" in locals()` or the like, which uses no value."""
    names = node.comparators[0].func if isinstance(node.comparators[0], ast.Call) else None
    return (
        isinstance(node.left, ast.Constant)
        and len(node.ops) == 1
        and isinstance(node.ops[0], ast.In | ast.NotIn)
        and isinstance(names, ast.Name)
        and names.id in ("locals", "globals", "dir")
    )


def _shown(node: ast.AST) -> str:
    """Return the beginning of an expression's text."""
    text = ast.unparse(node)
    return text if len(text) <= 60 else f"{text[:57]}..."


def callee(function: Function) -> str:
    """Return what a function is called in reports."""
    return getattr(function, "name", "a lambda")

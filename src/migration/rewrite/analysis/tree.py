"""Index one module: parents, lines, scopes and what each name is bound to."""

from __future__ import annotations

import builtins
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from src.migration.rewrite.analysis.syntax import dotted

if TYPE_CHECKING:
    from collections.abc import Iterator

Scope = cst.CSTNode
_COMPREHENSIONS = (cst.ListComp, cst.SetComp, cst.DictComp, cst.GeneratorExp)
_SCOPES = (cst.FunctionDef, cst.Lambda, cst.ClassDef, cst.Module, *_COMPREHENSIONS)
MODULE_NAMES = frozenset(
    {"__file__", "__name__", "__doc__", "__package__", "__spec__", "__loader__", "__builtins__", "__path__",
     "__annotations__", "__dict__", "__class__", "__module__", "__qualname__", "__cached__"}
)  # fmt: skip


@dataclass(eq=False, slots=True)
class Binding:
    """Hold one place that binds a name: what kind of place, its node, and the value where there is one."""

    kind: str
    name: str
    node: cst.CSTNode
    value: cst.BaseExpression | None = None
    imported: str | None = None
    scope: Scope | None = None


@dataclass(eq=False, slots=True)
class Stored:
    """Hold one assignment to an attribute, with the class that `self` was of, where it was `self`."""

    owner: cst.ClassDef | None
    name: str
    value: cst.BaseExpression | None
    node: cst.CSTNode


@dataclass(eq=False, slots=True)
class Tree:
    """Answer questions about one parsed module."""

    module: cst.Module
    parents: dict[cst.CSTNode, cst.CSTNode] = field(default_factory=dict)
    nodes: list[cst.CSTNode] = field(default_factory=list)
    names: dict[str, list[cst.Name]] = field(default_factory=dict)
    bound: dict[Scope, dict[str, list[Binding]]] = field(default_factory=dict)
    stored: list[Stored] = field(default_factory=list)
    stars: bool = False
    _declared: dict[tuple[Scope, str], Scope] = field(default_factory=dict)
    _lines: dict[cst.CSTNode, int] = field(default_factory=dict)
    _ends: dict[cst.CSTNode, int] = field(default_factory=dict)
    _columns: dict[cst.CSTNode, int] = field(default_factory=dict)

    def line(self, node: cst.CSTNode) -> int:
        """Return the line that a node starts on, counted from 1."""
        return self._lines.get(node, 1)

    def column(self, node: cst.CSTNode) -> int:
        """Return the column that a node starts at, counted from 1."""
        return self._columns.get(node, 1)

    def end(self, node: cst.CSTNode) -> int:
        """Return the line that a node ends on."""
        return self._ends.get(node, 1)

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        """Return what a node is part of."""
        return self.parents.get(node)

    def above(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """Yield what a node is part of, the nearest first."""
        one = self.parents.get(node)
        while one is not None:
            yield one
            one = self.parents.get(one)

    def statement(self, node: cst.CSTNode) -> cst.CSTNode:
        """Return the small or compound statement that a node is in, or is."""
        for one in (node, *self.above(node)):
            if isinstance(one, cst.BaseSmallStatement | cst.BaseCompoundStatement):
                return one
        return self.module

    def scope(self, node: cst.CSTNode) -> Scope:
        """Return the scope that a node's names belong to."""
        child, outside = node, False
        for one in self.above(node):
            if isinstance(one, cst.Param) and child in (one.default, one.annotation):
                outside = True
            if isinstance(one, cst.FunctionDef) and (child in one.decorators or child in (one.name, one.returns)):
                outside = True
            if isinstance(one, cst.ClassDef) and child is not one.body:
                outside = True
            if isinstance(one, _SCOPES):
                if not outside:
                    return one
                outside = False
            child = one
        return self.module

    def function(self, node: cst.CSTNode) -> cst.FunctionDef | cst.Lambda | None:
        """Return the function that a node is in."""
        scope: cst.CSTNode = self.scope(node)
        while not isinstance(scope, cst.Module):
            if isinstance(scope, cst.FunctionDef | cst.Lambda):
                return scope
            scope = self.scope(scope)
        return None

    def owner(self, node: cst.CSTNode) -> cst.ClassDef | None:
        """Return the class whose method a node is in."""
        return next((one for one in self.above(node) if isinstance(one, cst.ClassDef)), None)

    def home(self, name: str, scope: Scope) -> Scope | None:
        """Return the scope that binds a name as seen from another; None for builtins and star imports."""
        first = True
        while True:
            declared = self._declared.get((scope, name))
            if declared is not None:
                return declared if name in self.bound.get(declared, {}) else None
            if (first or not isinstance(scope, cst.ClassDef)) and name in self.bound.get(scope, {}):
                return scope
            if isinstance(scope, cst.Module):
                return None
            first, scope = first and isinstance(scope, _COMPREHENSIONS), self.scope(scope)

    def bindings(self, node: cst.Name) -> list[Binding]:
        """Return all that a name is bound to, as seen from where it stands."""
        home = self.home(node.value, self.scope(node))
        return self.bound[home][node.value] if home is not None else []

    def is_load(self, node: cst.Name) -> bool:
        """Tell whether a name stands for its value: no attribute, keyword, definition or target."""
        parent = self.parents.get(node)
        if isinstance(parent, cst.Attribute):
            return parent.value is node and not self._is_module(parent)
        if isinstance(parent, cst.Arg):
            return parent.value is node
        if isinstance(parent, cst.Param):
            return parent.name is not node
        if isinstance(parent, cst.FunctionDef | cst.ClassDef):
            return parent.name is not node
        if isinstance(parent, cst.ImportAlias | cst.AsName | cst.NameItem | cst.ImportFrom | cst.MatchKeywordElement):
            return False
        if isinstance(parent, cst.MatchAs | cst.MatchStar | cst.MatchMapping):
            return False
        return not self.is_target(node)

    def _is_module(self, node: cst.CSTNode) -> bool:
        """Tell whether a dotted name is what an import names."""
        while isinstance(parent := self.parents.get(node), cst.Attribute):
            node = parent
        return isinstance(parent, cst.ImportFrom | cst.ImportAlias)

    def is_target(self, node: cst.CSTNode) -> bool:
        """Tell whether an expression is assigned to."""
        child = node
        for one in self.above(node):
            if isinstance(one, cst.Tuple | cst.List | cst.Element | cst.StarredElement):
                child = one
                continue
            if isinstance(one, cst.AssignTarget | cst.NamedExpr | cst.AnnAssign | cst.AugAssign):
                return one.target is child
            if isinstance(one, cst.For | cst.CompFor):
                return one.target is child
            if isinstance(one, cst.AsName):
                return True
            return isinstance(one, cst.Del)
        return False

    def undefined(self) -> dict[str, list[cst.Name]]:
        """Return names that nothing binds; none where a star import may bind any."""
        found: dict[str, list[cst.Name]] = {}
        for node in self.nodes:
            if not isinstance(node, cst.Name) or not self.is_load(node):
                continue
            if hasattr(builtins, node.value) or node.value in MODULE_NAMES:
                continue
            if self.home(node.value, self.scope(node)) is None:
                found.setdefault(node.value, []).append(node)
        return found

    def loads(self, name: str, scope: Scope) -> list[cst.Name]:
        """Return every place that reads the name which this scope binds."""
        return [
            node
            for node in self.names.get(name, ())
            if self.is_load(node) and self.home(name, self.scope(node)) is scope
        ]


# What holds nothing that is asked for: space and punctuation, most of a module's nodes, and what holds only brackets.
_LEAVES = (
    cst.BaseParenthesizableWhitespace, cst.TrailingWhitespace, cst.EmptyLine, cst.Comma, cst.Colon, cst.Dot,
    cst.Newline, cst.AssignEqual, cst.LeftParen, cst.RightParen, cst.LeftSquareBracket, cst.RightSquareBracket,
    cst.LeftCurlyBrace, cst.RightCurlyBrace, cst.Name, cst.Integer, cst.Float, cst.SimpleString,
)  # fmt: skip


def index(module: cst.Module, *, lines: bool = True) -> Tree:
    """Index a module; without `lines` nobody asks where its nodes stand."""
    wrapper = MetadataWrapper(module, unsafe_skip_copy=True)
    tree = Tree(wrapper.module)
    waiting: list[cst.CSTNode] = [tree.module]
    while waiting:
        node = waiting.pop()
        tree.nodes.append(node)
        if isinstance(node, cst.Name):
            tree.names.setdefault(node.value, []).append(node)
        children = () if isinstance(node, _LEAVES) else node.children
        for child in children:
            tree.parents[child] = node
        waiting.extend(reversed(children))
    for node, span in wrapper.resolve(PositionProvider).items() if lines else ():
        tree._lines[node] = span.start.line
        tree._ends[node] = span.end.line
        tree._columns[node] = span.start.column + 1
    for node in tree.nodes:
        _declare(tree, node)
    for node in tree.nodes:
        _bind(tree, node)
    return tree


def _declare(tree: Tree, node: cst.CSTNode) -> None:
    if not isinstance(node, cst.Global | cst.Nonlocal):
        return
    scope = tree.scope(node)
    target: Scope = tree.module
    if isinstance(node, cst.Nonlocal):
        target = tree.scope(scope)
    for item in node.names:
        tree._declared[scope, item.name.value] = target


def _add(tree: Tree, binding: Binding) -> None:
    scope = tree.scope(binding.node)
    binding.scope = tree._declared.get((scope, binding.name), scope)
    tree.bound.setdefault(binding.scope, {}).setdefault(binding.name, []).append(binding)


def _bind(tree: Tree, node: cst.CSTNode) -> None:  # noqa: C901, PLR0912 - one arm for each way to bind a name
    match node:
        case cst.Assign(targets=targets, value=value):
            for target in targets:
                _target(tree, target.target, value, "assign", node)
        case cst.AnnAssign(target=target, value=value) if value is not None:
            _target(tree, target, value, "assign", node)
        case cst.NamedExpr(target=target, value=value):
            _target(tree, target, value, "assign", node)
        case cst.AugAssign(target=target):
            _target(tree, target, None, "aug", node)
        case cst.For(target=target) | cst.CompFor(target=target):
            _target(tree, target, None, "for", target)
        case cst.WithItem(item=item, asname=cst.AsName(name=name)):
            _target(tree, name, item, "with", node)
        case cst.ExceptHandler(name=cst.AsName(name=name)) | cst.ExceptStarHandler(name=cst.AsName(name=name)):
            _target(tree, name, None, "except", node)
        case cst.Del(target=target):
            _target(tree, target, None, "del", node)
        case cst.FunctionDef(name=name) | cst.ClassDef(name=name):
            scope = tree.scope(tree.parents[node]) if node in tree.parents else tree.module
            kind = "def" if isinstance(node, cst.FunctionDef) else "class"
            scope = tree._declared.get((scope, name.value), scope)
            made = Binding(kind, name.value, node, scope=scope)
            tree.bound.setdefault(scope, {}).setdefault(name.value, []).append(made)
        case cst.Param(name=name):
            _add_param(tree, node, name.value)
        case cst.MatchAs(name=cst.Name(value=name)) | cst.MatchStar(name=cst.Name(value=name)):
            _add(tree, Binding("other", name, node))
        case cst.MatchMapping(rest=cst.Name(value=name)):
            _add(tree, Binding("other", name, node))
        case cst.Import() | cst.ImportFrom():
            _imports(tree, node)


def _add_param(tree: Tree, node: cst.Param, name: str) -> None:
    function = next(one for one in tree.above(node) if isinstance(one, cst.FunctionDef | cst.Lambda))
    made = Binding("param", name, node, node.default, scope=function)
    tree.bound.setdefault(function, {}).setdefault(name, []).append(made)


def _target(tree: Tree, target: cst.CSTNode, value: cst.BaseExpression | None, kind: str, node: cst.CSTNode) -> None:
    if isinstance(target, cst.Name):
        _add(tree, Binding(kind, target.value, node, value))
    elif isinstance(target, cst.Attribute):
        own = isinstance(target.value, cst.Name) and target.value.value in ("self", "cls")
        owner = tree.owner(node) if own else None
        tree.stored.append(Stored(owner, target.attr.value, value if kind == "assign" else None, node))
    elif isinstance(target, cst.Tuple | cst.List):
        values: list[cst.BaseExpression | None] = [None] * len(target.elements)
        if isinstance(value, cst.Tuple | cst.List) and len(value.elements) == len(values):
            values = [element.value for element in value.elements]
        for element, one in zip(target.elements, values, strict=True):
            _target(tree, element.value, one, kind if one is not None else "unpack", node)


def _imports(tree: Tree, node: cst.Import | cst.ImportFrom) -> None:
    if isinstance(node.names, cst.ImportStar):
        tree.stars = True
        return
    prefix = ""
    if isinstance(node, cst.ImportFrom):
        prefix = "." * len(node.relative) + (f"{dotted(node.module)}." if node.module else "")
    for alias in node.names:
        full = f"{prefix}{dotted(alias.name)}"
        if alias.asname is not None and isinstance(alias.asname.name, cst.Name):
            name = alias.asname.name.value
        elif isinstance(node, cst.Import):
            name = full.partition(".")[0]
            full = name
        else:
            name = alias.evaluated_name
        _add(tree, Binding("import", name, alias, imported=full))

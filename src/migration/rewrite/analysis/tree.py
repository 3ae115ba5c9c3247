"""An index of one module's syntax tree: parents, positions, scopes and bindings."""

from __future__ import annotations

import builtins
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from src.migration.rewrite.analysis.children import children_of
from src.migration.rewrite.analysis.syntax import dotted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Scope = cst.CSTNode
_COMPREHENSIONS = (cst.ListComp, cst.SetComp, cst.DictComp, cst.GeneratorExp)
_DECIDE_SCOPE = frozenset({cst.FunctionDef, cst.Lambda, cst.ClassDef, cst.Module, *_COMPREHENSIONS, cst.Param})
_PACKS = frozenset({cst.Tuple, cst.List, cst.Element, cst.StarredElement})
_HAVE_TARGET = frozenset({cst.AssignTarget, cst.NamedExpr, cst.AnnAssign, cst.AugAssign, cst.For, cst.CompFor})
_NAMED_BY_A_NAME = frozenset({cst.Param, cst.FunctionDef, cst.ClassDef})
_NEVER_READ = frozenset({
    cst.ImportAlias, cst.AsName, cst.NameItem, cst.ImportFrom, cst.MatchKeywordElement, cst.MatchAs, cst.MatchStar,
    cst.MatchMapping,
})  # fmt: skip
MODULE_NAMES = frozenset(
    {"__file__", "__name__", "__doc__", "__package__", "__spec__", "__loader__", "__builtins__", "__path__",
     "__annotations__", "__dict__", "__class__", "__module__", "__qualname__", "__cached__"}
)  # fmt: skip


@dataclass(eq=False, slots=True)
class Binding:
    """One place that binds a name.

    Attributes:
        kind: How it binds: import, assign, aug (`+=`), unpack, for, with, except, del, param, def, class or other.
        name: The name.
        node: The statement, or the part of it, that binds.
        value: The value, where there is one.
        imported: The dotted name that an import binds.
        scope: The scope that the name belongs to.
    """

    kind: str
    name: str
    node: cst.CSTNode
    value: cst.BaseExpression | None = None
    imported: str | None = None
    scope: Scope | None = None


@dataclass(eq=False, slots=True)
class AttributeWrite:
    """One assignment to an attribute.

    Attributes:
        enclosing_class: The class, where the attribute is of `self` or `cls`; None for other objects.
        name: The attribute.
        value: The value that is assigned; None where it is not one expression.
        node: The statement.
    """

    enclosing_class: cst.ClassDef | None
    name: str
    value: cst.BaseExpression | None
    node: cst.CSTNode


def _is_outside(child: cst.CSTNode, parent: cst.CSTNode) -> bool:
    """Tell whether a part of a function, class or parameter is evaluated outside of its scope."""
    match parent:
        case cst.Param():
            return child in (parent.default, parent.annotation)
        case cst.FunctionDef():
            return child in parent.decorators or child in (parent.name, parent.returns)
        case cst.ClassDef():
            return child is not parent.body
    return False


@dataclass(eq=False, slots=True)
class Tree:
    """The index of one parsed module.

    Attributes:
        module: The module.
        parents: Each node's parent.
        nodes: All nodes, in source order.
        names: All name nodes, by their text.
        bound: For each scope, the bindings of each name.
        attribute_writes: All assignments to attributes.
        has_star_import: Whether the module has `from x import *`.
    """

    module: cst.Module
    parents: dict[cst.CSTNode, cst.CSTNode] = field(default_factory=dict)
    nodes: list[cst.CSTNode] = field(default_factory=list)
    names: dict[str, list[cst.Name]] = field(default_factory=dict)
    bound: dict[Scope, dict[str, list[Binding]]] = field(default_factory=dict)
    attribute_writes: list[AttributeWrite] = field(default_factory=list)
    has_star_import: bool = False
    _declared: dict[tuple[Scope, str], Scope] = field(default_factory=dict)
    _spans: Mapping[cst.CSTNode, Any] = field(default_factory=dict)
    _scopes: dict[cst.CSTNode, Scope] = field(default_factory=dict)
    _code: str | None = None

    @property
    def code(self) -> str:
        """Return the module's text."""
        if self._code is None:
            self._code = self.module.code
        return self._code

    def line(self, node: cst.CSTNode) -> int:
        """Return the line that a node starts on, counted from 1."""
        return self.span(node)[0]

    def column(self, node: cst.CSTNode) -> int:
        """Return the column that a node starts at, counted from 1."""
        return self.span(node)[1] + 1

    def span(self, node: cst.CSTNode) -> tuple[int, int, int, int]:
        """Return a node's first line and column and its last ones, lines counted from 1 and columns from 0."""
        span = self._spans.get(node)
        return (span.start.line, span.start.column, span.end.line, span.end.column) if span else (1, 0, 1, 0)

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        """Return a node's parent."""
        return self.parents.get(node)

    def ancestors(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """Yield a node's ancestors, the parent first."""
        ancestor = self.parents.get(node)
        while ancestor is not None:
            yield ancestor
            ancestor = self.parents.get(ancestor)

    def statement(self, node: cst.CSTNode) -> cst.CSTNode:
        """Return the small or compound statement that contains a node, or the node itself where it is one."""
        for candidate in (node, *self.ancestors(node)):
            if isinstance(candidate, cst.BaseSmallStatement | cst.BaseCompoundStatement):
                return candidate
        return self.module

    def scope(self, node: cst.CSTNode) -> Scope:
        """Return the scope that a node's names belong to."""
        scope = self._scopes.get(node)
        if scope is None:
            scope = self._scopes[node] = self._scope(node)
        return scope

    def _scope(self, node: cst.CSTNode) -> Scope:
        child, is_outside = node, False
        for ancestor in self.ancestors(node):
            if type(ancestor) in _DECIDE_SCOPE:  # LibCST's classes have abstract bases, which make `isinstance` slow
                is_outside = is_outside or _is_outside(child, ancestor)
                if type(ancestor) is not cst.Param:
                    if not is_outside:
                        return ancestor
                    is_outside = False
            child = ancestor
        return self.module

    def enclosing_function(self, node: cst.CSTNode) -> cst.FunctionDef | cst.Lambda | None:
        """Return the function that contains a node."""
        scope: cst.CSTNode = self.scope(node)
        while not isinstance(scope, cst.Module):
            if isinstance(scope, cst.FunctionDef | cst.Lambda):
                return scope
            scope = self.scope(scope)
        return None

    def enclosing_class(self, node: cst.CSTNode) -> cst.ClassDef | None:
        """Return the class that contains a node."""
        return next((ancestor for ancestor in self.ancestors(node) if isinstance(ancestor, cst.ClassDef)), None)

    def binding_scope(self, name: str, scope: Scope) -> Scope | None:
        """Return the scope that binds a name that is read in `scope`; None for builtins and star imports."""
        sees_class_scope = True  # methods do not see the names of their class
        while True:
            declared = self._declared.get((scope, name))
            if declared is not None:
                return declared if name in self.bound.get(declared, {}) else None
            if (sees_class_scope or not isinstance(scope, cst.ClassDef)) and name in self.bound.get(scope, {}):
                return scope
            if isinstance(scope, cst.Module):
                return None
            sees_class_scope, scope = sees_class_scope and isinstance(scope, _COMPREHENSIONS), self.scope(scope)

    def bindings(self, node: cst.Name) -> list[Binding]:
        """Return all bindings of a name in the scope that it resolves to."""
        scope = self.binding_scope(node.value, self.scope(node))
        return self.bound[scope][node.value] if scope is not None else []

    def is_load(self, node: cst.Name) -> bool:
        """Tell whether a name is read: it is not an attribute, a keyword, a definition or a target."""
        parent = self.parents.get(node)
        kind = type(parent)
        if kind is cst.Attribute:
            return parent.value is node and not self._is_module(parent)  # type: ignore[union-attr,arg-type] # an attribute
        if kind is cst.Arg:
            return parent.value is node  # type: ignore[union-attr] # an argument
        if kind in _NAMED_BY_A_NAME:
            return parent.name is not node  # type: ignore[union-attr] # as its type says
        return kind not in _NEVER_READ and not self.is_target(node)

    def _is_module(self, node: cst.CSTNode) -> bool:
        """Tell whether a dotted name is part of an import statement."""
        while isinstance(parent := self.parents.get(node), cst.Attribute):
            node = parent
        return isinstance(parent, cst.ImportFrom | cst.ImportAlias)

    def is_target(self, node: cst.CSTNode) -> bool:
        """Tell whether an expression is assigned to."""
        child = node
        for ancestor in self.ancestors(node):
            kind = type(ancestor)
            if kind in _PACKS:
                child = ancestor
                continue
            if kind in _HAVE_TARGET:
                return ancestor.target is child  # type: ignore[attr-defined] # as its type says
            return kind is cst.AsName or kind is cst.Del
        return False

    def undefined(self) -> dict[str, list[cst.Name]]:
        """Return the names that are read without any binding, each with its reads."""
        unbound: dict[str, list[cst.Name]] = {}
        for name, nodes in self.names.items():
            if hasattr(builtins, name) or name in MODULE_NAMES:
                continue
            reads = [
                node for node in nodes if self.is_load(node) and self.binding_scope(name, self.scope(node)) is None
            ]
            if reads:
                unbound[name] = reads
        return unbound

    def loads(self, name: str, scope: Scope) -> list[cst.Name]:
        """Return every read of a name that resolves to this scope."""
        return [
            node
            for node in self.names.get(name, ())
            if self.is_load(node) and self.binding_scope(name, self.scope(node)) is scope
        ]


# Nodes whose children need no index: whitespace and punctuation (most nodes of a module), and names and literals, which
# contain only brackets.
_LEAVES = (
    cst.BaseParenthesizableWhitespace, cst.TrailingWhitespace, cst.EmptyLine, cst.Comma, cst.Colon, cst.Dot,
    cst.Newline, cst.AssignEqual, cst.LeftParen, cst.RightParen, cst.LeftSquareBracket, cst.RightSquareBracket,
    cst.LeftCurlyBrace, cst.RightCurlyBrace, cst.Name, cst.Integer, cst.Float, cst.SimpleString,
)  # fmt: skip

# The kinds of nodes that may bind a name, each with an arm in `_add_bindings`. Few nodes do, and LibCST's classes have
# abstract bases, which make `isinstance` slow: a node's exact type is looked up here instead.
_BINDERS = frozenset({
    cst.Assign, cst.AnnAssign, cst.NamedExpr, cst.AugAssign, cst.For, cst.CompFor, cst.WithItem, cst.ExceptHandler,
    cst.ExceptStarHandler, cst.Del, cst.FunctionDef, cst.ClassDef, cst.Param, cst.MatchAs, cst.MatchStar,
    cst.MatchMapping, cst.Import, cst.ImportFrom,
})  # fmt: skip


@functools.cache
def _is_leaf(kind: type[cst.CSTNode]) -> bool:
    return issubclass(kind, _LEAVES)


def index(module: cst.Module, *, lines: bool = True) -> Tree:
    """Index a module.

    Args:
        module: The parsed module.
        lines: Whether to resolve positions; without them every line and column is 1.
    """
    wrapper = MetadataWrapper(module, unsafe_skip_copy=True)
    tree = Tree(module=wrapper.module)
    pending: list[cst.CSTNode] = [tree.module]
    while pending:
        node = pending.pop()
        tree.nodes.append(node)
        kind = type(node)
        if kind is cst.Name:
            tree.names.setdefault(node.value, []).append(node)  # type: ignore[attr-defined,arg-type] # a name, as its type says
        children = () if _is_leaf(kind) else children_of(node)
        for child in children:
            tree.parents[child] = node
        pending.extend(reversed(children))
    if lines:  # `wrapper.resolve` would visit the whole module once more
        tree._spans = PositionProvider()._gen(wrapper)
    for node in tree.nodes:
        if type(node) in (cst.Global, cst.Nonlocal):
            _note_declaration(tree, node)
    for node in tree.nodes:
        if type(node) in _BINDERS:
            _add_bindings(tree, node)
    return tree


def _note_declaration(tree: Tree, node: cst.CSTNode) -> None:
    """Record which scope a name of a `global` or `nonlocal` statement belongs to."""
    if not isinstance(node, cst.Global | cst.Nonlocal):
        return
    scope = tree.scope(node)
    target: Scope = tree.module
    if isinstance(node, cst.Nonlocal):
        target = tree.scope(scope)
    for item in node.names:
        tree._declared[scope, item.name.value] = target


def _add_binding(tree: Tree, binding: Binding) -> None:
    scope = tree.scope(binding.node)
    binding.scope = tree._declared.get((scope, binding.name), scope)
    tree.bound.setdefault(binding.scope, {}).setdefault(binding.name, []).append(binding)


def _add_bindings(tree: Tree, node: cst.CSTNode) -> None:  # noqa: C901, PLR0912 - one arm for each way to bind a name
    match node:
        case cst.Assign(targets=targets, value=value):
            for target in targets:
                _bind_target(tree, target.target, value, "assign", node)
        case cst.AnnAssign(target=target, value=value) if value is not None:
            _bind_target(tree, target, value, "assign", node)
        case cst.NamedExpr(target=target, value=value):
            _bind_target(tree, target, value, "assign", node)
        case cst.AugAssign(target=target):
            _bind_target(tree, target, None, "aug", node)
        case cst.For(target=target) | cst.CompFor(target=target):
            _bind_target(tree, target, None, "for", target)
        case cst.WithItem(item=item, asname=cst.AsName(name=name)):
            _bind_target(tree, name, item, "with", node)
        case cst.ExceptHandler(name=cst.AsName(name=name)) | cst.ExceptStarHandler(name=cst.AsName(name=name)):
            _bind_target(tree, name, None, "except", node)
        case cst.Del(target=target):
            _bind_target(tree, target, None, "del", node)
        case cst.FunctionDef(name=name) | cst.ClassDef(name=name):
            scope = tree.scope(tree.parents[node]) if node in tree.parents else tree.module
            kind = "def" if isinstance(node, cst.FunctionDef) else "class"
            scope = tree._declared.get((scope, name.value), scope)
            binding = Binding(kind=kind, name=name.value, node=node, scope=scope)
            tree.bound.setdefault(scope, {}).setdefault(name.value, []).append(binding)
        case cst.Param(name=name):
            _add_param(tree, node, name.value)
        case cst.MatchAs(name=cst.Name(value=name)) | cst.MatchStar(name=cst.Name(value=name)):
            _add_binding(tree, Binding(kind="other", name=name, node=node))
        case cst.MatchMapping(rest=cst.Name(value=name)):
            _add_binding(tree, Binding(kind="other", name=name, node=node))
        case cst.Import() | cst.ImportFrom():
            _bind_imports(tree, node)


def _add_param(tree: Tree, node: cst.Param, name: str) -> None:
    function = next(ancestor for ancestor in tree.ancestors(node) if isinstance(ancestor, cst.FunctionDef | cst.Lambda))
    binding = Binding(kind="param", name=name, node=node, value=node.default, scope=function)
    tree.bound.setdefault(function, {}).setdefault(name, []).append(binding)


def _bind_target(
    tree: Tree, target: cst.CSTNode, value: cst.BaseExpression | None, kind: str, node: cst.CSTNode
) -> None:
    if isinstance(target, cst.Name):
        _add_binding(tree, Binding(kind=kind, name=target.value, node=node, value=value))
    elif isinstance(target, cst.Attribute):
        is_own = isinstance(target.value, cst.Name) and target.value.value in ("self", "cls")
        owner = tree.enclosing_class(node) if is_own else None
        assigned = value if kind == "assign" else None
        write = AttributeWrite(enclosing_class=owner, name=target.attr.value, value=assigned, node=node)
        tree.attribute_writes.append(write)
    elif isinstance(target, cst.Tuple | cst.List):
        values: list[cst.BaseExpression | None] = [None] * len(target.elements)
        if isinstance(value, cst.Tuple | cst.List) and len(value.elements) == len(values):
            values = [element.value for element in value.elements]
        for element, element_value in zip(target.elements, values, strict=True):
            element_kind = kind if element_value is not None else "unpack"
            _bind_target(tree, element.value, element_value, element_kind, node)


def _bind_imports(tree: Tree, node: cst.Import | cst.ImportFrom) -> None:
    if isinstance(node.names, cst.ImportStar):
        tree.has_star_import = True
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
        _add_binding(tree, Binding(kind="import", name=name, node=alias, imported=full))

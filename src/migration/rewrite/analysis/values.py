"""Tell what an expression can be: an SDK's module or client, a factory's model, None, or something unknown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite import sdk_vocabulary as sdk
from src.migration.rewrite.analysis.syntax import dotted, keyword, positional, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from src.migration.rewrite.analysis.tree import Binding, Stored, Tree


@dataclass(frozen=True, slots=True)
class Value:
    """Hold one thing that an expression can be.

    `kind` is module (an import, by its dotted name), client (made by the call `node`), model (of the factory),
    none, container (a literal that holds others), other (a client that the factory has not) or unknown.
    """

    kind: str
    name: str = ""
    node: cst.CSTNode | None = field(default=None, compare=True, hash=False)
    asynchronous: bool = False


UNKNOWN = Value("unknown")
NONE = Value("none")
MODEL = Value("model")
Values = frozenset[Value]
_PROPERTIES = ("property", "cached_property")


def is_property(function: cst.FunctionDef) -> bool:
    """Tell whether a method is read like an attribute."""
    return any((dotted(one.decorator) or "").rpartition(".")[2] in _PROPERTIES for one in function.decorators)


class Evaluator:
    """Evaluate expressions of one module, without regard to the order of statements."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._known: dict[cst.CSTNode, Values] = {}
        self._busy: set[cst.CSTNode] = set()
        self._tentative: dict[cst.CSTNode, Values] = {}
        self._stored: dict[str, list[cst.BaseExpression]] | None = None
        self._calls: dict[str, list[cst.Call]] = {}
        self._mentions: set[str] | None = None
        self._classes = [node for node in tree.nodes if isinstance(node, cst.ClassDef)]
        self._families: dict[cst.ClassDef, set[cst.ClassDef]] = {}
        self._by_attribute: dict[str, list[Stored]] = {}
        for one in tree.stored:
            self._by_attribute.setdefault(one.name, []).append(one)
        self._returned_by: dict[cst.CSTNode, list[cst.Return | cst.Yield]] = {}
        for node in tree.nodes:
            function = tree.function(node) if isinstance(node, cst.Return | cst.Yield) else None
            if function is not None and isinstance(node, cst.Return | cst.Yield):
                self._returned_by.setdefault(function, []).append(node)
            if isinstance(node, cst.Call):
                name = (dotted(node.func) or "").rpartition(".")[2]
                self._calls.setdefault(name, []).append(node)

    def of(self, node: cst.CSTNode | None) -> Values:
        """Return all that an expression can be; empty where that is not known yet (a cycle)."""
        if node is None:
            return frozenset({UNKNOWN})
        known = self._known.get(node, self._tentative.get(node))
        if known is not None:
            return known
        if node in self._busy:
            return frozenset()
        self._busy.add(node)
        try:
            found = self._evaluate(node)
        finally:
            self._busy.discard(node)
        if not self._busy or found - {UNKNOWN}:
            self._known[node] = found
        else:  # inside a cycle, perhaps: it holds for this question, so that no node is looked at twice for one
            self._tentative[node] = found
        if not self._busy:
            self._tentative.clear()
        return found

    def module(self, node: cst.CSTNode) -> str | None:
        """Return the dotted name of what an expression imports, or None."""
        names = {value.name for value in self.of(node) if value.kind == "module"}
        return names.pop() if len(names) == 1 else None

    def _evaluate(self, node: cst.CSTNode) -> Values:
        match node:
            case cst.Name(value="None"):
                return frozenset({NONE})
            case cst.Name():
                return self._name(node)
            case cst.Attribute():
                return self._attribute(node)
            case cst.Call():
                return self._call(node)
            case cst.IfExp(body=body, orelse=orelse):
                return self.of(body) | self.of(orelse)
            case cst.BooleanOperation(left=left, right=right):
                return self.of(left) | self.of(right)
            case cst.Await(expression=inner) | cst.NamedExpr(value=inner):
                return self.of(inner)
            case cst.Dict() | cst.List() | cst.Tuple():
                return frozenset({Value("container", node=node)})
            case cst.Subscript(value=value):
                return self._items(value)
        return frozenset({UNKNOWN})

    def _name(self, node: cst.Name) -> Values:
        bindings = self.tree.bindings(node)
        if not bindings:
            return frozenset({UNKNOWN})
        found: set[Value] = set()
        for binding in bindings:
            found |= self._binding(binding)
        return frozenset(found)

    def _binding(self, binding: Binding) -> Values:
        match binding.kind:
            case "import":
                name = binding.imported or ""
                if name.rpartition(".")[2] == "model_factory" and name.startswith(("src.", ".")):
                    return frozenset({Value("module", "src.models.model_factory")})
                return frozenset({Value("module", name)})
            case "assign" | "with":
                return self.of(binding.value)
            case "param":
                return self._parameter(binding)
            case "for" | "unpack":
                return self._looped(binding)
            case "del":
                return frozenset()
            case "class" | "def":
                return frozenset({Value(binding.kind, node=binding.node)})
        return frozenset({UNKNOWN})

    def _looped(self, binding: Binding) -> Values:
        """Return what a loop's name takes: a dictionary's keys are no clients, the second of its items are."""
        loop = self.tree.parent(binding.node)
        iterable = getattr(loop, "iter", None)
        if iterable is None:
            return frozenset({UNKNOWN})
        held = self._held_by_items(iterable)
        if binding.kind == "unpack":
            target = binding.node
            second = isinstance(target, cst.Tuple) and len(target.elements) == 2 and target.elements[1].value
            named = isinstance(second, cst.Name) and second.value == binding.name
            return self._items(held) if held is not None and named else frozenset({UNKNOWN})
        if any(value.kind == "container" and isinstance(value.node, cst.Dict) for value in self.of(iterable)):
            return frozenset({UNKNOWN})
        if isinstance(iterable, cst.Call) and isinstance(iterable.func, cst.Attribute):
            inner = iterable.func.value
            return self._items(inner) if iterable.func.attr.value == "values" else frozenset({UNKNOWN})
        return self._items(iterable)

    @staticmethod
    def _held_by_items(iterable: cst.BaseExpression) -> cst.BaseExpression | None:
        """Return the dictionary that `x.items()` goes over."""
        if isinstance(iterable, cst.Call) and isinstance(iterable.func, cst.Attribute) and not iterable.args:
            return iterable.func.value if iterable.func.attr.value == "items" else None
        return None

    def _parameter(self, binding: Binding) -> Values:
        """Return what callers in this module pass; unknown where there are none."""
        function = binding.scope
        param = binding.node
        star = getattr(param, "star", "")
        if not isinstance(function, cst.FunctionDef) or (isinstance(star, str) and star):
            return frozenset({UNKNOWN})
        if binding.name in ("self", "cls"):
            return frozenset({UNKNOWN})
        calls = self.calls_of(function)
        found: set[Value] = set() if calls and not self._passed_on(function) else {UNKNOWN}
        for call in calls:
            given = self._given(call, function, binding.name)
            if given is None:
                return frozenset({UNKNOWN})
            found |= self.of(given)
        if binding.value is not None:
            found |= self.of(binding.value)
        return frozenset(found) or frozenset({UNKNOWN})

    def _passed_on(self, function: cst.FunctionDef) -> bool:
        """Tell whether a function is handed about, so that others call it too."""
        if self._mentions is None:
            self._mentions = set()
            for node in self.tree.nodes:
                parent = self.tree.parent(node)
                if isinstance(parent, cst.Call) and parent.func is node:
                    continue
                if isinstance(node, cst.Attribute):
                    self._mentions.add(node.attr.value)
                elif isinstance(node, cst.Name) and self.tree.is_load(node) and not isinstance(parent, cst.Attribute):
                    self._mentions.add(node.value)
        return function.name.value in self._mentions

    def calls_of(self, function: cst.FunctionDef) -> list[cst.Call]:
        """Return the calls in this module that are by this function's name (or its class's, for `__init__`)."""
        name = function.name.value
        if name == "__init__":
            owner = self.tree.owner(function)
            name = owner.name.value if owner is not None else name
        return self._calls.get(name, [])

    def _given(self, call: cst.Call, function: cst.FunctionDef, name: str) -> cst.BaseExpression | None:
        """Return what a call passes for a parameter: the default's place where it passes none, None if unclear."""
        if any(arg.star for arg in call.args):
            return None
        value = keyword(call, name)
        if value is not None:
            return value
        params = [param.name.value for param in (*function.params.posonly_params, *function.params.params)]
        if self.tree.owner(function) is not None and params[:1] in (["self"], ["cls"]):
            params = params[1:]
        given = positional(call)
        if name in params and params.index(name) < len(given):
            return given[params.index(name)]
        every = (*function.params.posonly_params, *function.params.params, *function.params.kwonly_params)
        return next((param.default for param in every if param.name.value == name), None)

    def _attribute(self, node: cst.Attribute) -> Values:
        inner = self.of(node.value)
        modules = {value.name for value in inner if value.kind == "module"}
        if modules:
            return frozenset(Value("module", f"{name}.{node.attr.value}") for name in modules)
        stored, computed = self.stored(node), self.properties(node)
        if not stored and not computed:
            return frozenset({UNKNOWN})
        found: set[Value] = set()
        for value in stored:
            found |= self.of(value)
        for function in computed:
            found |= self._returns(function) or {NONE}
        return frozenset(found)

    def properties(self, node: cst.Attribute) -> list[cst.FunctionDef]:
        """Return the methods that compute this attribute: those under `@property` and `@cached_property`."""
        own = isinstance(node.value, cst.Name) and node.value.value in ("self", "cls")
        owner = self.tree.owner(node) if own else None
        family = self._family(owner) if owner is not None else None
        return [
            one.node
            for scope in self._classes
            if family is None or scope in family
            for one in self.tree.bound.get(scope, {}).get(node.attr.value, ())
            if isinstance(one.node, cst.FunctionDef) and is_property(one.node)
        ]

    def stored(self, node: cst.Attribute) -> list[cst.BaseExpression | None]:
        """Return what is assigned to this attribute anywhere in the module, as far as it can be the same one."""
        own = isinstance(node.value, cst.Name) and node.value.value in ("self", "cls")
        owner = self.tree.owner(node) if own else None
        family = self._family(owner) if owner is not None else None
        found = [
            one.value
            for one in self._by_attribute.get(node.attr.value, ())
            if family is None or one.owner is None or one.owner in family
        ]
        for scope in self._classes:
            names = self.tree.bound.get(scope, {})
            if node.attr.value in names and (family is None or scope in family):
                kept = [one for one in names.get(node.attr.value, ()) if one.kind == "assign"]
                found += [self._default(one, scope) for one in kept]
        return found

    def _default(self, binding: Binding, owner: cst.ClassDef) -> cst.BaseExpression | None:
        """Return what a class's attribute starts as: a field's value, where no call here gives another."""
        call = binding.value
        if not isinstance(call, cst.Call) or self.module(call.func) not in ("dataclasses.field", "pydantic.Field"):
            return call
        made = keyword(call, "default_factory")
        calls = self._calls.get(owner.name.value, [])
        plain = all(arg.keyword is not None and arg.keyword.value != binding.name for one in calls for arg in one.args)
        return made.body if isinstance(made, cst.Lambda) and not made.params.params and plain else None

    def _family(self, owner: cst.ClassDef) -> set[cst.ClassDef]:
        """Return a class with its bases and subclasses in this module."""
        if owner in self._families:
            return self._families[owner]
        classes = self._classes
        family, size = {owner}, 0
        while size != len(family):
            size = len(family)
            names = {one.name.value for one in family}
            bases = {dotted(base.value) for one in family for base in one.bases}
            family |= {one for one in classes if one.name.value in bases}
            family |= {one for one in classes if any(dotted(base.value) in names for base in one.bases)}
        self._families[owner] = family
        return family

    def _call(self, node: cst.Call) -> Values:
        imported = self._imported(node)
        if imported:
            return frozenset({Value("module", imported)})
        name = self.module(node.func)
        if name is not None:
            if name in sdk.CONSTRUCTORS:
                kind, asynchronous = sdk.CONSTRUCTORS[name]
                return frozenset({Value("client", kind, node, asynchronous)})
            if name in sdk.OTHER_CLIENTS:
                return frozenset({Value("other", sdk.OTHER_CLIENTS[name])})
            if name.startswith(("src.models", ".")) and name.endswith(".get_model"):
                return frozenset({MODEL})
            made = name.startswith("src.models") and name.endswith(".ModelFactory")
            return frozenset({Value("module", name) if made else UNKNOWN})
        named = node.func.attr.value if isinstance(node.func, cst.Attribute) else ""
        if named in ("with_options", "copy") and isinstance(node.func, cst.Attribute):
            changed = any(value.kind == "client" for value in self.of(node.func.value))
            return frozenset({Value("other", "a client with options of its own") if changed else UNKNOWN})
        if isinstance(node.func, cst.Attribute) and named in ("get", "values", "pop", "setdefault"):
            return self._items(node.func.value)
        return self._returned(node)

    def _imported(self, node: cst.Call) -> str | None:
        """Return the module that `importlib.import_module("x")` or `__import__("x")` gives."""
        named = dotted(node.func)
        if named == "__import__" or self.module(node.func) == "importlib.import_module":
            given = positional(node)
            return text_of(given[0]) if given else None
        return None

    def _returned(self, node: cst.Call) -> Values:
        functions = self.functions(node.func)
        if not functions:
            return frozenset({UNKNOWN})
        found: set[Value] = set()
        for function in functions:
            found |= self._returns(function)
        return frozenset(found) or frozenset({NONE})

    def _returns(self, function: cst.FunctionDef) -> Values:
        found: set[Value] = set()
        for node in self._returned_by.get(function, ()):
            if isinstance(node, cst.Yield):
                found |= {UNKNOWN}
            else:
                found |= self.of(node.value) if node.value is not None else {NONE}
        return frozenset(found)

    def functions(self, func: cst.BaseExpression) -> list[cst.FunctionDef]:
        """Return the functions of this module that a called expression can be."""
        if isinstance(func, cst.Name):
            return [one.node for one in self.tree.bindings(func) if isinstance(one.node, cst.FunctionDef)]
        if isinstance(func, cst.Attribute):
            return [
                names[func.attr.value][0].node  # type: ignore[misc] # of kind def
                for scope in self._classes
                if func.attr.value in (names := self.tree.bound.get(scope, {}))
                and isinstance(names[func.attr.value][0].node, cst.FunctionDef)
            ]
        return []

    def _items(self, node: cst.BaseExpression) -> Values:
        """Return what a container's items can be."""
        found: set[Value] = set()
        for value in self.of(node):
            if value.kind != "container":
                found.add(UNKNOWN)
                continue
            found.update(self._elements(value.node))
        name = dotted(node)
        if name is not None:
            for one in self._stores(name):
                found |= self.of(one)
        return frozenset(found) or frozenset({UNKNOWN})

    def _elements(self, node: cst.CSTNode | None) -> Iterable[Value]:
        found: set[Value] = set()
        if isinstance(node, cst.Dict | cst.List | cst.Tuple):
            for element in node.elements:
                starred = isinstance(element, cst.StarredElement | cst.StarredDictElement)
                found |= {UNKNOWN} if starred else self.of(element.value)
        return found

    def _stores(self, name: str) -> list[cst.BaseExpression]:
        """Return what is assigned to items: `name[key] = value`."""
        if self._stored is None:
            self._stored = {}
            for node in self.tree.nodes:
                for target in node.targets if isinstance(node, cst.Assign) else ():
                    place = dotted(target.target.value) if isinstance(target.target, cst.Subscript) else None
                    if place is not None and isinstance(node, cst.Assign):
                        self._stored.setdefault(place, []).append(node.value)
        return self._stored.get(name, [])

"""Abstract evaluation of expressions: an SDK's module or client, a factory's model, None, or something unknown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite import sdk_vocabulary as sdk
from src.migration.rewrite.analysis import data_classes
from src.migration.rewrite.analysis.syntax import dotted, is_property, keyword, positional, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from src.migration.rewrite.analysis.tree import AttributeWrite, Binding, Tree


@dataclass(frozen=True, slots=True)
class Value:
    """One thing that an expression can be.

    Attributes:
        kind: module (an import), client (of an SDK), model (of the factory), none, container (a literal list, tuple or
            dictionary), class, def, other (a client that the factory does not support) or unknown.
        name: The module's dotted name, the client's SDK, or what an unsupported client is.
        node: The call that constructs a client, the container's literal, or the definition.
        asynchronous: Whether a client is asynchronous.
    """

    kind: str
    name: str = ""
    node: cst.CSTNode | None = field(default=None, compare=True, hash=False)
    asynchronous: bool = False


UNKNOWN = Value(kind="unknown")
NONE = Value(kind="none")
MODEL = Value(kind="model")
Values = frozenset[Value]


class Evaluator:
    """Evaluates the expressions of one module, without regard to the order of its statements.

    Args:
        tree: The module.
        is_used_elsewhere: Tells whether another file may use something of the module by its name.
    """

    def __init__(self, tree: Tree, is_used_elsewhere: Callable[[str], bool] = lambda _: False) -> None:
        self.tree = tree
        self.is_used_elsewhere = is_used_elsewhere
        self._known: dict[cst.CSTNode, Values] = {}
        self._in_progress: set[cst.CSTNode] = set()
        self._tentative: dict[cst.CSTNode, Values] = {}
        self._assigned_items: dict[str, list[cst.BaseExpression]] | None = None
        self._calls: dict[str, list[cst.Call]] = {}
        self._mentions: set[str] | None = None
        self._classes = [node for node in tree.nodes if isinstance(node, cst.ClassDef)]
        self._families: dict[cst.ClassDef, set[cst.ClassDef]] = {}
        self._writes_by_attribute: dict[str, list[AttributeWrite]] = {}
        for write in tree.attribute_writes:
            self._writes_by_attribute.setdefault(write.name, []).append(write)
        self.returned_by: dict[cst.CSTNode, list[cst.Return | cst.Yield]] = {}
        for node in tree.nodes:
            function = tree.enclosing_function(node) if isinstance(node, cst.Return | cst.Yield) else None
            if function is not None and isinstance(node, cst.Return | cst.Yield):
                self.returned_by.setdefault(function, []).append(node)
            if isinstance(node, cst.Call):
                name = (dotted(node.func) or "").rpartition(".")[2]
                self._calls.setdefault(name, []).append(node)

    def of(self, node: cst.CSTNode | None) -> Values:
        """Return all values that an expression can have; none inside a cycle, where it is not known yet."""
        if node is None:
            return frozenset({UNKNOWN})
        known = self._known.get(node, self._tentative.get(node))
        if known is not None:
            return known
        if node in self._in_progress:
            return frozenset()
        self._in_progress.add(node)
        try:
            result = self._evaluate(node)
        finally:
            self._in_progress.discard(node)
        if not self._in_progress or result - {UNKNOWN}:
            self._known[node] = result
        else:  # perhaps incomplete because of a cycle: valid until the outermost evaluation ends
            self._tentative[node] = result
        if not self._in_progress:
            self._tentative.clear()
        return result

    def module(self, node: cst.CSTNode) -> str | None:
        """Return the dotted name of the module or of its member that an expression is, or None."""
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
                return frozenset({Value(kind="container", node=node)})
            case cst.Subscript(value=value):
                return self._item_values(value)
        return frozenset({UNKNOWN})

    def _name(self, node: cst.Name) -> Values:
        bindings = self.tree.bindings(node)
        if not bindings:
            return frozenset({UNKNOWN})
        values: set[Value] = set()
        for binding in bindings:
            values |= self._binding(binding)
        return frozenset(values)

    def _binding(self, binding: Binding) -> Values:
        match binding.kind:
            case "import":
                name = binding.imported or ""
                if name.rpartition(".")[2] == "model_factory" and name.startswith(("src.", ".")):
                    return frozenset({Value(kind="module", name="src.models.model_factory")})
                return frozenset({Value(kind="module", name=name)})
            case "assign" | "with":
                return self.of(binding.value)
            case "param":
                return self._parameter(binding)
            case "for" | "unpack":
                return self._loop_target(binding)
            case "del":
                return frozenset()
            case "class" | "def":
                return frozenset({Value(kind=binding.kind, node=binding.node)})
        return frozenset({UNKNOWN})

    def _loop_target(self, binding: Binding) -> Values:
        """Return the values of a loop's variable; a dictionary's values count, its keys are unknown."""
        loop = self.tree.parent(binding.node)
        iterable = getattr(loop, "iter", None)
        if iterable is None:
            return frozenset({UNKNOWN})
        mapping = self._mapping_of_items(iterable)
        if binding.kind == "unpack":
            target = binding.node
            second_target = isinstance(target, cst.Tuple) and len(target.elements) == 2 and target.elements[1].value
            binds_value = isinstance(second_target, cst.Name) and second_target.value == binding.name
            return self._item_values(mapping) if mapping is not None and binds_value else frozenset({UNKNOWN})
        if any(value.kind == "container" and isinstance(value.node, cst.Dict) for value in self.of(iterable)):
            return frozenset({UNKNOWN})
        if isinstance(iterable, cst.Call) and isinstance(iterable.func, cst.Attribute):
            inner = iterable.func.value
            return self._item_values(inner) if iterable.func.attr.value == "values" else frozenset({UNKNOWN})
        return self._item_values(iterable)

    @staticmethod
    def _mapping_of_items(iterable: cst.BaseExpression) -> cst.BaseExpression | None:
        """Return `x` for the iterable `x.items()`, or None."""
        if isinstance(iterable, cst.Call) and isinstance(iterable.func, cst.Attribute) and not iterable.args:
            return iterable.func.value if iterable.func.attr.value == "items" else None
        return None

    def _parameter(self, binding: Binding) -> Values:
        """Return what callers in this module pass for a parameter; unknown where there may be other callers."""
        function = binding.scope
        param = binding.node
        star = getattr(param, "star", "")
        if not isinstance(function, cst.FunctionDef) or (isinstance(star, str) and star):
            return frozenset({UNKNOWN})
        if binding.name in ("self", "cls"):
            return frozenset({UNKNOWN})
        calls = self.calls_of(function)
        values: set[Value] = set() if calls and not self.is_passed_around(function) else {UNKNOWN}
        for call in calls:
            argument = self.argument_for(call, function, binding.name)
            if argument is None:
                return frozenset({UNKNOWN})
            values |= self.of(argument)
        if binding.value is not None:
            values |= self.of(binding.value)
        return frozenset(values) or frozenset({UNKNOWN})

    def is_passed_around(self, function: cst.FunctionDef | cst.ClassDef) -> bool:
        """Tell whether a function or class is used as a value, so that its callers are not all known."""
        if self._mentions is None:
            self._mentions = set()
            for node in self.tree.nodes:
                parent = self.tree.parent(node)
                if isinstance(parent, cst.Annotation) or (isinstance(parent, cst.Call) and parent.func is node):
                    continue
                if isinstance(node, cst.Attribute):
                    self._mentions.add(node.attr.value)
                elif isinstance(node, cst.Name) and self.tree.is_load(node) and not isinstance(parent, cst.Attribute):
                    self._mentions.add(node.value)
        return function.name.value in self._mentions

    def calls_of(self, function: cst.FunctionDef) -> list[cst.Call]:
        """Return the calls in this module by the function's name, for `__init__` by its class's name."""
        name = function.name.value
        if name == "__init__":
            owner = self.tree.enclosing_class(function)
            name = owner.name.value if owner is not None else name
        return self._calls.get(name, [])

    def argument_for(self, call: cst.Call, function: cst.FunctionDef, name: str) -> cst.BaseExpression | None:
        """Return the argument that a call passes for a parameter, or the parameter's default; None if unclear."""
        if any(arg.star for arg in call.args):
            return None
        value = keyword(call, name)
        if value is not None:
            return value
        params = [param.name.value for param in (*function.params.posonly_params, *function.params.params)]
        if self.tree.enclosing_class(function) is not None and params[:1] in (["self"], ["cls"]):
            params = params[1:]
        args = positional(call)
        if name in params and params.index(name) < len(args):
            return args[params.index(name)]
        all_params = (*function.params.posonly_params, *function.params.params, *function.params.kwonly_params)
        return next((param.default for param in all_params if param.name.value == name), None)

    def _attribute(self, node: cst.Attribute) -> Values:
        inner = self.of(node.value)
        modules = {value.name for value in inner if value.kind == "module"}
        if modules:
            return frozenset(Value(kind="module", name=f"{name}.{node.attr.value}") for name in modules)
        assigned, properties = self.attribute_values(node), self.properties(node)
        if not assigned and not properties:
            return frozenset({UNKNOWN})
        values: set[Value] = set()
        for value in assigned:
            values |= self.of(value)
        for function in properties:
            values |= self._return_values(function) or {NONE}
        return frozenset(values)

    def properties(self, node: cst.Attribute) -> list[cst.FunctionDef]:
        """Return the properties and cached properties that compute this attribute."""
        family = self._family_of_self(node)
        return [
            binding.node
            for scope in self._classes
            if family is None or scope in family
            for binding in self.tree.bound.get(scope, {}).get(node.attr.value, ())
            if isinstance(binding.node, cst.FunctionDef) and is_property(binding.node)
        ]

    def attribute_values(self, node: cst.Attribute) -> list[cst.BaseExpression | None]:
        """Return what is assigned to this attribute in the module; for `self`, in its class and related classes."""
        family = self._family_of_self(node)
        assigned = [
            write.value
            for write in self._writes_by_attribute.get(node.attr.value, ())
            if family is None or write.enclosing_class is None or write.enclosing_class in family
        ]
        name = node.attr.value
        for scope in self._classes:
            if family is not None and scope not in family:
                continue
            constructions = self._calls.get(scope.name.value, [])
            fields = data_classes.field_names(scope, self.tree, self.module)
            assigned += data_classes.passed_values(name, fields, constructions)
            assigned += [None] if name in fields and self.is_passed_around(scope) else []
            for binding in self.tree.bound.get(scope, {}).get(name, ()):
                value = binding.value
                if isinstance(value, cst.Call) and self.module(value.func) in data_classes.FIELD_FUNCTIONS:
                    value = data_classes.made_by_factory(value, name, fields, constructions)
                assigned += [value] if binding.kind == "assign" else []
        return assigned

    def _family_of_self(self, node: cst.Attribute) -> set[cst.ClassDef] | None:
        """Return the classes that `self` can be of in `self.name`; None for an attribute of another object."""
        is_own = isinstance(node.value, cst.Name) and node.value.value in ("self", "cls")
        owner = self.tree.enclosing_class(node) if is_own else None
        return self.family(owner) if owner is not None else None

    def family(self, owner: cst.ClassDef) -> set[cst.ClassDef]:
        """Return a class with its bases and subclasses in this module."""
        if owner in self._families:
            return self._families[owner]
        classes = self._classes
        family, size = {owner}, 0
        while size != len(family):
            size = len(family)
            names = {member.name.value for member in family}
            bases = {dotted(base.value) for member in family for base in member.bases}
            family |= {member for member in classes if member.name.value in bases}
            family |= {member for member in classes if any(dotted(base.value) in names for base in member.bases)}
        self._families[owner] = family
        return family

    def _call(self, node: cst.Call) -> Values:
        imported = self._dynamic_import(node)
        if imported:
            return frozenset({Value(kind="module", name=imported)})
        name = self.module(node.func)
        if name is not None:
            if name in sdk.CONSTRUCTORS:
                sdk_name, asynchronous = sdk.CONSTRUCTORS[name]
                return frozenset({Value(kind="client", name=sdk_name, node=node, asynchronous=asynchronous)})
            if name in sdk.OTHER_CLIENTS:
                return frozenset({Value(kind="other", name=sdk.OTHER_CLIENTS[name])})
            if name.startswith(("src.models", ".")) and name.endswith((".get_model", ".traced")):
                return frozenset({MODEL}) if name.endswith(".get_model") else self.of(node.args[0].value)
            is_factory = name.startswith("src.models") and name.endswith(".ModelFactory")
            return frozenset({Value(kind="module", name=name) if is_factory else UNKNOWN})
        method = node.func.attr.value if isinstance(node.func, cst.Attribute) else ""
        if method in ("with_options", "copy") and isinstance(node.func, cst.Attribute):
            is_client = any(value.kind == "client" for value in self.of(node.func.value))
            return frozenset({Value(kind="other", name="a client with options of its own") if is_client else UNKNOWN})
        if isinstance(node.func, cst.Attribute) and method in ("get", "values", "pop", "setdefault"):
            return self._item_values(node.func.value)
        return self._call_result(node)

    def _dynamic_import(self, node: cst.Call) -> str | None:
        """Return the module that `importlib.import_module("x")` or `__import__("x")` imports, or None."""
        function_name = dotted(node.func)
        if function_name == "__import__" or self.module(node.func) == "importlib.import_module":
            args = positional(node)
            return text_of(args[0]) if args else None
        return None

    def _call_result(self, node: cst.Call) -> Values:
        functions = self.functions(node.func)
        if not functions:
            return frozenset({UNKNOWN})
        values: set[Value] = set()
        for function in functions:
            values |= self._return_values(function)
        return frozenset(values) or frozenset({NONE})

    def _return_values(self, function: cst.FunctionDef) -> Values:
        values: set[Value] = set()
        for node in self.returned_by.get(function, ()):
            if isinstance(node, cst.Yield):
                values |= {UNKNOWN}
            else:
                values |= self.of(node.value) if node.value is not None else {NONE}
        return frozenset(values)

    def functions(self, func: cst.BaseExpression) -> list[cst.FunctionDef]:
        """Return the functions of this module that a call of `func` can call."""
        if isinstance(func, cst.Name):
            return [binding.node for binding in self.tree.bindings(func) if isinstance(binding.node, cst.FunctionDef)]
        if isinstance(func, cst.Attribute):
            return [
                names[func.attr.value][0].node  # type: ignore[misc] # of kind def
                for scope in self._classes
                if func.attr.value in (names := self.tree.bound.get(scope, {}))
                and isinstance(names[func.attr.value][0].node, cst.FunctionDef)
            ]
        return []

    def _item_values(self, node: cst.BaseExpression) -> Values:
        """Return the values that a container's items can have."""
        values: set[Value] = set()
        for value in self.of(node):
            if value.kind != "container":
                values.add(UNKNOWN)
                continue
            values.update(self._element_values(value.node))
        name = dotted(node)
        if name is not None:
            for assigned in self._item_assignments(name):
                values |= self.of(assigned)
        return frozenset(values) or frozenset({UNKNOWN})

    def _element_values(self, node: cst.CSTNode | None) -> Iterable[Value]:
        values: set[Value] = set()
        if isinstance(node, cst.Dict | cst.List | cst.Tuple):
            for element in node.elements:
                is_starred = isinstance(element, cst.StarredElement | cst.StarredDictElement)
                values |= {UNKNOWN} if is_starred else self.of(element.value)
        return values

    def _item_assignments(self, name: str) -> list[cst.BaseExpression]:
        """Return what `name[key] = value` assigns to the items of a container."""
        if self._assigned_items is None:
            self._assigned_items = {}
            for node in self.tree.nodes:
                for target in node.targets if isinstance(node, cst.Assign) else ():
                    place = dotted(target.target.value) if isinstance(target.target, cst.Subscript) else None
                    if place is not None and isinstance(node, cst.Assign):
                        self._assigned_items.setdefault(place, []).append(node.value)
        return self._assigned_items.get(name, [])

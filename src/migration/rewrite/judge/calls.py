"""The interpretation of calls: which arguments reach which parameters, and what comes back."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from src.migration.rewrite.judge import vocabulary as words
from src.migration.rewrite.judge.atoms import NONE, NOTHING, TRACKED, UNKNOWN, Atom, Value, is_plain, join
from src.migration.rewrite.judge.expressions import Expressions, callee
from src.migration.rewrite.judge.program import all_parameters, decorator_names, fields_of, parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from src.migration.rewrite.judge.program import Function, Program
    from src.migration.rewrite.judge.state import State


class Arguments:
    """The evaluated arguments of one call.

    Attributes:
        positional: The positional ones before the first starred one.
        named: Those by name.
        has_star: Whether `*args` or `**kwargs` passes more.
    """

    def __init__(self, positional: list[Value], named: dict[str, Value], *, has_star: bool) -> None:
        self.positional = positional
        self.named = named
        self.has_star = has_star

    def all(self) -> Value:
        """Return everything that is passed."""
        return join(*self.positional, *self.named.values())


class Calls(Expressions):
    """Evaluates calls.

    Attributes:
        origins: The calls that make tracked objects of the rewritten module, each with the kind of object.
    """

    def __init__(self, program: Program, state: State, origins: Mapping[ast.AST, str]) -> None:
        super().__init__(program, state)
        self.origins = origins

    def call(self, node: ast.Call) -> Value:
        """Return what a call returns."""
        special = self._special(node)
        if special is not None:
            return special
        func = self.evaluate(node.func)
        arguments = self._arguments(node)
        self.state.receivers[node] = self.state.receivers.get(node, NOTHING) | func
        results = [self._call_one(atom, node, arguments) for atom in func]
        if self.origins.get(node) == "raw":
            results.append(UNKNOWN | {Atom(kind="raw", node=node)})
        return join(*results) if results else self._unread(node, arguments)

    def _arguments(self, node: ast.Call) -> Arguments:
        positional: list[Value] = []
        has_star = False
        for arg in node.args:
            if isinstance(arg, ast.Starred):
                has_star = True
                self.evaluate(arg)
            elif has_star:
                self.state.escape(self.evaluate(arg), node, "it is passed after a * argument")
            else:
                positional.append(self.evaluate(arg))
        named: dict[str, Value] = {}
        for keyword in node.keywords:
            value = self.evaluate(keyword.value)
            if keyword.arg is None:
                has_star = True
                self.state.escape(self.state_items(value), node, "it is passed on with **")
            else:
                named[keyword.arg] = value
        return Arguments(positional, named, has_star=has_star)

    def _unread(self, node: ast.Call, arguments: Arguments) -> Value:
        """Record that unread code gets the arguments."""
        self.state.escape(arguments.all(), node, f"it is passed to {ast.unparse(node.func)[:60]}")
        return UNKNOWN

    def _call_one(self, atom: Atom, node: ast.Call, arguments: Arguments) -> Value:
        match atom.kind:
            case "import":
                return self._call_import(atom.name, node, arguments)
            case "function" if atom.node is not None:
                return self._call_function(atom.node, node, arguments)
            case "class" if isinstance(atom.node, ast.ClassDef):
                return self._construct(atom.node, node, arguments)
            case "container" | "pair":
                return self._call_container(atom, node, arguments)
            case "builtin":
                return self._call_builtin(atom.name, node, arguments)
            case "none":
                return NOTHING
        if atom.kind in TRACKED:
            return self._call_tracked(atom, node, arguments)
        return self._unread(node, arguments)

    # Tracked objects

    def _call_tracked(self, atom: Atom, node: ast.Call, arguments: Arguments) -> Value:
        self._unread(node, arguments)
        if atom.path in ((words.NARROWING,), (words.AS_SDK,)) and atom.kind in ("model", "factory"):
            return frozenset({Atom(kind=atom.kind, node=atom.node)})
        if self.origins.get(node, "raw") != "raw" and atom.path[-1:] and atom.path[-1] in words.MODEL_METHODS:
            return frozenset({Atom(kind=self.origins[node], node=node)})
        if atom.kind in ("model", "reply", "chunk") and atom.path[-1:] not in {(m,) for m in words.MODEL_METHODS}:
            self.state.escape(frozenset({atom}), node, f"it is called as {ast.unparse(node.func)[:60]}")
        return UNKNOWN

    def _call_import(self, name: str, node: ast.Call, arguments: Arguments) -> Value:
        sdk_name = words.client_of(name)
        if sdk_name is not None:
            self._unread(node, arguments)
            return frozenset({Atom(kind="client", node=node, name=sdk_name)})
        if words.is_factory_call(name):
            self._unread(node, arguments)
            return frozenset({Atom(kind=self.origins.get(node, "factory"), node=node)})
        if name in words.IDENTITIES and arguments.positional:
            return arguments.positional[0]
        if name == "importlib.import_module" and (module := _literal(node)):
            return frozenset({Atom(kind="import", name=module)})
        last = name.rpartition(".")[2]
        has_object = any(atom.kind in ("instance", "class") for atom in arguments.all())
        if last in words.BY_NAME or (last in words.ALL_ATTRIBUTES and has_object):
            self.expose_attributes(node, name)
        self._unread(node, arguments)
        if name.startswith("src.models"):
            return frozenset({Atom(kind="import", name=name)})
        return UNKNOWN

    # Functions and classes of the module

    def _call_function(self, function: ast.AST, node: ast.Call, arguments: Arguments) -> Value:
        assert isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)  # noqa: S101 - as its kind says
        if decorator_names(function) - words.PLAIN_DECORATORS:
            self.state.escape(frozenset({Atom(kind="function", node=function)}), node, "its function is decorated")
            return self._unread(node, arguments)
        self._pass(function, node, arguments)
        return self.state.get("result", function)

    def _pass(self, function: Function, node: ast.Call, arguments: Arguments) -> None:
        names = parameters(function)
        scope = self.program.scopes[function]
        if scope.owner is not None and "staticmethod" not in decorator_names(function):
            names = names[1:]
        everything = all_parameters(function)
        passed: set[str] = set()
        extra: Value = NOTHING
        for index, value in enumerate(arguments.positional):
            if index < len(names):
                self.state.add(value, "parameter", function, names[index])
                passed.add(names[index])
            else:
                extra |= value
        for name, value in arguments.named.items():
            if name in everything:
                self.state.add(value, "parameter", function, name)
                passed.add(name)
            else:
                extra |= value
        self.state.escape(extra, node, f"it is passed to {callee(function)} beside its parameters")
        if arguments.has_star:
            for name in set(names) | {arg.arg for arg in function.args.kwonlyargs}:
                if name not in passed:
                    self.state.add(UNKNOWN, "parameter", function, name)

    def _construct(self, owner: ast.ClassDef, node: ast.Call, arguments: Arguments) -> Value:
        family = self.program.families[owner]
        constructors = self.program.methods(family, "__init__")
        for constructor in constructors:
            self._pass(constructor, node, arguments)
        if arguments.has_star:
            self.state.open_class(owner)
        if not constructors:
            fields = fields_of(owner)
            is_record = decorator_names(owner) == {"dataclass"} and not owner.bases
            for index, value in enumerate(arguments.positional):
                if is_record and index < len(fields):
                    self.state.set_attribute(family, fields[index], value)
                else:
                    self.state.escape(value, node, f"it is passed to {owner.name}")
            for name, value in arguments.named.items():
                if is_record and name in fields:
                    self.state.set_attribute(family, name, value)
                else:
                    self.state.escape(value, node, f"it is passed to {owner.name}")
        return frozenset({Atom(kind="instance", node=owner)})

    # Containers and builtins

    def _call_container(self, atom: Atom, node: ast.Call, arguments: Arguments) -> Value:
        container = Atom(kind=atom.kind, node=atom.node)
        method = atom.path[-1] if len(atom.path) == 1 else ""
        result = words.CONTAINER_METHODS.get(method)
        if atom.kind == "pair" or result is None:
            self.state.escape(frozenset({container}), node, f"it is in a container used by .{method}")
            return self._unread(node, arguments)
        if method in words.ADDING_METHODS:
            self.state.add(arguments.positional[-1] if arguments.positional else NOTHING, "item", atom.node)
            if atom.node in self.state.escaped:
                self._unread(node, arguments)
        elif result != "item" or len(arguments.positional) < 2:
            self._unread(node, arguments)
        if result == "item":
            default = arguments.positional[1] if len(arguments.positional) > 1 else frozenset({NONE})
            return self.state.items(atom.node) | default
        if result == "all":
            is_mapping = isinstance(atom.node, ast.Dict | ast.DictComp)
            if method == "values" and is_mapping:
                copy = Atom(kind="container", node=node)
                self.state.add(self.state.items(atom.node), "item", node)
                return frozenset({copy})
            return frozenset({container})
        return frozenset({Atom(kind="pair", node=atom.node)}) if result == "pairs" else UNKNOWN

    def _call_builtin(self, name: str, node: ast.Call, arguments: Arguments) -> Value:
        first = arguments.positional[0] if arguments.positional else NOTHING
        if name == "super":
            return self._super()
        if name == "bool" or (name in ("len", "iter", "sorted") and all(atom.kind == "container" for atom in first)):
            return UNKNOWN if name in ("bool", "len") else first
        if name in ("list", "tuple", "set", "reversed") and all(atom.kind == "container" for atom in first):
            self.state.add(self.state_items(first), "item", node)
            return frozenset({Atom(kind="container", node=node)})
        if name == "dict" and not arguments.positional:
            self.state.add(arguments.all(), "item", node)
            return frozenset({Atom(kind="container", node=node)})
        if name == "enumerate" and len(first) == 1 and all(atom.kind == "container" for atom in first):
            (atom,) = first
            return frozenset({Atom(kind="pair", node=atom.node)})
        if name == "str" and first and all(atom.kind in ("chunk", "other") and not atom.path for atom in first):
            return UNKNOWN
        if name == "__import__" and (module := _literal(node)):
            return frozenset({Atom(kind="import", name=module.partition(".")[0])})
        if name == "vars" and node.args:
            self.expose_attributes(node, "vars")
        elif name in words.ALL_NAMES:
            self._expose_names(name, node)
        return self._unread(node, arguments)

    def _super(self) -> Value:
        owner = self._enclosing_class()
        relative = frozenset({Atom(kind="instance", node=owner)}) if owner is not None else NOTHING
        return relative | UNKNOWN if owner is None or self.program.has_foreign_base(owner) else relative

    def _expose_names(self, function: str, node: ast.Call) -> None:
        """Record that unread code can read and replace what names hold."""
        reason = f"names are used by {function}"
        if self.names is not None and function != "globals":
            self.state.escape(join(*self.names.values()), node, reason)
        if function in ("exec", "eval", "globals") or self.scope.node is None:
            for key, value in list(self.state.facts.items()):
                if key[0] == "global" or (key[0] == "cell" and function in ("exec", "eval")):
                    self.state.escape(value, node, reason)
                    self._replace_tracked(value, *key)
            for name, value in (self.names or {}).items():
                if self.names is not None and any(atom.kind in TRACKED for atom in value):
                    self.names[name] = value | UNKNOWN
        if function in ("exec", "eval"):
            self.expose_attributes(node, function)

    def expose_attributes(self, node: ast.AST, what: str) -> None:
        """Record that unread code can read and replace the attributes of all objects."""
        for key, value in list(self.state.facts.items()):
            if key[0] == "attribute":
                self.state.escape(value, node, f"attributes are used by {what}")
                self._replace_tracked(value, *key)

    def _replace_tracked(self, value: Value, *key: object) -> None:
        if any(atom.kind in TRACKED for atom in value):
            self.state.add(UNKNOWN, *key)

    def _enclosing_class(self) -> ast.ClassDef | None:
        scope = self.scope
        while scope.owner is None and scope.outer is not None:
            scope = scope.outer
        return scope.owner

    def _special(self, node: ast.Call) -> Value | None:
        """Return what a call returns of which the form matters: getattr, setattr, hasattr, isinstance, map, field."""
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        literal = node.args[1].value if len(node.args) > 1 and isinstance(node.args[1], ast.Constant) else None
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if method in words.HOOKS:
            return self._hook(method, node)
        if name == "getattr" and len(node.args) > 1 and not node.keywords:
            return self._getattr(node, literal)
        if name in ("setattr", "delattr") and len(node.args) > 1:
            owner = self.evaluate(node.args[0])
            value = self.evaluate(node.args[2]) if len(node.args) > 2 else UNKNOWN
            self.state.escape(value | owner, node, f"it is set by {name}")
            if any(atom.kind == "import" and words.is_sdk(atom.name) for atom in owner):
                self.state.patches[node] = f"{name} changes an SDK"
            for changed in [literal] if isinstance(literal, str) else list(self.state.attribute_families):
                if not all(atom.kind == "import" for atom in owner):
                    self.state.set_attribute(None, str(changed), UNKNOWN)
            return UNKNOWN
        if name == "hasattr" and len(node.args) == 2:
            value = self.evaluate(node.args[0])
            unknown = {atom for atom in value if atom.kind != "reply" or literal != "content"}
            self.state.escape(frozenset(unknown), node, "an attribute is asked for by hasattr")
            return UNKNOWN
        if name == "type" and len(node.args) == 1:
            return self.attribute(self.evaluate(node.args[0]), "__class__", node)
        is_str_map = name == "map" and len(node.args) == 2 and ast.unparse(node.args[0]) == "str"
        if is_str_map and all(atom.kind == "stream" for atom in self.evaluate(node.args[1])):
            return UNKNOWN
        return None

    def _hook(self, method: str, node: ast.Call) -> Value:
        """Interpret `object.__setattr__(x, "name", y)` and the like, which stand for what Python calls by itself."""
        arguments = self._arguments(node)
        self._unread(node, arguments)
        literals = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        if method == "__getattribute__":
            self.expose_attributes(node, method)
        else:
            for changed in literals[:1] or list(self.state.attribute_families):
                self.state.set_attribute(None, changed, UNKNOWN)
        return UNKNOWN

    def _getattr(self, node: ast.Call, name: object) -> Value:
        value = self.evaluate(node.args[0])
        default = self.evaluate(node.args[2]) if len(node.args) > 2 else NOTHING
        if isinstance(name, str):
            return self.attribute(value, name, node) | default
        self.state.escape(self.evaluate(node.args[1]) | default, node, "it is passed to getattr")
        if all(atom.kind in ("import", "none") for atom in value):
            return UNKNOWN
        self.state.escape(
            frozenset(atom for atom in value if not is_plain(frozenset({atom}))), node, "getattr reads it"
        )
        self.expose_attributes(node, "getattr")
        return UNKNOWN


def _literal(node: ast.Call) -> str | None:
    """Return a call's first argument where it is a literal text."""
    first = node.args[0] if node.args else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None

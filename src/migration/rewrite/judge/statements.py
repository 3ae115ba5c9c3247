"""The interpretation of statements, and of a whole module until nothing new is learnt."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from src.migration.rewrite.judge import vocabulary as words
from src.migration.rewrite.judge.atoms import NONE, NOTHING, TRACKED, UNKNOWN, Atom, Value
from src.migration.rewrite.judge.calls import Calls
from src.migration.rewrite.judge.expressions import joined
from src.migration.rewrite.judge.program import all_parameters, decorator_names, parameters
from src.migration.rewrite.judge.state import Leak

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.migration.rewrite.judge.expressions import Environment
    from src.migration.rewrite.judge.program import Function

_ROUNDS = 30
_PASSES_OF_A_LOOP = 60


class Interpreter(Calls):
    """Interprets a module."""

    def run(self) -> bool:
        """Interpret until nothing new is learnt; return whether that was reached."""
        self._loops: list[tuple[list[Environment | None], list[Environment | None]]] = []
        self._handlers: list[list[Environment | None]] = []
        self._class: ast.ClassDef | None = None
        self._open_special_methods()
        for _ in range(_ROUNDS):
            self.state.changed = False
            self._interpret_all()
            if not self.state.changed:
                self.state.leaks.clear()
                self.state.receivers.clear()
                self._interpret_all()
                for target, leak in list(self.state.escaped.items()):
                    self._spread(target, leak)
                return True
        return False

    def _open_special_methods(self) -> None:
        """Record that Python itself calls methods such as `__getitem__`, with arguments that are not seen."""
        for name, methods in self.program.defined.items():
            if name.startswith("__") and name.endswith("__") and name not in words.CONSTRUCTING:
                for method in methods:
                    self.state.open_function(method)
                    reason = f"{name} is called by Python itself"
                    self.state.escaped[method] = Leak(origin=method, line=method.lineno, reason=reason)

    def _spread(self, target: ast.AST, leak: Leak) -> None:
        """Record once more what reaches unread code through a container or a function."""
        is_function = target in self.program.scopes
        value = self.state.get("result", target) if is_function else self.state.items(target)
        what = "a function that returns it" if is_function else "a container that holds it"
        self.state.escape(value, leak.origin, f"{what}: {leak.reason}")

    def _interpret_all(self) -> None:
        self.scope, self.names = self.program.module, {}
        self.block(self.program.tree.body)
        for function, scope in self.program.scopes.items():
            assert isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)  # noqa: S101 - a scope's
            self.scope, self.names = scope, self._parameters(function)
            if isinstance(function, ast.Lambda):
                self.state.add(self.evaluate(function.body), "result", function)
            else:
                self.block(function.body)
                if self.names is not None:
                    self.state.add(frozenset({NONE}), "result", function)

    def _parameters(self, function: Function) -> Environment:
        names = {name: self.state.get("parameter", function, name) for name in all_parameters(function)}
        for star in (function.args.vararg, function.args.kwarg):
            if star is not None:
                names[star.arg] = UNKNOWN
        owner = self.program.scopes[function].owner
        first = parameters(function)[:1]
        decorators = decorator_names(function)
        if owner is not None and first and "staticmethod" not in decorators:
            kind = "class" if "classmethod" in decorators else "instance"
            names[first[0]] = frozenset({Atom(kind=kind, node=owner)})
        for name, value in names.items():
            self.state.add(value, "cell", function, name)
        return names

    def block(self, body: Sequence[ast.stmt]) -> None:
        """Interpret statements in turn."""
        for statement in body:
            if self.names is None:
                return
            self._note_for_handlers()
            self._statement(statement)
            self._note_for_handlers()

    def _note_for_handlers(self) -> None:
        """Note what the names are at a point from which an exception may lead into the handlers around it."""
        for states in self._handlers:
            states.append(dict(self.names) if self.names is not None else None)

    def _statement(self, node: ast.stmt) -> None:  # noqa: C901, PLR0912 - one arm for each kind of statement
        match node:
            case ast.Expr(value=value):
                self.evaluate(value)
            case ast.Assign(targets=targets, value=value):
                self._assign(targets, value)
            case ast.AnnAssign(target=annotated, value=value):
                if value is not None:
                    self._assign([annotated], value)
            case ast.AugAssign(target=changed, value=value):
                self.state.escape(self.evaluate(value), node, "it is used in an augmented assignment")
                if not isinstance(changed, ast.Name):
                    self.store(changed, UNKNOWN)
            case ast.Return(value=value):
                result = self.evaluate(value) if value is not None else frozenset({NONE})
                self._return(result, node)
            case ast.Raise(exc=exc, cause=cause):
                for part in (exc, cause):
                    self.state.escape(self.evaluate(part), node, "it is raised")
                self.names = None
            case ast.If():
                self._if(node)
            case ast.For() | ast.AsyncFor() | ast.While():
                self._loop(node)
            case ast.Break() | ast.Continue() if self._loops:
                self._loops[-1][isinstance(node, ast.Continue)].append(self.names)
                self.names = None
            case ast.Try() | ast.TryStar():
                self._try(node)
            case ast.With() | ast.AsyncWith():
                self._with(node)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._define(node)
            case ast.ClassDef():
                self._define_class(node)
            case ast.Import() | ast.ImportFrom():
                self._import(node)
            case ast.Assert(test=test, msg=message):
                self.test(test)
                self.state.escape(self.evaluate(message), node, "it is in a message")
            case ast.Match():
                self._match(node)
            case ast.Delete(targets=targets):
                for deleted in targets:
                    if isinstance(deleted, ast.Name):
                        self._delete(deleted.id)
            case _:
                return

    def _delete(self, name: str) -> None:
        if self.names is not None:
            self.names.pop(name, None)

    # Assignments

    def _assign(self, targets: Sequence[ast.expr], value: ast.expr) -> None:
        for target in targets:
            if isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List):
                is_plain = not any(isinstance(part, ast.Starred) for part in (*target.elts, *value.elts))
                if is_plain and len(target.elts) == len(value.elts):
                    parts = [self.evaluate(part) for part in value.elts]
                    for inner, part in zip(target.elts, parts, strict=True):
                        self.store(inner, part)
                    continue
            self.store(target, self._field(value) if self._class is not None else self.evaluate(value))

    def _field(self, value: ast.expr) -> Value:
        """Return what a class attribute is, for `field(default_factory=lambda: x)` what each object's will be."""
        if isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] in ("field", "Field"):
            factory = next((word.value for word in value.keywords if word.arg == "default_factory"), None)
            if isinstance(factory, ast.Lambda):
                return self.state.get("result", factory)
        return self.evaluate(value)

    def store(self, target: ast.expr, value: Value) -> None:
        """Assign a value."""
        match target:
            case ast.Name(id=name):
                self._store_name(name, value)
            case ast.Attribute(value=inner, attr=name):
                self._store_attribute(self.evaluate(inner), name, value, target)
            case ast.Subscript(value=inner, slice=index):
                self.state.escape(self.evaluate(index), target, "it is used as a key")
                self._store_item(self.evaluate(inner), value, target)
            case ast.Starred(value=inner):
                self.state.escape(value, target, "it is unpacked with *")
                self.store(inner, UNKNOWN)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                self._unpack(parts, value)

    def _store_name(self, name: str, value: Value) -> None:
        scope = self.scope
        if self._class is not None:
            self.state.set_attribute(self.program.families[self._class], name, value)
            if self.names is not None:
                self.names[name] = value
            return
        if scope.node is None or name in scope.elsewhere:
            self.state.add(value, "global", name)
            outer = scope.outer
            while outer is not None and outer.node is not None:
                self.state.add(value, "cell", outer.node, name)
                outer = outer.outer
        if scope.node is not None:
            self.state.add(value, "cell", scope.node, name)
        if self.names is not None and name not in scope.elsewhere:
            self.names[name] = value

    def _store_attribute(self, owner: Value, name: str, value: Value, target: ast.AST) -> None:
        for atom in owner:
            if atom.kind in ("instance", "class") and atom.node is not None:
                self.state.set_attribute(self.program.families[atom.node], name, value)
            elif atom.kind in TRACKED:
                self.state.escape(frozenset({atom}), target, f"its .{name} is set")
                self.state.escape(value, target, "it is stored in another object")
            elif atom.kind != "none":
                self.state.escape(value, target, "it is stored in an object that is not known")
                if atom.kind == "import" and words.is_sdk(atom.name) and name not in words.SETTINGS:
                    self.state.patches[target] = f"{atom.name}.{name} is replaced"
                if atom.kind == "other":
                    self.state.set_attribute(None, name, UNKNOWN)
                    if any(held.kind in TRACKED for held in self.state.get("global", name)):
                        self.state.add(UNKNOWN, "global", name)  # the object may be this module
                        if self.scope.node is None and self.names is not None:
                            self.names[name] = self.names.get(name, NOTHING) | UNKNOWN

    def _store_item(self, owner: Value, value: Value, target: ast.AST) -> None:
        for atom in owner:
            if atom.kind == "container" and not atom.path:
                self.state.add(value, "item", atom.node)
                if atom.node in self.state.escaped:
                    self.state.escape(value, target, "it is stored in a container that is passed on")
            elif atom.kind != "none":
                self.state.escape(value, target, "it is stored in a container that is not known")

    def _unpack(self, parts: Sequence[ast.expr], value: Value) -> None:
        results: list[Value] = [NOTHING for _ in parts]
        for atom in value:
            node = atom.node
            is_record = isinstance(node, ast.Tuple) and atom.kind == "container" and not atom.path
            if is_record and len(node.elts) == len(parts) and node not in self.state.escaped:  # type: ignore[union-attr]
                for index in range(len(parts)):
                    results[index] |= self.state.get("item", node, index) | self.state.get("item", node)
            else:
                items = self.state_items(frozenset({atom}))
                results = [result | items for result in results]
        for part, result in zip(parts, results, strict=True):
            self.store(part, result)

    def _return(self, value: Value, node: ast.stmt) -> None:
        function = self.scope.node
        if function is not None:
            self.state.add(value, "result", function)
            if function in self.state.escaped:
                self.state.escape(value, node, "it is returned to callers that are not known")
        self.names = None

    # Branches, loops and blocks

    def _if(self, node: ast.If) -> None:
        self.test(node.test)
        before = self.names
        self.names = dict(before) if before is not None else None
        self.block(node.body)
        after_body = self.names
        self.names = dict(before) if before is not None else None
        self.block(node.orelse)
        self.names = joined(after_body, self.names)

    def _loop(self, node: ast.For | ast.AsyncFor | ast.While) -> None:
        before = self.names
        entry = before
        broken: list[Environment | None] = []
        continued: list[Environment | None] = []
        for _ in range(_PASSES_OF_A_LOOP):
            self.names = dict(entry) if entry is not None else None
            broken, continued = [], []
            self._loops.append((broken, continued))
            if isinstance(node, ast.While):
                self.test(node.test)
            else:
                self.store_each(node.target, self.evaluate(node.iter))
            self.block(node.body)
            self._loops.pop()
            merged = joined(entry, self.names, *continued)
            if merged == entry:
                break
            entry = merged
        endless = isinstance(node, ast.While) and isinstance(node.test, ast.Constant) and bool(node.test.value)
        self.names = None if endless else (dict(entry) if entry is not None else None)
        self.block(node.orelse)
        self.names = joined(self.names, *broken)

    def _try(self, node: ast.Try | ast.TryStar) -> None:
        raised: list[Environment | None] = [dict(self.names) if self.names is not None else None]
        self._handlers.append(raised)
        self.block(node.body)
        self._handlers.pop()
        self.block(node.orelse)
        ends = [self.names]
        entry = joined(*raised)
        for handler in node.handlers:
            self.names = dict(entry) if entry is not None else None
            if handler.name is not None:
                self._store_name(handler.name, UNKNOWN)
            self.block(handler.body)
            ends.append(self.names)
        end = joined(*ends)
        if node.finalbody:
            self.names = joined(end, entry)
            self.block(node.finalbody)
            self.names = self.names if end is not None else None
        else:
            self.names = end

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            value = self.evaluate(item.context_expr)
            if not self._is_wrapped(item.context_expr):
                objects = frozenset(atom for atom in value if atom.kind != "client")
                self.state.escape(objects, node, "it is used in a with statement")
            if item.optional_vars is not None:
                self.store(item.optional_vars, value)
        reached: list[Environment | None] = [dict(self.names) if self.names is not None else None]
        self._handlers.append(reached)
        self.block(node.body)
        self._handlers.pop()
        if self.names is None or any("suppress" in ast.unparse(item.context_expr) for item in node.items):
            self.names = joined(self.names, *reached)  # a context manager may end an exception

    def _is_wrapped(self, node: ast.expr) -> bool:
        """Tell whether a context manager is one of contextlib's, which hands on what it is made with."""
        func = self.evaluate(node.func) if isinstance(node, ast.Call) else NOTHING
        return bool(func) and all(atom.kind == "import" and atom.name in words.IDENTITIES for atom in func)

    def _match(self, node: ast.Match) -> None:
        self.state.escape(self.evaluate(node.subject), node, "it is matched")
        before = self.names
        ends = [before]
        for case in node.cases:
            self.names = dict(before) if before is not None else None
            for part in ast.walk(case.pattern):
                name = getattr(part, "name", None) or getattr(part, "rest", None)
                if isinstance(name, str):
                    self._store_name(name, UNKNOWN)
            if case.guard is not None:
                self.test(case.guard)
            self.block(case.body)
            ends.append(self.names)
        self.names = joined(*ends)

    # Definitions, then imports

    def _define(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for decorator in node.decorator_list:
            self.state.escape(self.evaluate(decorator), node, "it is used in a decorator")
        self.bind_defaults(node)
        value = frozenset({Atom(kind="function", node=node)})
        if decorator_names(node) - words.PLAIN_DECORATORS:
            self.state.escape(value, node, f"{node.name} is decorated")
        if self._class is None:
            self._store_name(node.name, value)
        elif self.names is not None:
            self.names[node.name] = value

    def _define_class(self, node: ast.ClassDef) -> None:
        for part in (*node.decorator_list, *node.bases, *(word.value for word in node.keywords)):
            self.evaluate(part)
        outer, outside = self._class, self.names
        self._class, self.names = node, dict(outside) if outside is not None else {}
        self.block(node.body)
        self._class, self.names = outer, outside
        if outer is None:
            self._store_name(node.name, frozenset({Atom(kind="class", node=node)}))

    def _replace_names(self) -> None:
        """Record that a star import may bind names that have a client by now to something else."""
        for name, value in list((self.names or {}).items()):
            if self.names is not None and any(atom.kind in TRACKED for atom in value):
                self.names[name] = value | UNKNOWN
                self.state.add(UNKNOWN, "global", name)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        prefix = ""
        if isinstance(node, ast.ImportFrom):
            prefix = "." * node.level + (f"{node.module}." if node.module else "")
        for alias in node.names:
            if alias.name == "*":
                self._replace_names()
                continue
            full = f"{prefix}{alias.name}" if alias.asname or prefix else alias.name.partition(".")[0]
            name = alias.asname or (alias.name if prefix else full)
            self._store_name(name, frozenset({Atom(kind="import", name=full)}))

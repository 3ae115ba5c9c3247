"""Evaluate expressions without running them: to texts where they are constant, else to dotted names."""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING

from src.migration.check.evaluate import syntax
from src.migration.check.evaluate.module import ScopedExpr
from src.migration.check.evaluate.objects import Objects, may_have_dotted_name
from src.migration.check.evaluate.syntax import alternatives, callee, constant_text, keyword_values, slice_bound
from src.migration.check.evaluate.texts import (
    METHODS,
    MOST,
    PERCENT,
    START,
    TEMPLATES,
    apply_method,
    decode,
    fill_template,
    first_distinct,
    join,
    slice_text,
    unknown,
)

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator

    from src.migration.check.evaluate.module import Binding, Module, Scope

_DEPTH = 10
_STEPS = 3000
_MODULE_STEPS = 400_000
_STRINGS = frozenset({"JoinedStr", "TemplateStr"})
# Calls that return their argument in another form, and those that look a name up and may return a default.
_WRAPPERS = frozenset({
    "str", "URL", "Url", "HttpUrl", "AnyUrl", "Request", "quote", "Field", "field", "dict", "Path", "PurePath",
    "fspath", "which", "find_spec", "iter", "list", "tuple", "Template", "StringIO", "dedent", "build_opener",
})  # fmt: skip
_OWN_NAMES = {"__import__": "builtins.__import__", "__builtins__": "builtins"}  # of what needs no import
_BUILTINS = frozenset({"builtins", "builtins.__dict__", "?vars()", "vars()"})  # of which parts are taken by name
_LOOK_UP = frozenset({"getenv", "get", "config", "getattr", "setdefault", "pop"})


class Evaluator:
    """Evaluates expressions of one module. Every result is a short tuple of possibilities.

    Each place has a bounded number of steps, and so has the module; past them, everything is unknown.
    """

    def __init__(self, module: Module) -> None:
        self.module = module
        self.objects = Objects(module)
        self._active: set[int] = set()
        self._known_names: dict[tuple[int, int, int], tuple[str, ...]] = {}
        self._place_steps = _STEPS
        self._module_steps = _MODULE_STEPS
        self._synthetic: list[ast.AST] = []  # nodes made here; they stay alive so that no other node gets their id

    def start_candidate(self) -> None:
        """Begin a new place, with its own number of steps."""
        self._module_steps -= max(0, _STEPS - self._place_steps)
        self._place_steps = min(_STEPS, self._module_steps)

    # Texts

    def fold(self, node: ast.AST | None, scope: Scope, depth: int = _DEPTH) -> tuple[str, ...]:
        """Return the texts that an expression may have, with `unknown(label)` where it is not constant."""
        if node is None or depth <= 0 or id(node) in self._active or self._place_steps <= 0:
            return (unknown(),)
        self._place_steps -= 1
        self._active.add(id(node))
        try:
            return first_distinct(self._texts(node, scope, depth - 1)) or (unknown(),)
        finally:
            self._active.discard(id(node))

    def _texts(self, node: ast.AST, scope: Scope, depth: int) -> Iterable[str]:
        match node:
            case ast.Constant(value=value):
                return constant_text(value)
            case ScopedExpr():
                return self.fold(node.value, node.scope, depth + 1)
            case ast.Name(id=name):
                return self._name(name, scope, depth)
            case ast.IfExp() | ast.BoolOp():
                return [text for choice in alternatives(node) for text in self.fold(choice, scope, depth)]
            case ast.NamedExpr() | ast.Await() | ast.FormattedValue() | ast.Starred():
                return self.fold(node.value, scope, depth)
            case ast.BinOp():
                return self._operation(node, scope, depth)
            case ast.Attribute():
                return self._attribute(node, scope, depth)
            case ast.Subscript():
                return self._element(node, scope, depth)
            case ast.Call():
                return self._call(node, scope, depth)
        parts: list[ast.expr] = getattr(node, "values", []) if type(node).__name__ in _STRINGS else []
        return join([self.fold(part, scope, depth) for part in parts]) if parts else ()

    def _name(self, name: str, scope: Scope, depth: int) -> list[str]:
        bindings = scope.find(name)
        if bindings is None and scope.top().stars:  # a star import may have bound it
            return [unknown(f"@{module}.{name}") for module in scope.top().stars]
        return self.texts_of(bindings, name, scope, depth)

    def _operation(self, node: ast.BinOp, scope: Scope, depth: int) -> Iterable[str]:
        left = self.fold(node.left, scope, depth)
        if isinstance(node.op, ast.Add):
            return join([left, self.fold(node.right, scope, depth)])
        if isinstance(node.op, ast.Div):
            return join([left, self.fold(node.right, scope, depth)], "/")
        if isinstance(node.op, ast.Mod):
            values = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
            return self._fill(left, PERCENT, self._values(values, [], [node.right], scope, depth))
        return ()

    def _values(
        self, positional: list[ast.expr], keywords: list[ast.keyword], spread: list[ast.expr], scope: Scope, depth: int
    ) -> dict[str, tuple[str, ...]]:
        """Return what a template's holes are filled with, by their position or name."""
        arguments: dict[str, ast.AST] = {str(index): value for index, value in enumerate(positional)}
        arguments |= {keyword.arg: keyword.value for keyword in keywords if keyword.arg}
        for node in [*spread, *(keyword.value for keyword in keywords if keyword.arg is None)]:
            for container in self.containers(node, scope, depth):
                arguments |= dict(container)
        return {name: self.fold(value, scope, depth) for name, value in list(arguments.items())[:32]}

    @staticmethod
    def _fill(texts: Iterable[str], holes: re.Pattern[str], values: dict[str, tuple[str, ...]]) -> list[str]:
        return [filled for text in texts for filled in fill_template(text, holes, values)]

    def texts_of(self, bindings: list[Binding] | None, label: str, scope: Scope, depth: int) -> list[str]:
        """Return the texts that any of several bindings may have."""
        texts: list[str] = []
        for binding in bindings or []:
            texts += [unknown(f"@{binding}")] if isinstance(binding, str) else self.fold(binding, scope, depth)
        return texts or [unknown(label)]

    def _attribute(self, node: ast.Attribute, scope: Scope, depth: int) -> Iterable[str]:
        values = self.objects.attribute_values(node, scope)
        if values:
            return self.texts_of(values, node.attr, scope, depth)
        for function in self.objects.property_functions(node, scope):
            return self.returned_texts(function, scope, depth)
        if node.attr == "value":  # of a member of an enumeration
            known = [text for text in self.fold(node.value, scope, depth) if not text.startswith(START)]
            if known:
                return known
        names = self.dotted(node, scope, depth)
        return [_label(name) for name in names]

    def _element(self, node: ast.Subscript, scope: Scope, depth: int) -> list[str]:
        if isinstance(node.slice, ast.Slice):
            bounds = [slice_bound(part) for part in (node.slice.lower, node.slice.upper, node.slice.step)]
            texts = [slice_text(text, bounds) for text in self.fold(node.value, scope, depth)]
            return [text for text in texts if text is not None]
        elements = [
            text for value in self._subscript_values(node, scope, depth + 1) for text in self.fold(value, scope, depth)
        ]
        keys = [text for text in self.fold(node.slice, scope, depth) if START not in text]
        base = self.dotted(node.value, scope, depth)[0]
        is_own = base.startswith("?") or base.endswith("environ")
        return elements or [unknown(key) if is_own else unknown(f"@{base}.{key}") for key in keys]

    def containers(self, node: ast.AST, scope: Scope, depth: int = _DEPTH) -> Iterator[list[tuple[str, ast.AST]]]:
        """Yield the literal containers that an expression may be, as pairs of key or index and value."""
        if depth <= 0 or self._place_steps <= 0:
            return
        self._place_steps -= 1
        match node:
            case ScopedExpr():
                yield from self.containers(node.value, node.scope, depth)
            case ast.Starred():
                yield from self.containers(node.value, scope, depth)
            case ast.Subscript():
                for value in self._subscript_values(node, scope, depth):
                    yield from self.containers(value, scope, depth - 2)
            case ast.Name() | ast.Attribute():
                own = scope.find(node.id) if isinstance(node, ast.Name) else self.objects.attribute_values(node, scope)
                for binding in own or []:
                    if isinstance(binding, ast.AST):
                        yield from self.containers(binding, scope, depth - 1)
            case _:
                yield from self._literals(node, scope, depth)

    def _literals(self, node: ast.AST, scope: Scope, depth: int) -> Iterator[list[tuple[str, ast.AST]]]:
        match node:
            case ast.Dict():
                keys = [key.value if isinstance(key, ast.Constant) else "*" for key in node.keys]
                yield [(str(key), value) for key, value in zip(keys, node.values, strict=True)]
            case ast.List() | ast.Tuple() | ast.Set():
                yield [(str(index), value) for index, value in enumerate(self._spread(node.elts, scope, depth))]
            case ast.BinOp(op=ast.Add()):
                for left in self.containers(node.left, scope, depth - 1):
                    rights = list(self.containers(node.right, scope, depth - 1)) or [[]]
                    yield from ([*left, *right] for right in rights)
            case ast.Call(func=ast.Name(id="dict" | "partial")):
                yield [(keyword.arg or "*", keyword.value) for keyword in node.keywords]
            case ast.Call():
                yield from self._pieces(node, scope, depth)

    def _subscript_values(self, node: ast.Subscript, scope: Scope, depth: int) -> Iterator[ast.AST]:
        """Yield the values of literal containers that a subscript may pick."""
        keys = self.fold(node.slice, scope, depth - 1)
        for container in self.containers(node.value, scope, depth - 1):
            for name, value in container:
                if "*" in {name, *keys} or any(key == name or key.startswith(START) for key in keys):
                    yield value

    def _spread(self, elements: list[ast.expr], scope: Scope, depth: int) -> Iterator[ast.expr]:
        for element in elements:
            inner = self.containers(element.value, scope, depth - 1) if isinstance(element, ast.Starred) else iter(())
            values = next(inner, None)
            yield from [element] if values is None else [value for _, value in values if isinstance(value, ast.expr)]

    def _pieces(self, node: ast.Call, scope: Scope, depth: int) -> Iterator[list[tuple[str, ast.AST]]]:
        """Yield the lists that a call makes of a text or a list: `text.split()`, `shlex.split(text)`, `list(parts)`."""
        name, base = callee(node)
        if name in {"list", "tuple", "sorted", "copy"} and (node.args or base is not None):
            yield from self.containers(node.args[0] if node.args else base or node, scope, depth - 1)
        elif name == "split":
            is_method = not node.args or not self.dotted(node.func, scope, depth - 1)[0].startswith("shlex.")
            text, separator = (base, node.args[0] if node.args else None) if is_method else (node.args[0], None)
            separators = [None] if separator is None else self.fold(separator, scope, depth - 1)
            for whole in self.fold(text, scope, depth - 1):
                pieces = whole.split(separators[0] or None)
                constants = [ast.Constant(piece.strip("\"'")) for piece in pieces]
                self._synthetic += constants
                yield [(str(index), constant) for index, constant in enumerate(constants)]

    def _call(self, node: ast.Call, scope: Scope, depth: int) -> Iterable[str]:
        name, base = callee(node)
        if base is not None:
            texts = self._text_method(name, base, node, scope, depth)
            if texts is not None:
                return texts
        # os.path.join and its like, urllib.parse.urljoin
        if (name == "join" and node.args) or (name == "urljoin" and len(node.args) == 2):
            return join([self.fold(argument, scope, depth) for argument in node.args], "/")
        if name in {"urlunsplit", "urlunparse", "build"}:
            return self._address(node, scope, depth)
        if name in _LOOK_UP and node.args:
            return self._lookup(name, base, node, scope, depth)
        if node.args:
            decoded = [decode(name, text) for text in self.fold(node.args[0], scope, depth)]
            if any(text is not None for text in decoded):
                return [text for text in decoded if text is not None]
        if name in _WRAPPERS and (node.args or node.keywords):
            wrapped = [*node.args, *keyword_values(node, "default", "url"), None]
            return self.fold(wrapped[0], scope, depth)
        return self._returned(node, scope, depth)

    def _text_method(self, name: str, base: ast.expr, node: ast.Call, scope: Scope, depth: int) -> Iterable[str] | None:
        """Return the results of a method of a text; None where the call is no such method."""
        if name in METHODS:
            arguments = [self.fold(argument, scope, depth)[0] for argument in node.args]
            return [apply_method(name, text, arguments) for text in self.fold(base, scope, depth)]
        if name in TEMPLATES:
            spread = node.args if name == "format_map" else node.args[:1] if name != "format" else []
            values = self._values(node.args, node.keywords, spread, scope, depth)
            return self._fill(self.fold(base, scope, depth), TEMPLATES[name], values)
        if name == "join" and node.args and not self.dotted(base, scope, depth)[0].endswith("path"):
            if any(text.find("://") > 0 for text in self.fold(base, scope, depth)):  # an address's own method
                return join([self.fold(base, scope, depth), self.fold(node.args[0], scope, depth)], "/")
            return self._join(base, node.args[0], scope, depth)
        return None

    def _address(self, node: ast.Call, scope: Scope, depth: int) -> list[str]:
        """Return the addresses that are put together from their parts."""
        parts = {keyword.arg: keyword.value for keyword in node.keywords}
        texts = [self.fold(parts.get(name), scope, depth) for name in ("scheme", "host", "path")]
        for container in self.containers(node.args[0], scope, depth) if node.args else ():
            texts = [self.fold(value, scope, depth) for _, value in container[:3]]
        return join([texts[0], ("://",), *texts[1:]]) if len(texts) == 3 else []

    def _lookup(self, name: str, base: ast.expr | None, node: ast.Call, scope: Scope, depth: int) -> list[str]:
        """Return the texts that a variable of the environment, or a key of a dictionary, may have."""
        texts = self.texts_of([node.args[-1]], "", scope, depth) if len(node.args) >= 2 else []
        if base is not None and name in {"get", "pop", "setdefault"}:
            element = ast.Subscript(value=base, slice=node.args[0])
            self._synthetic.append(element)
            texts += self._element(element, scope, depth)
        else:
            texts += [unknown(text) for text in self.fold(node.args[0], scope, depth) if START not in text]
        return texts + [text for value in keyword_values(node, "default") for text in self.fold(value, scope, depth)]

    def _join(self, separator: ast.expr, parts: ast.expr, scope: Scope, depth: int) -> list[str]:
        texts: list[str] = []
        for between in self.fold(separator, scope, depth):
            for container in self.containers(parts, scope, depth):
                texts += join([self.fold(value, scope, depth) for _, value in container], between)
        return texts

    def _returned(self, node: ast.Call, scope: Scope, depth: int) -> list[str]:
        """Return the texts that a function of this module returns, or the label of a function from elsewhere."""
        texts = [
            text
            for function in self.objects.functions(node.func, scope)
            for text in self.returned_texts(function, scope, depth)
        ]
        return texts or [_label(self.dotted(node.func, scope, depth)[0])]

    def returned_texts(self, function: ast.AST, scope: Scope, depth: int) -> list[str]:
        """Return the texts that a function of this module may return."""
        inner = self.module.scopes.get(id(function), scope)
        texts: list[str] = []
        for value in self.objects.return_values(function):
            texts += self.fold(value, inner, depth - 1)
            if len(texts) >= MOST:
                break
        return texts

    # Dotted names

    def dotted(self, node: ast.AST, scope: Scope, depth: int = _DEPTH) -> tuple[str, ...]:
        """Return the dotted names that an expression may have: `openai.OpenAI().chat`, or `?self.client.chat`.

        A name that starts with `?` belongs to something that this module did not import.
        """
        key = (id(node), id(scope), min(depth, _DEPTH // 2 + 1))  # one that was cut short holds for its depth alone
        known = self._known_names.get(key)
        if known is not None:
            return known
        if depth <= 0 or self._place_steps <= 0:
            return ("?",)
        self._place_steps -= 1
        names = first_distinct(self._dotted(node, scope, depth - 1)) or ("?",)
        if self._place_steps > 0:
            self._known_names[key] = names
        return names

    def _dotted(self, node: ast.AST, scope: Scope, depth: int) -> Iterable[str]:
        match node:
            case ast.Attribute():
                bases = self.dotted(node.value, scope, depth + 1)
                values = self.objects.attribute_values(node, scope)
                return [*(f"{base}.{node.attr}" for base in bases), *self._names_of(values, scope, depth)]
            case ast.Name(id=name):
                return self._names_of(self._bindings(name, scope), scope, depth) or [f"?{name}"]
            case ast.Call():
                if (taken := self._attribute_by_name(node, scope, depth)) is not None:
                    return taken
                names = self.dotted(node.func, scope, depth + 1)
                return self._imported_modules(node, names, scope, depth) or [f"{name}()" for name in names]
            case ast.Await() | ast.NamedExpr() | ast.Starred():
                return self.dotted(node.value, scope, depth)
            case ast.BoolOp() | ast.IfExp():
                return self._names_of(alternatives(node), scope, depth)
            case ast.Subscript():
                return self._item_names(node, scope, depth)
            case ScopedExpr():
                return self.dotted(node.value, node.scope, depth)
        return ()

    @staticmethod
    def _bindings(name: str, scope: Scope) -> list[Binding]:
        bindings = scope.find(name)
        if bindings is None and name in _OWN_NAMES:
            return [_OWN_NAMES[name]]
        if bindings is None and not hasattr(builtins, name):  # a star import may have bound it
            return [f"{module}.{name}" for module in scope.top().stars]
        return bindings or []

    def _attribute_by_name(self, node: ast.Call, scope: Scope, depth: int) -> list[str] | None:
        """Return the names of what `getattr(x, "y")` and `attrgetter("y")(x)` give; None for another call."""
        base, attribute = syntax.named_attribute(node)
        owners = () if base is None else self.dotted(base, scope, depth)
        names = self.fold(attribute, scope, depth) if owners else ()
        return [f"{owner}.{name}" for owner in owners for name in names] if owners else None

    def _item_names(self, node: ast.Subscript, scope: Scope, depth: int) -> list[str]:
        elements = self._names_of(self._subscript_values(node, scope, depth), scope, depth)
        bases = self.dotted(node.value, scope, depth)
        if _BUILTINS.intersection(bases):
            elements += [f"builtins.{name}" for name in self.fold(node.slice, scope, depth)]
        return elements or [f"{base}[]" for base in bases]

    def _names_of(self, bindings: Iterable[Binding], scope: Scope, depth: int) -> list[str]:
        names: list[str] = []
        for binding in bindings:
            if isinstance(binding, str):
                names.append(binding)
            elif may_have_dotted_name(binding):
                names += [name for name in self.dotted(binding, scope, depth) if name != "?"]
        return names

    def _imported_modules(self, node: ast.Call, names: tuple[str, ...], scope: Scope, depth: int) -> list[str]:
        """Return the modules that a call may import by name."""
        if not node.args or not any(name.endswith(("import_module", "__import__")) for name in names):
            return []
        return [text for text in self.fold(node.args[0], scope, depth) if START not in text]


def _label(name: str) -> str:
    """Return the text for what has a dotted name: `@` marks one that another module may define."""
    return unknown(name[1:] if name.startswith("?") else f"@{name}")

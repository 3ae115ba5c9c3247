"""Work out what an expression may be: its text where it is constant, its dotted name where it is a client."""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING

from src.migration.check.evaluate.module import Elsewhere
from src.migration.check.evaluate.objects import Objects
from src.migration.check.evaluate.texts import (
    END,
    LONGEST,
    METHODS,
    MOST,
    PERCENT,
    START,
    TEMPLATES,
    few,
    fill,
    join,
    made,
    method,
    slice_of,
    unknown,
)

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator

    from src.migration.check.evaluate.module import Binding, Module, Scope

__all__ = ["END", "START", "Folder", "unknown"]

_DEPTH = 10
_STEPS = 3000
_STRINGS = frozenset({"JoinedStr", "TemplateStr"})
_WRAPPERS = frozenset({
    "str", "URL", "Url", "HttpUrl", "AnyUrl", "Request", "quote", "Field", "field", "dict", "Path", "PurePath",
    "fspath", "which", "find_spec", "iter", "list", "tuple", "Template", "StringIO", "dedent", "build_opener",
})  # fmt: skip
_READS_ENVIRONMENT = frozenset({"getenv", "get", "config", "getattr", "setdefault", "pop"})


class Folder:
    """Fold expressions of one module. Every answer is a short tuple of possibilities, never an evaluation."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.objects = Objects(module)
        self._active: set[int] = set()
        self._dotted_before: dict[tuple[int, int], tuple[str, ...]] = {}
        self._budget = _STEPS
        self._left = 400_000
        self._made: list[ast.AST] = []  # nodes of ours, kept so that no other node gets their identity

    def start(self) -> None:
        """Begin a new place: each has a bounded number of steps, and so has the module."""
        self._left -= max(0, _STEPS - self._budget)
        self._budget = min(_STEPS, self._left)

    # Texts

    def fold(self, node: ast.AST | None, scope: Scope, depth: int = _DEPTH) -> tuple[str, ...]:
        """Return the texts that an expression may have, with `unknown(label)` where it is not constant."""
        if node is None or depth <= 0 or id(node) in self._active or self._budget <= 0:
            return (unknown(),)
        self._budget -= 1
        self._active.add(id(node))
        try:
            return few(self._texts(node, scope, depth - 1)) or (unknown(),)
        finally:
            self._active.discard(id(node))

    def _texts(self, node: ast.AST, scope: Scope, depth: int) -> Iterable[str]:
        match node:
            case ast.Constant(value=value):
                return _constant(value)
            case Elsewhere():
                return self.fold(node.value, node.scope, depth + 1)
            case ast.Name(id=name):
                return self._named(name, scope, depth)
            case ast.IfExp() | ast.BoolOp():
                return [text for one in _choices(node) for text in self.fold(one, scope, depth)]
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

    def _named(self, name: str, scope: Scope, depth: int) -> list[str]:
        found = scope.find(name)
        if found is None and scope.top().stars:  # it may be one of those that came with a star
            return [unknown(f"@{module}.{name}") for module in scope.top().stars]
        return self.bound(found, name, scope, depth)

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
        """Return what a template's holes are filled with, by their number or name."""
        given: dict[str, ast.AST] = {str(at): value for at, value in enumerate(positional)}
        given |= {keyword.arg: keyword.value for keyword in keywords if keyword.arg}
        for node in [*spread, *(keyword.value for keyword in keywords if keyword.arg is None)]:
            for container in self.containers(node, scope, depth):
                given |= dict(container)
        return {name: self.fold(value, scope, depth) for name, value in list(given.items())[:32]}

    @staticmethod
    def _fill(texts: Iterable[str], holes: re.Pattern[str], values: dict[str, tuple[str, ...]]) -> list[str]:
        return [one for text in texts for one in fill(text, holes, values)]

    def bound(self, bindings: list[Binding] | None, label: str, scope: Scope, depth: int) -> list[str]:
        """Return the texts that any of several bindings may have."""
        texts: list[str] = []
        for binding in bindings or []:
            texts += [unknown(f"@{binding}")] if isinstance(binding, str) else self.fold(binding, scope, depth)
        return texts or [unknown(label)]

    def _attribute(self, node: ast.Attribute, scope: Scope, depth: int) -> Iterable[str]:
        values = self.objects.held(node, scope)
        if values:
            return self.bound(values, node.attr, scope, depth)
        for one in self.objects.properties(node, scope):
            return self.given_back(one, scope, depth)
        if node.attr == "value":  # of an enumeration's member
            known = [text for text in self.fold(node.value, scope, depth) if not text.startswith(START)]
            if known:
                return known
        names = self.dotted(node, scope, depth)
        return [_label(name) for name in names]

    def _element(self, node: ast.Subscript, scope: Scope, depth: int) -> list[str]:
        if isinstance(node.slice, ast.Slice):
            parts = (node.slice.lower, node.slice.upper, node.slice.step)
            bounds = [None if one is None else _number(one) for one in parts]
            texts = [slice_of(text, bounds) for text in self.fold(node.value, scope, depth)]
            return [text for text in texts if text is not None]
        found = [text for value in self._inner(node, scope, depth + 1) for text in self.fold(value, scope, depth)]
        keys = [text for text in self.fold(node.slice, scope, depth) if START not in text]
        base = self.dotted(node.value, scope, depth)[0]
        is_own = base.startswith("?") or base.endswith("environ")
        return found or [unknown(key) if is_own else unknown(f"@{base}.{key}") for key in keys]

    def containers(self, node: ast.AST, scope: Scope, depth: int = _DEPTH) -> Iterator[list[tuple[str, ast.AST]]]:
        """Give the literal containers that an expression may be, as pairs of key or index and value."""
        if depth <= 0 or self._budget <= 0:
            return
        self._budget -= 1
        match node:
            case Elsewhere():
                yield from self.containers(node.value, node.scope, depth)
            case ast.Starred():
                yield from self.containers(node.value, scope, depth)
            case ast.Subscript():
                for value in self._inner(node, scope, depth):
                    yield from self.containers(value, scope, depth - 2)
            case ast.Name() | ast.Attribute():
                found = scope.find(node.id) if isinstance(node, ast.Name) else self.objects.held(node, scope)
                values = [one for one in found or [] if isinstance(one, ast.AST)]
                yield from (one for value in values for one in self.containers(value, scope, depth - 1))
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

    def _inner(self, node: ast.Subscript, scope: Scope, depth: int) -> Iterator[ast.AST]:
        keys = self.fold(node.slice, scope, depth - 1)
        for container in self.containers(node.value, scope, depth - 1):
            for name, value in container:
                if "*" in {name, *keys} or any(key == name or key.startswith(START) for key in keys):
                    yield value

    def _spread(self, elements: list[ast.expr], scope: Scope, depth: int) -> Iterator[ast.expr]:
        for element in elements:
            inner = self.containers(element.value, scope, depth - 1) if isinstance(element, ast.Starred) else iter(())
            values = next(inner, None)
            yield from [element] if values is None else [one for _, one in values if isinstance(one, ast.expr)]

    def _pieces(self, node: ast.Call, scope: Scope, depth: int) -> Iterator[list[tuple[str, ast.AST]]]:
        """Give the lists that a call makes of a text or a list: `text.split()`, `shlex.split(text)`, `list(parts)`."""
        name, base = _called(node)
        if name in {"list", "tuple", "sorted", "copy"} and (node.args or base is not None):
            yield from self.containers(node.args[0] if node.args else base or node, scope, depth - 1)
        elif name == "split":
            is_method = not node.args or not self.dotted(node.func, scope, depth - 1)[0].startswith("shlex.")
            text, glue = (base, node.args[0] if node.args else None) if is_method else (node.args[0], None)
            between = [None] if glue is None else self.fold(glue, scope, depth - 1)
            for whole in self.fold(text, scope, depth - 1):
                pieces = whole.split(between[0] or None)
                constants = [ast.Constant(piece.strip("\"'")) for piece in pieces]
                self._made += constants
                yield [(str(at), one) for at, one in enumerate(constants)]

    def _call(self, node: ast.Call, scope: Scope, depth: int) -> Iterable[str]:
        name, base = _called(node)
        if base is not None:
            found = self._of_text(name, base, node, scope, depth)
            if found is not None:
                return found
        if name == "join" and node.args:  # of paths: os.path.join, posixpath.join
            return join([self.fold(one, scope, depth) for one in node.args], "/")
        if name == "urljoin" and len(node.args) == 2:
            return join([self.fold(one, scope, depth) for one in node.args], "/")
        if name in {"urlunsplit", "urlunparse", "build"}:
            return self._address(node, scope, depth)
        if name in _READS_ENVIRONMENT and node.args:
            return self._read(name, base, node, scope, depth)
        if node.args and (texts := [made(name, one) for one in self.fold(node.args[0], scope, depth)]) != [None]:
            known = [text for text in texts if text is not None]
            if known:
                return known
        if name in _WRAPPERS and (node.args or node.keywords):
            default = [keyword.value for keyword in node.keywords if keyword.arg in {"default", "url"}]
            return self.fold([*node.args, *default, None][0], scope, depth)
        return self._returned(node, scope, depth)

    def _of_text(self, name: str, base: ast.expr, node: ast.Call, scope: Scope, depth: int) -> Iterable[str] | None:
        """Return what a method of a text gives; None where it is none."""
        if name in METHODS:
            arguments = [self.fold(one, scope, depth)[0] for one in node.args]
            return [method(name, text, arguments) for text in self.fold(base, scope, depth)]
        if name in TEMPLATES:
            spread = node.args if name == "format_map" else node.args[:1] if name != "format" else []
            values = self._values(node.args, node.keywords, spread, scope, depth)
            return self._fill(self.fold(base, scope, depth), TEMPLATES[name], values)
        if name == "join" and node.args and not self.dotted(base, scope, depth)[0].endswith("path"):
            if any(text.find("://") > 0 for text in self.fold(base, scope, depth)):  # of addresses
                return join([self.fold(base, scope, depth), self.fold(node.args[0], scope, depth)], "/")
            return self._joined(base, node.args[0], scope, depth)
        return None

    def _address(self, node: ast.Call, scope: Scope, depth: int) -> list[str]:
        """Return an address that is put together from its parts."""
        parts = {keyword.arg: keyword.value for keyword in node.keywords}
        texts = [self.fold(parts.get(name), scope, depth) for name in ("scheme", "host", "path")]
        for container in self.containers(node.args[0], scope, depth) if node.args else ():
            texts = [self.fold(value, scope, depth) for _, value in container[:3]]
        return join([texts[0], ("://",), *texts[1:]]) if len(texts) == 3 else []

    def _read(self, name: str, base: ast.expr | None, node: ast.Call, scope: Scope, depth: int) -> list[str]:
        """Return what a variable of the environment, or a key of a dictionary, may be."""
        texts = self.bound([node.args[-1]], "", scope, depth) if len(node.args) >= 2 else []
        if base is not None and name in {"get", "pop", "setdefault"}:
            element = ast.Subscript(value=base, slice=node.args[0])
            self._made.append(element)
            texts += self._element(element, scope, depth)
        else:
            texts += [unknown(text) for text in self.fold(node.args[0], scope, depth) if START not in text]
        default = [keyword.value for keyword in node.keywords if keyword.arg == "default"]
        return texts + [text for one in default for text in self.fold(one, scope, depth)]

    def _joined(self, glue: ast.expr, parts: ast.expr, scope: Scope, depth: int) -> list[str]:
        texts: list[str] = []
        for between in self.fold(glue, scope, depth):
            for container in self.containers(parts, scope, depth):
                texts += join([self.fold(value, scope, depth) for _, value in container], between)
        return texts

    def _returned(self, node: ast.Call, scope: Scope, depth: int) -> list[str]:
        """Return what a function of this module gives back, or the label of one that is not."""
        found = [
            text for one in self.objects.functions(node.func, scope) for text in self.given_back(one, scope, depth)
        ]
        return found or [_label(self.dotted(node.func, scope, depth)[0])]

    def given_back(self, function: ast.AST, scope: Scope, depth: int) -> list[str]:
        """Return what a function of this module may return."""
        inner = self.module.bodies.get(id(function), scope)
        found: list[str] = []
        for one in self.objects.returns(function):
            found += self.fold(one, inner, depth - 1)
            if len(found) >= MOST:
                break
        return found

    # Dotted names

    def dotted(self, node: ast.AST, scope: Scope, depth: int = _DEPTH) -> tuple[str, ...]:
        """Return the dotted names that an expression may go by: `openai.OpenAI().chat`, or `?self.client.chat`.

        A name that starts with `?` hangs on something that this module did not import.
        """
        key = (id(node), id(scope))
        known = self._dotted_before.get(key)
        if known is not None:
            return known
        if depth <= 0 or self._budget <= 0:
            return ("?",)
        self._budget -= 1
        names = few(self._dotted(node, scope, depth - 1)) or ("?",)
        if depth > _DEPTH // 2 and self._budget > 0:  # what was cut short is not worth remembering
            self._dotted_before[key] = names
        return names

    def _dotted(self, node: ast.AST, scope: Scope, depth: int) -> Iterable[str]:
        match node:
            case ast.Attribute():
                bases = self.dotted(node.value, scope, depth + 1)
                held = [name for one in self.objects.held(node, scope) for name in self._known(one, scope, depth)]
                return [*(f"{base}.{node.attr}" for base in bases), *held]
            case ast.Name(id=name):
                bindings = scope.find(name)
                if bindings is None and not hasattr(builtins, name):  # it may have come with a star
                    bindings = [f"{module}.{name}" for module in scope.top().stars]
                known = [text for one in bindings or [] for text in self._known(one, scope, depth)]
                return known or [f"?{name}"]
            case ast.Call(func=ast.Name(id="getattr"), args=[base, attribute, *_]):
                names = self.fold(attribute, scope, depth)
                return [f"{one}.{name}" for one in self.dotted(base, scope, depth) for name in names]
            case ast.Call():
                names = self.dotted(node.func, scope, depth + 1)
                return self._imported_by(node, names, scope, depth) or [f"{one}()" for one in names]
            case ast.Await() | ast.NamedExpr() | ast.Starred():
                return self.dotted(node.value, scope, depth)
            case ast.BoolOp() | ast.IfExp():
                return [name for one in _choices(node) for name in self._known(one, scope, depth)]
            case ast.Subscript():
                held = [name for one in self._inner(node, scope, depth) for name in self._known(one, scope, depth)]
                return held or [f"{one}[]" for one in self.dotted(node.value, scope, depth)]
            case Elsewhere():
                return self.dotted(node.value, node.scope, depth)
        return ()

    def _known(self, binding: Binding, scope: Scope, depth: int) -> list[str]:
        if isinstance(binding, str):
            return [binding]
        if isinstance(binding, (Elsewhere, ast.Attribute, ast.Call, ast.Name, ast.Await, ast.BoolOp, ast.IfExp)):
            return [name for name in self.dotted(binding, scope, depth) if name != "?"]
        return []

    def _imported_by(self, node: ast.Call, names: tuple[str, ...], scope: Scope, depth: int) -> list[str]:
        """Return the modules that a call may import by name."""
        if not node.args or not any(name.endswith(("import_module", "__import__")) for name in names):
            return []
        return [text for text in self.fold(node.args[0], scope, depth) if START not in text]


def _constant(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value[:LONGEST],)
    if isinstance(value, bytes):
        return (value[:LONGEST].decode("latin-1"),)
    return (str(value),) if isinstance(value, int) and abs(value) < 1 << 63 else ()


def _choices(node: ast.IfExp | ast.BoolOp) -> list[ast.expr]:
    return node.values if isinstance(node, ast.BoolOp) else [node.body, node.orelse]


def _label(name: str) -> str:
    """Return the text for what goes by a dotted name: with a mark where another module may tell it."""
    return unknown(name[1:] if name.startswith("?") else f"@{name}")


def _called(node: ast.Call) -> tuple[str, ast.expr | None]:
    """Return the last name of what is called, and what it is a method of."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr, node.func.value
    return (node.func.id if isinstance(node.func, ast.Name) else ""), None


def _number(node: ast.expr) -> str:
    """Return a bound of a slice as a text; one that is no number makes the slice unknown."""
    try:
        return str(int(ast.literal_eval(node)))
    except (ValueError, TypeError, SyntaxError):
        return "?"

"""Work out what an expression may be: its text where it is constant, its dotted name where it is a client."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from src.migration.check_names import Binding, Module, Scope

START, END = "\0", "\1"  # around the label of a part that is not constant
_DEPTH = 10
_MOST = 8
_LONGEST = 2000
_STEPS = 3000
_STRINGS = frozenset({"JoinedStr", "TemplateStr"})
_SAME = frozenset(
    {"strip", "rstrip", "lstrip", "lower", "removesuffix", "removeprefix", "encode", "decode", "casefold"}
)
_WRAPPERS = frozenset({"str", "URL", "Url", "HttpUrl", "AnyUrl", "Request", "quote", "Field", "field", "dict"})
_READS_ENVIRONMENT = frozenset({"getenv", "get", "config", "getattr", "setdefault", "pop"})
_PERCENT = re.compile(r"%(?:\(\w+\))?[#0\- +]*\d*(?:\.\d+)?[srdiaxf]")
_BRACES = re.compile(r"\{[^{}]*\}")


def unknown(label: str = "") -> str:
    """Return the text that stands for a part that is not constant."""
    return f"{START}{label}{END}"


class Folder:
    """Fold expressions of one module. Every answer is a short tuple of possibilities, never an evaluation."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self._active: set[int] = set()
        self._dotted_before: dict[tuple[int, int], tuple[str, ...]] = {}
        self._budget = _STEPS
        self._left = 400_000

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
            return _few(self._texts(node, scope, depth - 1)) or (unknown(),)
        finally:
            self._active.discard(id(node))

    def _texts(self, node: ast.AST, scope: Scope, depth: int) -> Iterable[str]:
        match node:
            case ast.Constant(value=value):
                return _constant(value)
            case ast.Name(id=name):
                return self._bound(scope.find(name), name, scope, depth)
            case ast.IfExp() | ast.BoolOp():
                return [text for one in _choices(node) for text in self.fold(one, scope, depth)]
            case ast.NamedExpr() | ast.Await() | ast.FormattedValue():
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
        return self._join([self.fold(part, scope, depth) for part in parts]) if parts else ()

    def _join(self, parts: list[tuple[str, ...]], between: str = "") -> list[str]:
        texts = [""]
        for index, part in enumerate(parts):
            glue = between if index else ""
            texts = [(text + glue + one)[:_LONGEST] for text in texts for one in part][:_MOST]
        return texts

    def _operation(self, node: ast.BinOp, scope: Scope, depth: int) -> Iterable[str]:
        left = self.fold(node.left, scope, depth)
        if isinstance(node.op, ast.Add):
            return self._join([left, self.fold(node.right, scope, depth)])
        if isinstance(node.op, ast.Div):
            return self._join([left, self.fold(node.right, scope, depth)], "/")
        if isinstance(node.op, ast.Mod):
            values = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
            return self._fill(left, _PERCENT, values, scope, depth)
        return ()

    def _fill(
        self, texts: tuple[str, ...], holes: re.Pattern[str], values: list[ast.expr], scope: Scope, depth: int
    ) -> list[str]:
        filled = []
        for text in texts:
            pieces = holes.split(text)
            given = [self.fold(value, scope, depth) for value in values][: len(pieces) - 1]
            given += [(unknown(),)] * (len(pieces) - 1 - len(given))
            parts: list[tuple[str, ...]] = [(pieces[0],)]
            for value, piece in zip(given, pieces[1:], strict=True):
                parts += [value, (piece,)]
            filled += self._join(parts)
        return filled

    def _bound(self, bindings: list[Binding] | None, label: str, scope: Scope, depth: int) -> list[str]:
        texts: list[str] = []
        for binding in bindings or []:
            texts += [unknown(f"@{binding}")] if isinstance(binding, str) else self.fold(binding, scope, depth)
        return texts or [unknown(label)]

    def _attribute(self, node: ast.Attribute, scope: Scope, depth: int) -> Iterable[str]:
        values = self._held(node, scope)
        if values:
            return self._bound(values, node.attr, scope, depth)
        names = self.dotted(node, scope, depth)
        return [unknown(f"@{name}" if not name.startswith("?") else name[1:]) for name in names]

    def _held(self, node: ast.Attribute, scope: Scope) -> list[Binding]:
        """Return what an attribute of this module's own objects may hold."""
        base = node.value
        if not isinstance(base, ast.Name):
            return []
        if base.id in {"self", "cls"}:
            owned = self.module.attributes.get((id(scope.owner()), node.attr))
            return owned or self.module.any_owner.get(node.attr, [])
        bindings = scope.find(base.id) or []
        own = any(self._is_own_class(one, scope) for one in bindings)
        return self.module.any_owner.get(node.attr, []) if own else []

    def _is_own_class(self, binding: Binding, scope: Scope) -> bool:
        if isinstance(binding, ast.Call) and isinstance(binding.func, ast.Name):
            return any(isinstance(one, ast.ClassDef) for one in scope.find(binding.func.id) or [])
        return isinstance(binding, ast.ClassDef)

    def _element(self, node: ast.Subscript, scope: Scope, depth: int) -> list[str]:
        return [text for value in self._inner(node, scope, depth + 1) for text in self.fold(value, scope, depth)]

    def containers(self, node: ast.AST, scope: Scope, depth: int = _DEPTH) -> Iterator[list[tuple[str, ast.AST]]]:
        """Give the literal containers that an expression may be, as pairs of key or index and value."""
        if depth <= 0 or self._budget <= 0:
            return
        self._budget -= 1
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
            case ast.Subscript():
                for value in self._inner(node, scope, depth):
                    yield from self.containers(value, scope, depth - 2)
            case ast.Name() | ast.Attribute():
                found = scope.find(node.id) if isinstance(node, ast.Name) else self._held(node, scope)
                values = [one for one in found or [] if isinstance(one, ast.AST)]
                yield from (one for value in values for one in self.containers(value, scope, depth - 1))

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

    def _call(self, node: ast.Call, scope: Scope, depth: int) -> Iterable[str]:
        function = node.func
        if isinstance(function, ast.Attribute):
            name, base = function.attr, function.value
            if name in _SAME:
                return self.fold(base, scope, depth)
            if name == "format":
                values = [*node.args, *(keyword.value for keyword in node.keywords)]
                return self._fill(self.fold(base, scope, depth), _BRACES, values, scope, depth)
            if name == "replace":
                return self.fold(base, scope, depth)
            if name == "join" and node.args:
                return self._joined(base, node.args[0], scope, depth)
        else:
            name = function.id if isinstance(function, ast.Name) else ""
        if name == "urljoin" and len(node.args) == 2:
            return self._join([self.fold(one, scope, depth) for one in node.args], "/")
        if name in _READS_ENVIRONMENT and len(node.args) >= 2:
            return self._bound([node.args[-1]], "", scope, depth)
        if name in _WRAPPERS and (node.args or node.keywords):
            default = [keyword.value for keyword in node.keywords if keyword.arg in {"default", "url"}]
            return self.fold([*node.args, *default, None][0], scope, depth)
        return self._returned(node, scope, depth)

    def _joined(self, glue: ast.expr, parts: ast.expr, scope: Scope, depth: int) -> list[str]:
        texts: list[str] = []
        for between in self.fold(glue, scope, depth):
            for container in self.containers(parts, scope, depth):
                texts += self._join([self.fold(value, scope, depth) for _, value in container], between)
        return texts

    def _returned(self, node: ast.Call, scope: Scope, depth: int) -> list[str]:
        """Return what a function of this module gives back, or the label of one that is not."""
        found: list[str] = []
        for binding in self._functions(node.func, scope):
            for inner in ast.walk(binding):
                if isinstance(inner, ast.Return):
                    found += self.fold(inner.value, self.module.bodies.get(id(binding), scope), depth - 1)
                if len(found) >= _MOST:
                    break
        return found or [unknown(self.dotted(node.func, scope, depth)[0].lstrip("?"))]

    def _functions(self, node: ast.expr, scope: Scope) -> list[ast.AST]:
        bindings: list[Binding] = []
        if isinstance(node, ast.Name):
            bindings = scope.find(node.id) or []
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}:
            owner = scope.owner()
            bindings = owner.names.get(node.attr, []) if owner else []
        return [one for one in bindings if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef))]

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
        names = _few(self._dotted(node, scope, depth - 1)) or ("?",)
        if depth > _DEPTH // 2 and self._budget > 0:  # what was cut short is not worth remembering
            self._dotted_before[key] = names
        return names

    def _dotted(self, node: ast.AST, scope: Scope, depth: int) -> Iterable[str]:
        match node:
            case ast.Attribute():
                bases = self.dotted(node.value, scope, depth + 1)
                held = [name for one in self._held(node, scope) for name in self._known(one, scope, depth)]
                return [*(f"{base}.{node.attr}" for base in bases), *held]
            case ast.Name(id=name):
                known = [text for one in scope.find(name) or [] for text in self._known(one, scope, depth)]
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
                return [f"{one}[]" for one in self.dotted(node.value, scope, depth)]
        return ()

    def _known(self, binding: Binding, scope: Scope, depth: int) -> list[str]:
        if isinstance(binding, str):
            return [binding]
        if isinstance(binding, (ast.Attribute, ast.Call, ast.Name, ast.Await, ast.BoolOp, ast.IfExp)):
            return [name for name in self.dotted(binding, scope, depth) if name != "?"]
        return []

    def _imported_by(self, node: ast.Call, names: tuple[str, ...], scope: Scope, depth: int) -> list[str]:
        """Return the modules that a call may import by name."""
        if not node.args or not any(name.endswith(("import_module", "__import__")) for name in names):
            return []
        return [text for text in self.fold(node.args[0], scope, depth) if START not in text]


def _constant(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value[:_LONGEST],)
    if isinstance(value, bytes):
        return (value[:_LONGEST].decode("latin-1"),)
    return (str(value),) if isinstance(value, int) and abs(value) < 1 << 63 else ()


def _choices(node: ast.IfExp | ast.BoolOp) -> list[ast.expr]:
    return node.values if isinstance(node, ast.BoolOp) else [node.body, node.orelse]


def _few(texts: Iterable[str]) -> tuple[str, ...]:
    kept: dict[str, None] = {}
    for text in texts:
        kept[text] = None
        if len(kept) >= _MOST:
            break
    return tuple(kept)

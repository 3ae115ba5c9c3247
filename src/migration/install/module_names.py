"""Know which modules and names the packages have after an installation, from their sources alone."""

from __future__ import annotations

import ast
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# A module whose names cannot be listed has any.
_ANY = frozenset({"*"})


def module_name(path: str) -> str:
    """Return the dotted name of a module (`src/models/errors.py`) or package (`src/models/guard/__init__.py`)."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def parsed(source: bytes | str) -> ast.Module | None:
    """Return the syntax tree of a source; None where this Python cannot read it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


class Modules:
    """The modules of some packages.

    Args:
        sources: Their sources, by their paths from the checkout's root.
        replaced: The sources that the owner's own modules had, where ours take their places.
    """

    def __init__(self, sources: Mapping[str, bytes], replaced: Mapping[str, bytes] | None = None) -> None:
        self._replaced = None if not replaced else Modules(replaced)
        self._paths = {module_name(path): path for path in sources if path.endswith(".py")}
        self._sources = sources
        self._names: dict[str, frozenset[str]] = {}
        self._folders = {name.rpartition(".")[0] for name in self._paths}

    def __contains__(self, module: str) -> bool:
        """Tell whether a module, or a folder with modules, has this dotted name."""
        return module in self._paths or any(f"{folder}.".startswith(f"{module}.") for folder in self._folders)

    def path(self, module: str) -> str | None:
        """Return a module's path; None for a folder without an `__init__`."""
        return self._paths.get(module)

    def has(self, module: str, name: str) -> bool:
        """Tell whether `from module import name` works."""
        return f"{module}.{name}" in self or self.defines(module, name)

    def defines(self, module: str, name: str) -> bool:
        """Tell whether a module binds a name itself."""
        names = self._names_of(module)
        return name in names or names is _ANY or name.startswith("__")

    def unresolved(self, dotted: str) -> str | None:
        """Return the part of a dotted name up to the first word that does not exist; None where it is whole.

        What follows the first name that is no module is an attribute, which only running the program could look up.
        """
        words = dotted.split(".")
        for count in range(2, len(words) + 1):
            name = ".".join(words[:count])
            if name in self:
                continue
            return None if self.defines(".".join(words[: count - 1]), words[count - 1]) else name
        return None

    def was_own(self, dotted: str) -> bool:
        """Tell whether a dotted name was one of the owner's own module, which is another one now."""
        own = self._replaced
        words = dotted.split(".")
        return own is not None and any(
            own.path(".".join(words[:count])) is not None and own.defines(".".join(words[:count]), words[count])
            for count in range(2, len(words))
        )

    def _names_of(self, module: str) -> frozenset[str]:
        names = self._names.get(module)
        if names is None:
            self._names[module] = frozenset()  # for modules that import one another
            names = self._names[module] = self._read_names(module)
        return names

    def _read_names(self, module: str) -> frozenset[str]:
        path = self._paths.get(module)
        if path is None:
            return frozenset()
        tree = parsed(self._sources[path])
        if tree is None:
            return _ANY
        names: set[str] = set()
        for name in _bound_names(tree.body):
            if not name.startswith("*"):
                names.add(name)
                continue
            source = absolute(path, int(name[1]), name[2:])
            starred = self._names_of(source) if source in self._paths else _ANY
            if starred is _ANY:
                return _ANY
            names |= starred
        if "__getattr__" not in names:
            return frozenset(names)
        exported = _exported(tree)
        return _ANY if exported is None else frozenset(names | exported)


def absolute(path: str, level: int, module: str) -> str:
    """Return the dotted name of what an import is from, seen from `src`'s parent folder."""
    if not level:
        return module
    package = path.split("/")[:-level]
    return ".".join([*package, *filter(None, [module])])


def is_type_checking(test: ast.expr) -> bool:
    """Tell whether a condition holds for type checkers alone."""
    return getattr(test, "id", getattr(test, "attr", "")) == "TYPE_CHECKING"


def _exported(tree: ast.Module) -> set[str] | None:
    """Return the names in a module's `__all__`; None where it has none that can be read."""
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
            try:
                return {str(name) for name in ast.literal_eval(statement.value)}
            except (ValueError, TypeError):
                return None
    return None


def _bound_names(statements: list[ast.stmt]) -> Iterator[str]:
    """Yield the names that a module's statements bind; for a star import `*`, its level and its module."""
    for statement in statements:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield statement.name
                yield from (name for node in ast.walk(statement) if isinstance(node, ast.Global) for name in node.names)
                continue
            case ast.Import():
                yield from (alias.asname or alias.name.partition(".")[0] for alias in statement.names)
            case ast.ImportFrom() if statement.names[0].name == "*":
                yield f"*{statement.level}{statement.module or ''}"
            case ast.ImportFrom():
                yield from (alias.asname or alias.name for alias in statement.names)
            case ast.AnnAssign(value=None):
                continue
            case ast.If() if is_type_checking(statement.test):
                yield from _bound_names(statement.orelse)
                continue
        yield from _bound_inside(statement)


def _bound_inside(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement assigns to, and those that the statements in it bind."""
    for child in ast.iter_child_nodes(statement):
        if isinstance(child, ast.stmt):
            yield from _bound_names([child])
        elif isinstance(child, ast.ExceptHandler | ast.match_case):
            yield from _bound_names(child.body)
        else:
            yield from _assigned(child)


def _assigned(node: ast.AST) -> Iterator[str]:
    """Yield the names that an expression assigns to; a comprehension and a lambda have names of their own."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.MatchAs | ast.MatchStar) and node.name:
        yield node.name
    if not isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp | ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from _assigned(child)

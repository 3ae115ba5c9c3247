"""Tell which uses of SDKs in a file are traced: those through clients that the factory traces where they are made."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from src.migration.check.records import Site
    from src.migration.check.vocabulary.words import Vocabulary

_FACTORIES: Final = ("ModelFactory", "model_factory")
_TRACED: Final = "traced"
_HTTP: Final = frozenset({"http_client", "ahttp_client"})
# Arguments that take an HTTP client. Where a class has one for each kind of call, both must be given.
_SINGLE: Final = frozenset({"http_client"})
_BOTH: Final = (frozenset({"http_client", "http_async_client"}), frozenset({"http_client", "async_http_client"}))
_BOTH_PACKAGES: Final = ("langchain", "llama_index")
_TYPES: Final = ("Error", "Exception", "Timeout", "NotGiven", "NOT_GIVEN", "Omit", "omit")


def untraced(sites: Iterable[Site], tree: ast.Module, vocabulary: Vocabulary) -> list[Site]:
    """Return the sites of a file that its traced clients do not account for; all of them where it traces none.

    An import of an SDK is accounted for where all that it binds is used for traced clients, types and errors alone.
    Calls on clients are where that is so for each such import of the file.
    """
    sites = list(sites)
    uses = _Uses(tree, vocabulary)
    if not uses.traced:
        return sites
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    bad_lines = {node.lineno for node in imports if _is_sdk(node, vocabulary) and not uses.are_traced(node)}
    is_clean = not bad_lines and not any(site.rule == "dynamic-import" for site in sites)
    return [site for site in sites if not _is_accounted_for(site, uses, bad_lines, is_clean=is_clean)]


def _is_accounted_for(site: Site, uses: _Uses, bad_lines: set[int], *, is_clean: bool) -> bool:
    if site.rule == "sdk-import":
        return site.line not in bad_lines
    if site.rule == "provider-url":
        return (site.line, site.column) in uses.traced
    return site.rule == "sdk-call" and is_clean and not site.what.startswith("a client ")


def _is_sdk(node: ast.Import | ast.ImportFrom, vocabulary: Vocabulary) -> bool:
    if isinstance(node, ast.Import):
        return any(vocabulary.provider_of_module(alias.name) for alias in node.names)
    return node.level == 0 and any(vocabulary.provider_of_module(f"{node.module}.{alias.name}") for alias in node.names)


class _Uses:
    """The uses of names in one file.

    Attributes:
        traced: The locations of calls that make traced clients, as pairs of line and column from 1.
    """

    def __init__(self, tree: ast.Module, vocabulary: Vocabulary) -> None:
        self._words = vocabulary
        self._parents: dict[ast.AST, ast.AST] = {
            child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)
        }
        self._factories = _factory_names(tree)
        self._loads: dict[str, list[ast.Name]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store):
                self._loads.setdefault(node.id, []).append(node)
        self._packages = _packages(tree)
        self._traced_calls = {
            node for node in ast.walk(tree) if isinstance(node, ast.Call) and self._makes_traced_client(node)
        }
        self.traced = {(node.lineno, node.col_offset + 1) for node in self._traced_calls}

    def are_traced(self, node: ast.Import | ast.ImportFrom) -> bool:
        """Tell whether all names that an import binds are used for traced clients, types and errors alone."""
        names = [alias.asname or alias.name.partition(".")[0] for alias in node.names]
        return "*" not in names and all(self._is_fine(load) for name in names for load in self._loads.get(name, ()))

    def _makes_traced_client(self, call: ast.Call) -> bool:
        """Tell whether a call is what `ModelFactory.traced` is called with, or is passed the factory's HTTP clients."""
        parent = self._parents.get(call)
        if isinstance(parent, ast.Call) and parent.args == [call] and not parent.keywords:
            return self._is_factory_method(parent.func, frozenset({_TRACED}))
        names = {
            keyword.arg
            for keyword in call.keywords
            if isinstance(keyword.value, ast.Call) and self._is_factory_method(keyword.value.func, _HTTP)
        }
        package = self._packages.get(_root(call.func), "")
        return any(both <= names for both in _BOTH) if package.startswith(_BOTH_PACKAGES) else names >= _SINGLE

    def _is_factory_method(self, func: ast.expr, methods: frozenset[str]) -> bool:
        return (
            isinstance(func, ast.Attribute)
            and func.attr in methods
            and isinstance(func.value, ast.Name)
            and func.value.id in self._factories
        )

    def _is_fine(self, load: ast.Name) -> bool:
        """Tell whether one use of an SDK's name makes a traced client, or is about types and errors."""
        node: ast.AST = load
        names = [load.id]
        while isinstance(parent := self._parents.get(node), ast.Attribute):
            node = parent
            names.append(parent.attr)
        if names[-1].endswith(_TYPES) or "types" in names or self._is_about_types(node):
            return True
        if not isinstance(parent, ast.Call) or parent.func is not node:
            return False
        return self._is_or_holds_traced(parent) or self._is_in_traced_framework(parent)

    def _is_in_traced_framework(self, call: ast.Call) -> bool:
        """Tell whether a call is a part of what a framework's traced client is made with."""
        node: ast.AST = call
        while isinstance(parent := self._parents.get(node), ast.Call | ast.keyword):
            node = parent
            package = self._packages.get(_root(parent.func), "") if isinstance(parent, ast.Call) else ""
            if parent in self._traced_calls and package and self._words.provider_of_module(package):
                return True
        return False

    def _is_or_holds_traced(self, call: ast.Call) -> bool:
        return call in self._traced_calls or any(
            inner in self._traced_calls for argument in (*call.args, *call.keywords) for inner in ast.walk(argument)
        )

    def _is_about_types(self, node: ast.AST) -> bool:
        """Tell whether an expression is part of an annotation, a handler, an `isinstance` or a test for None."""
        if self._is_tested(node):
            return True
        child, parent = node, self._parents.get(node)
        while parent is not None and not isinstance(parent, ast.stmt | ast.ExceptHandler | ast.arg):
            if isinstance(parent, ast.Call):
                is_check = isinstance(parent.func, ast.Name) and parent.func.id in ("isinstance", "issubclass")
                return is_check and child in parent.args[1:]
            child, parent = parent, self._parents.get(parent)
        match parent:
            case ast.ExceptHandler(type=type_) | ast.arg(annotation=type_) | ast.AnnAssign(annotation=type_):
                return child is type_
            case ast.FunctionDef(returns=returns) | ast.AsyncFunctionDef(returns=returns):
                return child is returns
        return False

    def _is_tested(self, node: ast.AST) -> bool:
        """Tell whether only the truth of an expression counts, or whether it is None."""
        match self._parents.get(node):
            case ast.Compare(comparators=[ast.Constant(value=None)]) | ast.UnaryOp(op=ast.Not()):
                return True
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
                return test is node
        return False


def _factory_names(tree: ast.Module) -> set[str]:
    """Return the names under which a file has the factory, and nothing else."""
    rebound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    rebound |= {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ExceptHandler) and node.name
    }
    rebound |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").endswith(("models", "models.model_factory"))
        for alias in node.names
        if alias.name in _FACTORIES and (node.level or (node.module or "").startswith("src."))
    }
    return names - rebound


def _packages(tree: ast.Module) -> dict[str, str]:
    """Map the names that imports bind to the modules that they come from."""
    packages: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            packages |= {alias.asname or alias.name.partition(".")[0]: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            packages |= {alias.asname or alias.name: node.module or "" for alias in node.names}
    return packages


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""

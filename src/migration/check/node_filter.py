"""Filter syntax nodes: what cannot be a direct call by its own name is skipped before anything is evaluated."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from src.migration.check.calls import ADDRESS_KEYWORDS, PASSED_FUNCTIONS, may_be_judged, own_name
from src.migration.check.vocabulary.words import may_end_chain

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.migration.check.evaluate.module import Module, Scope
    from src.migration.check.vocabulary.words import Vocabulary

_SHELL_LIBRARIES = frozenset({"sh", "plumbum"})
_PASSED_ROOTS = frozenset(name.strip("?.") for name in PASSED_FUNCTIONS)
_KEYWORDS = ADDRESS_KEYWORDS | {"target", None}


def judged_attributes(vocabulary: Vocabulary) -> Callable[[str], bool]:
    """Return a predicate: may an attribute of this name be judged, in any file?"""
    module_tails = vocabulary.module_tails
    return lambda attribute: attribute in module_tails or may_end_chain(attribute, of_sdk=True)


class NodeFilter:
    """Screens the nodes of one module. It lets through whatever may be judged a direct call."""

    def __init__(self, module: Module, vocabulary: Vocabulary, *, uses_import_function: bool) -> None:
        scopes = (module.top, *module.scopes.values())
        names = {
            value for scope in scopes for values in scope.names.values() for value in values if isinstance(value, str)
        }
        roots = {name.lstrip(".").partition(".")[0] for name in names}
        self._has_stars = bool(module.top.stars)
        self._may_hold_sdk = (
            self._has_stars
            or uses_import_function
            or any(name.startswith("importlib") or vocabulary.provider_of_module(name) for name in names)
        )
        self._uses_shell_library = self._has_stars or bool(roots & _SHELL_LIBRARIES)
        self._passes_functions = self._has_stars or bool(roots & _PASSED_ROOTS)
        self._module_tails = vocabulary.module_tails

    def lets_call_through(self, node: ast.Call, scope: Scope) -> bool:
        """Tell whether a call may be a direct one."""
        name = own_name(node.func, scope)
        if name is None or may_be_judged(name) or self._uses_shell_library:
            return True
        if any(keyword.arg in _KEYWORDS for keyword in node.keywords):
            return True
        return any(self._may_be_passed_function(value, scope) for value in node.args[:3])

    def _may_be_passed_function(self, value: ast.expr, scope: Scope) -> bool:
        if isinstance(value, ast.Name):
            return value.id == "__import__" or (self._passes_functions and own_name(value, scope) is None)
        return self._passes_functions and isinstance(value, ast.Attribute) and may_be_judged(value.attr)

    def lets_chain_through(self, attribute: str) -> bool:
        """Tell whether a chain that ends in an attribute may be one of a client."""
        return may_end_chain(attribute, of_sdk=self._may_hold_sdk)

    def may_name_module(self, attribute: str) -> bool:
        """Tell whether an attribute may be a module of an SDK that is reached through its parent package."""
        return attribute in self._module_tails

"""Run code as soon as a module is imported, or reloaded."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


class ImportHook:
    """Calls a module's action each time that the module has been imported.

    Args:
        actions: What to do with a module, by its name.
    """

    def __init__(self, actions: Mapping[str, Callable[[ModuleType], None]]) -> None:
        self._actions = actions
        self._searched: set[str] = set()

    def install(self) -> None:
        """Act on the modules that are imported already, and on the others when they are."""
        sys.meta_path.insert(0, self)
        for name, action in self._actions.items():
            module = sys.modules.get(name)
            if module is not None and not _is_half_imported(module):
                action(module)

    def find_spec(self, name: str, _: Sequence[str] | None = None, __: ModuleType | None = None) -> ModuleSpec | None:
        """Return the spec of one of the modules, with a loader that acts on it afterwards; None for any other."""
        action = self._actions.get(name)
        if action is None or name in self._searched:
            return None
        self._searched.add(name)
        try:
            spec = _other_spec(name, self)
        finally:
            self._searched.discard(name)
        loader: Any = getattr(spec, "loader", None)
        if spec is None or isinstance(loader, type) or not hasattr(loader, "exec_module"):
            return spec
        execute = loader.exec_module

        def execute_and_act(module: ModuleType) -> None:
            execute(module)
            action(module)

        loader.exec_module = execute_and_act
        return spec


def _other_spec(name: str, hook: ImportHook) -> ModuleSpec | None:
    """Search for a module with the other finders, also where an older version of it is loaded."""
    parent = name.rpartition(".")[0]
    path: Any = sys.modules[parent].__path__ if parent and parent in sys.modules else None
    for finder in sys.meta_path:
        if finder is hook:
            continue
        search = getattr(finder, "find_spec", None)
        spec: ModuleSpec | None = search(name, path, None) if search is not None else None
        if spec is not None:
            return spec
    return None


def _is_half_imported(module: ModuleType) -> bool:
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))

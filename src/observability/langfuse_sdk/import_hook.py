"""Join Langfuse's SDK when it is imported."""

from __future__ import annotations

import importlib.util
import sys
import weakref
from importlib.abc import MetaPathFinder
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from src.observability.langfuse_sdk.register import end_threads, loaded_manager_class, register_or_join, unregister

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from src.observability.langfuse_sdk.host import Host


def join(host: Host) -> None:
    """Join Langfuse's SDK now where it is loaded, else when it is imported. Never raises."""
    if getattr(sys.modules.get("langfuse"), "Langfuse", None) is not None:
        register_or_join(host)
    else:
        sys.meta_path.insert(0, _ImportHook(weakref.ref(host)))


class _ImportHook(MetaPathFinder):
    """Acts on the first import of Langfuse's SDK; importing it ourselves would cost half a second."""

    def __init__(self, host: weakref.ref[Host]) -> None:
        self._host = host

    @override
    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find the SDK as without this hook, and join it when it has loaded."""
        if fullname != "langfuse":
            return None
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module
            spec.loader.exec_module = self._then_join(load)  # type: ignore[assignment] # this one spec's own loader
        return spec

    def waits_for(self, host: Host) -> bool:
        """Tell whether the hook is for this host, or for one that no longer exists."""
        return self._host() in (None, host)

    def _then_join(self, load: Callable[[ModuleType], None]) -> Callable[[ModuleType], None]:
        def loaded(module: ModuleType) -> None:
            load(module)
            host = self._host()
            if host is not None and host.is_current():
                register_or_join(host)

        return loaded


def leave(host: Host) -> None:
    """Remove this host's client from Langfuse's register and end its threads; a later host can register its own."""
    for finder in list(sys.meta_path):
        if isinstance(finder, _ImportHook) and finder.waits_for(host):
            sys.meta_path.remove(finder)
    manager_class = loaded_manager_class()
    if manager_class is not None:
        with manager_class._lock:
            own = manager_class._instances.get(host.public_key)
            if own is not None and own.tracer_provider is host.provider:
                unregister(manager_class, host.public_key)
                end_threads(own)

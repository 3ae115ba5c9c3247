"""Join with Langfuse's SDK when it is imported."""

from __future__ import annotations

import importlib.util
import sys
import weakref
from importlib.abc import MetaPathFinder
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from src.observability.langfuse_sdk.register import _current, _forget, _managers, settle

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from src.observability.tracker import LangFuseTracker


def join(tracker: LangFuseTracker) -> None:
    """Join with Langfuse's SDK now where it is loaded, else when it will be. Never raises."""
    if getattr(sys.modules.get("langfuse"), "Langfuse", None) is not None:
        settle(tracker)
    else:
        sys.meta_path.insert(0, _Watch(weakref.ref(tracker)))


class _Watch(MetaPathFinder):
    """Wait for the first import of Langfuse's SDK: importing it here would cost half a second for nothing."""

    def __init__(self, tracker: weakref.ref[LangFuseTracker]) -> None:
        self._tracker = tracker

    @override
    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find the SDK as it would be found without us, and settle when it has loaded."""
        if fullname != "langfuse":
            return None
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module
            spec.loader.exec_module = self._then_settle(load)  # type: ignore[assignment] # this one spec's own loader
        return spec

    def waits_for(self, tracker: LangFuseTracker) -> bool:
        """Tell whether it is this tracker that waits, or one that is gone."""
        return self._tracker() in (None, tracker)

    def _then_settle(self, load: Callable[[ModuleType], None]) -> Callable[[ModuleType], None]:
        def loaded(module: ModuleType) -> None:
            load(module)
            tracker = self._tracker()
            if tracker is not None and _current(tracker):
                settle(tracker)

        return loaded


def leave(tracker: LangFuseTracker) -> None:
    """Take this tracker's own client out of Langfuse's register, so that a later tracker can put in its own."""
    for finder in list(sys.meta_path):
        if isinstance(finder, _Watch) and finder.waits_for(tracker):
            sys.meta_path.remove(finder)
    managers = _managers()
    if managers is not None:
        with managers._lock:
            own = managers._instances.get(tracker.public_key)
            if own is not None and own.tracer_provider is tracker.provider:
                _forget(managers, tracker.public_key)

"""Cover gRPC, which opens its connections in C: its channels get an interceptor that judges each call."""

from __future__ import annotations

import functools
import importlib.util
import inspect
import re
import sys
from typing import TYPE_CHECKING, Any

from src.models.guard import judging

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_TARGET = re.compile(r"^(?:[a-z]\w*:(?://[^/]*/)?)?(?P<host>\[[^\]]+\]|[^:/]+)(?::(?P<port>\d+))?$")
_KINDS = ("UnaryUnary", "UnaryStream", "StreamUnary", "StreamStream")


def watch() -> None:
    """Cover gRPC now, or as soon as it is loaded."""
    module = sys.modules.get("grpc")
    if module is not None:
        _cover(module)
    else:
        sys.meta_path.insert(0, _Watcher())


class _Watcher:
    """Cover gRPC right after it was loaded."""

    def find_spec(self, name: str, _: Sequence[str] | None = None, __: ModuleType | None = None) -> ModuleSpec | None:
        """Return the real finder's answer for gRPC, and none for anything else."""
        if name != "grpc" or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            real = spec.loader.exec_module

            def load(module: ModuleType) -> None:
                real(module)
                _cover(module)

            spec.loader.exec_module = load  # type: ignore[method-assign] # of this one loader
        return spec


def _cover(grpc: Any) -> None:
    for module, later in ((grpc, False), (grpc.aio, True)):
        for name in ("secure_channel", "insecure_channel"):
            setattr(module, name, _judging(grpc, getattr(module, name), later))


def _judging(grpc: Any, real: Callable[..., Any], later: bool) -> Callable[..., Any]:
    """Return a maker of channels each of whose calls is judged."""
    signature = inspect.signature(real)

    @functools.wraps(real)
    def channel(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs)
        target = _TARGET.match(str(given.arguments["target"]))
        where = (target["host"], int(target["port"] or 443)) if target else (None, None)
        ours = [_interceptor(grpc.aio if later else grpc, kind, where, later) for kind in _KINDS]
        if not later:
            return grpc.intercept_channel(real(*args, **kwargs), *ours)
        given.arguments["interceptors"] = [*(given.arguments.get("interceptors") or ()), *ours]
        return real(*given.args, **given.kwargs)

    return channel


def _interceptor(module: Any, kind: str, where: tuple[str | None, int | None], later: bool) -> Any:
    """Return an object that judges calls of one kind and lets them go on."""

    def plain(_: Any, go_on: Any, details: Any, request: Any) -> Any:
        judging.judge(*where, "grpc")
        return go_on(details, request)

    async def awaited(_: Any, go_on: Any, details: Any, request: Any) -> Any:
        judging.judge(*where, "grpc")
        return await go_on(details, request)

    method = "intercept_" + re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).lower()
    owner = getattr(module, f"{kind}ClientInterceptor")
    return type(f"Judged{kind}", (owner,), {method: awaited if later else plain})()

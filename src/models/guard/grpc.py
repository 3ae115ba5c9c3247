"""Guard gRPC, which opens its connections in C, by an interceptor in each channel."""

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
    """Guard gRPC now, or as soon as it is imported."""
    module = sys.modules.get("grpc")
    if module is not None:
        _cover(module)
    else:
        sys.meta_path.insert(0, _ImportHook())


class _ImportHook:
    """Guards gRPC when it is first imported."""

    def find_spec(self, name: str, _: Sequence[str] | None = None, __: ModuleType | None = None) -> ModuleSpec | None:
        """Return gRPC's spec with a loader that guards the module; None for any other module."""
        if name != "grpc" or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            exec_module = spec.loader.exec_module

            def load(module: ModuleType) -> None:
                exec_module(module)
                _cover(module)

            spec.loader.exec_module = load  # type: ignore[method-assign] # of this one loader
        return spec


def _cover(grpc: Any) -> None:
    for module, is_async in ((grpc, False), (grpc.aio, True)):
        for name in ("secure_channel", "insecure_channel"):
            setattr(module, name, _guarded_channel(grpc, getattr(module, name), is_async=is_async))


def _guarded_channel(grpc: Any, make_channel: Callable[..., Any], *, is_async: bool) -> Callable[..., Any]:
    """Return a function that makes channels each of whose calls is judged."""
    signature = inspect.signature(make_channel)

    @functools.wraps(make_channel)
    def channel(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        target = _TARGET.match(str(bound.arguments["target"]))
        address = (target["host"], int(target["port"] or 443)) if target else (None, None)
        module = grpc.aio if is_async else grpc
        interceptors = [_interceptor(module, kind, address, is_async=is_async) for kind in _KINDS]
        if not is_async:
            return grpc.intercept_channel(make_channel(*args, **kwargs), *interceptors)
        bound.arguments["interceptors"] = [*(bound.arguments.get("interceptors") or ()), *interceptors]
        return make_channel(*bound.args, **bound.kwargs)

    return channel


def _interceptor(module: Any, kind: str, address: tuple[str | None, int | None], *, is_async: bool) -> Any:
    """Return an interceptor that judges calls of one kind and continues them."""

    def intercept(_: Any, continuation: Any, details: Any, request: Any) -> Any:
        judging.judge(*address, "grpc")
        return continuation(details, request)

    async def aintercept(_: Any, continuation: Any, details: Any, request: Any) -> Any:
        judging.judge(*address, "grpc")
        return await continuation(details, request)

    method = "intercept_" + re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).lower()
    owner = getattr(module, f"{kind}ClientInterceptor")
    return type(f"Judged{kind}", (owner,), {method: aintercept if is_async else intercept})()

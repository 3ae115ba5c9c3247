"""Guard gRPC, which opens its connections in C, by an interceptor in each channel."""

from __future__ import annotations

import functools
import inspect
import re
from typing import TYPE_CHECKING, Any

from src.models.guard import judging

if TYPE_CHECKING:
    from collections.abc import Callable

_TARGET = re.compile(r"^(?:[a-z]\w*:(?://[^/]*/)?)?(?P<host>\[[^\]]+\]|[^:/]+)(?::(?P<port>\d+))?$")
_KINDS = ("UnaryUnary", "UnaryStream", "StreamUnary", "StreamStream")


def cover(grpc: Any) -> None:
    """Put the guard before the functions that make channels, where it is not there yet."""
    for module, is_async in ((grpc, False), (getattr(grpc, "aio", None), True)):
        for name in ("secure_channel", "insecure_channel"):
            make_channel = getattr(module, name, None)
            if make_channel is not None and not getattr(make_channel, judging.MARK, False):
                setattr(module, name, _guarded_channel(grpc, make_channel, is_async=is_async))


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

    setattr(channel, judging.MARK, True)
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

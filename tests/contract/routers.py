"""Answer what the HTTP clients ask, through respx's patches, built once a process.

respx builds its patches anew for each router: it finds twelve targets by their names, reads their signatures, and makes
its records of calls out of mocks. That takes longer than most tests of the contract do.
"""

from __future__ import annotations

import importlib
from abc import ABC
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_httpx2._plugin import HTTPCore2Mocker
from respx.mocks import HTTPCoreMocker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx


class _PreparedPatches(HTTPCoreMocker, ABC):
    """Replace the methods that respx replaces, by the same functions.

    A proxy inherits its method from the pool, so it needs no patch of its own.
    """

    _methods: ClassVar[list[tuple[type, str, Any, Any]]]

    @classmethod
    def start(cls) -> None:
        if not cls._methods:
            cls._methods.extend(
                (owner, name, method, cls.mock(method))  # type: ignore[no-untyped-call] # of respx
                for owner in map(_class_named, cls.targets)
                for name, method in vars(owner).items()
                if name in cls.target_methods
            )
        for owner, name, _, patched in cls._methods:
            setattr(owner, name, patched)

    @classmethod
    def stop(cls, force: bool = False) -> None:
        if not cls.routers or force:
            for owner, name, method, _ in cls._methods:
                setattr(owner, name, method)


class _Httpx(_PreparedPatches):
    name = "httpcore, patches prepared"
    targets = HTTPCoreMocker.targets
    _methods: ClassVar = []


class _Httpx2(_PreparedPatches):
    name = "httpcore2, patches prepared"
    targets = HTTPCore2Mocker.targets
    _methods: ClassVar = []


class _Router:
    """What respx's patches ask of a router."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response]) -> None:
        self.handler = answer

    async def async_handler(self, request: httpx.Request) -> httpx.Response:
        return self.handler(request)


@contextmanager
def answered_by(answer: Callable[[httpx.Request], httpx.Response]) -> Iterator[None]:
    """Let `answer` reply to every request of httpx and httpx2; none leaves this process."""
    router: Any = _Router(answer)
    for client in (_Httpx, _Httpx2):
        client.register(router)
        client.start()
    yield
    for client in (_Httpx, _Httpx2):
        client.unregister(router)
        client.stop()


def _class_named(path: str) -> type:
    module, _, name = path.rpartition(".")
    owner: type = getattr(importlib.import_module(module), name)
    return owner

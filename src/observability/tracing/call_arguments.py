"""Read a call's arguments as the input of its observation."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    F = TypeVar("F", bound=Callable[..., object])


def arguments(
    func: Callable[..., object],
    args: Iterable[object],
    kwargs: Mapping[str, object],
    shown: Callable[[object], object] = lambda value: value,
) -> dict[str, object] | None:
    """Return what a function was called with, as it is recorded: without the object that a method belongs to."""
    code = getattr(inspect.unwrap(func), "__code__", None)
    given = list(args)
    if code is not None and code.co_varnames[:1] in (("self",), ("cls",)):
        given = given[1:]
    told: dict[str, object] = {
        "args": [shown(value) for value in given],
        "kwargs": {name: shown(value) for name, value in kwargs.items()},
    }
    return told if given or kwargs else None

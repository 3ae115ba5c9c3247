"""Read a call's arguments as the input of its observation."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def call_arguments(
    func: Callable[..., object],
    args: Iterable[object],
    kwargs: Mapping[str, object],
    shown: Callable[[object], object] = lambda value: value,
) -> dict[str, object] | None:
    """Return the arguments of a call as they are recorded; None where there are none.

    Args:
        func: The function that is called; the object or class that a method belongs to is left out.
        args: The positional arguments.
        kwargs: The keyword arguments.
        shown: Returns what is recorded of a value.
    """
    code = getattr(inspect.unwrap(func), "__code__", None)
    positional = list(args)
    if code is not None and code.co_varnames[:1] in (("self",), ("cls",)):
        positional = positional[1:]
    if not positional and not kwargs:
        return None
    return {
        "args": [shown(value) for value in positional],
        "kwargs": {name: shown(value) for name, value in kwargs.items()},
    }

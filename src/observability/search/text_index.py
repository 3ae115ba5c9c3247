"""Hold what finds texts by an index; without one all texts are read."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    # Yields the numbers of all observations that can have a text, the newest first, each time that it is called.
    Numbers = Callable[[], Iterator[int]]
    Lookup = Callable[[Path, str], AbstractContextManager[Numbers | None]]

_lookups: list[Lookup] = []


def use(lookup: Lookup) -> None:
    """Set what looks texts up."""
    _lookups[:] = [lookup]


@contextmanager
def numbers_with(store: Path, text: str | None) -> Iterator[Numbers | None]:
    """Open what yields the observations of a store that can have a text; None where only reading the texts can tell."""
    if text is None or not _lookups:
        yield None
        return
    with _lookups[0](store, text) as numbers:
        yield numbers

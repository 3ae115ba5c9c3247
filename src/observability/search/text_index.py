"""Register the text index that searches use; without one all texts are read."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    # Yields the numbers of all observations that can have a text, the newest first, each time that it is called.
    Numbers = Callable[[], Iterator[int]]
    Lookup = Callable[[Path, str], AbstractContextManager[Numbers | None]]

LEAST: Final = 2_000  # observations that are always read, whatever time is left: less than a tenth of a second of work


class Bounded:
    """Numbers of observations, the newest first, until a time is over.

    Args:
        numbers: Yields the numbers.
        seconds: How long they are yielded, from the first one on: what an index reads before is not counted.

    Attributes:
        upto: The number up to which none was yielded, where the time was over; else None: all were.
    """

    def __init__(self, numbers: Numbers, seconds: float) -> None:
        self._numbers = numbers
        self._seconds = seconds
        self.upto: int | None = None

    def __call__(self) -> Iterator[int]:
        """Yield the numbers, and so many of them in any case that texts that an index finds rare are looked up."""
        self.upto, deadline = None, None
        for count, number in enumerate(self._numbers(), 1):
            deadline = deadline or time.monotonic() + self._seconds
            yield number
            if count >= LEAST and time.monotonic() > deadline:
                self.upto = number - 1
                return


_lookups: list[Lookup] = []


def use(lookup: Lookup) -> None:
    """Set the function that looks texts up."""
    _lookups[:] = [lookup]


@contextmanager
def numbers_with(store: Path, text: str | None) -> Iterator[Numbers | None]:
    """Open what yields the observations of a store that can have a text; None where only reading the texts can tell."""
    if text is None or not _lookups:
        yield None
        return
    with _lookups[0](store, text) as numbers:
        yield numbers

"""Bound a question in time, and end it when nobody waits for the answer any more."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar

    _T = TypeVar("_T")


class TookTooLong(Exception):
    """A question was not answered in its time."""


class NobodyWaits(Exception):
    """The browser has left, or the server ends."""


class Limits:
    """The end of one question.

    Args:
        seconds: How long it may take.
        stopping: Set when the server ends.
    """

    def __init__(
        self, seconds: float, stopping: threading.Event | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.seconds = seconds
        self._clock = clock
        self._end = clock() + seconds
        self._left = threading.Event()
        self._stopping = stopping or threading.Event()

    def cancel(self) -> None:
        """End the question: nobody waits for its answer."""
        self._left.set()

    def unhurried(self) -> Limits:
        """Return limits of work that goes on when this question has ended, until the server ends."""
        return Limits(float("inf"), self._stopping, self._clock)

    def is_over(self) -> bool:
        """Tell whether the question must end."""
        return self._left.is_set() or self._stopping.is_set() or self._clock() > self._end

    def check(self) -> None:
        """Raise where the question must end.

        Raises:
            NobodyWaits: nobody waits for the answer.
            TookTooLong: its time is over.
        """
        if self._left.is_set() or self._stopping.is_set():
            raise NobodyWaits
        if self._clock() > self._end:
            raise TookTooLong(f"This took longer than {self.seconds:g} seconds, and was stopped.")

    def each(self, items: Iterable[_T], every: int = 256) -> Iterator[_T]:
        """Yield items, and raise between them where the question must end."""
        for count, item in enumerate(items):
            if count % every == 0:
                self.check()
            yield item

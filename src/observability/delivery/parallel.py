"""Run a few requests at the same time, on daemon threads: a pool's would be waited for at the program's end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")


class _Task(Generic[T]):
    """One call on a thread of its own, or on the caller's where no thread can start."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._results: list[T] = []
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = threading.Thread(target=self._run, name="moondev-scores", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # too many threads, or the interpreter shuts down
            self._thread = None

    def _run(self) -> None:
        try:
            self._results.append(self._call())
        except BaseException as error:  # noqa: BLE001 - raised by result()
            self._error = error

    def result(self) -> T:
        """Return what the call returned, or raise what it raised."""
        if self._thread is None:
            return self._call()
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._results[0]


def run_together(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Run calls at the same time; return their results in order, or raise the first error."""
    if len(calls) == 1:
        return [calls[0]()]
    tasks = [_Task(call) for call in calls]
    return [task.result() for task in tasks]

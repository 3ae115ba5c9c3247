"""Iterate over the events of one reply of the embedded model; the model stops when its reader does."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from src.models.adapters.local.engine import engine

if TYPE_CHECKING:
    from collections.abc import Mapping

_END: Final = object()


class Events:
    """The events of a reply, until it ends, its time is over, or it is closed; the model then stops.

    llama.cpp answers on a thread of its own. It looks whether it is to stop after each token, and while it reads the
    prompt after each few.

    Args:
        payload: A request in the form of Chat Completions.
        seconds: How long the reply may take, the loading of the model included.
    """

    def __init__(self, payload: Mapping[str, Any], seconds: float) -> None:
        self._payload = {
            **payload,
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_progress": True,
        }
        self._deadline = time.monotonic() + seconds
        self._events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._stop = threading.Event()
        threading.Thread(target=self._run, name="moondev-local", daemon=True).start()

    def __iter__(self) -> Events:
        """Return itself."""
        return self

    def __next__(self) -> Any:
        """Return the next event.

        Raises:
            TimeoutError: the time is over.
        """
        try:
            event = self._events.get(timeout=max(self._deadline - time.monotonic(), 0.0))
        except queue.Empty:
            self.close()
            raise TimeoutError("the reply was not complete within the time allowed for the whole call") from None
        if event is not _END and not isinstance(event, BaseException):
            return event
        self._events.put(_END)
        raise event if isinstance(event, BaseException) else StopIteration

    def close(self) -> None:
        """Stop the model, from any thread; whoever waits for an event gets none."""
        self._stop.set()
        self._events.put(_END)

    def _run(self) -> None:
        try:
            engine().answer(self._payload, self._take, self._stop)
        except BaseException as error:  # noqa: BLE001 - raised where the events are read
            self._events.put(error)
        self._events.put(_END)

    def _take(self, event: Any) -> bool:
        for item in event if isinstance(event, list) else [event]:
            self._events.put(item)
        return self._stop.is_set()

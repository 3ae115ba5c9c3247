"""Keep what was computed for as long as nothing that it depends on has changed; compute each thing once at a time."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.dashboard.data.limits import Limits

_T = TypeVar("_T")
_MOST: Final = 96
_WAIT_S: Final = 0.02
FRESH_S: Final = 20.0  # how long what is counted from now is kept


class Memo:
    """Results by what they depend on; the oldest go first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._results: OrderedDict[Any, tuple[Any, float]] = OrderedDict()
        self._under_way: set[Any] = set()

    def get(self, key: Any, compute: Callable[[], _T], limits: Limits, *, seconds: float = float("inf")) -> _T:
        """Return the result for a key: the one that is here, or that another thread is computing, or a new one.

        Args:
            key: All that the result depends on.
            compute: Computes it.
            limits: When the answer must be there.
            seconds: How long it is kept.
        """
        while not self._claim(key):
            time.sleep(_WAIT_S)
            limits.check()
        try:
            with self._lock:
                result, until = self._results.get(key, (None, 0.0))
            if time.monotonic() >= until:
                result = compute()
                self._keep(key, result, time.monotonic() + seconds)
        finally:
            with self._lock:
                self._under_way.discard(key)
        return result  # type: ignore[no-any-return] # what `compute` has returned

    def _claim(self, key: Any) -> bool:
        with self._lock:
            if key in self._under_way:
                return False
            self._under_way.add(key)
            return True

    def _keep(self, key: Any, result: Any, until: float) -> None:
        with self._lock:
            self._results[key] = (result, until)
            self._results.move_to_end(key)
            while len(self._results) > _MOST:
                self._results.popitem(last=False)

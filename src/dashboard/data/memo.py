"""Keep what was computed for as long as nothing that it depends on has changed; compute each thing once at a time."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from src.dashboard.data.limits import Limits

_T = TypeVar("_T")
_MOST: Final = 96
_WAIT_S: Final = 0.02
FRESH_S: Final = 20.0  # how long what is counted from now is kept


class Version(NamedTuple):
    """What results depend on that changes: `family` says what it is of, `value` differs when it has changed."""

    family: Hashable
    value: Any


class Memo:
    """Results by what they depend on; the oldest go first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._results: OrderedDict[Any, tuple[Any, float, Version | None]] = OrderedDict()
        self._under_way: set[Any] = set()

    def get(
        self,
        key: Any,
        compute: Callable[[], _T],
        limits: Limits,
        *,
        version: Version | None = None,
        seconds: float = float("inf"),
    ) -> _T:
        """Return the result for a key: the one that is here, or that another thread is computing, or a new one.

        Args:
            key: All that the result depends on, but the version.
            compute: Computes it.
            limits: When the answer must be there.
            version: What the result depends on that changes: results of other versions of the same family are dropped,
                with the arrays that they hold.
            seconds: How long it is kept.
        """
        while not self._claim(key):
            time.sleep(_WAIT_S)
            limits.check()
        try:
            with self._lock:
                result, until, stored_version = self._results.get(key, (None, 0.0, None))
            if time.monotonic() >= until or stored_version != version:
                result = compute()
                self._keep(key, (result, time.monotonic() + seconds, version))
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

    def _keep(self, key: Any, item: tuple[Any, float, Version | None]) -> None:
        version = item[2]
        with self._lock:
            if version is not None:
                for other, (_, _, before) in list(self._results.items()):
                    if before is not None and before.family == version.family and before != version:
                        del self._results[other]
            self._results[key] = item
            self._results.move_to_end(key)
            while len(self._results) > _MOST:
                self._results.popitem(last=False)

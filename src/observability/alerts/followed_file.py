"""Follow an alerts file: what checks its rules is made anew when it changes, by the same process."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from src.observability.alerts.location import AlertsError
from src.observability.alerts.rule_file import read_rules
from src.observability.alerts.watcher import Watcher
from src.observability.store.leases import lease_owner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_log = logging.getLogger("moondev.alerts")


class FollowedFile:
    """The rules of a file, as it is now.

    Args:
        store: The trace store's file.
        path: The alerts file.
        is_named: Whether the user has named it.
        offline: Whether nothing may leave this machine.
        clock: Seconds since 1970.
    """

    def __init__(self, store: Path, path: Path, *, is_named: bool, offline: bool, clock: Callable[[], float]) -> None:
        self._store = store
        self._path = path
        self._is_named = is_named
        self._offline = offline
        self._clock = clock
        self._owner = lease_owner()
        self._changed: tuple[int, int] | None = None  # the file as it was read last
        self._problem = ""
        self._watcher: Watcher | None = None

    def watcher(self) -> Watcher:
        """Return what checks the rules as the file has them now; one that became wrong leaves them as they were.

        Raises:
            AlertsError: the file is wrong, and there were no rules before.
        """
        try:
            changed = self._stamp()
            if self._watcher is None or changed != self._changed:
                rules = read_rules(self._path, is_named=self._is_named)
                self._watcher = Watcher(self._store, rules, self._owner, clock=self._clock, offline=self._offline)
                self._changed, self._problem = changed, ""
        except AlertsError as error:
            if self._watcher is None:
                raise
            if str(error) != self._problem:
                self._problem = str(error)
                _log.error("Alerts: %s The rules hold as they were read before.", error)
        return self._watcher

    def leave(self) -> None:
        """Let another process check the rules at once."""
        if self._watcher is not None:
            self._watcher.leave()

    def _stamp(self) -> tuple[int, int]:
        try:
            status = self._path.stat()
        except OSError as error:
            raise AlertsError(f"{self._path} cannot be read: {error.strerror}.") from error
        return status.st_mtime_ns, status.st_size

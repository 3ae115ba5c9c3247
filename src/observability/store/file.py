"""Open the trace store's file, see when it was taken away or damaged, and keep a damaged one under another name."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sqlite3
import time
from typing import TYPE_CHECKING, Final, Literal

from src.observability.store.queries import BUSY_S
from src.observability.store.schema import SpoolError, examine, migrate, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_log = logging.getLogger("moondev.spool")
_LAST_RESORT_PAGES: Final = 32_000  # of the log: where nobody moved them into the file, a commit does it
_TURN_S: Final = 2.0
_BESIDE: Final = ("-wal", "-shm")
_KEPT: Final = ".corrupt-"


class StoreFile:
    """Open one file for writing, again and again where that is needed."""

    def __init__(self, path: Path, sync: Literal["normal", "full"], clock: Callable[[], float]) -> None:
        self.path = path
        self._sync = sync
        self._clock = clock
        self._identity: tuple[int, int] | None = None

    def open(self, patience_s: float = BUSY_S) -> sqlite3.Connection:
        """Make folder (0700) and file (0600) where they are missing, and bring the file to the present format.

        Raises:
            SpoolError: the message says why it cannot be opened.
        """
        try:
            try:
                self._create()
                return self._connect(patience_s)
            except sqlite3.DatabaseError as error:
                if not is_corrupt(error):
                    raise
                self.keep_aside(str(error))
            self._create()
            return self._connect(patience_s)
        except OSError as error:
            raise SpoolError(f"the trace store {self.path} cannot be written: {error.strerror}.") from error
        except sqlite3.DatabaseError as error:
            raise SpoolError(f"the trace store {self.path} cannot be opened: {error}.") from error

    def _create(self) -> None:
        """Make the file where it is missing.

        One that exists is not opened here: to close it again would drop all locks that this process has on it (fcntl's
        rule), and another process could then delete the log that we write.
        """
        if not self.path.exists():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _one_at_a_time(self.path.parent):
                if not self.path.exists():
                    for suffix in _BESIDE:  # of a file that is gone: they would mix with the new one's
                        self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
                with contextlib.suppress(FileExistsError):
                    os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        if not os.access(self.path, os.R_OK | os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self.path))
        self._identity = _identity(self.path)

    def _connect(self, patience_s: float) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=patience_s, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        try:
            if examine(connection, self.path) == 0:
                prepare(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._sync == 'full' else 'NORMAL'}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_LAST_RESORT_PAGES}")
            connection.execute("PRAGMA journal_size_limit = 67108864")
            migrate(connection, self.path)
        except BaseException:
            connection.close()
            raise
        return connection

    def trouble(self) -> Literal["", "gone", "emptied"]:
        """Tell whether the file that was opened is no longer the one at its path, or has nothing left in it.

        SQLite would go on writing into a file that nobody can find any more.
        """
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return "gone"
        except OSError:
            return ""  # nothing is known: SQLite will tell
        if (found.st_dev, found.st_ino) != self._identity:
            return "gone"
        return "" if found.st_size else "emptied"

    def keep_aside(self, why: str) -> Path | None:
        """Keep a damaged file under another name; None where another process has done so already."""
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(self._clock()))
        kept = self.path.with_name(f"{self.path.name}{_KEPT}{stamp}-{os.getpid()}-{os.urandom(2).hex()}")
        with _one_at_a_time(self.path.parent):
            if self.trouble() == "gone":
                return None
            self.path.replace(kept)
            for suffix in _BESIDE:
                with contextlib.suppress(FileNotFoundError):
                    self.path.with_name(self.path.name + suffix).replace(kept.with_name(kept.name + suffix))
        _log.error("The trace store %s is damaged (%s). It is kept as %s; a new one begins.", self.path, why, kept.name)
        return kept


def damaged_copies(path: Path) -> list[Path]:
    """Return the damaged files that were kept beside a store."""
    return sorted(item for item in path.parent.glob(f"{path.name}{_KEPT}*") if not item.name.endswith(_BESIDE))


def is_corrupt(error: BaseException) -> bool:
    """Tell a damaged file from a full disk, a lock, or a folder that may not be written."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_busy(error: BaseException) -> bool:
    """Tell that another process kept the file locked for longer than one waits."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Let one process at a time put a store in its place, by a lock on its folder: that leaves no file behind."""
    held = _lock(folder)
    try:
        yield
    finally:
        if held is not None:
            os.close(held)


def _lock(folder: Path) -> int | None:
    """Return a locked descriptor, or None where there is no such lock, or its holder keeps it for too long."""
    try:
        import fcntl

        held = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        return None
    until = time.monotonic() + _TURN_S
    while True:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return held
        except OSError:
            if time.monotonic() > until:
                os.close(held)
                return None
            time.sleep(0.01)

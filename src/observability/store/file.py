"""Open the trace store's file for writing, and rename a damaged one."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sqlite3
import time
from typing import TYPE_CHECKING, Final, Literal

from src.observability.store.budget_blocks import carry_spent
from src.observability.store.connections import BUSY_S, INDEX, LOG, read_only
from src.observability.store.identity import is_damaged_store
from src.observability.store.schema import SMALLEST_FILE, SpoolError, examine, migrate, not_a_store, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_log = logging.getLogger("moondev.spool")
_LAST_RESORT_PAGES: Final = 32_000  # of the log: where no checkpoint moved them into the file, a commit does
_LOCK_PATIENCE_S: Final = 2.0
_COMPANIONS: Final = (LOG, INDEX)
_DAMAGED: Final = ".corrupt-"


class StoreFile:
    """The file of one store, which may be moved, deleted or damaged while it is in use.

    Args:
        path: Where it is.
        sync: When SQLite syncs the disk.
        clock: Seconds since 1970.
        on_damage: Sets a damaged file aside, and sees to what can be read of it; tells whether it did. Where it is
            not given, or did not, the file is set aside, and only what is spent of budgets moves to the new one.
    """

    def __init__(
        self,
        path: Path,
        sync: Literal["normal", "full"],
        clock: Callable[[], float],
        on_damage: Callable[[sqlite3.DatabaseError], bool] | None = None,
    ) -> None:
        self.path = path
        self._on_damage = on_damage
        self._sync = sync
        self._clock = clock
        self._identity: tuple[int, int] | None = None  # of the file that was opened last
        self._stores: set[tuple[int, int]] = set()  # the identities of files that were opened as stores
        self._spent_in: Path | None = None  # a file that was set aside, whose budgets the next one goes on with

    def open(self, patience_s: float = BUSY_S) -> sqlite3.Connection:
        """Open the file for writing, in the present format; create folder (0700) and file (0600) if missing.

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
                self.replace(error)
            self._create()
            return self._connect(patience_s)
        except IsADirectoryError as error:
            raise SpoolError(f"{self.path} is a folder. Name a file with MOONDEV_TRACE_DB.") from error
        except OSError as error:
            raise SpoolError(f"the trace store {self.path} cannot be written: {error.strerror}.") from error
        except sqlite3.DatabaseError as error:
            remedy = "; another process holds it: end that one" if is_busy(error) else ""
            raise SpoolError(f"the trace store {self.path} cannot be opened: {error}{remedy}.") from error

    def _create(self) -> None:
        """Create the file where it is missing.

        A file that exists is not opened here: closing it again would drop all locks that this process has on it (the
        rule of fcntl), and another process could then delete the log that we write.
        """
        if not self.path.exists():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _folder_lock(self.path.parent):
                if not self.path.exists():
                    for suffix in _COMPANIONS:  # of a file that is gone: they would mix with the new one's
                        self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
                with contextlib.suppress(FileExistsError):
                    os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        if self.path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(self.path))
        if not os.access(self.path, os.R_OK | os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self.path))
        self._identity = _identity(self.path)

    def _connect(self, patience_s: float) -> sqlite3.Connection:
        if self._identity not in self._stores and (size := self.path.stat().st_size):
            if size < SMALLEST_FILE:
                raise not_a_store(self.path, "file is not a database")
            self._examine_unchanged(patience_s)
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
            if self._spent_in is not None:
                carry_spent(connection, self._spent_in, int(self._clock()))
                self._spent_in = None
        except BaseException:
            connection.close()
            raise
        if self._identity is not None:
            self._stores.add(self._identity)
        return connection

    def _examine_unchanged(self, patience_s: float) -> None:
        """Examine the file before it is opened for writing, which moves another program's log into its file."""
        try:
            with read_only(self.path, patience_s) as reader:
                examine(reader, self.path)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:  # what a killed process left is undone first
                raise

    def trouble(self) -> Literal["", "gone", "emptied"]:
        """Tell whether the file that was opened is no longer the one at its path ("gone"), or is empty ("emptied").

        SQLite would go on writing into a file that is no longer at the path.
        """
        try:
            status = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return "gone"
        except OSError:
            return ""  # unknown: SQLite will report it
        if (status.st_dev, status.st_ino) != self._identity:
            return "gone"
        return "" if status.st_size else "emptied"

    def replace(self, error: sqlite3.DatabaseError) -> None:
        """Set the file aside after an error that means damage, so that the next one to open it begins a new one.

        Raises:
            SpoolError: the file is no store of ours: it stays as it is.
        """
        if self._on_damage is None or not self._on_damage(error):
            self.set_aside(str(error))

    def set_aside(self, reason: str) -> Path | None:
        """Rename a damaged file; return its new path, or None where another process has renamed it already.

        Raises:
            SpoolError: the file is no store of ours: it stays as it is.
        """
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(self._clock()))
        copy = self.path.with_name(f"{self.path.name}{_DAMAGED}{stamp}-{os.getpid()}-{os.urandom(2).hex()}")
        with _folder_lock(self.path.parent):
            if self.trouble() == "gone":
                return None
            if not self._is_ours():
                raise not_a_store(self.path, reason)
            self.path.replace(copy)
            for suffix in _COMPANIONS:
                with contextlib.suppress(FileNotFoundError):
                    self.path.with_name(self.path.name + suffix).replace(copy.with_name(copy.name + suffix))
        self._spent_in = copy
        _log.error(
            "The trace store %s is damaged (%s). It is kept as %s; a new one begins.", self.path, reason, copy.name
        )
        return copy

    def _is_ours(self) -> bool:
        opened_before = self._identity in self._stores
        if opened_before and self.trouble() == "emptied":
            return True
        return is_damaged_store(self.path, opened_before=opened_before)


def damaged_copies(path: Path) -> list[Path]:
    """Return the damaged files that were set aside beside a store."""
    return sorted(item for item in path.parent.glob(f"{path.name}{_DAMAGED}*") if not item.name.endswith(_COMPANIONS))


def is_corrupt(error: BaseException) -> bool:
    """Tell whether an error means a damaged file, not a full disk, a lock, or a folder that may not be written."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_busy(error: BaseException) -> bool:
    """Tell whether an error, or its cause, means that another process kept the file locked for too long."""
    codes = {getattr(item, "sqlite_errorcode", 0) & 0xFF for item in (error, error.__cause__)}
    return not codes.isdisjoint((sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED))


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


@contextlib.contextmanager
def _folder_lock(folder: Path) -> Iterator[None]:
    """Let one process at a time replace the file, by a lock on its folder: that leaves no lock file behind."""
    descriptor = _lock(folder)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _lock(folder: Path) -> int | None:
    """Return a locked descriptor; None where the system has no such lock, or another process holds it for too long."""
    try:
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        return None
    deadline = time.monotonic() + _LOCK_PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except OSError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                return None
            time.sleep(0.01)

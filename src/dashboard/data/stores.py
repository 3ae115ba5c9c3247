"""Put questions to trace stores, read-only, each within its limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from src.insight.facts.opening import store_identity
from src.observability.store.reader import StoreReader
from src.observability.store.schema import SpoolError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from src.dashboard.data.limits import Limits

_T = TypeVar("_T")
LOCKED_S: Final = 1.5  # for which a page waits for a lock of another process
_STEPS: Final = 20_000  # of SQLite's machine between two looks at the limits: below a millisecond


class Locked(Exception):
    """Another process has locked a store; the message names its file."""


@dataclass(frozen=True, slots=True)
class Store:
    """One trace store, and its name in addresses."""

    name: str
    path: Path
    reader: StoreReader = field(repr=False, compare=False)

    def check(self) -> None:
        """Look whether the file is a store that can be read; one that is missing may come yet.

        Raises:
            SpoolError: it is none.
        """
        self.reader.last_seq()

    def check_lock(self) -> None:
        """Look whether another process has locked the store, for longer than a page waits.

        Raises:
            Locked: it has.
        """
        if self.reader.exists and self.reader.is_locked(LOCKED_S):
            raise Locked(f"Another process has locked {self.path}.")

    def mark(self) -> tuple[object, ...] | None:
        """Return what tells files apart that are at this path one after another; None where there is none.

        Raises:
            SpoolError: the file is no store, or cannot be read.
        """
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino, store_identity(self.path)

    def ask(self, question: Callable[[sqlite3.Connection], _T], nothing: Any, limits: Limits) -> _T:
        """Return the answer to a question that is put to a connection; `nothing` where there are no tables.

        Raises:
            SpoolError: the file is no store, or cannot be read.
            TookTooLong: it took too long.
            NobodyWaits: nobody waits for the answer any more.
        """

        def put(connection: sqlite3.Connection) -> _T:
            connection.set_progress_handler(limits.is_over, _STEPS)
            return question(connection)

        limits.check()
        try:
            answer: _T = self.reader.ask(put, nothing)
            return answer
        except SpoolError:
            limits.check()  # the answer was interrupted, where it was one of these
            raise


def open_stores(paths: Iterable[Path]) -> tuple[Store, ...]:
    """Return stores by their files, each with a name of its own: the file's, with a number where two are the same."""
    stores: dict[str, Store] = {}
    for path in dict.fromkeys(path.absolute() for path in paths):
        name, number = path.stem or "store", 2
        while name in stores:
            name, number = f"{path.stem}-{number}", number + 1
        stores[name] = Store(name=name, path=path, reader=StoreReader(path))
    return tuple(stores.values())

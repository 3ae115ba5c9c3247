"""Bring the text index up to date with its store, within its size; what the store has deleted leaves no bit in it."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from src.insight.facts import expiry
from src.insight.facts.expiry import OBSERVATIONS
from src.insight.facts.opening import Identity, store_identity
from src.insight.facts.writing import FactsError, Meta, delete, meta, remedy_of, set_meta
from src.insight.texts import stored
from src.insight.texts.schema import APPLICATION_ID, BLOCK_BYTES, FORMAT, SCRIPT, TextSettings, bits_id, texts_path
from src.insight.texts.signatures import GROUP, PLACES, ROWS, Block, folded
from src.observability.store.connections import transaction
from src.observability.store.file import is_busy, is_corrupt
from src.observability.store.reader import StoreReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from src.insight.texts.stored import Stored

_GROUPS: Final = PLACES // GROUP
_EMPTY: Final = bytes(ROWS // 8)


class TextState(NamedTuple):
    """How far the index goes.

    Attributes:
        enabled: Whether texts are indexed.
        first: The number of the first observation that is indexed; None where none is.
        upto: The number of the last one that was read.
        behind: How many observations of the store were not read.
        bytes: The size of the file.
    """

    enabled: bool
    first: int | None = None
    upto: int = 0
    behind: int = 0
    bytes: int = 0


def refresh_texts(
    store: Path,
    *,
    budget_s: float | None = None,
    settings: TextSettings | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TextState:
    """Index the texts that are new in a store, for about so many seconds; return how far that got.

    Where the index is switched off its file is deleted.

    Args:
        store: The trace store's file.
        budget_s: How long to work at most; until all is indexed where not set.
        settings: Whether, and how much; the environment's where not set.
        progress: Called after each block with the number of the last observation that was read, and of the newest.

    Raises:
        SpoolError: the store cannot be read, or the index's file not be written; the message says why.
    """
    store, settings = store.absolute(), settings or TextSettings.read()
    path = texts_path(store)
    if not settings.enabled:
        delete(path)
        return TextState(enabled=False)
    identity = store_identity(store)
    if identity is None:
        return TextState(enabled=True)
    deadline = None if budget_s is None else time.monotonic() + budget_s
    try:
        _bring_up(store, identity, settings, deadline, progress)
    except sqlite3.DatabaseError as error:
        if is_corrupt(error):
            delete(path)
            _bring_up(store, identity, settings, deadline, progress)
        elif not is_busy(error):
            raise FactsError(f"the text index {path} cannot be written ({error}): {remedy_of(error)}.") from error
    return text_state(store)


def text_state(store: Path) -> TextState:
    """Return how far the index of a store goes."""
    settings, path = TextSettings.read(), texts_path(store)
    newest = StoreReader(store).ask(lambda connection: expiry.extent(connection, OBSERVATIONS).last, 0)
    with open_texts(store) as connection:
        if connection is None:
            return TextState(enabled=settings.enabled, behind=newest if settings.enabled else 0)
        block = connection.execute("SELECT min(id) FROM blocks").fetchone()[0]
        upto = meta(connection)["upto"]
    first = None if block is None else block * ROWS + 1
    return TextState(settings.enabled, first, upto, max(newest - upto, 0), path.stat().st_size)


@contextlib.contextmanager
def open_texts(store: Path) -> Iterator[sqlite3.Connection | None]:
    """Open the index of a store to read it; None where it has none."""
    path, identity = texts_path(store), store_identity(store)
    if identity is None or not path.exists():
        yield None
        return
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
        yield connection if _is_of(connection, identity) else None


def _is_of(connection: sqlite3.Connection, identity: Identity) -> bool:
    """Tell whether a file is the index of a store's file, whose numbers it holds."""
    with contextlib.suppress(sqlite3.DatabaseError):
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if (owner, version) == (APPLICATION_ID, FORMAT):
            values = meta(connection)
            return (values["store"], values["file"]) == tuple(identity)
    return False


def _open(path: Path, identity: Identity) -> sqlite3.Connection:
    """Open the index for writing; one of another file is begun anew, since its numbers mean other rows."""
    try:
        if path.exists():
            with contextlib.closing(sqlite3.connect(path)) as connection:
                is_ours = _is_of(connection, identity)
            if not is_ours:
                delete(path)
        is_new = not path.exists()
        if is_new:
            path.touch(mode=0o600)
        connection = sqlite3.connect(path, timeout=5, isolation_level=None)
        connection.execute("PRAGMA page_size = 8192")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA secure_delete = ON")
        if is_new:
            with transaction(connection):
                _create(connection, identity)
    except OSError as error:
        raise FactsError(
            f"the text index {path} cannot be written ({error.strerror}): {remedy_of(error.strerror)}."
        ) from error
    return connection


def _create(connection: sqlite3.Connection, identity: Identity) -> None:
    for statement in SCRIPT.split(";"):
        if statement.strip():
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    set_meta(connection, store=identity.store, file=identity.file, upto=0, checked="")


def _bring_up(
    store: Path,
    identity: Identity,
    settings: TextSettings,
    deadline: float | None,
    progress: Callable[[int, int], None] | None,
) -> None:
    reader = StoreReader(store)
    with contextlib.closing(_open(texts_path(store), identity)) as connection:
        _forget_deleted(reader, connection)
        newest = 0
        while True:
            upto = meta(connection)["upto"]
            least = 1 - upto % ROWS + upto  # of its block
            none: list[Stored] = []
            rows = reader.ask(partial(stored.after, seq=upto, limit=least + ROWS - 1 - upto), none)
            if not rows:
                break
            block = (rows[0].seq - 1) // ROWS
            _add(connection, [row for row in rows if (row.seq - 1) // ROWS == block], block, upto)
            _keep_small(connection, settings.max_bytes)
            if progress is not None:
                if rows[-1].seq >= newest:
                    newest = reader.ask(lambda store_: expiry.extent(store_, OBSERVATIONS).last, rows[-1].seq)
                progress(rows[-1].seq, newest)
            if deadline is not None and time.monotonic() >= deadline:
                break


def _add(connection: sqlite3.Connection, rows: list[Stored], number: int, after: int) -> None:
    """Add rows to their block; nothing where another process has done so."""
    texts = [(row.seq, folded("\0".join(stored.texts_of(row).values()))) for row in rows]
    with transaction(connection):
        if meta(connection)["upto"] != after:
            return
        block, slots = _load(connection, number)
        for seq, text in texts:
            slot = (seq - 1) % ROWS
            slots[slot >> 3] |= 1 << (slot & 7)
            block.add(slot, text)
        _store(connection, number, block, slots)
        set_meta(connection, upto=texts[-1][0])


def _load(connection: sqlite3.Connection, number: int) -> tuple[Block, bytearray]:
    row = connection.execute("SELECT slots FROM blocks WHERE id = ?", (number,)).fetchone()
    if row is None:
        return Block(), bytearray(_EMPTY)
    ids = ", ".join(str(bits_id(group, number)) for group in range(_GROUPS))
    contents = connection.execute(f"SELECT id >> 32, content FROM bits WHERE id IN ({ids})")
    return Block(dict(contents)), bytearray(row[0])


def _store(connection: sqlite3.Connection, number: int, block: Block, slots: bytes | bytearray) -> None:
    _drop(connection, number)
    if any(slots):
        connection.execute("INSERT INTO blocks VALUES (?, ?)", (number, bytes(slots)))
        groups = block.groups().items()
        connection.executemany("INSERT INTO bits VALUES (?, ?)", ((bits_id(at, number), bits) for at, bits in groups))


def _drop(connection: sqlite3.Connection, number: int) -> None:
    ids: Iterable[tuple[int]] = ((bits_id(group, number),) for group in range(_GROUPS))
    connection.executemany("DELETE FROM bits WHERE id = ?", ids)
    connection.execute("DELETE FROM blocks WHERE id = ?", (number,))


def _forget_deleted(reader: StoreReader, connection: sqlite3.Connection) -> None:
    """Clear the bits of rows that the store has deleted since it was looked at."""
    extent = reader.ask(lambda store: expiry.extent(store, OBSERVATIONS), expiry.Extent(0, 0, 0))
    state = extent.deletions
    values: Meta = meta(connection)
    if values["checked"] == state:
        return
    upto = max(extent.deleted_upto, extent.first - 1)
    rows = connection.execute("SELECT id, slots FROM blocks WHERE id * ? < ? ORDER BY id", (ROWS, upto)).fetchall()
    for number, slots in rows:
        indexed = [slot for slot in range(ROWS) if slots[slot >> 3] >> (slot & 7) & 1]
        numbers = [number * ROWS + slot + 1 for slot in indexed]
        there = reader.ask(partial(expiry.present, kind=OBSERVATIONS, numbers=numbers), set[int]())
        gone = [slot for slot in indexed if number * ROWS + slot + 1 not in there]
        if gone:
            with transaction(connection):
                block, bits = _load(connection, number)
                block.clear(gone)
                for slot in gone:
                    bits[slot >> 3] &= ~(1 << (slot & 7)) & 0xFF
                _store(connection, number, block, bits)
    with transaction(connection):
        set_meta(connection, checked=state)


def _keep_small(connection: sqlite3.Connection, max_bytes: int) -> None:
    """Drop the oldest blocks where the index is too large."""
    most = max(max_bytes // BLOCK_BYTES, 1)
    excess = connection.execute("SELECT count(*) FROM blocks").fetchone()[0] - most
    if excess > 0:
        with transaction(connection):
            for (number,) in connection.execute("SELECT id FROM blocks ORDER BY id LIMIT ?", (excess,)).fetchall():
                _drop(connection, number)

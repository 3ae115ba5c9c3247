"""Search the inputs, outputs and errors of a store for a text; every hit was looked up in the store itself.

with Search(store_path, "stop loss") as search:
    for hit in search.hits():      # the newest first
        ...
    search.remarks                 # what was not searched
"""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from src.insight.texts import stored
from src.insight.texts.index import open_texts
from src.insight.texts.schema import bits_id, groups_of
from src.insight.texts.signatures import GROUP, LEAST_BYTES, ROW_BYTES, ROWS, folded, places_of, slots_with
from src.observability.store.reader import StoreReader

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self

_MOST_PLACES: Final = 16  # of a text that are looked at: more exclude hardly any row
_STEP: Final = 200  # rows that are read from the store at once
_MOST_UNINDEXED: Final = 20_000  # rows that are read one by one
_AROUND: Final = 60  # characters on each side of a hit that are shown


class Hit(NamedTuple):
    """One observation that has a text; `field` is input, output, error or another attribute's name."""

    seq: int
    trace_id: str
    span_id: str
    field: str
    excerpt: str


class Search:
    """One search. Upper and lower case are the same; the text stands in a row as it is, or escaped as in JSON.

    Args:
        store: The trace store's file.
        text: What to look for: three bytes at least.
        budget_s: How long to look at most, from now on; to the end where not set.

    Attributes:
        remarks: What was not searched, in words, once `hits` has ended.

    Raises:
        ValueError: the text is too short.
    """

    def __init__(self, store: Path, text: str, *, budget_s: float | None = None) -> None:
        escaped = json.dumps(text, ensure_ascii=False)[1:-1]
        self._needles = tuple(dict.fromkeys((folded(text), folded(escaped))))
        if len(self._needles[0]) < LEAST_BYTES:
            raise ValueError(f"The text to search for is {text!r}: use three characters at least.")
        self._deadline = None if budget_s is None else time.monotonic() + budget_s
        self._store = StoreReader(store)
        self._stack = ExitStack()
        self._index = self._stack.enter_context(open_texts(store.absolute()))
        self.remarks: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def hits(self) -> Iterator[Hit]:
        """Yield the observations that have the text, the newest first."""
        upto = (
            0
            if self._index is None
            else self._index.execute("SELECT value FROM meta WHERE name = 'upto'").fetchone()[0]
        )
        yield from self._unindexed(upto)
        if self._index is not None:
            yield from self._indexed(self._index)
            first = self._index.execute("SELECT min(id) FROM blocks").fetchone()[0]
            oldest = self._store.ask(_first, 0)
            if first is not None and oldest <= first * ROWS:
                self._remark("older texts are not in the index (MOONDEV_SEARCH_MAX_MB)")

    def candidates(self) -> Iterator[int]:
        """Yield the numbers of all observations that can have the text, the newest first: none is looked up.

        The index must reach back to the oldest observation. Those that it has not read yet are all among them.
        """
        upto = 0
        if self._index is not None:
            upto = self._index.execute("SELECT value FROM meta WHERE name = 'upto'").fetchone()[0]
        none: list[int] = []
        yield from self._store.ask(partial(stored.numbers_after, seq=upto), none)
        if self._index is not None:
            for numbers in self._candidates(self._index):
                yield from numbers

    def _unindexed(self, upto: int) -> Iterator[Hit]:
        """Yield hits among what the index has not read yet, as far as that can be read one by one."""
        seq, count = 2**62, 0
        while count < _MOST_UNINDEXED:
            rows = self._read(partial(stored.before, seq=seq, least=upto + 1, limit=_STEP))
            if not rows:
                return
            yield from self._verified(rows)
            seq, count = rows[-1].seq, count + len(rows)
        self._remark(f"{seq - upto - 1:,} observations are not indexed yet: `moondev insight refresh` does it")

    def _candidates(self, index: sqlite3.Connection) -> Iterator[list[int]]:
        """Yield the numbers of the rows of each block that have all bits of the text, the newest first."""
        blocks = index.execute("SELECT id, slots FROM blocks ORDER BY id DESC").fetchall()
        columns = [self._columns(index, needle) for needle in self._needles]
        for number, slots in blocks:
            candidates: set[int] = set()
            for places in columns:
                candidates.update(
                    slots_with({-1: slots, **{at: of.get(number, _NOTHING) for at, of in places.items()}})
                )
            yield [number * ROWS + slot + 1 for slot in sorted(candidates, reverse=True)]

    def _indexed(self, index: sqlite3.Connection) -> Iterator[Hit]:
        batch: list[int] = []
        for numbers in self._candidates(index):
            batch += numbers
            while len(batch) >= _STEP:
                yield from self._numbered(batch[:_STEP])
                batch = batch[_STEP:]
                if self._deadline is not None and time.monotonic() >= self._deadline:
                    self._remark("there was no time to look at older observations")
                    return
        if batch:
            yield from self._numbered(batch)

    def _columns(self, index: sqlite3.Connection, needle: bytes) -> dict[int, dict[int, bytes]]:
        """Return, for some places of a text, the bits of all rows by block."""
        places = places_of(needle)
        step = max(len(places) // _MOST_PLACES, 1)
        columns: dict[int, dict[int, bytes]] = {}
        for group, members in groups_of(places[::step]).items():
            rows = index.execute(
                "SELECT id, content FROM bits WHERE id BETWEEN ? AND ?", (bits_id(group, 0), bits_id(group + 1, 0) - 1)
            )
            contents = [(number & 0xFFFF_FFFF, content) for number, content in rows]
            for place in members:
                at = (place % GROUP) * ROW_BYTES
                columns[place] = {block: content[at : at + ROW_BYTES] for block, content in contents}
        return columns

    def _numbered(self, numbers: list[int]) -> Iterator[Hit]:
        yield from self._verified(self._read(partial(stored.numbered, numbers=numbers)))

    def _read(self, question: Callable[[sqlite3.Connection], list[stored.Stored]]) -> list[stored.Stored]:
        none: list[stored.Stored] = []
        return self._store.ask(question, none)

    def _verified(self, rows: list[stored.Stored]) -> Iterator[Hit]:
        for row in rows:
            for field, text in stored.texts_of(row).items():
                whole = folded(text)
                at = next((place for needle in self._needles if (place := whole.find(needle)) >= 0), None)
                if at is not None:
                    yield Hit(row.seq, row.trace_id, row.span_id, field, _excerpt(text, whole, at))
                    break

    def _remark(self, text: str) -> None:
        self.remarks = (*self.remarks, text)


_NOTHING: Final = bytes(ROW_BYTES)


def _first(store: sqlite3.Connection) -> int:
    return int(store.execute("SELECT coalesce(min(seq), 0) FROM observations").fetchone()[0])


def _excerpt(text: str, whole: bytes, at: int) -> str:
    """Return what stands around a hit; `at` counts bytes of the folded text, which may be longer than the text."""
    place = len(whole[:at].decode("utf-8", "replace"))
    start, end = max(place - _AROUND, 0), place + 2 * _AROUND
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"

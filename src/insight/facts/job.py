"""Bring the facts file up to date with its store.

The store is read in short transactions, so that its log does not grow; what was read is added in one transaction with
the number up to which was read, so that a process that is killed leaves nothing half counted, and two that work at the
same time count nothing twice.
"""

from __future__ import annotations

import sqlite3
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from src.insight.facts import day_columns, expiry, observations, scores, writing
from src.insight.facts.expiry import OBSERVATIONS, SCORES, Kind
from src.insight.facts.numbering import Names
from src.insight.facts.opening import Identity, store_identity
from src.insight.facts.reader import FactsReader
from src.insight.facts.rows import binary_id
from src.insight.facts.schema import INDEXES, facts_path
from src.insight.facts.writing import FactsError, meta, remedy_of, set_meta
from src.observability.store.connections import transaction
from src.observability.store.file import StoreFile, is_busy, is_corrupt
from src.observability.store.reader import StoreReader
from src.observability.store.retention import RUNNING_UNTIL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from src.insight.facts.conversion import StoreRow
    from src.insight.facts.records import Freshness

    Progress = Callable[[int, int], None]

__all__ = ["FactsError", "refresh"]

_STEP: Final = 1_000  # rows that are read at once
_LONG_STEP: Final = 4_000  # where many are to be read: fewer sums are written
_STEPS_AT_ONCE: Final = 4  # of long ones that are then added in one transaction
_MANY: Final = 40_000
_TURN_S: Final = 0.1  # how long retention is left alone with the store between two steps
_NAMES_EVERY_NS: Final = 86_400 * 10**9


def refresh(store: Path, *, budget_s: float | None = None, progress: Progress | None = None) -> Freshness:
    """Read what is new in a store into its facts file, for about so many seconds; return how far that got.

    Another process that does so at the same time is no harm: each adds what the other has not. A store of an older
    format is brought forward first.

    Args:
        store: The trace store's file.
        budget_s: How long to read at most; until all is read where not set.
        progress: Called after each step with the number of the last observation that was read, and of the newest.

    Raises:
        SpoolError: the store cannot be read.
        FactsError: the facts file cannot be written; the message says why.
    """
    store = store.absolute()
    deadline = None if budget_s is None else time.monotonic() + budget_s
    identity = _identity(store)
    if identity is not None:
        try:
            _bring_up(store, identity, deadline, progress)
        except sqlite3.DatabaseError as error:
            if is_corrupt(error):  # it is never believed: begun anew, at once
                writing.delete(facts_path(store))
                _bring_up(store, identity, deadline, progress)
            elif not is_busy(error):
                raise FactsError(
                    f"the facts file {facts_path(store)} cannot be written ({error}): {remedy_of(error)}."
                ) from error
    with FactsReader(store) as reader:
        return reader.freshness()


def _identity(store: Path) -> Identity | None:
    """Return a store's identity; None where there is no store."""
    identity = store_identity(store)
    if identity is None and StoreReader(store).ask(lambda _: True, False):
        StoreFile(store, "normal", time.time).open().close()  # of an older format
        identity = store_identity(store)
    return identity


def _bring_up(store: Path, identity: Identity, deadline: float | None, progress: Progress | None) -> None:
    connection = writing.open_for_writing(store, identity)
    try:
        if deadline is not None:
            patience_ms = int(max(min(deadline - time.monotonic(), 5.0), 0.05) * 1_000)
            connection.execute(f"PRAGMA busy_timeout = {patience_ms}")
        _Pass(store, identity, connection, deadline, progress).run()
    finally:
        connection.close()


class _Pass:
    """One pass over the store, from where the last one ended."""

    def __init__(
        self,
        store: Path,
        identity: Identity,
        facts_file: sqlite3.Connection,
        deadline: float | None,
        progress: Progress | None,
    ) -> None:
        self._store = StoreReader(store)
        self._identity = identity
        self._file = facts_file
        self._names = Names(facts_file)
        self._build: object = None
        self._deadline = deadline
        self._progress = progress
        self._newest = 0

    def run(self) -> None:
        """Read all that is new; then delete what the store has deleted. Returns early where the time is over."""
        self._check_numbers()
        while self._read_observations():
            if self._is_over():
                return
        while self._read_scores():
            if self._is_over():
                return
        with transaction(self._file):
            for statement in INDEXES:
                self._file.execute(statement)
            set_meta(self._file, rescan=0)
        deleted = 0
        for kind in (OBSERVATIONS, SCORES):
            deleted += self._expire(kind)
        if self._is_over():
            return
        self._finish(deleted)
        self._keep_columns()

    # Numbers.

    def _check_numbers(self) -> None:
        """Read everything again where rows are numbered anew: another file of the same trail, or an older copy of it.

        Facts keep their places: rows that come again are recognised by their ids.
        """
        values = meta(self._file)
        if values["file"] == self._identity.file and self._store.ask(partial(_is_same, values=values), True):
            return
        with transaction(self._file):
            for table, index in (("facts", "facts_seq"), ("scores", "scores_seq")):
                self._file.execute(f"DROP INDEX IF EXISTS {index}")
                self._file.execute(f"UPDATE {table} SET seq = -seq WHERE seq > 0")
            set_meta(self._file, file=self._identity.file, upto=0, scores_upto=0, rescan=1)

    # Reading.

    def _read_observations(self) -> bool:
        """Read the next observations; tell whether there may be more."""
        after = meta(self._file)["upto"]
        items, has_more = self._next_observations(after)
        if not items:
            return False
        with transaction(self._file):
            try:
                values = self._values()
                if values["upto"] != after or values["file"] != self._identity.file:
                    return True  # another process has read them meanwhile
                is_rescan = bool(values.get("rescan"))
                added = observations.add(self._file, items, self._names, after=after, is_rescan=is_rescan)
                last, trace_id, span_id = items[-1][:3]
                self._note_gap(OBSERVATIONS, after, last, added.missing)
                set_meta(
                    self._file, upto=last, upto_trace=binary_id(trace_id), upto_span=binary_id(span_id),
                    facts=values.get("facts", 0) + added.new, doubtful=values.get("doubtful", 0) + added.doubtful,
                )  # fmt: skip
            except BaseException:
                self._names.forget()
                raise
        if last >= self._newest:
            self._newest = self._store.ask(lambda store: expiry.extent(store, OBSERVATIONS).last, last)
        if self._progress is not None:
            self._progress(last, max(self._newest, last))
        return has_more

    def _next_observations(self, after: int) -> tuple[list[StoreRow], bool]:
        """Return the observations after a number, read in short transactions, and whether there may be more."""
        are_many = self._newest - after > _MANY
        step = _LONG_STEP if are_many else _STEP
        items: list[StoreRow] = []
        for _ in range(_STEPS_AT_ONCE if are_many and self._deadline is None else 1):
            upto = items[-1][0] if items else after
            raw = self._store.ask(partial(observations.read, after=upto, limit=step), observations.Raw([], []))
            items += observations.decoded(raw)
            if len(raw.rows) < step:
                return items, False
        return items, True

    def _read_scores(self) -> bool:
        """Read the next scores; tell whether there may be more."""
        after = meta(self._file)["scores_upto"]
        none: list[scores.ScoreRow] = []
        step = _LONG_STEP if after else _STEP
        rows = self._store.ask(lambda store: scores.read(store, after, step), none)
        if not rows:
            return False
        with transaction(self._file):
            try:
                values = self._values()
                if values["scores_upto"] != after or values["file"] != self._identity.file:
                    return True
                is_rescan = bool(values.get("rescan"))
                missing = scores.add(self._file, rows, self._names, after=after, is_rescan=is_rescan)
                self._note_gap(SCORES, after, rows[-1][0], missing)
                set_meta(self._file, scores_upto=rows[-1][0])
            except BaseException:
                self._names.forget()
                raise
        return len(rows) == step

    def _values(self) -> writing.Meta:
        """Return what the file says of itself; numbers of names are read anew where another process changed them."""
        values = meta(self._file)
        if values["build"] != self._build:
            self._names.forget()
            self._build = values["build"]
        return values

    def _note_gap(self, kind: Kind, after: int, last: int, missing: int) -> None:
        if missing:
            self._file.execute(
                "INSERT INTO gaps (kind, first, last, n, noticed_ns) VALUES (?, ?, ?, ?, ?)",
                (kind.name, after + 1, last, missing, time.time_ns()),
            )

    # Deleting.

    def _expire(self, kind: Kind) -> int:
        """Delete the facts of rows that the store has deleted; return how many."""
        key, deleted = f"{kind.upto}_expired", 0
        extent = self._store.ask(lambda store: expiry.extent(store, kind), expiry.Extent(0, 0, 0))
        upto = max(extent.deleted_upto, extent.first - 1)
        checked = meta(self._file).get(key)
        state = extent.deletions
        after = -(2**62)
        if checked == state and not self._has_stale(kind):
            return 0
        while numbers := expiry.numbers_after(self._file, kind, after, upto):
            there: set[int] = self._store.ask(partial(expiry.present, kind=kind, numbers=numbers), set[int]())
            gone = [number for number in numbers if number not in there]
            if gone:
                with transaction(self._file):
                    count = expiry.delete(self._file, kind, gone)
                    if kind is OBSERVATIONS:
                        set_meta(self._file, facts=meta(self._file)["facts"] - count)
                deleted += count
            after = numbers[-1]
            if self._is_over():
                return deleted
        with transaction(self._file):
            set_meta(self._file, **{key: state})
        return deleted

    def _has_stale(self, kind: Kind) -> bool:
        """Tell whether there are facts of a file before, which this one has not."""
        return bool(self._file.execute(f"SELECT 1 FROM {kind.table} WHERE seq < 0 LIMIT 1").fetchone())

    def _finish(self, deleted: int) -> None:
        now = time.time_ns()
        with transaction(self._file):
            values = self._values()
            if deleted:
                set_meta(self._file, has_unused_names=1)
            due = now - values.get("names_ns", 0) > _NAMES_EVERY_NS or self._deadline is None
            if (deleted or values.get("has_unused_names")) and due:
                expiry.delete_unused_names(self._file)
                self._names.forget()
                set_meta(self._file, names_ns=now, has_unused_names=0, build=writing.new_build())
            set_meta(self._file, refreshed_ns=now)

    def _keep_columns(self) -> None:
        """Write the columns of days that have none, where there are so many facts that they are worth it."""
        if meta(self._file).get("facts", 0) < day_columns.LEAST_FACTS:
            return
        for day in day_columns.days_without(self._file):
            with transaction(self._file):
                if day in day_columns.days_without(self._file):  # no other process has written them meanwhile
                    day_columns.keep_day(self._file, day)
            if self._is_over():
                return

    # Time.

    def _is_over(self) -> bool:
        """Tell whether the time is over; leave the store to retention for a while where that works on it."""
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return True
        if self._store.ask(_is_retention_running, False):
            time.sleep(_TURN_S)
        return False


def _is_same(store: sqlite3.Connection, values: writing.Meta) -> bool:
    """Tell whether the store's rows have the numbers under which they were read."""
    upto = values["upto"]
    for kind in (OBSERVATIONS, SCORES):
        if expiry.extent(store, kind).last < values[kind.upto]:
            return False
    row = store.execute("SELECT trace_id, span_id FROM observations WHERE seq = ?", (upto,)).fetchone()
    return row is None or (binary_id(row[0]), binary_id(row[1])) == (values["upto_trace"], values["upto_span"])


def _is_retention_running(store: sqlite3.Connection) -> bool:
    row = store.execute("SELECT value FROM counters WHERE name = ?", (RUNNING_UNTIL,)).fetchone()
    return row is not None and 0 <= row[0] - time.time() < 60

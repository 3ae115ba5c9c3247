"""Delete the facts of what the store has deleted; the totals of its days stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from src.insight.facts.day_columns import forget_days
from src.insight.facts.schema import DAILY_KEYS, DAY_NS, NAMED, RETRY_KEYS

if TYPE_CHECKING:
    import sqlite3

STEP: Final = 2_000  # rows that one transaction looks at


class Kind(NamedTuple):
    """One kind of rows, in the words of the two files.

    Attributes:
        name: How gaps call it.
        source: The table of the store.
        counter: The store's counter of the last number that it has deleted.
        deleted: The store's counter of how many rows it has deleted.
        table: The table of the facts file.
        day: The day of a row of that table.
        expired: The table that counts by day what was deleted.
        upto: What the facts file calls the number up to which it has read.
    """

    name: str
    source: str
    counter: str
    deleted: str
    table: str
    day: str
    expired: str
    upto: str


OBSERVATIONS: Final = Kind(
    name="observation",
    source="observations",
    counter="observations_deleted_upto",
    deleted="observations_deleted",
    table="facts",
    day=f"(start_ns - ((start_ns % {DAY_NS}) + {DAY_NS}) % {DAY_NS}) / {DAY_NS}",
    expired="expired",
    upto="upto",
)
SCORES: Final = Kind(
    name="score",
    source="scores",
    counter="scores_deleted_upto",
    deleted="scores_deleted",
    table="scores",
    day="day",
    expired="expired_scores",
    upto="scores_upto",
)


class Extent(NamedTuple):
    """What the store says of its rows of one kind: it differs whenever rows came or went.

    Attributes:
        first: The first number.
        last: The last number.
        deleted_upto: The highest number that was deleted.
        deleted_n: How many rows were deleted.
    """

    first: int
    last: int
    deleted_upto: int
    deleted_n: int = 0

    @property
    def deletions(self) -> str:
        """Return a text that differs once more rows were deleted, also below the highest number that was."""
        return f"{self.first}/{self.deleted_upto}/{self.deleted_n}"


def extent(store: sqlite3.Connection, kind: Kind) -> Extent:
    """Return the extent of a kind of rows in the store."""
    first, last = store.execute(
        f"SELECT (SELECT min(seq) FROM {kind.source}), (SELECT max(seq) FROM {kind.source})"
    ).fetchone()
    names = (kind.counter, kind.deleted)
    counters = dict(store.execute("SELECT name, value FROM counters WHERE name IN (?, ?)", names).fetchall())
    return Extent(
        first=first or 0,
        last=last or 0,
        deleted_upto=int(counters.get(kind.counter, 0)),
        deleted_n=int(counters.get(kind.deleted, 0)),
    )


def present(store: sqlite3.Connection, kind: Kind, numbers: list[int]) -> set[int]:
    """Return which of some numbers, in order, the store still has."""
    if not numbers:
        return set()
    rows = store.execute(f"SELECT seq FROM {kind.source} WHERE seq BETWEEN ? AND ?", (numbers[0], numbers[-1]))
    return {row[0] for row in rows}


def numbers_after(facts_file: sqlite3.Connection, kind: Kind, after: int, upto: int) -> list[int]:
    """Return the numbers of facts, or of scores, in a range, in order, so many as are looked at in one step."""
    rows = facts_file.execute(
        f"SELECT seq FROM {kind.table} WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT {STEP}", (after, upto)
    )
    return [row[0] for row in rows]


def delete(facts_file: sqlite3.Connection, kind: Kind, numbers: list[int]) -> int:
    """Delete facts, or scores, by the numbers of their rows, inside a transaction; return how many."""
    places = ", ".join(map(str, numbers))
    facts_file.execute(
        f"INSERT INTO {kind.expired} SELECT {kind.day}, count(*) FROM {kind.table} WHERE seq IN ({places}) GROUP BY 1 "
        "ON CONFLICT (day) DO UPDATE SET n = n + excluded.n"
    )
    if kind is OBSERVATIONS:
        days = facts_file.execute(f"SELECT DISTINCT {kind.day} FROM facts WHERE seq IN ({places})").fetchall()
        forget_days(facts_file, [row[0] for row in days])
    return facts_file.execute(f"DELETE FROM {kind.table} WHERE seq IN ({places})").rowcount


def delete_unused_names(facts_file: sqlite3.Connection) -> None:
    """Delete the texts that nothing refers to any more, inside a transaction."""
    used = [f"SELECT {name} FROM facts" for name in NAMED]
    used += [f"SELECT {name} FROM daily" for name in DAILY_KEYS if name != "error"]
    used += [f"SELECT {name} FROM retries" for name in RETRY_KEYS]
    used += [f"SELECT {name} FROM scores" for name in ("name", "type", "environment", "session", "text")]
    used += [f"SELECT {name} FROM score_daily" for name in ("name", "type", "environment", "text")]
    facts_file.execute(f"DELETE FROM names WHERE id NOT IN ({' UNION '.join(used)})")

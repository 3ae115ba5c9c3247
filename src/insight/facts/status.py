"""Tell how far the facts file has read its store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from src.insight.facts.records import Freshness, Gap
from src.insight.facts.schema import facts_path
from src.observability.store.reader import StoreReader

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path


def freshness(store: Path, connection: sqlite3.Connection) -> Freshness:
    """Return how far a facts file, which `connection` reads, has read its store."""
    meta: dict[str, Any] = dict(connection.execute("SELECT name, value FROM meta").fetchall())
    observations, scores = StoreReader(store).ask(_newest, (0, 0))
    if "store" not in meta:
        return Freshness(exists=False, behind=observations, scores_behind=scores)
    gaps = connection.execute("SELECT kind, first, last, n, noticed_ns FROM gaps ORDER BY id")
    expired = connection.execute("SELECT coalesce(sum(n), 0) FROM expired").fetchone()[0]
    path = facts_path(store)
    return Freshness(
        exists=True,
        observations=meta.get("facts", 0),
        behind=max(observations - meta.get("upto", 0), 0),
        scores_behind=max(scores - meta.get("scores_upto", 0), 0),
        refreshed_ns=meta.get("refreshed_ns"),
        first_day=connection.execute("SELECT min(day) FROM daily").fetchone()[0],
        expired=expired,
        gaps=tuple(Gap(*row) for row in gaps),
        doubtful=meta.get("doubtful", 0),
        bytes=path.stat().st_size if path.exists() else 0,
    )


def _newest(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return the numbers of the newest observation and of the newest score."""
    row = connection.execute(
        "SELECT (SELECT coalesce(max(seq), 0) FROM observations), (SELECT coalesce(max(seq), 0) FROM scores)"
    ).fetchone()
    return int(row[0]), int(row[1])

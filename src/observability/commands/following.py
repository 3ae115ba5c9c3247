"""Print observations of every process as they end, or once a score that is asked for comes."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from src.observability.commands.console import duration, escape, money, out

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from src.observability.search.conditions import TraceFilter
    from src.observability.store.reader import StoreReader

_PAGE: Final = 2_000  # observations that are printed at once
_LOOKED_AT: Final = 20_000  # observations that one short transaction reads to choose from
_TAIL_COLUMNS: Final = (
    "seq", "trace_id", "span_id", "name", "type", "start_ns", "end_ns", "level", "status_message", "provider", "model",
    "agent", "symbol", "session_id", "error_category", "input_tokens", "output_tokens", "cost_usd", "cost_unknown",
)  # fmt: skip


def follow(
    reader: StoreReader,
    *,
    wanted: TraceFilter,
    interval_s: float,
    count: int | None,
    from_start: bool,
    as_json: bool = False,
) -> None:
    """Print observations of every process as they end, until the user stops it or `count` are printed.

    Args:
        reader: The store.
        wanted: What an observation must fulfil by itself. With a score, it is printed once that score, of the
            observation or of its trace, is there: scores come later, also to observations that ended long before.
        interval_s: How long to wait where nothing new is there.
        count: How many to print at most.
        from_start: Whether to begin with the oldest.
        as_json: Whether each is printed as a JSON document.
    """
    seq = 0 if from_start else reader.last_seq()
    scores = _LateScores(reader, wanted) if wanted.score is not None else None
    left = count
    while left is None or left > 0:
        limit = _PAGE if left is None else min(_PAGE, left)
        rows, upto, newest = reader.ask(partial(_rows_after, seq=seq, limit=limit, wanted=wanted), _no_page(seq))
        seq = upto
        if scores is not None:
            rows = scores.with_late(rows, upto)[:left]
        if rows:
            left = None if left is None else left - len(rows)
            _print_rows(rows, as_json=as_json)
        if upto >= newest and (left is None or left > 0):
            time.sleep(interval_s)


class _LateScores:
    """The scores that come after their observations have ended."""

    def __init__(self, reader: StoreReader, wanted: TraceFilter) -> None:
        self._reader = reader
        self._wanted = wanted
        self._seq = reader.ask(_last_score, 0)
        self._printed: set[int] = set()

    def with_late(self, rows: list[dict[str, Any]], upto: int) -> list[dict[str, Any]]:
        """Return rows that have their score, with those up to a number that have got theirs since; each once."""
        last = self._reader.ask(_last_score, self._seq)
        late: list[dict[str, Any]] = []
        if last > self._seq:
            question = partial(_scored_rows, upto=upto, scores=(self._seq, last), wanted=self._wanted)
            late = self._reader.ask(question, late)
            self._seq = last
        fresh = {row["seq"]: row for row in (*late, *rows) if row["seq"] not in self._printed}
        self._printed.update(fresh)
        return [fresh[seq] for seq in sorted(fresh)]


def _last_score(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM scores").fetchone()[0])


def _scored_rows(
    connection: sqlite3.Connection, upto: int, scores: tuple[int, int], wanted: TraceFilter
) -> list[dict[str, Any]]:
    """Return the observations up to a number that have got their score between two numbers of scores."""
    from src.observability.search.matching import single_conditions
    from src.observability.store.records import by_column
    from src.observability.store.schema import readable

    conditions, values = single_conditions(connection, wanted)
    scored = "o.trace_id IN (SELECT trace_id FROM scores WHERE seq > :first AND seq <= :last)"
    cursor = connection.execute(
        f"SELECT {readable(connection, _TAIL_COLUMNS, 'o.')} FROM observations o "  # noqa: S608 - our own names
        f"WHERE {' AND '.join(['o.seq <= :upto', scored, *conditions])} ORDER BY o.seq",
        values | {"upto": upto, "first": scores[0], "last": scores[1]},
    )
    return [by_column(_TAIL_COLUMNS, row) for row in cursor]


_Page = tuple[list[dict[str, Any]], int, int]


def _no_page(seq: int) -> _Page:
    return [], seq, seq


def _rows_after(connection: sqlite3.Connection, seq: int, limit: int, wanted: TraceFilter) -> _Page:
    """Return the next observations that fit, the number up to which observations were read, and the newest number."""
    from src.observability.search.matching import single_conditions
    from src.observability.store.records import by_column
    from src.observability.store.schema import readable

    first, newest = connection.execute("SELECT min(seq), max(seq) FROM observations").fetchone()
    if newest is None or newest <= seq:
        return _no_page(seq)
    after = max(seq, first - 1)
    upto = min(after + _LOOKED_AT, newest)
    conditions, values = single_conditions(connection, wanted)
    cursor = connection.execute(
        f"SELECT {readable(connection, _TAIL_COLUMNS, 'o.')} FROM observations o "  # noqa: S608 - our own names
        f"WHERE {' AND '.join(['o.seq > :after', 'o.seq <= :upto', *conditions])} ORDER BY o.seq LIMIT :limit",
        values | {"after": after, "upto": upto, "limit": limit},
    )
    rows = [by_column(_TAIL_COLUMNS, row) for row in cursor]
    return rows, rows[-1]["seq"] if len(rows) == limit else upto, newest


def _print_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write("".join(f"{json.dumps(_line_data(row))}\n".replace("\x7f", "\\u007f") for row in rows))
        sys.stdout.flush()
    else:
        out().print("\n".join(map(_line, rows)))


def _line_data(row: Mapping[str, Any]) -> dict[str, Any]:
    from src.observability.search.records import moment

    data = {name: row[name] for name in _TAIL_COLUMNS if name not in ("seq", "span_id", "cost_unknown")}
    return {
        "trace_id": row["trace_id"],
        "observation_id": row["span_id"],
        **data,
        "cost_unknown": is_unpriced(row),
        "start": moment(row["start_ns"]),
        "end": moment(row["end_ns"]),
        "latency_ms": (row["end_ns"] - row["start_ns"]) / 1e6,
    }


def is_unpriced(row: Mapping[str, Any]) -> bool:
    """Tell whether some part of an observation's cost is not known."""
    if row["cost_unknown"] is None:
        return row["cost_usd"] is None and row["type"] in ("generation", "embedding")
    return bool(row["cost_unknown"])


def _line(row: Mapping[str, Any]) -> str:
    parts: list[str] = [_time(row["end_ns"]), row["trace_id"][:12], f"[bold]{escape(row['name'])}[/]"]
    if row["model"]:
        parts.append(escape(row["model"]))
    parts.append(duration((row["end_ns"] - row["start_ns"]) / 1e6))
    if row["type"] == "generation":
        parts.append(money(row["cost_usd"], at_least=is_unpriced(row)))
    if row["level"] == "ERROR":
        parts.append(f"[red]{escape(row['error_category'] or '')} {escape((row['status_message'] or '')[:120])}[/]")
    return "  ".join(parts)


def _time(ns: int) -> str:
    """Return a time in UTC, with its day where that is not today."""
    moment = datetime.fromtimestamp(ns / 1e9, UTC)
    return f"{moment:%H:%M:%SZ}" if moment.date() == datetime.now(UTC).date() else f"{moment:%Y-%m-%d %H:%M:%SZ}"

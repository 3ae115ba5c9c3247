"""Keep the ledger's columns in the facts file beside the store, so that a program that starts need not read it all.

They are as disposable as the facts: what does not fit the store, or this program, is left alone and written anew.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from typing import TYPE_CHECKING, Any, Final

import numpy

from src.insight.facts.opening import open_facts, store_identity
from src.insight.facts.writing import FactsError, open_for_writing
from src.insight.ledger.columns import Decisions, LedgerColumns, Outcomes, Table, Votes
from src.observability.store.connections import transaction

if TYPE_CHECKING:
    from pathlib import Path

# Of the columns and of what they mean: those of another number are not read.
FORMAT: Final = 2
_TABLE: Final = "ledger_columns"
_CREATE: Final = f"CREATE TABLE IF NOT EXISTS {_TABLE} (name TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID"
_LEAST: Final = 500  # new decisions or outcomes for which it is worth writing them again
_GROWTH: Final = 0.05


def load(store: Path) -> LedgerColumns:
    """Return the columns that are kept for a store; empty ones where there are none of this very file."""
    identity = store_identity(store)
    if identity is None:
        return LedgerColumns()
    connection = open_facts(store)
    try:
        with contextlib.suppress(sqlite3.Error, ValueError, KeyError, TypeError):
            parts = dict(connection.execute(f"SELECT name, body FROM {_TABLE}").fetchall())
            head = json.loads(parts.pop("head"))
            if (head["format"], head["file"]) == (FORMAT, identity.file):
                return _columns(head, parts)
    finally:
        connection.close()
    return LedgerColumns()


def _columns(head: dict[str, Any], parts: dict[str, bytes]) -> LedgerColumns:
    def table(kind: type[Any], name: str) -> Any:
        return kind(*(numpy.frombuffer(parts[f"{name}.{column}"], dtype) for column, dtype in kind.TYPES.items()))

    columns = LedgerColumns(
        texts=tuple(head["texts"]),
        decisions=table(Decisions, "decisions"),
        votes=table(Votes, "votes"),
        outcomes={horizon: table(Outcomes, f"outcomes.{horizon}") for horizon in head["horizons"]},
        outcomes_upto=head["outcomes_upto"],
        outcomes_n=head["outcomes_n"],
        costed_ns=head["costed_ns"],
    )
    lengths = {len(getattr(columns.decisions, name)) for name in Decisions.TYPES}
    lengths |= {len(rows.entry) for rows in columns.outcomes.values()}
    if lengths != {head["decisions"]} or len(columns.votes) != head["votes"]:
        raise ValueError("The columns differ in length.")
    return columns


def is_worth_keeping(columns: LedgerColumns, before: LedgerColumns) -> bool:
    """Tell whether columns have grown so much since they were kept that they should be written again."""
    grown = len(columns) - len(before) + columns.outcomes_upto - before.outcomes_upto
    return not columns.is_behind and grown >= max(_LEAST, _GROWTH * len(before))


def keep(store: Path, columns: LedgerColumns) -> bool:
    """Write the columns of a store into its facts file; tell whether they are there."""
    identity = store_identity(store)
    if identity is None:
        return False
    head = {
        "format": FORMAT, "file": identity.file, "texts": columns.texts, "horizons": list(columns.outcomes),
        "outcomes_upto": columns.outcomes_upto, "outcomes_n": columns.outcomes_n, "decisions": len(columns),
        "votes": len(columns.votes), "costed_ns": columns.costed_ns,
    }  # fmt: skip
    tables: dict[str, Table] = {"decisions": columns.decisions, "votes": columns.votes}
    tables |= {f"outcomes.{horizon}": rows for horizon, rows in columns.outcomes.items()}
    try:
        connection = open_for_writing(store, identity)
        try:
            with transaction(connection):
                connection.execute(_CREATE)
                connection.execute(f"DELETE FROM {_TABLE}")
                connection.execute(f"INSERT INTO {_TABLE} VALUES ('head', ?)", (json.dumps(head).encode(),))
                connection.executemany(
                    f"INSERT INTO {_TABLE} VALUES (?, ?)",
                    (
                        (f"{name}.{column}", getattr(table, column).tobytes())
                        for name, table in tables.items()
                        for column in table.TYPES
                    ),
                )
        finally:
            connection.close()
    except (FactsError, sqlite3.Error):
        return False  # a folder that cannot be written, or a writer before us: the next time
    return True

"""Define the trace store's tables, and bring an older file forward."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Final

from src.observability.store.connections import transaction
from src.observability.store.records import FACT_COLUMNS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

APPLICATION_ID: Final = 0x4D4F4F4E  # "MOON", so that a stranger's SQLite file is not taken for ours


SMALLEST_FILE: Final = (
    512  # bytes of SQLite's smallest page; SQLite takes a shorter file for an empty one, and fills it
)


class SpoolError(Exception):
    """The trace store cannot be used; the message names the file, the reason and the remedy."""


def not_a_store(path: object, reason: str) -> SpoolError:
    """Return the error about a file that belongs to something else."""
    return SpoolError(
        f"{path} is no trace store: {reason}. Name another file with MOONDEV_TRACE_DB; "
        "if it was a store that is damaged beyond recognition, move it away."
    )


# Numbers grow because the newest row is never deleted (AUTOINCREMENT would write one more page at each commit).
# Narrow rows are apart from the encoded spans, which are nine tenths of the bytes; one index is on the write path.
_VERSION_1 = """
CREATE TABLE observations (
    seq INTEGER PRIMARY KEY,
    trace_id TEXT NOT NULL,
    span_id TEXT NOT NULL,
    parent_span_id TEXT,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    level TEXT NOT NULL,
    status_message TEXT,
    provider TEXT,
    model TEXT,
    agent TEXT,
    session_id TEXT,
    error_category TEXT,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cost_usd REAL,
    envelope INTEGER NOT NULL
);
CREATE INDEX observations_trace ON observations (trace_id);
CREATE TABLE payloads (seq INTEGER PRIMARY KEY, span BLOB NOT NULL);
CREATE TABLE envelopes (id INTEGER PRIMARY KEY, body BLOB NOT NULL UNIQUE);
CREATE TABLE scores (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    trace_id TEXT,
    observation_id TEXT,
    session_id TEXT,
    name TEXT NOT NULL,
    value NOT NULL,
    data_type TEXT NOT NULL,
    comment TEXT,
    timestamp_ns INTEGER NOT NULL,
    environment TEXT NOT NULL,
    metadata TEXT
);
CREATE INDEX scores_trace ON scores (trace_id);
CREATE TABLE destinations (
    name TEXT PRIMARY KEY,
    acked INTEGER NOT NULL DEFAULT 0,
    scores_acked INTEGER NOT NULL DEFAULT 0,
    owner TEXT,
    lease_until REAL NOT NULL DEFAULT 0
);
CREATE TABLE set_aside (
    destination TEXT NOT NULL,
    kind TEXT NOT NULL,
    seq INTEGER NOT NULL,
    reason TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (destination, kind, seq)
);
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""

# The destinations that some process was set up for, what they accept, and when that was last so: retention waits for
# those.
_VERSION_2 = """
CREATE TABLE configured (name TEXT PRIMARY KEY, scores INTEGER NOT NULL, seen REAL NOT NULL);
INSERT INTO configured
    SELECT name, name LIKE 'langfuse:%', CAST(strftime('%s', 'now') AS REAL) FROM destinations;
"""

# The tables of version 2; spans may be compressed from now on (compression.py), which an older program cannot read.
_VERSION_3 = ""

# `unconfirmed`: rows that were sent, or about to be, without a known answer (unconfirmed.py). `aliases`: the
# names that one project goes by, and the name that its progress is kept under (aliases.py). Scores have a lease of
# their own, so that they hold up no observations.
_VERSION_4 = """
CREATE TABLE unconfirmed (
    destination TEXT NOT NULL,
    kind TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    sent REAL NOT NULL,
    since REAL NOT NULL,
    attempts INTEGER NOT NULL,
    PRIMARY KEY (destination, kind, first)
);
CREATE TABLE aliases (name TEXT PRIMARY KEY, canonical TEXT NOT NULL, project TEXT);
ALTER TABLE destinations ADD COLUMN scores_owner TEXT;
ALTER TABLE destinations ADD COLUMN scores_lease_until REAL NOT NULL DEFAULT 0;
"""

# Whether some part of an observation's cost is unknown.
_COST_UNKNOWN = """
ALTER TABLE observations ADD COLUMN cost_unknown INTEGER;
"""

# The ledger (ledger_records.py), and what is spent of budgets (budgets.py). Its rows go neither by age nor by size.
_LEDGER = """
CREATE TABLE decisions (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    time_ns INTEGER NOT NULL,
    as_of_ns INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    action TEXT NOT NULL,
    status TEXT NOT NULL,
    confidence REAL,
    price REAL,
    venue TEXT,
    timeframe TEXT,
    horizons TEXT NOT NULL,
    target REAL,
    stop REAL,
    agent TEXT,
    agent_version TEXT,
    prompt_name TEXT,
    prompt_version TEXT,
    prompt_hash TEXT,
    models TEXT,
    votes TEXT,
    snapshot_hash TEXT,
    environment TEXT NOT NULL,
    book TEXT,
    run_id TEXT,
    trace_id TEXT,
    observation_id TEXT,
    session_id TEXT,
    cost_usd REAL,
    cost_unknown INTEGER NOT NULL,
    derived INTEGER NOT NULL,
    metadata TEXT
);
CREATE INDEX decisions_run ON decisions (run_id) WHERE run_id IS NOT NULL;
CREATE TABLE outcomes (
    seq INTEGER PRIMARY KEY,
    decision_id TEXT NOT NULL,
    horizon TEXT NOT NULL,
    entry_ns INTEGER NOT NULL,
    entry REAL NOT NULL,
    exit_ns INTEGER NOT NULL,
    exit REAL NOT NULL,
    exit_reason TEXT NOT NULL,
    gross REAL NOT NULL,
    net REAL NOT NULL,
    correct INTEGER,
    brier REAL,
    costs TEXT NOT NULL,
    source TEXT NOT NULL,
    resolved_ns INTEGER NOT NULL,
    UNIQUE (decision_id, horizon)
);
CREATE TABLE results (
    seq INTEGER PRIMARY KEY,
    decision_id TEXT NOT NULL,
    source TEXT NOT NULL,
    pnl_usd REAL,
    net_return REAL,
    time_ns INTEGER NOT NULL,
    details TEXT,
    UNIQUE (decision_id, source)
);
CREATE TABLE replies (
    seq INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    decision_id TEXT NOT NULL,
    vote TEXT NOT NULL,
    time_ns INTEGER NOT NULL
);
CREATE TABLE budget_spent (
    key TEXT NOT NULL,
    start_s INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    changed_s INTEGER NOT NULL,
    PRIMARY KEY (key, start_s)
) WITHOUT ROWID;
CREATE TABLE budget_reserved (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    start_s INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    until_s INTEGER NOT NULL
);
"""

# What reports group and filter by without reading a span (records.SpanFacts says what each column holds); rows of older
# programs have NULL in `repaired` and in all others. `identity` tells files apart: `store` is this trail of calls,
# `file` this file of it, whose rows are numbered anew when a damaged one is replaced.
_FACTS = """
ALTER TABLE observations ADD COLUMN requested_model TEXT;
ALTER TABLE observations ADD COLUMN symbol TEXT;
ALTER TABLE observations ADD COLUMN user_id TEXT;
ALTER TABLE observations ADD COLUMN environment TEXT;
ALTER TABLE observations ADD COLUMN prompt_name TEXT;
ALTER TABLE observations ADD COLUMN prompt_version TEXT;
ALTER TABLE observations ADD COLUMN cached_tokens INTEGER;
ALTER TABLE observations ADD COLUMN written_tokens INTEGER;
ALTER TABLE observations ADD COLUMN reasoning_tokens INTEGER;
ALTER TABLE observations ADD COLUMN first_token_ms REAL;
ALTER TABLE observations ADD COLUMN finish_reason TEXT;
ALTER TABLE observations ADD COLUMN attempts INTEGER;
ALTER TABLE observations ADD COLUMN retried TEXT;
ALTER TABLE observations ADD COLUMN headroom REAL;
ALTER TABLE observations ADD COLUMN member TEXT;
ALTER TABLE observations ADD COLUMN vote TEXT;
ALTER TABLE observations ADD COLUMN confidence REAL;
ALTER TABLE observations ADD COLUMN tags TEXT;
ALTER TABLE observations ADD COLUMN repaired INTEGER;
CREATE TABLE identity (id INTEGER PRIMARY KEY CHECK (id = 1), store TEXT NOT NULL, file TEXT NOT NULL);
INSERT INTO identity VALUES (1, lower(hex(randomblob(16))), lower(hex(randomblob(16))));
"""

# Paper books (book_records.py). Their rows go neither by age nor by size, and nothing of them changes.
_BOOKS = """
CREATE TABLE books (
    seq INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    time_ns INTEGER NOT NULL,
    environment TEXT NOT NULL,
    start_usd TEXT NOT NULL,
    limits TEXT NOT NULL,
    fee_bps REAL,
    spread_bps REAL NOT NULL,
    slippage_bps REAL NOT NULL,
    run_id TEXT,
    agent TEXT,
    decisions_hash TEXT,
    UNIQUE (name, number)
);
CREATE TABLE book_orders (
    seq INTEGER PRIMARY KEY,
    book TEXT NOT NULL,
    decision_id TEXT NOT NULL,
    time_ns INTEGER NOT NULL,
    UNIQUE (book, decision_id)
);
CREATE TABLE book_events (
    seq INTEGER PRIMARY KEY,
    book TEXT NOT NULL,
    number INTEGER NOT NULL,
    time_ns INTEGER NOT NULL,
    written_ns INTEGER NOT NULL,
    kind TEXT NOT NULL,
    reason TEXT NOT NULL,
    symbol TEXT NOT NULL,
    decision_id TEXT NOT NULL,
    quantity TEXT NOT NULL,
    price TEXT NOT NULL,
    fee_usd TEXT NOT NULL,
    spread_usd TEXT NOT NULL,
    slippage_usd TEXT NOT NULL,
    funding_usd TEXT NOT NULL,
    cash_usd TEXT NOT NULL,
    position TEXT NOT NULL,
    source TEXT NOT NULL,
    UNIQUE (book, number)
);
CREATE TABLE book_marks (
    seq INTEGER PRIMARY KEY,
    book TEXT NOT NULL,
    time_ns INTEGER NOT NULL,
    cash_usd TEXT NOT NULL,
    equity_usd REAL NOT NULL,
    peak_usd REAL NOT NULL,
    max_drawdown REAL NOT NULL,
    prices TEXT NOT NULL,
    UNIQUE (book, time_ns)
);
"""

# The script at position n takes a file from version n to n + 1. Only ever append.
MIGRATIONS: Final = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4, _COST_UNKNOWN, _LEDGER, _FACTS, _BOOKS)
VERSION: Final = len(MIGRATIONS)
_COST_UNKNOWN_SINCE: Final = MIGRATIONS.index(_COST_UNKNOWN) + 1
_ADDED_COLUMN: Final = re.compile(r"ALTER TABLE (?P<table>\w+) ADD COLUMN (?P<column>.+)")
LEDGER_SINCE: Final = MIGRATIONS.index(_LEDGER) + 1
FACTS_SINCE: Final = MIGRATIONS.index(_FACTS) + 1
BOOKS_SINCE: Final = MIGRATIONS.index(_BOOKS) + 1
_MARKS: Final = (
    "SELECT user_version, application_id, (SELECT count(*) FROM sqlite_master) "
    "FROM pragma_user_version, pragma_application_id"
)
_SINCE: Final = {"cost_unknown": _COST_UNKNOWN_SINCE, **dict.fromkeys(FACT_COLUMNS, FACTS_SINCE)}


def readable(connection: sqlite3.Connection, columns: tuple[str, ...], prefix: str = "") -> str:
    """Return columns of the observations for a SELECT, NULL for what a file of an older version has not."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    return ", ".join("NULL" if version < _SINCE.get(name, 0) else f"{prefix}{name}" for name in columns)


def examine(connection: sqlite3.Connection, path: object) -> int:
    """Return a file's version, 0 for a new one; nothing is written.

    Raises:
        SpoolError: another program, or a newer version of this one, wrote the file.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    if (owner, version) == (APPLICATION_ID, VERSION):
        return version
    version, owner, tables = connection.execute(_MARKS).fetchone()  # at one moment: another process may be making it
    if owner != APPLICATION_ID and (owner or version or tables):
        raise SpoolError(f"{path} is a database of another program. Name another file with MOONDEV_TRACE_DB.")
    if version > VERSION:
        raise SpoolError(
            f"{path} was written by a newer version of this program (format {version}; this one knows {VERSION}). "
            "Update the program, or name another file with MOONDEV_TRACE_DB."
        )
    return int(version)


def prepare(connection: sqlite3.Connection) -> None:
    """Let a new file give back the space of deleted rows. In an older file only VACUUM can change that."""
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before WAL mode writes the file's first page


def statements(scripts: Iterable[str]) -> list[str]:
    """Return the statements of some scripts, in their order."""
    return [statement.strip() for script in scripts for statement in script.split(";") if statement.strip()]


@functools.cache
def creation() -> tuple[str, ...]:
    """Return the statements that make a new file, each table with the columns that later versions added.

    To the text of its schema, the file is the same as one that went through all versions, in a third of the time:
    SQLite reads the whole schema again at each ALTER TABLE, and the first call of a process waits for its store.
    """
    created: list[str] = []
    for statement in statements(MIGRATIONS):
        addition = _ADDED_COLUMN.fullmatch(statement)
        if addition is None:
            created.append(statement)
            continue
        start = f"CREATE TABLE {addition['table']} ("
        table = next(position for position, text in enumerate(created) if text.startswith(start))
        created[table] = f"{created[table].removesuffix(')')}, {addition['column']})"
    return tuple(created)


def migrate(connection: sqlite3.Connection, path: object) -> None:
    """Bring a file to the present version in one transaction.

    Raises:
        SpoolError: as `examine` does.
    """
    if examine(connection, path) == VERSION:
        return
    with transaction(connection):
        version = examine(connection, path)  # again, since another process may have been first
        for statement in statements(MIGRATIONS[version:]) if version else creation():
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")

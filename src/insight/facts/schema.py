"""Define the tables of the facts file, a disposable file beside the trace store: deleting it costs a rebuild.

Texts that repeat (models, agents, symbols, sessions ...) stand once in `names`; other tables hold their numbers, 0 for
none. Costs are whole billionths of a US dollar, so that sums are exact;
times are nanoseconds since 1970, days are counted from 1970 in UTC by an observation's start.
"""

from __future__ import annotations

from math import ceil, log
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION_ID: Final = 0x4D4F4E46  # "MONF"
# Of the tables and of what their figures mean: a file of another number is built anew, but for those brought forward.
FORMAT: Final = 2
# What files of each earlier format lack: brought forward, they keep the sums of days whose rows retention has deleted.
_DAY_COLUMNS: Final = """
CREATE TABLE day_columns (day INTEGER NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (day, name))
"""
FORWARD: Final = {1: _DAY_COLUMNS}

NANO: Final = 1_000_000_000  # billionths in a dollar
DAY_NS: Final = 86_400 * NANO
BASE: Final = 1.1  # of the latency histograms: a bucket's limits differ by a tenth
_LOG_BASE: Final = log(BASE)
_EPOCH_S: Final = 1_577_836_800  # 2020-01-01, from which keys count seconds
_MOST_S: Final = 2**31 - 1
CUT: Final = ("length", "max_tokens", "model_length", "incomplete")  # finish reasons of a reply that was cut

# Columns of `facts` that hold numbers of names, and their names in the trace store where those differ.
NAMED: Final = (
    "name", "type", "category", "agent", "model", "requested_model", "provider", "symbol", "session", "user",
    "environment", "prompt_name", "prompt_version", "finish_reason", "retried", "member", "vote", "tags",
)  # fmt: skip
# What daily totals are kept by, besides the day.
DAILY_KEYS: Final = (
    "type", "error", "category", "agent", "model", "provider", "symbol", "environment", "prompt_name",
    "prompt_version",
)  # fmt: skip
# What latency histograms are kept by, besides the day and the measure.
LATENCY_KEYS: Final = ("type", "error", "agent", "model", "provider", "environment")
RETRY_KEYS: Final = ("agent", "model", "provider", "environment", "category")
# The sums of `daily`: how many observations (`n`); those with a cost that is not known in whole (`unpriced`), and the
# known costs; billed ones without known tokens (`unmeasured`); streamed ones (`first_tokens`), the sum of their times
# to the first token; those that needed more than one attempt (`retried`); repaired and cut replies.
MEASURES: Final = (
    "n", "unpriced", "cost_nano", "unmeasured", "input_tokens", "output_tokens", "cached_tokens", "written_tokens",
    "reasoning_tokens", "duration_us", "first_tokens", "first_token_us", "attempts", "retried", "repaired", "cut",
)  # fmt: skip

SCRIPT: Final = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE names (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE facts (
    key INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    trace BLOB NOT NULL,
    span BLOB NOT NULL,
    parent BLOB,
    start_ns INTEGER NOT NULL,
    duration_us INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    error INTEGER NOT NULL,
    {" INTEGER NOT NULL, ".join(NAMED)} INTEGER NOT NULL,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cached_tokens INTEGER,
    written_tokens INTEGER,
    reasoning_tokens INTEGER,
    cost_nano INTEGER,
    unpriced INTEGER NOT NULL,
    first_token_us INTEGER,
    attempts INTEGER,
    headroom REAL,
    confidence REAL,
    repaired INTEGER NOT NULL
);
CREATE TABLE daily (
    day INTEGER NOT NULL,
    {" INTEGER NOT NULL, ".join(DAILY_KEYS)} INTEGER NOT NULL,
    {" INTEGER NOT NULL, ".join(MEASURES)} INTEGER NOT NULL,
    PRIMARY KEY (day, {", ".join(DAILY_KEYS)})
) WITHOUT ROWID;
CREATE TABLE latency (
    day INTEGER NOT NULL,
    measure INTEGER NOT NULL,
    {" INTEGER NOT NULL, ".join(LATENCY_KEYS)} INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (day, measure, {", ".join(LATENCY_KEYS)}, bucket)
) WITHOUT ROWID;
CREATE TABLE retries (
    day INTEGER NOT NULL,
    {" INTEGER NOT NULL, ".join(RETRY_KEYS)} INTEGER NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (day, {", ".join(RETRY_KEYS)})
) WITHOUT ROWID;
CREATE TABLE scores (
    key INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    id TEXT NOT NULL,
    day INTEGER NOT NULL,
    name INTEGER NOT NULL,
    type INTEGER NOT NULL,
    environment INTEGER NOT NULL,
    session INTEGER NOT NULL,
    trace BLOB,
    span BLOB,
    timestamp_ns INTEGER NOT NULL,
    value REAL,
    text INTEGER NOT NULL,
    UNIQUE (day, id, name)
);
CREATE TABLE score_daily (
    day INTEGER NOT NULL,
    name INTEGER NOT NULL,
    type INTEGER NOT NULL,
    environment INTEGER NOT NULL,
    text INTEGER NOT NULL,
    n INTEGER NOT NULL,
    total REAL NOT NULL,
    PRIMARY KEY (day, name, type, environment, text)
) WITHOUT ROWID;
{_DAY_COLUMNS};
CREATE TABLE expired (day INTEGER PRIMARY KEY, n INTEGER NOT NULL);
CREATE TABLE expired_scores (day INTEGER PRIMARY KEY, n INTEGER NOT NULL);
CREATE TABLE gaps (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, n INTEGER NOT NULL,
    noticed_ns INTEGER NOT NULL
);
"""

# Made once the first pass is over: kept up meanwhile they would take most of its time.
INDEXES: Final = (
    "CREATE INDEX IF NOT EXISTS facts_trace ON facts (trace)",
    "CREATE INDEX IF NOT EXISTS facts_seq ON facts (seq)",
    "CREATE INDEX IF NOT EXISTS scores_seq ON scores (seq)",
    "CREATE INDEX IF NOT EXISTS scores_trace ON scores (trace)",
    "CREATE INDEX IF NOT EXISTS scores_name ON scores (name, timestamp_ns)",
    "CREATE INDEX IF NOT EXISTS facts_session ON facts (session) WHERE session <> 0",
)

# The measures of the table `latency`.
DURATION: Final = 0
FIRST_TOKEN: Final = 1


def facts_path(store: Path) -> Path:
    """Return where the facts of a trace store are kept: beside it, under its name."""
    return store.with_name(store.name + ".facts.db")


def bucket_of(microseconds: int) -> int:
    """Return the histogram's bucket of a duration: bucket b holds what is above 1.1**(b-1) ms and up to 1.1**b ms."""
    return ceil(log((microseconds or 1) / 1_000) / _LOG_BASE - 1e-9)


def day_of(ns: int) -> int:
    """Return the day of a time: days since 1970 in UTC."""
    return ns // DAY_NS


def first_key(start_ns: int) -> int:
    """Return the least key that a fact with this start, or a later one, can have.

    A key is the second of the start, followed by 32 bits of the ids: facts lie in the file in the order of their
    starts, and the same observation has the same key wherever it stands in the store.
    """
    return min(max(start_ns // NANO - _EPOCH_S, 0), _MOST_S) << 32

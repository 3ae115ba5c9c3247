"""Define the records of the ledger: decisions, what came of them on the market and in money, and replies to reuse.

They are in the store's file, and neither age nor the size limit removes them.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from src.observability.store.book_records import BOOK_TABLES, BookRow
from src.observability.store.connections import insert

if TYPE_CHECKING:
    import sqlite3

# `decided`: by its votes, NOTHING included. `abstained`: no member would judge. `failed`: too few members answered.
DecisionStatus = Literal["decided", "abstained", "failed"]
ExitReason = Literal["horizon", "target", "stop"]


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """One decision as it was made; nothing of it changes later. Times are nanoseconds since 1970.

    Attributes:
        id: 32 hex digits, or the caller's own id.
        time_ns: When it was written.
        as_of_ns: The close of the last closed bar that it saw.
        symbol: The market's symbol.
        venue: The exchange, where it is known.
        timeframe: The length of the bars that it saw, such as 15m.
        action: BUY, SELL or NOTHING.
        status: How it came about.
        confidence: 0 to 100.
        price: The reference price: the close at `as_of_ns`.
        horizons: After how long it is judged, separated by commas: `24h,7d`.
        target: The price at which its gain is taken.
        stop: The price at which its loss is cut.
        agent: The agent's name.
        agent_version: The agent's version.
        prompt_name: The name of the prompt.
        prompt_version: The version of the prompt.
        prompt_hash: Digits of the prompt's SHA-256.
        models: The models that were asked, as a JSON list.
        votes: The members' votes, as the JSON that `ledger.votes` writes.
        snapshot_hash: Digits of the SHA-256 of the market as the models saw it.
        environment: Where it counts: backtest, paper, live, or the process's own.
        book: Its relation to the models' training: inside, after, or live.
        run_id: The back-test that made it.
        trace_id: Its trace.
        observation_id: The observation of the run that made it.
        session_id: The session.
        cost_usd: The known part of what it cost.
        cost_unknown: Whether another part is unknown.
        derived: Whether a rule read it from a recorded reply.
        metadata: Anything else, as JSON.
    """

    id: str
    time_ns: int
    as_of_ns: int
    symbol: str
    action: str
    status: DecisionStatus = "decided"
    confidence: float | None = None
    price: float | None = None
    venue: str | None = None
    timeframe: str | None = None
    horizons: str = "24h"
    target: float | None = None
    stop: float | None = None
    agent: str | None = None
    agent_version: str | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    prompt_hash: str | None = None
    models: str | None = None
    votes: str | None = None
    snapshot_hash: str | None = None
    environment: str = "default"
    book: str | None = None
    run_id: str | None = None
    trace_id: str | None = None
    observation_id: str | None = None
    session_id: str | None = None
    cost_usd: float | None = None
    cost_unknown: bool = False
    derived: bool = False
    metadata: str | None = None


@dataclass(frozen=True, slots=True)
class OutcomeRecord:
    """What the market did after a decision, by one horizon; a later one of the same horizon replaces it.

    Attributes:
        decision_id: The decision.
        horizon: The horizon, such as `24h`.
        entry_ns: When the bar of the entry opens.
        entry: Its open.
        exit_ns: When the bar of the exit opens.
        exit: The price of the exit.
        exit_reason: Why it ended there.
        gross: The return before costs, as a fraction.
        net: The return after costs.
        correct: Whether a BUY or SELL went its way before costs; None for NOTHING.
        brier: The squared error of the confidence that it would; None where there is none.
        costs: The costs that were taken, as JSON.
        source: The prices that it was judged by.
        resolved_ns: When it was judged.
    """

    decision_id: str
    horizon: str
    entry_ns: int
    entry: float
    exit_ns: int
    exit: float
    exit_reason: ExitReason
    gross: float
    net: float
    correct: bool | None
    brier: float | None
    costs: str
    source: str
    resolved_ns: int


@dataclass(frozen=True, slots=True)
class ResultRecord:
    """What a decision really earned, as its account says; a later one of the same decision and source replaces it.

    Attributes:
        decision_id: The decision.
        source: Who says so: `program` for `outcome()`, else the file of fills.
        pnl_usd: The profit or loss in US dollars, after fees.
        net_return: The same as a fraction of what was put in.
        time_ns: When it was known.
        details: Anything else, as JSON.
    """

    decision_id: str
    source: str
    pnl_usd: float | None
    net_return: float | None
    time_ns: int
    details: str | None = None


@dataclass(frozen=True, slots=True)
class ReplyRecord:
    """A member's vote on one exact request of a back-test, so that it is not asked for again.

    Attributes:
        key: Digits of the request's SHA-256.
        decision_id: The decision for which it was asked and paid.
        vote: The vote, as JSON.
        time_ns: When it came.
    """

    key: str
    decision_id: str
    vote: str
    time_ns: int


LedgerRecord: TypeAlias = DecisionRecord | OutcomeRecord | ResultRecord | ReplyRecord | BookRow

DECISION_COLUMNS: Final = tuple(DecisionRecord.__slots__)
OUTCOME_COLUMNS: Final = tuple(OutcomeRecord.__slots__)
RESULT_COLUMNS: Final = tuple(ResultRecord.__slots__)
REPLY_COLUMNS: Final = tuple(ReplyRecord.__slots__)


def _statement(verb: str, table: str, columns: tuple[str, ...]) -> str:
    return f"{verb} INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


# The first version of a decision is kept, so that salvage and repeats change nothing.
_STATEMENTS: Final[dict[type, str]] = {
    DecisionRecord: _statement("INSERT OR IGNORE", "decisions", DECISION_COLUMNS),
    OutcomeRecord: _statement("INSERT OR REPLACE", "outcomes", OUTCOME_COLUMNS),
    ResultRecord: _statement("INSERT OR REPLACE", "results", RESULT_COLUMNS),
    ReplyRecord: _statement("INSERT OR IGNORE", "replies", REPLY_COLUMNS),
    **{record: _statement("INSERT OR IGNORE", table, columns) for record, (table, columns) in BOOK_TABLES.items()},
}


def insert_record(connection: sqlite3.Connection, record: LedgerRecord) -> None:
    """Insert a record inside the connection's transaction."""
    insert(connection, _STATEMENTS[type(record)], astuple(record))

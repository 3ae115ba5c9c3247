"""The ledger: every decision as it was made, and its outcomes."""

from src.observability.ledger.horizons import Horizon, HorizonError, parse_horizon, parse_horizons
from src.observability.ledger.moments import aware, refuse_future
from src.observability.ledger.reader import Entry, LedgerReader, read_numbered
from src.observability.ledger.recorded_calls import RecordedCall, RecordedCalls
from src.observability.ledger.results import outcome
from src.observability.ledger.symbols import market_name, misleading, plain_name
from src.observability.ledger.votes import MemberVote, read_vote_columns, read_votes, write_votes
from src.observability.ledger.writing import (
    are_in_order,
    book_of,
    decision,
    score_id,
    without_secrets,
    write_decision,
    write_decisions,
)

__all__ = [
    "Entry",
    "Horizon",
    "HorizonError",
    "LedgerReader",
    "MemberVote",
    "RecordedCall",
    "RecordedCalls",
    "are_in_order",
    "aware",
    "book_of",
    "decision",
    "market_name",
    "misleading",
    "outcome",
    "parse_horizon",
    "parse_horizons",
    "plain_name",
    "read_numbered",
    "read_vote_columns",
    "read_votes",
    "refuse_future",
    "score_id",
    "without_secrets",
    "write_decision",
    "write_decisions",
    "write_votes",
]

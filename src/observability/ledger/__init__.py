"""The ledger: every decision as it was made, and what came of it."""

from src.observability.ledger.horizons import Horizon, HorizonError, parse_horizon, parse_horizons
from src.observability.ledger.reader import Entry, LedgerReader
from src.observability.ledger.votes import MemberVote, read_votes, write_votes
from src.observability.ledger.writing import book_of, decision, outcome, without_secrets, write_decision

__all__ = [
    "Entry",
    "Horizon",
    "HorizonError",
    "LedgerReader",
    "MemberVote",
    "book_of",
    "decision",
    "outcome",
    "parse_horizon",
    "parse_horizons",
    "read_votes",
    "without_secrets",
    "write_decision",
    "write_votes",
]

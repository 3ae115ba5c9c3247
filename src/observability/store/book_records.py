"""Define the records of paper books: the terms of a book, what it decides by, its journal, and its value over time.

They stand beside the ledger, and neither age nor the size limit removes them. Amounts are decimal texts, so that sums
are exact; times are nanoseconds since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

# `keep`: the position stays, by a newer decision. `lapse`: a decision that no fill came of.
EventKind = Literal["open", "close", "funding", "keep", "lapse"]
EventReason = Literal["decision", "horizon", "target", "stop", "limits", "funding", "replaced", "late", "no_bar"]


@dataclass(frozen=True, slots=True)
class BookRecord:
    """The terms of a book; a later number of the same name has tighter limits, and nothing else is changed.

    Attributes:
        name: The book's name.
        number: 1 for the first terms.
        time_ns: When they were written.
        environment: backtest or paper.
        start_usd: Its cash at the beginning.
        limits: Its limits, as JSON.
        fee_bps: The fee of a fill in basis points; None takes the venue's usual one.
        spread_bps: The whole spread, of which each fill pays one half.
        slippage_bps: How much worse each fill is.
        run_id: The back-test that made it.
        agent: Whose decisions of that back-test it follows.
        decisions_hash: Digits of the SHA-256 of these decisions.
    """

    name: str
    number: int
    time_ns: int
    environment: str
    start_usd: str
    limits: str
    fee_bps: float | None = None
    spread_bps: float = 0.0
    slippage_bps: float = 0.0
    run_id: str | None = None
    agent: str | None = None
    decisions_hash: str | None = None


@dataclass(frozen=True, slots=True)
class BookOrderRecord:
    """A decision that a book follows. It is written before the decision is made, so that none is ever missed.

    Attributes:
        book: The book's name.
        decision_id: The decision.
        time_ns: When this was written.
    """

    book: str
    decision_id: str
    time_ns: int


@dataclass(frozen=True, slots=True)
class BookEventRecord:
    """One line of a book's journal.

    Attributes:
        book: The book's name.
        number: Its number in the journal, from 1 without a gap: two processes cannot write the same line.
        time_ns: When it happened on the market: when its bar opens, or when funding was due.
        written_ns: When it was written.
        kind: What happened.
        reason: Why.
        symbol: The market, as the decision spells it.
        decision_id: The decision that it follows from; for funding that of the position.
        quantity: What was bought, or with a minus sold.
        price: The price of one, before costs.
        fee_usd: The fee.
        spread_usd: Half the spread.
        slippage_usd: The slippage.
        funding_usd: Funding that was paid, or with a minus received.
        cash_usd: The cash afterwards.
        position: The size of the symbol's position afterwards, negative for a short one.
        source: The prices that it was made by.
    """

    book: str
    number: int
    time_ns: int
    written_ns: int
    kind: EventKind
    reason: EventReason
    symbol: str
    decision_id: str
    quantity: str
    price: str
    fee_usd: str
    spread_usd: str
    slippage_usd: str
    funding_usd: str
    cash_usd: str
    position: str
    source: str


@dataclass(frozen=True, slots=True)
class BookMarkRecord:
    """A book's value at the end of a bar.

    Attributes:
        book: The book's name.
        time_ns: When the bar opens.
        cash_usd: The cash.
        equity_usd: The cash and the positions at the bar's close.
        peak_usd: The highest equity until then, at the close of any bar.
        max_drawdown: The deepest fall from such a peak until then, as a fraction of it.
        prices: As JSON, for each symbol: its close, its highest close until then, and the deepest fall from one.
    """

    book: str
    time_ns: int
    cash_usd: str
    equity_usd: float
    peak_usd: float
    max_drawdown: float
    prices: str


BookRow: TypeAlias = BookRecord | BookOrderRecord | BookEventRecord | BookMarkRecord

BOOK_COLUMNS: Final = tuple(BookRecord.__slots__)
BOOK_ORDER_COLUMNS: Final = tuple(BookOrderRecord.__slots__)
BOOK_EVENT_COLUMNS: Final = tuple(BookEventRecord.__slots__)
BOOK_MARK_COLUMNS: Final = tuple(BookMarkRecord.__slots__)
# The table of each record, with its columns.
BOOK_TABLES: Final[dict[type[BookRow], tuple[str, tuple[str, ...]]]] = {
    BookRecord: ("books", BOOK_COLUMNS),
    BookOrderRecord: ("book_orders", BOOK_ORDER_COLUMNS),
    BookEventRecord: ("book_events", BOOK_EVENT_COLUMNS),
    BookMarkRecord: ("book_marks", BOOK_MARK_COLUMNS),
}

"""Open paper books, let them follow decisions, and settle what waits in them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from src.judging.paper.account import account_of
from src.judging.paper.curve import curve_of, marks_of
from src.judging.paper.filling import Filler
from src.judging.paper.lanes import DIRECTIONS
from src.judging.paper.terms import BookError, Terms, terms_of, tightened
from src.observability.store import book_queries
from src.observability.store.book_queries import BookChangedError
from src.observability.store.book_records import BookOrderRecord
from src.observability.store.reader import StoreReader

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from src.agents.risk_rules import Amount
    from src.judging.paper.account import Account
    from src.judging.paper.markets import Market
    from src.observability.store.book_records import BookEventRecord, BookMarkRecord, BookRecord, BookRow
    from src.observability.store.ledger_records import DecisionRecord
    from src.observability.store.spool import Spool

_TRIES: Final = 10


@dataclass(frozen=True, slots=True)
class Contents:
    """All that the store has of a book.

    Attributes:
        terms: Its present terms.
        events: Its journal.
        marks: Its value over time.
        decisions: The decisions that it follows, as they were written.
    """

    terms: Terms
    events: Sequence[BookEventRecord] = ()
    marks: Sequence[BookMarkRecord] = ()
    decisions: Sequence[DecisionRecord] = ()

    @property
    def settled_ns(self) -> int:
        """Return until when its bars were looked at; -1 where none was."""
        return self.marks[-1].time_ns if self.marks else -1

    def account(self) -> Account:
        """Return its account.

        Raises:
            BookError: a line of the journal does not follow from those before it.
        """
        return account_of(self.terms, self.events, {item.id: item for item in self.decisions})

    def waiting(self, account: Account) -> list[DecisionRecord]:
        """Return the decisions that have no fill yet, and may still get one."""
        return [
            item
            for item in self.decisions
            if item.status == "decided" and item.action in DIRECTIONS and item.id not in account.followed
        ]


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a settlement has brought.

    Attributes:
        events: The new lines of the journal.
        waiting: Why decisions have no fill yet, by their ids.
        blocked: The symbols without whose prices nothing goes on, each with the time from which they are needed.
    """

    events: Sequence[BookEventRecord] = ()
    waiting: Mapping[str, str] = field(default_factory=dict)
    blocked: Mapping[str, int] = field(default_factory=dict)


class PaperBook:
    """One book of a store; `PaperBook.open` makes it where it is missing.

    Args:
        spool: The store.
        name: The book's name.
    """

    def __init__(self, spool: Spool, name: str) -> None:
        self.name = name
        self._spool = spool
        self._reader = StoreReader(spool.path)

    @classmethod
    def open(cls, spool: Spool, terms: Terms, limits: Mapping[str, Amount | None] | None = None) -> PaperBook:
        """Return a book of a name, made by these terms where there is none yet.

        Args:
            spool: The store.
            terms: Its terms.
            limits: Limits that it is to have from now on.

        Raises:
            RiskInputError: a limit is looser than the book's.
            SpoolError: it cannot be stored.
        """
        book = cls(spool, terms.name)
        for _ in range(_TRIES):
            record = book._record()
            present = terms if record is None else terms_of(record)
            wanted = replace(present, limits=tightened(present.limits, limits or {}))
            if record is not None and wanted.to_record(record.number, record.time_ns) == record:
                return book
            number = 1 if record is None else record.number + 1
            spool.append_book_rows([wanted.to_record(number, time.time_ns())], after={})
        raise BookError(f"The terms of the book {terms.name} change all the time: try again.")

    def follow(self, decision_id: str) -> None:
        """Let the book follow a decision. Do so before the decision is made: then it cannot be missed.

        Raises:
            SpoolError: it cannot be stored.
        """
        self._spool.append_book_rows(
            [BookOrderRecord(book=self.name, decision_id=decision_id, time_ns=time.time_ns())], after={}
        )

    def settle(self, markets: Mapping[str, Market]) -> Settlement:
        """Fill what can be filled by these prices, and note what the book is worth; again, it changes nothing.

        Args:
            markets: The prices by the symbols' plain names.

        Raises:
            BookError: the book is a back-test's, its journal is broken, or others write to it all the time.
            SpoolError: the store cannot be read or written.
        """
        for _ in range(_TRIES):
            contents = self.contents()
            if contents.terms.run_id is not None:
                raise BookError(f"The book {self.name} is a back-test's, and complete: name another with --book.")
            rows, settlement, number = settled(contents, markets)
            try:
                self._spool.append_book_rows(rows, after={self.name: number})
            except BookChangedError:
                continue
            return settlement
        raise BookError(f"Other processes write to the book {self.name} all the time: try again.")

    def contents(self) -> Contents:
        """Return all that the store has of the book.

        Raises:
            BookError: there is no such book.
        """
        return contents_of(self._reader, self.name)

    def _record(self) -> BookRecord | None:
        return next(iter(_records(self._reader, name=self.name)), None)


def settled(contents: Contents, markets: Mapping[str, Market]) -> tuple[list[BookRow], Settlement, int]:
    """Return the rows that a settlement adds, what it brings, and the number of the journal's last line before it.

    Raises:
        BookError: the journal is broken.
    """
    account = contents.account()
    number = account.number
    filler = Filler(contents.terms, account, contents.decisions, markets, settled_ns=contents.settled_ns)
    filling = filler.run()
    events = [*contents.events, *filling.events]
    rows: list[BookRow] = [*filling.events]
    if events:
        last = contents.marks[-1] if contents.marks else None
        curve = curve_of(
            events,
            {lane.key: lane.market for lane in filler.lanes if lane.market is not None},
            start_usd=contents.terms.start_usd,
            after_ns=contents.settled_ns if last else events[0].time_ns - 1,
            upto_ns=filler.known_until_ns(),
            before=(last.peak_usd, last.max_drawdown) if last else None,
        )
        rows += marks_of(contents.terms, events, markets, curve, last)
    return rows, Settlement(events=filling.events, waiting=filling.waiting, blocked=filling.blocked), number


def contents_of(reader: StoreReader, name: str) -> Contents:
    """Return all that a store has of a book.

    Raises:
        BookError: there is no such book.
    """

    def read(connection: sqlite3.Connection) -> Contents | None:
        connection.execute("BEGIN")  # one state of the store for all questions
        records = book_queries.books(connection, name=name)
        if not records:
            return None
        return Contents(
            terms=terms_of(records[0]),
            events=book_queries.events(connection, name),
            marks=book_queries.marks(connection, name),
            decisions=book_queries.decisions_of(connection, records[0]),
        )

    contents = reader.ask(read, None)
    if contents is None:
        names = [record.name for record in books_of(reader)]
        known = f"there are {', '.join(names[-5:])}" if names else "there is none yet"
        raise BookError(f"There is no book {name!r:.80} ({known}): `moondev trade SYMBOL --paper` makes one.")
    return contents


def books_of(reader: StoreReader, *, run_id: str | None = None) -> list[BookRecord]:
    """Return the terms of all books, or of those of a back-test, in the order they were made."""
    return _records(reader, run_id=run_id)


def _records(reader: StoreReader, *, name: str | None = None, run_id: str | None = None) -> list[BookRecord]:
    nothing: list[BookRecord] = []
    return reader.ask(lambda db: book_queries.books(db, name=name, run_id=run_id), nothing)


def needed_from(contents: Contents) -> dict[str, int]:
    """Return the symbols whose prices a book needs now, each with the time from which it needs them."""
    account = contents.account()
    needed = {position.symbol: max(position.since_ns, contents.settled_ns) for position in account.positions.values()}
    for decision in contents.waiting(account):
        needed[decision.symbol] = min(needed.get(decision.symbol, decision.as_of_ns), decision.as_of_ns)
    return needed

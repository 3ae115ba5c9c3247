"""Keep a back-test's paper books: what each decider would have made of real money, by the arithmetic of all books."""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from src.judging.paper.account import market_key
from src.judging.paper.book import Contents, books_of, contents_of, settled
from src.judging.paper.curve import Curve, curve_of, holding_curve
from src.judging.paper.markets import Market
from src.judging.paper.terms import Terms, terms_of
from src.observability.store.book_records import BookEventRecord
from src.observability.store.reader import StoreReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from src.judging.backtest.plan import Plan
    from src.judging.costs import TradingCosts
    from src.judging.prices import FundingSeries, PriceSeries
    from src.observability.store.book_records import BookRow
    from src.observability.store.ledger_records import DecisionRecord
    from src.observability.store.spool import Spool

HOLDING: Final = "buy and hold"
_ODD: Final = re.compile(r"[^\w.:/+#@(),~-]")
_LONGEST_NAME: Final = 130


class Portfolios:
    """The books of one back-test.

    Args:
        plan: The back-test.
        prices: What it is judged by.
        costs: What a fill costs.
        spool: The store.
        funding: Funding rates, of a perpetual contract.
    """

    def __init__(
        self,
        plan: Plan,
        prices: PriceSeries,
        costs: TradingCosts,
        spool: Spool,
        *,
        funding: FundingSeries | None = None,
    ) -> None:
        self._plan = plan
        self._costs = costs
        self._spool = spool
        self._key = market_key(plan.symbol)
        self._market = Market(prices=prices, closed=len(prices), funding=funding)
        self._reader = StoreReader(spool.path)

    @property
    def _markets(self) -> Mapping[str, Market]:
        return {self._key: self._market}

    def curve(self, agent: str, decisions: Sequence[DecisionRecord]) -> Curve:
        """Return the equity of an agent's book at the close of each bar.

        The book is written once all its decisions are made, since nothing of it changes later.
        """
        terms = Terms(
            name=_ODD.sub("_", f"{self._plan.run_id}/{agent}")[:_LONGEST_NAME],
            environment="backtest",
            fee_bps=self._costs.fee_bps,
            spread_bps=self._costs.spread_bps,
            slippage_bps=self._costs.slippage_bps,
            run_id=self._plan.run_id,
            agent=agent,
            decisions_hash=_digest(decisions, self._market),
        )
        events = self._events(terms, decisions)
        return curve_of(
            events,
            self._markets,
            start_usd=terms.start_usd,
            after_ns=self._plan.times_us[0] * 1000 - 1,
            upto_ns=self._market.closed_ns,
        )

    def _events(self, terms: Terms, decisions: Sequence[DecisionRecord]) -> Sequence[BookEventRecord]:
        """Return the journal of the book with these terms, from the store where it stands there."""
        others = [terms_of(record) for record in books_of(self._reader, run_id=terms.run_id)]
        for other in others:
            if replace(other, name=terms.name).to_record(1, 0) == terms.to_record(1, 0):
                return contents_of(self._reader, other.name).events
        count = sum(other.agent == terms.agent for other in others)
        chosen = replace(terms, name=f"{terms.name}~{count + 1}") if count else terms
        rows, _, _ = settled(Contents(terms=chosen, decisions=decisions), self._markets)
        rows = _without_repeats(rows)
        if len(decisions) >= len(self._plan.times_us):
            self._spool.append_book_rows([chosen.to_record(1, time.time_ns()), *rows], after={chosen.name: 0})
        return [row for row in rows if isinstance(row, BookEventRecord)]

    def holding(self, share: float = 1.0) -> Curve:
        """Return the way of an account that buys at the first decision, for a share of its money, and holds."""
        terms = Terms(name=HOLDING)
        return holding_curve(
            self._markets,
            {self._key: self._plan.times_us[0] * 1000},
            start_usd=terms.start_usd,
            upto_ns=self._market.closed_ns,
            cost=self._costs.of_round_trip / 2,
            share=share,
        )


def _without_repeats(rows: Iterable[BookRow]) -> list[BookRow]:
    """Return rows without the decisions that only confirm a position: of a back-test's tens of thousands, the last."""
    chosen: list[BookRow] = []
    number = 0
    for row in rows:
        if not isinstance(row, BookEventRecord):
            chosen.append(row)
            continue
        last = chosen[-1] if chosen else None
        if row.kind == "keep" and isinstance(last, BookEventRecord) and last.kind == "keep":
            chosen[-1] = replace(row, number=number)
            continue
        number += 1
        chosen.append(replace(row, number=number))
    return chosen


def _digest(decisions: Sequence[DecisionRecord], market: Market) -> str:
    """Return digits of decisions, and of whether funding was paid."""
    digest = hashlib.sha256(repr(market.funding is not None).encode())
    for decision in decisions:
        digest.update(f"{decision.id} {decision.status} {decision.action}\n".encode())
    return digest.hexdigest()[:16]

"""Define the terms of a paper book: its cash, its costs, and its limits, the risk agent's, which only tighten."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from src.agents.risk import money
from src.agents.risk_rules import Limits, RiskInputError
from src.judging.costs import TradingCosts, costs_of_venue
from src.observability.store.book_records import BookRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_BOOK: Final = "paper"
START_USD: Final = Decimal(10_000)
LOWEST_CASH: Final = Decimal(1)
_NAME: Final = re.compile(r"[\w.:/+#@(),~ -]{1,160}")
# A larger number of these is the tighter one.
_LEAST: Final = frozenset({"min_equity_usd"})
LIMITS: Final = tuple(item.name for item in fields(Limits) if item.name != "tick_usd")


class BookError(ValueError):
    """A book cannot be made, read or continued; the message names it, the reason and the remedy."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a book; money in US dollars.

    Attributes:
        name: Its name.
        environment: backtest or paper.
        start_usd: Its cash at the beginning.
        limits: By which it sizes positions.
        fee_bps: The fee of each fill; None takes the usual one of the decision's venue.
        spread_bps: The whole spread.
        slippage_bps: The slippage of each fill.
        run_id: The back-test that it belongs to.
        agent: Whose decisions of that back-test it follows.
        decisions_hash: Digits of these decisions' SHA-256.
    """

    name: str
    environment: str = "paper"
    start_usd: Decimal = START_USD
    limits: Limits = field(default_factory=Limits)
    fee_bps: float | None = None
    spread_bps: float = 0.0
    slippage_bps: float = 0.0
    run_id: str | None = None
    agent: str | None = None
    decisions_hash: str | None = None

    def __post_init__(self) -> None:
        """Refuse terms that make no sense.

        Raises:
            BookError: the message names the term.
        """
        if not _NAME.fullmatch(self.name) or self.name != self.name.strip():
            raise BookError(f"{self.name!r:.80} is no name of a book: give letters, digits and - _ . / such as paper.")
        if self.start_usd < LOWEST_CASH:
            raise BookError(f"The cash of a book is {self.start_usd:f}: give an amount of at least $1.")
        self.costs(None)

    def costs(self, venue: str | None) -> TradingCosts:
        """Return what a fill at a venue costs.

        Raises:
            ValueError: a cost is none; the message names it.
        """
        return costs_of_venue(venue, fee_bps=self.fee_bps, spread_bps=self.spread_bps, slippage_bps=self.slippage_bps)

    def to_record(self, number: int, time_ns: int) -> BookRecord:
        """Return the terms as the store keeps them."""
        return BookRecord(
            name=self.name,
            number=number,
            time_ns=time_ns,
            environment=self.environment,
            start_usd=f"{self.start_usd:f}",
            limits=limits_text(self.limits),
            fee_bps=self.fee_bps,
            spread_bps=self.spread_bps,
            slippage_bps=self.slippage_bps,
            run_id=self.run_id,
            agent=self.agent,
            decisions_hash=self.decisions_hash,
        )


def terms_of(record: BookRecord) -> Terms:
    """Return the terms that the store keeps."""
    limits: dict[str, Any] = {
        name: None if text is None else Decimal(text) for name, text in json.loads(record.limits).items()
    }
    return Terms(
        name=record.name,
        environment=record.environment,
        start_usd=Decimal(record.start_usd),
        limits=Limits(**limits),
        fee_bps=record.fee_bps,
        spread_bps=record.spread_bps,
        slippage_bps=record.slippage_bps,
        run_id=record.run_id,
        agent=record.agent,
        decisions_hash=record.decisions_hash,
    )


def limits_text(limits: Limits) -> str:
    """Return limits as JSON, each as the decimal that it is."""
    values = {item.name: getattr(limits, item.name) for item in fields(Limits)}
    return json.dumps({name: None if value is None else f"{_exact(value, name):f}" for name, value in values.items()})


def tightened(limits: Limits, wanted: Mapping[str, Any]) -> Limits:
    """Return limits with some of them replaced by tighter ones.

    Raises:
        RiskInputError: one would be looser, or is no amount; the message names it.
    """
    values = {name: value for name, value in wanted.items() if value is not None}
    for name, value in values.items():
        amount = money.share(value, name) if name == "max_position_share" else money.amount_from_zero(value, name)
        present = getattr(limits, name)
        if present is None:
            continue
        bound = _exact(present, name)
        if amount < bound if name in _LEAST else amount > bound:
            way = "at least" if name in _LEAST else "at most"
            raise RiskInputError(
                f"{name} is {amount:f}, looser than the book's {bound:f}: a book's limits may only tighten. "
                f"Give {way} {bound:f}, or name another book."
            )
    return replace(limits, **values)


def _exact(value: Any, name: str) -> Decimal:
    return money.amount(value, name)

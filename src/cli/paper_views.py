"""Show paper books, in the terminal and as plain data."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from src.cli.actions import styled_action
from src.cli.charts import Line, print_chart
from src.observability.commands.console import escape, note, out, price_text
from src.observability.commands.tables import Column, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.judging.paper.account import Trade
    from src.judging.paper.book import Settlement
    from src.judging.paper.summary import Holding, Summary
    from src.observability.store.book_records import BookEventRecord

_SHOWN_TRADES: Final = 10
_HOLD: Final = "buy and hold"
_POSITION_COLUMNS: Final = (
    Column("position", least=8), Column("side"), Column("quantity", right=True), Column("entry", right=True),
    Column("price", rank=1, right=True), Column("value", right=True), Column("result", right=True),
    Column("stop", rank=3, right=True), Column("target", rank=4, right=True), Column("until (UTC)", rank=2),
)  # fmt: skip
_TRADE_COLUMNS: Final = (
    Column("trade", least=8), Column("side"), Column("opened (UTC)", rank=2), Column("entry", rank=1, right=True),
    Column("closed (UTC)"), Column("exit", rank=1, right=True), Column("by"), Column("costs", rank=3, right=True),
    Column("result", right=True),
)  # fmt: skip
_WAITING_COLUMNS: Final = (
    Column("waiting", least=8), Column("action"), Column("as of (UTC)"), Column("decision"),
    Column("for", least=20, rank=1),
)  # fmt: skip
_BOOK_COLUMNS: Final = (
    Column("book", least=20), Column("environment", rank=2), Column("equity", right=True), Column("return", right=True),
    Column("drawdown", rank=1, right=True), Column("trades", rank=3, right=True), Column("waiting", rank=4, right=True),
)  # fmt: skip
_LAPSES: Final = {
    "replaced": "a newer decision waited for the same bar",
    "late": "the book had gone on past their bar when they came",
    "no_bar": "no bar began within their horizon",
    "limits": "the limits left no room",
}


def head(summary: Summary) -> dict[str, Any]:
    """Return a book's figures as plain data."""
    terms = summary.contents.terms
    return {
        "book": terms.name,
        "environment": terms.environment,
        "run_id": terms.run_id,
        "agent": terms.agent,
        "start_usd": float(terms.start_usd),
        "cash_usd": float(summary.cash_usd),
        "equity_usd": float(summary.equity_usd),
        "return": summary.gain,
        "max_drawdown": summary.max_drawdown,
        "costs_usd": float(summary.costs_usd),
        "funding_usd": float(summary.funding_usd),
        "realized_usd": float(sum((trade.pnl_usd for trade in summary.trades), Decimal(0))),
        "unrealized_usd": float(sum((item.unrealized_usd for item in summary.holdings), Decimal(0))),
        "trades_count": len(summary.trades),
        "settled_until": _time(summary.contents.settled_ns) if summary.contents.marks else None,
        "buy_and_hold": {
            "equity_usd": summary.hold.end,
            "return": summary.hold.end / float(terms.start_usd) - 1,
            "max_drawdown": summary.hold.max_drawdown,
        },
    }


def data(summary: Summary, settlement: Settlement | None, symbol: str | None) -> dict[str, Any]:
    """Return a book as plain data; positions, trades and waiting decisions of one symbol alone where it is named."""
    terms = summary.contents.terms
    reasons = {} if settlement is None else settlement.waiting
    return {
        **head(summary),
        "positions": [_holding_data(item) for item in summary.holdings if _is_of(item.position.symbol, symbol)],
        "waiting": [
            {
                "decision_id": item.id,
                "symbol": item.symbol,
                "action": item.action,
                "as_of": _time(item.as_of_ns),
                "reason": reasons.get(item.id, "the next bar's open"),
            }
            for item in summary.waiting
            if _is_of(item.symbol, symbol)
        ],
        "trades": [_trade_data(item) for item in summary.trades if _is_of(item.symbol, symbol)],
        "equity": [
            {"time": _time(time_ns), "equity_usd": value, "hold_usd": held}
            for time_ns, value, held in zip(
                summary.curve.times_ns, summary.curve.values, summary.hold.values or summary.curve.values, strict=True
            )
        ],
        "lapsed": dict(summary.lapsed),
        "settled": [] if settlement is None else [event_data(event) for event in settlement.events],
        "blocked": {} if settlement is None else {name: _time(at) for name, at in settlement.blocked.items()},
        "costs": {
            "fee_bps": terms.fee_bps, "spread_bps": terms.spread_bps, "slippage_bps": terms.slippage_bps,
        },
        "limits": _limits(summary),
        "risk": {
            "verdict": str(summary.judgement.demanded),
            "breaches": [breach.detail for breach in summary.judgement.breaches],
        },
        "in_hindsight": summary.in_hindsight,
        "not_in_dollars": not_in_dollars(summary),
    }  # fmt: skip


def not_in_dollars(summary: Summary) -> dict[str, str]:
    """Return the markets whose prices are in another currency than dollars, with that currency."""
    from src.judging.fills.markets import other_currency

    symbols = dict.fromkeys(decision.symbol for decision in summary.contents.decisions)
    return {symbol: currency for symbol in symbols if (currency := other_currency(symbol)) is not None}


def _limits(summary: Summary) -> dict[str, float | None]:
    from src.judging.paper.terms import LIMITS

    values = {name: getattr(summary.contents.terms.limits, name) for name in LIMITS}
    return {name: None if value is None else float(value) for name, value in values.items()}


def _holding_data(item: Holding) -> dict[str, Any]:
    position = item.position
    return {
        "symbol": position.symbol,
        "side": _side(position.quantity),
        "quantity": float(position.quantity),
        "entry": float(position.entry),
        "entry_time": _time(position.entry_ns),
        "price": float(item.price),
        "value_usd": float(item.value_usd),
        "unrealized_usd": float(item.unrealized_usd),
        "target": position.target,
        "stop": position.stop,
        "until": _time(position.due_ns),
        "decision_id": position.decision_id,
    }


def _trade_data(trade: Trade) -> dict[str, Any]:
    return {
        "symbol": trade.symbol,
        "side": _side(trade.quantity),
        "quantity": float(trade.quantity),
        "entry": float(trade.entry),
        "entry_time": _time(trade.entry_ns),
        "exit": float(trade.exit),
        "exit_time": _time(trade.exit_ns),
        "reason": trade.reason,
        "costs_usd": float(trade.paid_usd),
        "pnl_usd": float(trade.pnl_usd),
    }


def event_data(event: BookEventRecord) -> dict[str, Any]:
    """Return a line of a journal as plain data."""
    return {
        "kind": event.kind,
        "reason": event.reason,
        "time": _time(event.time_ns),
        "symbol": event.symbol,
        "decision_id": event.decision_id,
        "quantity": float(event.quantity),
        "price": float(event.price),
        "cash_usd": float(event.cash_usd),
    }


def event_line(event: BookEventRecord) -> str:
    """Return a line of a journal in words."""
    quantity = Decimal(event.quantity)
    if event.kind == "keep":
        return f"{event.symbol}: the position stays, by a newer decision"
    if event.kind == "lapse":
        return f"{event.symbol}: nothing is filled: {_LAPSES.get(event.reason, event.reason)}"
    if event.kind == "funding":
        return f"{event.symbol}: {'paid' if Decimal(event.funding_usd) > 0 else 'received'} funding"
    verb = "bought" if quantity > 0 else "sold"
    at = f"{datetime.fromtimestamp(event.time_ns / 1e9, UTC):%Y-%m-%d %H:%M} UTC"
    by = "" if event.reason == "decision" else f" ({event.reason})"
    return f"{verb} {_plain(abs(quantity))} {event.symbol} at {price_text(float(event.price))}, {at}{by}"


def settlement_data(book: str, settlement: Settlement) -> dict[str, Any]:
    """Return what a settlement has brought as plain data."""
    return {
        "book": book,
        "settled": [event_data(event) for event in settlement.events],
        "waiting": dict(settlement.waiting),
        "blocked": {name: _time(at) for name, at in settlement.blocked.items()},
    }


def show_settlement(book: str, decision_id: str, settlement: Settlement) -> None:
    """Print what became of a decision, and of those before it, in its book."""
    for event in settlement.events[-_SHOWN_TRADES:]:
        out().print(f"book {escape(book)}: {escape(event_line(event))}")
    reason = settlement.waiting.get(decision_id)
    if reason is None and not settlement.events:
        out().print(f"book {escape(book)}: the decision leaves it as it is")
    if reason is not None:
        out().print(f"book {escape(book)}: the fill waits: {escape(reason)}")
    others = len(settlement.waiting) - (reason is not None)
    if others:
        note(f"{others:,} more wait in it: `moondev paper --book {book}` shows them.")


def show(summary: Summary, settlement: Settlement | None, symbol: str | None) -> None:
    """Print a book."""
    terms = summary.contents.terms
    out().print(
        f"[bold]{escape(terms.name)}[/]  ${summary.equity_usd:,.2f} ({summary.gain:+.2%})  "
        f"cash ${summary.cash_usd:,.2f}  drawdown {summary.max_drawdown:.2%}"
    )
    out().print(
        f"[dim]trades[/] {len(summary.trades):,}  [dim]costs[/] ${summary.costs_usd:,.2f}"
        + (f"  [dim]funding[/] ${summary.funding_usd:,.2f}" if summary.funding_usd else "")
    )
    if summary.hold.values:
        gain = summary.hold.end / float(terms.start_usd) - 1
        out().print(
            f"[dim]{_HOLD}[/]  ${summary.hold.end:,.2f} ({gain:+.2%})  drawdown {summary.hold.max_drawdown:.2%}    "
            f"[dim]cash[/]  ${terms.start_usd:,.2f} (+0.00%)"
        )
    form = ",.2f" if terms.start_usd < 1000 else ",.0f"
    print_chart([Line(terms.name, summary.curve.times_ns, summary.curve.values),
                 Line(_HOLD, summary.hold.times_ns, summary.hold.values)], form=form)  # fmt: skip
    holdings = [item for item in summary.holdings if _is_of(item.position.symbol, symbol)]
    if holdings:
        out().print()
        print_table(_POSITION_COLUMNS, [_holding_cells(item) for item in holdings])
    _show_waiting(summary, settlement, symbol)
    _show_trades(summary, symbol)
    if symbol is not None and not any(_is_of(item.symbol, symbol) for item in summary.contents.decisions):
        note(f"No decision of this book is on {symbol}.")
    _remark(summary, settlement)


def _holding_cells(item: Holding) -> tuple[str, ...]:
    position = item.position
    return (
        escape(position.symbol), _side(position.quantity), _plain(abs(position.quantity)), _price(position.entry),
        _price(item.price), f"{item.value_usd:,.2f}", _result(item.unrealized_usd), _price(position.stop),
        _price(position.target), _minute(position.due_ns),
    )  # fmt: skip


def _show_waiting(summary: Summary, settlement: Settlement | None, symbol: str | None) -> None:
    waiting = [item for item in summary.waiting if _is_of(item.symbol, symbol)]
    if not waiting:
        return
    reasons = {} if settlement is None else settlement.waiting
    out().print()
    print_table(
        _WAITING_COLUMNS,
        [
            (
                escape(item.symbol), styled_action(item.action), _minute(item.as_of_ns), escape(item.id[:12]),
                escape(reasons.get(item.id, "the next bar's open")),
            )
            for item in waiting[-_SHOWN_TRADES:]
        ],
    )  # fmt: skip
    more = len(waiting) - _SHOWN_TRADES
    if more > 0:
        out().print(f"[dim]and {more} older ones: --json has all[/]")


def _show_trades(summary: Summary, symbol: str | None) -> None:
    trades = [item for item in summary.trades if _is_of(item.symbol, symbol)]
    if not trades:
        return
    out().print()
    print_table(
        _TRADE_COLUMNS,
        [
            (
                escape(item.symbol), _side(item.quantity), _minute(item.entry_ns), _price(item.entry),
                _minute(item.exit_ns), _price(item.exit), item.reason, f"{item.paid_usd:,.2f}", _result(item.pnl_usd),
            )
            for item in reversed(trades[-_SHOWN_TRADES:])
        ],
    )  # fmt: skip
    more = len(trades) - _SHOWN_TRADES
    if more > 0:
        out().print(f"[dim]and {more:,} older trades: --json has all[/]")


def _remark(summary: Summary, settlement: Settlement | None) -> None:
    """Print what a reader must know beside the figures."""
    for event in () if settlement is None else settlement.events[-_SHOWN_TRADES:]:
        note(f"now: {event_line(event)}")
    for name, time_ns in ({} if settlement is None else settlement.blocked).items():
        note(f"{name} is needed too, from {_minute(time_ns)} UTC on: give all at once (--csv A=FILE --csv B=FILE).")
    unfilled = {item.id for item in summary.waiting}
    waiting = {} if settlement is None else settlement.waiting
    for reason in sorted({reason for name, reason in waiting.items() if name not in unfilled}):  # of positions
        note(f"{reason}.")
    if settlement is None and summary.waiting:
        note("--csv FILE or --live EXCHANGE settles what waits.")
    for breach in summary.judgement.breaches:
        note(f"The risk agent would demand {summary.judgement.demanded}: {breach.detail}.")
    for reason, count in summary.lapsed.items():
        note(f"not filled, {count:,} times: {_LAPSES.get(reason, reason)}.")
    if summary.in_hindsight:
        whole = len(summary.contents.decisions)
        note(f"made when what followed could be known, {summary.in_hindsight:,} of {whole:,}: those show no skill.")
    if summary.contents.marks:
        note(f"Values are those of the bars until {_minute(summary.contents.settled_ns)} UTC.")


def show_books(summaries: Sequence[Summary]) -> None:
    """Print a list of books."""
    print_table(
        _BOOK_COLUMNS,
        [
            (
                escape(item.contents.terms.name), item.contents.terms.environment, f"${item.equity_usd:,.2f}",
                f"{item.gain:+.2%}", f"{item.max_drawdown:.2%}", f"{len(item.trades):,}", f"{len(item.waiting):,}",
            )
            for item in summaries
        ],
    )  # fmt: skip


def _is_of(symbol: str, wanted: str | None) -> bool:
    from src.agents.market.symbols import same_symbol

    return wanted is None or same_symbol(symbol, wanted)


def _side(quantity: Decimal) -> str:
    return "long" if quantity > 0 else "short"


def _plain(quantity: Decimal) -> str:
    """Return a quantity in about six digits."""
    return f"{float(quantity):,.6g}" if quantity < 1_000_000 else f"{float(quantity):,.0f}"


def _price(price: Decimal | float | None) -> str:
    return "-" if price is None else price_text(float(price))


def _result(usd: Decimal) -> str:
    return f"[{'green' if usd >= 0 else 'red'}]{usd:+,.2f}[/]"


def _minute(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns / 1e9, UTC):%Y-%m-%d %H:%M}"


def _time(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat()

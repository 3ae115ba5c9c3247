"""Decide on one market: `moondev trade`."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path  # noqa: TC003 - typer reads the annotation when it runs
from typing import TYPE_CHECKING, Annotated

import typer

from src.cli.actions import styled_action
from src.cli.delivery import finish
from src.cli.price_options import DatesOption, DecimalOption, StampsOption, ZoneOption  # noqa: TC001 - typer reads them when it runs
from src.cli.price_remarks import print_remarks
from src.observability.commands.console import (
    duration,
    err,
    escape,
    escape_lines,
    money,
    note,
    out,
    price_text,
    print_json,
    problem,
)
from src.observability.commands.counting import counted
from src.observability.commands.tables import Column, print_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from src.agents.ledger_entries import Circumstances
    from src.agents.market import Candles
    from src.agents.swarm.members import Member
    from src.agents.swarm.voting import Vote
    from src.agents.trading_agent import TradingAgent, TradingResult
    from src.cli.paper import BookSession
    from src.judging.paper.book import Settlement

_COLUMNS = (
    Column("member", least=14),
    Column("vote"),
    Column("confidence", rank=2, right=True),
    Column("latency", rank=3, right=True),
    Column("cost", right=True),
    Column("reasoning", rank=1, least=20),
)


def trade(
    symbol: Annotated[str, typer.Argument(help="What to decide on: EURUSD and GOOGL have sample prices.")],
    swarm: Annotated[bool, typer.Option("--swarm", help="Ask many models and let them vote.")] = False,
    models: Annotated[
        str | None,
        typer.Option(help="Members as provider:model, separated by commas. Several make a swarm.", show_default=False),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="Read candles from this file: CSV, JSON, Parquet or Arrow.", show_default=False),
    ] = None,
    live: Annotated[
        str | None, typer.Option(help="Read candles from this exchange, such as binance.", show_default=False)
    ] = None,
    timeframe: Annotated[str, typer.Option(help="Length of a live candle.")] = "15m",
    zone: ZoneOption = None,
    decimal: DecimalOption = None,
    dates: DatesOption = None,
    stamps: StampsOption = None,
    min_bars: Annotated[int, typer.Option(help="Fewer closed bars are not decided upon.")] = 10,
    timeout: Annotated[
        float | None,
        typer.Option(help="Seconds that each member may take: 30, or 120 with the embedded model.", show_default=False),
    ] = None,
    quorum: Annotated[float, typer.Option(help="More than this share of all weight must vote.")] = 0.5,
    horizon: Annotated[str, typer.Option(help="After how long the decision is judged: 24h, or 24h,7d.")] = "24h",
    paper: Annotated[bool, typer.Option("--paper", help="Let a paper book follow the decision.")] = False,
    book: Annotated[
        str | None, typer.Option(help="The name of that book, `paper` where not given.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the decision as JSON, and nothing else.")] = False,
) -> None:
    """Decide BUY, SELL or NOTHING on real prices. A paper decision: no order is placed.

    Without --csv or --live the sample prices that were installed with the project are used. Without --models a
    swarm has every configured provider, or three local models where no key is set; a single decision is made by the
    model that AI_MODEL_PROVIDER and AI_MODEL name, else by the first configured provider, else by the local model.
    """
    from src.agents.prompts import agent_prompt
    from src.agents.prompts.trading import NAME
    from src.agents.trading_agent import TradingAgent

    _check(symbol, timeout, quorum, min_bars)
    where, prompt = _where(horizon, live), agent_prompt(NAME)
    agent = TradingAgent(
        _members(models, swarm=swarm), member_timeout_s=timeout, quorum=quorum, min_bars=min_bars, prompt=prompt
    )
    reading = {"zone": zone, "decimal": decimal, "dates": dates, "stamps": stamps}
    candles = _candles(symbol, csv, live, timeframe, reading)
    _describe(candles, as_json=as_json)
    if prompt.source != "built in" and not as_json:
        note(f"Prompt {prompt.name}, version {prompt.version}: {prompt.place}")
    book_session = _book_session(book, paper=paper)
    if book_session is not None:
        book_session.follow()
        where = replace(where, environment="paper", decision_id=book_session.decision_id)
    with _progress(agent, hidden=as_json) as on_vote:
        result = agent.decide(symbol, candles, on_vote=on_vote, where=where)
    settlement = None if book_session is None else book_session.settle(candles, symbol)
    _report(result, book_session, settlement, as_json=as_json)
    finish()
    if not any(vote.action for vote in result.votes):
        problem("no member gave a usable answer; the table and the trace say why.")
        raise typer.Exit(1)


def _where(horizon: str, live: str | None) -> Circumstances:
    """Return the circumstances of the decision."""
    from src.agents.ledger_entries import Circumstances
    from src.observability.ledger import parse_horizons

    return Circumstances(horizons=",".join(item.name for item in parse_horizons(horizon)), venue=live)


def _book_session(book: str | None, *, paper: bool) -> BookSession | None:
    """Open the paper book that is to follow the decision; None where none is to."""
    if not paper:
        if book is not None:
            raise ValueError("--book names a paper book: say --paper too.")
        return None
    from src.cli.paper import BookSession
    from src.judging.paper.terms import DEFAULT_BOOK

    return BookSession(book or DEFAULT_BOOK)


def _report(
    result: TradingResult, book_session: BookSession | None, settlement: Settlement | None, *, as_json: bool
) -> None:
    for remark in result.remarks:
        if not remark.startswith("prices: "):  # those were shown before the question
            note(remark)
    if as_json:
        from src.cli.paper_views import settlement_data

        paper = (
            {}
            if book_session is None or settlement is None
            else {"paper": settlement_data(book_session.name, settlement)}
        )
        print_json({**result.to_dict(), **paper})
        return
    _show(result)
    if book_session is not None and settlement is not None:
        from src.cli.paper_views import show_settlement

        show_settlement(book_session.name, book_session.decision_id, settlement)
    _advise(result)


def _check(symbol: str, timeout: float | None, quorum: float, min_bars: int) -> None:
    if timeout is not None and not 0 < timeout < math.inf:
        raise ValueError(f"--timeout is {timeout:g}: give seconds above 0, such as 30.")
    if not 0 <= quorum < 1:
        raise ValueError(f"--quorum is {quorum:g}: give a share from 0 to below 1; 0.5 means more than half.")
    if min_bars < 1:
        raise ValueError(f"--min-bars is {min_bars}: give a number of bars above 0; 10 is usual.")
    if not symbol.strip():
        raise ValueError("The symbol is empty: name what to decide on, such as BTC-USD.")


def _candles(
    symbol: str, csv: Path | None, live: str | None, timeframe: str, reading: dict[str, str | None]
) -> Candles:
    from src.agents.market import live_candles, load_candles, sample_candles

    if csv is not None and live is not None:
        raise ValueError("--csv and --live exclude one another: name one source of prices.")
    if csv is None and any(reading.values()):
        raise ValueError("--zone, --decimal, --dates and --stamps tell how a file is read: name it with --csv.")
    if csv is not None:
        return load_candles(csv, symbol=symbol, **reading)
    if live is not None:
        return live_candles(symbol, live, timeframe=timeframe)
    return sample_candles(symbol)


def _members(models: str | None, *, swarm: bool) -> list[str | Member] | None:
    """Return the members; None leaves the choice of a swarm to the agent."""
    if models is not None:
        names = [name.strip() for name in models.split(",") if name.strip()]
        if not names:
            raise ValueError("--models names no model: give provider:model, separated by commas.")
        return list(names)
    if swarm:
        return None
    from src.agents.base_agent import default_name

    return [default_name()]


def _describe(candles: Candles, *, as_json: bool) -> None:
    """Print what the prices are, with the first issues in them."""
    print_remarks(candles)
    if not as_json:
        first, last = candles.bars[0].time, candles.bars[-1].time
        out().print(
            f"{counted(len(candles), 'candles')} from {escape(candles.source)}, "
            f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC, last close {price_text(candles.bars[-1].close)}"
        )


@contextmanager
def _progress(agent: TradingAgent, *, hidden: bool) -> Iterator[Callable[[Vote], None] | None]:
    """Show which members have answered while the others think; nothing where standard error is no terminal."""
    if hidden or not err().is_terminal or err().is_dumb_terminal:
        yield None
        return
    from rich.live import Live
    from rich.table import Table

    votes: dict[str, Vote] = {}

    def table() -> Table:
        grid = Table.grid(padding=(0, 2))
        for member in agent.members:
            vote = votes.get(member.label)
            state = "[dim]thinking ...[/]" if vote is None else _state(vote)
            grid.add_row(escape(member.label), state)
        return grid

    with Live(table(), console=err(), refresh_per_second=8, transient=True) as live:

        def on_vote(vote: Vote) -> None:
            votes[vote.member] = vote
            live.update(table())

        yield on_vote


def _state(vote: Vote) -> str:
    if vote.error_category:
        return f"[red]{vote.error_category}[/]"
    return styled_action(str(vote.action) if vote.action else "ABSTAIN")


def _show(result: TradingResult) -> None:
    print_table(_COLUMNS, [_row(vote) for vote in result.votes])
    cost = money(result.cost_usd, at_least=result.unpriced > 0)
    out().print(
        f"{escape(result.symbol)}: {styled_action(str(result.action))}  confidence {result.confidence:g}, "
        f"agreement {result.agreement:.0%}, {cost}, {duration(result.wall_ms)}"
    )
    out().print(f"[dim]{escape_lines(result.reason)}[/]")
    if result.unpriced and result.cost_usd is not None:
        note(f"{result.unpriced} of {len(result.votes)} calls cost more than the sum has, or may have.")
    _show_trace(result)


def _advise(result: TradingResult) -> None:
    """Say what to do next: at length where nothing but the embedded model has voted, as on a first run."""
    from src.observability.commands.running import command_name

    name = escape(command_name())
    if not all(vote.member.partition("#")[0].partition(":")[0] == "local" for vote in result.votes):
        note(f"later: {name} decisions resolve --csv FILE, then {name} decisions report; {name} paper")
        return
    err().print("\nThe embedded model is a toy, there to show how it works. Next:")
    for words, purpose in (
        ("traces show last --full", "shows what was asked and answered"),
        ("doctor", "shows which providers are set up; .env_example lists their keys"),
        ("trade BTC-USD --csv FILE --paper", "decides on your prices, and lets a paper book follow"),
        ("decisions resolve --csv FILE", "judges decisions by the prices that followed, in a file that goes on"),
        ("decisions report", "shows how right they were"),
        ("paper --csv FILE", "fills the paper book, and shows what it is worth beside buying and holding"),
    ):
        err().print(f"  {name} {words}[dim]\n      {purpose}[/]")


def _row(vote: Vote) -> tuple[str, ...]:
    return (
        escape(vote.member),
        _state(vote),
        "-" if vote.confidence is None or vote.action is None else str(vote.confidence),
        duration(vote.latency_ms),
        _cost(vote),
        escape(vote.error or vote.reasoning),
    )


def _cost(vote: Vote) -> str:
    if vote.cost is None:
        return money(None)
    return money(vote.cost.known, at_least=not vote.cost.is_whole)


def _show_trace(result: TradingResult) -> None:
    import sqlite3

    from src.observability import get_tracker
    from src.observability.commands.tree import draw

    spool = get_tracker().spool
    if spool is None or result.trace_id is None:
        note("Tracing is off: there is no trace to show.")
        return
    try:
        rows = spool.trace(result.trace_id)
    except (sqlite3.Error, OSError) as error:  # the decision stands; the log says what is not recorded
        note(f"The trace cannot be shown: {error}.")
        return
    if rows:
        out().print(draw(rows))

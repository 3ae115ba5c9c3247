"""Show what came of a back-test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src.observability.commands.console import escape, money, note, out
from src.observability.commands.counting import counted
from src.observability.commands.tables import Column, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.judging.accuracy import Accuracy
    from src.judging.backtest.markets import MarketsResult
    from src.judging.backtest.results import Result

_COLUMNS = (
    Column("decider", least=14),
    Column("n", right=True),
    Column("hit rate", right=True),
    Column("majority", rank=3, right=True),
    Column("skill", rank=1, right=True),
    Column("mean net", rank=2, right=True),
    Column("end of $1", right=True),
    Column("drawdown", rank=4, right=True),
    Column("cost", rank=5, right=True),
    Column("verdict", least=10),
)


def show_open(result: Result) -> None:
    """Say which outcomes are not known, and why."""
    for reason, count in result.open:
        note(f"{counted(count, 'outcomes stay', 'outcome stays')} open: {reason}.")


def show_inside(rows: Sequence[Accuracy]) -> None:
    """Name the deciders that may have been trained on what they decided on."""
    for row in rows:
        if row.inside:
            note(
                f"{row.key}: {row.inside:,} of {row.decisions:,} decisions are on a time that it may have been trained "
                "on (`moondev models --training`): they show no skill."
            )


def show_together(whole: MarketsResult) -> None:
    """Show the deciders over all markets."""
    from src.judging.report import interval, percent, verdict

    note("All markets together, where the decisions of a day count as one block:")
    rows = [
        (
            escape(row.key), f"{row.n:,}", interval(row.hit_rate), percent(row.baseline_hit_rate),
            interval(row.skill), interval(row.net_return, digits=2), _cost(row), verdict(row),
        )
        for row in whole.rows
    ]  # fmt: skip
    print_table([column for column in _COLUMNS if column.title not in ("end of $1", "drawdown")], rows)


def _cost(row: Accuracy) -> str:
    """Return what a decider cost: at least so much where a part is unknown, and not 0 where all of it is."""
    return money(row.cost_usd if row.cost_usd is not None or row.cost_unknown else 0.0, at_least=row.cost_unknown)


def _chart(result: Result, deciders: set[str]) -> None:
    """Draw the way of a dollar in the first deciders' books, and by holding as much of the market as they may."""
    from src.cli.charts import Line, print_chart

    lines = [Line(item.name, item.times_ns, item.values) for item in result.equities if item.name in deciders]
    holding = [Line(item.name, item.times_ns, item.values) for item in result.equities if "%" in item.name]
    print_chart([*lines[:1], *holding[-1:], *lines[1:4]], form=".3f")


def show_result(result: Result) -> None:
    """Show a market's deciders beside holding and cash."""
    from src.judging.report import dollars, interval, percent, verdict

    by_name = {item.name: item for item in result.equities}
    rows = []
    for row in result.rows:
        equity = by_name[row.key]
        rows.append(
            (
                escape(row.key), f"{row.n:,}", interval(row.hit_rate), percent(row.baseline_hit_rate),
                interval(row.skill), interval(row.net_return, digits=2), f"{equity.end:.3f}",
                percent(equity.drawdown, 1), _cost(row), verdict(row),
            )
        )  # fmt: skip
    deciders = {row.key for row in result.rows}
    rows += [
        (item.name, "", "", "", "", "", f"{item.end:.3f}", percent(item.drawdown, 1), "", "")
        for item in result.equities
        if item.name not in deciders
    ]
    print_table(_COLUMNS, rows)
    _chart(result, deciders)
    out().print(
        f"{counted(result.decisions, 'decisions')}, {counted(result.resolved, 'outcomes')}, "
        f"{counted(result.calls, 'calls')}, "
        f"{dollars(result.cost_usd)}, {result.wall_s:.1f} s"
    )

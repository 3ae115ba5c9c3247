"""Decide on the past as if it were the present: `moondev backtest`."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 - typer reads the annotation when it runs
from typing import TYPE_CHECKING, Annotated

import typer

from src.cli.candles import DATES_HELP, DECIMAL_HELP, ZONE_HELP
from src.observability.commands.console import err, escape, note, out, print_json, problem
from src.observability.commands.tables import Column, print_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from src.agents.market import Candles
    from src.judging.backtest.as_of import Replay
    from src.judging.backtest.deciders import Decider
    from src.judging.backtest.plan import Estimate, Plan
    from src.judging.backtest.results import Result
    from src.judging.backtest.runner import Progress, Runner
    from src.observability.store.spool import Spool

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
_REFUSED = 1


def backtest(
    symbol: Annotated[str, typer.Argument(help="The market that the prices are of.")],
    csv: Annotated[Path, typer.Option(help="Prices: CSV, JSON, Parquet or Arrow.")],
    models: Annotated[
        str, typer.Option(help="Who decides: provider:model, rule:hold, rule:random#1, rule:momentum, rule:cross.")
    ] = "rule:hold,rule:random#1,rule:momentum,rule:cross",
    agent: Annotated[
        list[str] | None,
        typer.Option(help="Code of yours that decides too: package.module:Class or file.py:Class.", show_default=False),
    ] = None,
    every: Annotated[str, typer.Option(help="The time between two decisions.")] = "4h",
    horizon: Annotated[str, typer.Option(help="After how long they are judged: 24h, or 24h,7d.")] = "24h",
    first: Annotated[datetime | None, typer.Option("--from", help="The first decision.", show_default=False)] = None,
    last: Annotated[datetime | None, typer.Option("--to", help="The last decision.", show_default=False)] = None,
    swarm: Annotated[bool, typer.Option("--swarm", help="Let the models vote as one decider.")] = False,
    fee_bps: Annotated[float, typer.Option(help="Fee of a fill; 10 is 0.1%.")] = 10.0,
    spread_bps: Annotated[float, typer.Option(help="The whole spread.")] = 0.0,
    slippage_bps: Annotated[float, typer.Option(help="Slippage of a fill.")] = 0.0,
    workers: Annotated[int, typer.Option(help="Decisions that are asked for at once.", min=1, max=64)] = 1,
    budget: Annotated[float | None, typer.Option(help="The most US dollars to spend.", show_default=False)] = None,
    placebo: Annotated[
        str | None, typer.Option(help="shuffled, flipped or relabelled prices instead.", show_default=False)
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page with charts.", show_default=False)] = None,
    zone: Annotated[str | None, typer.Option(help=ZONE_HELP, show_default=False)] = None,
    decimal: Annotated[str | None, typer.Option(help=DECIMAL_HELP, show_default=False)] = None,
    dates: Annotated[str | None, typer.Option(help=DATES_HELP, show_default=False)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would take.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before money is spent.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else.")] = False,
) -> None:
    """Decide at past times on what was known then, and judge the decisions by what followed.

    Each decision goes into the ledger at once: started again after Ctrl-C or a crash it goes on where it was, and asks
    no model twice. Decisions on a time that a model may have been trained on are `inside`: they show no skill.
    """
    from src.agents.market import load_candles
    from src.judging.backtest.as_of import Replay
    from src.judging.backtest.deciders import WINDOW, deciders_named
    from src.judging.backtest.placebos import RELABELLED
    from src.judging.backtest.placebos import placebo as placebo_of
    from src.judging.backtest.plan import make_plan
    from src.observability.ledger import parse_horizon, parse_horizons

    candles = load_candles(csv, symbol=symbol, zone=zone, decimal=decimal, dates=dates)
    if placebo is not None:
        candles = placebo_of(candles, placebo)
    market = RELABELLED if placebo == "relabelled" else symbol
    names = [name.strip() for name in models.split(",") if name.strip()]
    deciders = deciders_named([*names, *(f"agent:{name}" for name in agent or ())], swarm=swarm)
    replay = Replay(candles, market, window=WINDOW)
    plan = make_plan(
        replay,
        deciders,
        every=parse_horizon(every),
        horizons=parse_horizons(horizon),
        first=first,
        last=last,
        label=placebo or "",
    )
    costs = {"fee_bps": fee_bps, "spread_bps": spread_bps, "slippage_bps": slippage_bps}
    _run(candles, replay, plan, deciders, costs, workers, budget, html, dry_run=dry_run, yes=yes, as_json=as_json)


def _run(
    candles: Candles,
    replay: Replay,
    plan: Plan,
    deciders: Sequence[Decider],
    costs: dict[str, float],
    workers: int,
    budget: float | None,
    html: Path | None,
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    from src.judging.backtest.plan import estimate
    from src.judging.backtest.results import judge_run
    from src.judging.backtest.runner import Runner
    from src.judging.prices import series_of
    from src.judging.resolving import Rules
    from src.observability import score

    spool = _spool()
    runner = Runner(plan, replay, deciders, spool, workers=workers, budget_usd=budget)
    models = [model for decider in deciders for model in decider.models]
    figures = estimate(plan, replay, models, decided=runner.progress.decided, deciders=len(deciders))
    _show_estimate(plan, figures, runner.progress, as_json=as_json and not dry_run)
    if dry_run:
        if as_json:
            from src.judging.backtest.plan import as_data

            print_json({"run_id": plan.run_id, **as_data(figures)})
        return
    _refuse_unavailable(models)
    if not yes and figures.calls and figures.cost_usd != 0 and not _agreed(figures):
        raise typer.Exit(_REFUSED)
    with _progress_bar(runner.progress, hidden=as_json) as shown:
        runner.on_progress = shown
        progress = _finished(runner, plan)
    rules = Rules(symbol=plan.symbol, **costs)  # type: ignore[arg-type] # by name
    result = judge_run(plan, series_of(candles), spool, rules=rules, progress=progress, score=score)
    _report(result, progress, html, as_json=as_json)


def _refuse_unavailable(models: Sequence[str]) -> None:
    """Raise where a model cannot be asked, rather than count each of its decisions as failed."""
    from src.models.model_factory import ModelFactory

    for model in dict.fromkeys(models):
        reason = ModelFactory.why_unavailable(model)
        if reason:
            raise ValueError(f"{model} cannot be asked: {reason}")


def _spool() -> Spool:
    from src.observability import get_tracker

    spool = get_tracker().spool
    if spool is None:
        raise ValueError("Tracing is off (MOONDEV_TRACING): a back-test keeps its decisions in the trace store.")
    return spool


def _finished(runner: Runner, plan: Plan) -> Progress:
    """Run it; on Ctrl-C say how to go on."""
    try:
        return runner.run()
    except KeyboardInterrupt:
        made, total = runner.progress.decided, runner.progress.total
        note(f"Stopped after {made:,} of {total:,} decisions of run {plan.run_id}: the same command goes on.")
        raise


def _show_estimate(plan: Plan, figures: Estimate, progress: Progress, *, as_json: bool) -> None:
    if as_json:
        return
    first, last = (datetime.fromtimestamp(plan.times_us[at] / 1e6, UTC) for at in (0, -1))
    note(
        f"Run {plan.run_id}: {progress.total:,} decisions on {plan.symbol} from {first:%Y-%m-%d %H:%M} to "
        f"{last:%Y-%m-%d %H:%M} UTC" + (f", {progress.decided:,} of them made before" if progress.decided else "")
    )
    if plan.skipped:
        note(f"{plan.skipped:,} times are left out: no bar had closed since the time before.")
    if figures.calls:
        cost = "an unknown price" if figures.cost_usd is None else f"about ${figures.cost_usd:,.2f}"
        unpriced = f" (no price is known of {', '.join(figures.unpriced)})" if figures.unpriced else ""
        note(
            f"To be asked: {figures.calls:,} calls, about {figures.input_tokens:,} tokens in and "
            f"{figures.output_tokens:,} out, {cost}{unpriced}."
        )


def _agreed(figures: Estimate) -> bool:
    """Ask whether to spend money; without a terminal the answer is no."""
    import sys

    if not sys.stdin.isatty():
        problem("this back-test asks paid models: say --yes, and set a bound with --budget.")
        return False
    price = "an unknown amount" if figures.cost_usd is None else f"about ${figures.cost_usd:,.2f}"
    return typer.confirm(f"Spend {price}?", err=True)


@contextmanager
def _progress_bar(progress: Progress, *, hidden: bool) -> Iterator[Callable[[Progress], None] | None]:
    """Show how far it is, with what was spent and what remains; nothing where standard error is no terminal."""
    if hidden or not err().is_terminal or err().is_dumb_terminal:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.fields[spent]}"))
    with Bar(*columns, console=err(), transient=True) as bar:
        task = bar.add_task("", total=progress.total, completed=progress.decided, spent="")

        def show(now: Progress) -> None:
            least = ">= " if now.cost_unknown else ""
            spent = f"{now.calls:,} calls, {least}${now.cost_usd:.4f}" if now.calls else ""
            bar.update(task, completed=now.decided, spent=spent)

        yield show


def _report(result: Result, progress: Progress, html: Path | None, *, as_json: bool) -> None:
    if html is not None:
        from src.judging.backtest.page import page

        html.write_text(page(result), encoding="utf-8")
    if as_json:
        print_json(result.to_dict())
    else:
        _show(result, html)
    if result.failed:
        problem(
            f"{result.failed:,} of {result.decisions:,} decisions failed: `moondev traces list` shows "
            "their traces, which say why. The same command asks for them again."
        )
    if progress.stopped:
        problem(f"{progress.stopped} The same command with a higher --budget goes on.")
        raise typer.Exit(1)


def _chart(result: Result, deciders: set[str]) -> None:
    """Draw the way of a dollar in the first deciders' books, and by holding as much of the market as they may."""
    from src.cli.charts import Line, print_chart

    lines = [Line(item.name, item.times_ns, item.values) for item in result.equities if item.name in deciders]
    holding = [Line(item.name, item.times_ns, item.values) for item in result.equities if "%" in item.name]
    print_chart([*lines[:1], *holding[-1:], *lines[1:4]], form=".3f")


def _show(result: Result, html: Path | None) -> None:
    from src.judging.report import interval, percent, verdict

    by_name = {item.name: item for item in result.equities}
    rows = []
    for row in result.rows:
        equity = by_name[row.key]
        rows.append(
            (
                escape(row.key), f"{row.n:,}", interval(row.hit_rate), percent(row.baseline_hit_rate),
                interval(row.skill), interval(row.net_return, digits=2), f"{equity.end:.3f}",
                percent(equity.drawdown, 1), f"${row.cost_usd or 0:.4f}", verdict(row),
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
        f"{result.decisions:,} decisions, {result.resolved:,} outcomes, {result.calls:,} calls, "
        f"${result.cost_usd:.4f}, {result.wall_s:.1f} s"
    )
    if html is not None:
        note(f"{html} written.")

"""Decide on the past as if it were the present: `moondev backtest`."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 - typer reads the annotation when it runs
from typing import TYPE_CHECKING, Annotated

import typer

from src.cli.backtest_result import show_inside, show_open, show_result, show_together
from src.cli.backtest_screen import agreed, progress_bar, show_estimate, show_plan
from src.cli.markets import files_of
from src.cli.price_options import DatesOption, DecimalOption, StampsOption, ZoneOption  # noqa: TC001 - typer reads them when it runs
from src.observability.commands.console import note, print_json, problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.agents.market import Candles
    from src.judging.backtest.as_of import Replay
    from src.judging.backtest.deciders import Decider
    from src.judging.backtest.plan import Plan
    from src.judging.backtest.results import Result
    from src.judging.backtest.runner import Progress, Runner
    from src.observability.store.spool import Spool

_REFUSED = 1


def backtest(
    symbol: Annotated[str, typer.Argument(help="The market that the prices are of, or several with commas.")],
    csv: Annotated[
        list[str], typer.Option(help="Prices: CSV, JSON, Parquet or Arrow; of several markets SYMBOL=FILE for each.")
    ],
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
    threads: Annotated[int, typer.Option(help="Decisions that a process asks for at once.", min=1, max=64)] = 1,
    workers: Annotated[
        int | None, typer.Option(help="Processes on this machine that decide.", min=1, max=64, show_default=False)
    ] = None,
    dask: Annotated[
        str | None, typer.Option(help="The scheduler of a Dask cluster that decides.", show_default=False)
    ] = None,
    budget: Annotated[float | None, typer.Option(help="The most US dollars to spend.", show_default=False)] = None,
    placebo: Annotated[
        str | None, typer.Option(help="shuffled, flipped or relabelled prices instead.", show_default=False)
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page with charts.", show_default=False)] = None,
    zone: ZoneOption = None,
    decimal: DecimalOption = None,
    dates: DatesOption = None,
    stamps: StampsOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would take.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before money is spent.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else.")] = False,
) -> None:
    """Decide at past times on what was known then, and judge the decisions by what followed.

    Each decision goes into the ledger at once: started again after Ctrl-C or a crash it goes on where it was, and asks
    no model twice. Decisions on a time that a model may have been trained on are `inside`: they show no skill.
    """
    from src.judging.backtest.deciders import deciders_named

    costs = {"fee_bps": fee_bps, "spread_bps": spread_bps, "slippage_bps": slippage_bps}
    _refuse_nonsense(costs, budget, html, is_twice=workers is not None and dask is not None)
    names = (*(name.strip() for name in models.split(",") if name.strip()), *(f"agent:{name}" for name in agent or ()))
    deciders = deciders_named(names, swarm=swarm)
    reading = {"zone": zone, "decimal": decimal, "dates": dates, "stamps": stamps}
    times = _Times(every=every, horizon=horizon, first=first, last=last)
    markets = [_market(name, file, deciders, times, placebo, reading) for name, file in files_of(symbol, csv).items()]
    execution = _Execution(names=names, swarm=swarm, threads=threads, workers=workers, dask=dask)
    _run(markets, deciders, execution, costs, budget, html, dry_run=dry_run, yes=yes, as_json=as_json)


def _refuse_nonsense(costs: dict[str, float], budget: float | None, html: Path | None, *, is_twice: bool) -> None:
    """Raise for what would end the run only after it was paid for."""
    from src.judging.costs import costs_of_venue

    costs_of_venue(None, **costs)
    if budget is not None and not (math.isfinite(budget) and budget >= 0):
        raise ValueError(f"--budget is {budget!r}: give US dollars, such as 5 or 0.25.")
    if html is not None and (html.is_dir() or not html.parent.is_dir()):
        raise ValueError(f"--html {html} cannot be written: name a file in a folder that exists.")
    if is_twice:
        raise ValueError("--workers starts processes here, --dask asks those of a cluster: give one of them.")


@dataclass(frozen=True, slots=True)
class _Times:
    """When decisions are made, and after how long they are judged."""

    every: str
    horizon: str
    first: datetime | None
    last: datetime | None


@dataclass(frozen=True, slots=True)
class _Execution:
    """Who decides, and by which processes and threads."""

    names: tuple[str, ...]
    swarm: bool
    threads: int
    workers: int | None
    dask: str | None


@dataclass(frozen=True, slots=True)
class _Market:
    """One market with its plan."""

    candles: Candles
    replay: Replay
    plan: Plan


def _market(
    symbol: str,
    file: Path,
    deciders: Sequence[Decider],
    times: _Times,
    placebo: str | None,
    reading: dict[str, str | None],
) -> _Market:
    from src.agents.market import closed_bars, load_candles
    from src.judging.backtest.as_of import Replay
    from src.judging.backtest.deciders import WINDOW
    from src.judging.backtest.placebos import RELABELLED
    from src.judging.backtest.placebos import placebo as placebo_of
    from src.judging.backtest.plan import make_plan
    from src.observability.ledger import parse_horizon, parse_horizons

    candles = closed_bars(load_candles(file, symbol=symbol, **reading), datetime.now(UTC))
    if placebo is not None:
        candles = placebo_of(candles, placebo)
    replay = Replay(candles, RELABELLED if placebo == "relabelled" else symbol, window=WINDOW)
    plan = make_plan(
        replay,
        deciders,
        every=parse_horizon(times.every),
        horizons=parse_horizons(times.horizon),
        first=times.first,
        last=times.last,
        label=placebo or "",
    )
    return _Market(candles=candles, replay=replay, plan=plan)


def _run(
    markets: Sequence[_Market],
    deciders: Sequence[Decider],
    execution: _Execution,
    costs: dict[str, float],
    budget: float | None,
    html: Path | None,
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    from src.judging.backtest.markets import run_id_of, sum_of
    from src.judging.backtest.plan import as_data, estimate
    from src.judging.backtest.run_lock import only_process
    from src.judging.backtest.runner import Progress

    spool, progress = _spool(), Progress()
    runners = _runners(markets, deciders, spool, execution, budget, progress)
    models = [model for decider in deciders for model in decider.models]
    estimates = [
        estimate(runner.plan, runner.replay, models, decided=runner.decided_before, deciders=len(deciders))
        for runner in runners
    ]
    figures = sum_of(estimates)
    if not (as_json and not dry_run):
        for runner in runners:
            show_plan(runner)
        show_estimate(figures)
    if dry_run:
        if as_json:
            print_json({"run_id": run_id_of([item.plan.run_id for item in markets]), **as_data(figures)})
        return
    if execution.dask is None:
        _refuse_unavailable(models)
    if not yes and figures.calls and figures.cost_usd != 0 and not agreed(figures):
        raise typer.Exit(_REFUSED)
    with ExitStack() as stack:
        if not all(decider.is_free for decider in deciders):
            for item in markets:
                stack.enter_context(only_process(spool.path, item.plan.run_id))
        shown = stack.enter_context(progress_bar(progress, hidden=as_json))
        for runner in runners:
            runner.on_progress = shown
        _finish(runners, execution, spool)
    _report(_judged(markets, runners, spool, costs), progress, html, as_json=as_json)


def _runners(
    markets: Sequence[_Market],
    deciders: Sequence[Decider],
    spool: Spool,
    execution: _Execution,
    budget: float | None,
    progress: Progress,
) -> list[Runner]:
    """Return a runner for each market; they share the budget and the progress."""
    from src.judging.backtest.allowance import Allowance
    from src.judging.backtest.runner import Runner

    allowance = Allowance(limit_usd=budget)
    return [
        Runner(
            market.plan,
            market.replay,
            deciders,
            spool,
            threads=execution.threads,
            allowance=allowance,
            progress=progress,
        )
        for market in markets
    ]


def _judged(
    markets: Sequence[_Market], runners: Sequence[Runner], spool: Spool, costs: dict[str, float]
) -> list[Result]:
    from src.judging.backtest.results import judge_run
    from src.judging.prices import series_of
    from src.judging.resolving import Rules
    from src.observability import score

    return [
        judge_run(
            market.plan,
            series_of(market.candles),
            spool,
            rules=Rules(symbol=market.plan.symbol, **costs),  # type: ignore[arg-type] # by name
            progress=runner.progress,
            calls=runner.calls,
            score=score,
        )
        for market, runner in zip(markets, runners, strict=True)
    ]


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


def _finish(runners: Sequence[Runner], execution: _Execution, spool: Spool) -> None:
    """Run them; on Ctrl-C say how to go on."""
    progress = runners[0].progress
    try:
        if execution.workers is None and execution.dask is None:
            for runner in runners:
                if progress.stopped is None:
                    runner.run()
        else:
            _finish_by_workers(runners, execution, spool)
    except KeyboardInterrupt:
        note(f"Stopped after {progress.decided:,} of {progress.total:,} decisions: the same command goes on.")
        raise


def _finish_by_workers(runners: Sequence[Runner], execution: _Execution, spool: Spool) -> None:
    from src.judging.backtest.cluster import ClusterError, finish_on_cluster, finish_on_workers

    try:
        if execution.dask is not None:
            finish_on_cluster(
                runners, execution.names, swarm=execution.swarm, address=execution.dask, spool=spool, say=note
            )
        elif execution.workers is not None:
            finish_on_workers(
                runners,
                execution.names,
                swarm=execution.swarm,
                workers=execution.workers,
                threads=execution.threads,
                spool=spool,
                say=note,
            )
    except ClusterError as error:
        problem(str(error))
        raise typer.Exit(_REFUSED) from error


def _report(results: Sequence[Result], progress: Progress, html: Path | None, *, as_json: bool) -> None:
    import time

    from src.judging.backtest.markets import together

    whole = together(results, wall_s=time.monotonic() - progress.started) if len(results) > 1 else None
    pages = _write_pages(results, html) if html is not None else []
    if as_json:
        print_json((whole or results[0]).to_dict())
    else:
        for result in results:
            if whole is not None:
                note(f"{result.symbol}, run {result.run_id}:")
            show_result(result)
            show_open(result)
        if whole is not None:
            show_together(whole)
        show_inside((whole or results[0]).rows)
        for page in pages:
            note(f"{page} written.")
    decisions, failed = (sum(getattr(result, name) for result in results) for name in ("decisions", "failed"))
    if failed:
        problem(
            f"{failed:,} of {decisions:,} decisions failed: `moondev traces list` shows "
            "their traces, which say why. The same command asks for them again."
        )
    if progress.stopped:
        problem(f"{progress.stopped} The same command with a higher --budget goes on.")
        raise typer.Exit(1)


def _write_pages(results: Sequence[Result], path: Path) -> list[Path]:
    """Write a page for each market, with its symbol in the name where there are several; return their paths."""
    from src.judging.backtest.page import page
    from src.observability.commands.whole_files import write_whole

    pages = []
    for result in results:
        symbol = "".join(sign if sign.isalnum() or sign in "-_." else "_" for sign in result.symbol)
        own = path if len(results) == 1 else path.with_name(f"{path.stem}-{symbol}{path.suffix}")
        write_whole(own, page(result))
        pages.append(own)
    return pages

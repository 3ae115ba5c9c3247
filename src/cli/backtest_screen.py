"""Show what a back-test would take, ask whether it may, and show how far it is."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from src.observability.commands.console import err, note, problem
from src.observability.commands.counting import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from src.judging.backtest.plan import Estimate
    from src.judging.backtest.runner import Progress, Runner


def show_plan(runner: Runner) -> None:
    """Say what a run consists of."""
    plan, total = runner.plan, len(runner.plan.times_us) * len(runner.deciders)
    first, last = (datetime.fromtimestamp(plan.times_us[at] / 1e6, UTC) for at in (0, -1))
    note(
        f"Run {plan.run_id}: {counted(total, 'decisions')} on {plan.symbol} from {first:%Y-%m-%d %H:%M} to "
        f"{last:%Y-%m-%d %H:%M} UTC"
        + (f", {runner.decided_before:,} of them made before" * bool(runner.decided_before))
    )
    dropped = runner.replay.candles.issue_counts
    if dropped:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(dropped.items()))
        note(f"Remarks on the prices: {kinds} (`moondev candles FILE` shows them).")
    if plan.skipped:
        note(f"{counted(plan.skipped, 'times are', 'time is')} left out: no bar had closed since the time before.")


def show_estimate(figures: Estimate) -> None:
    """Say what the models would take."""
    if figures.calls:
        cost = "an unknown price" if figures.cost_usd is None else f"about ${figures.cost_usd:,.2f}"
        unpriced = f" (no price is known of {', '.join(figures.unpriced)})" if figures.unpriced else ""
        note(
            f"To be asked: {counted(figures.calls, 'calls')}, about {figures.input_tokens:,} tokens in and "
            f"{figures.output_tokens:,} out, {cost}{unpriced}."
        )


def agreed(figures: Estimate, what: str = "this back-test") -> bool:
    """Ask whether to spend money; without a terminal the answer is no."""
    import sys

    if not sys.stdin.isatty():
        problem(f"{what} asks paid models: say --yes, and set a bound with --budget.")
        return False
    price = "an unknown amount" if figures.cost_usd is None else f"about ${figures.cost_usd:,.2f}"
    return typer.confirm(f"Spend {price}?", err=True)


@contextmanager
def progress_bar(progress: Progress, *, hidden: bool) -> Iterator[Callable[[Progress], None] | None]:
    """Show how far it is, with what was spent and what remains; nothing where standard error is no terminal."""
    if hidden or not err().is_terminal or err().is_dumb_terminal:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    from src.models.limits import amounts

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.fields[spent]}"))
    with Bar(*columns, console=err(), transient=True) as bar:
        task = bar.add_task("", total=progress.total, completed=progress.decided, spent="")

        def show(now: Progress) -> None:
            least = ">= " if now.cost_unknown else ""
            spent = f"{counted(now.calls, 'calls')}, {least}{amounts.usd(now.cost_usd)}" if now.calls else ""
            bar.update(task, completed=now.decided, spent=spent)

        yield show

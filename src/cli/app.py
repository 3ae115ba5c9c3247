"""Assemble the `moondev` command from its subcommands."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from src.cli import alerts, decisions, insight, langfuse, prompts
from src.cli.advise import advise
from src.cli.backtest import backtest
from src.cli.budget import budget
from src.cli.candles import candles
from src.cli.dashboard import dashboard
from src.cli.derive import derive
from src.cli.doctor import doctor
from src.cli.evaluate import evaluate
from src.cli.fills import fills
from src.cli.models import models
from src.cli.paper import paper
from src.cli.prompt_trial import try_version
from src.cli.quality import quality
from src.cli.report import report
from src.cli.risk import risk
from src.cli.trade import trade
from src.observability.commands import running, traces
from src.observability.commands.console import out
from src.observability.commands.fast_start import FastCommand, FastGroup, FastTyper
from src.observability.search import text_index

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from src.observability.search.text_index import Numbers


def _numbers_with(store: Path, text: str) -> AbstractContextManager[Numbers | None]:
    from src.cli.text_search import numbers_with

    return numbers_with(store, text)


text_index.use(_numbers_with)
app = FastTyper(
    cls=FastGroup,
    name="moondev",
    epilog="Start with `moondev trade EURUSD --swarm` (no key is needed); `moondev doctor` shows what is set up.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def moondev(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Traced trading decisions by language models. Paper decisions only: nothing here places an order."""
    if version:
        print_version()
        raise typer.Exit
    if context.invoked_subcommand is None:
        context.get_help()  # prints it


@app.command("version", cls=FastCommand, hidden=True)
def print_version() -> None:
    """Print the version."""
    from src.cli.version import installed_version

    out().print(f"moondev {installed_version()}")


app.command("trade", cls=FastCommand)(trade)
app.command("risk", cls=FastCommand)(risk)
app.command("candles", cls=FastCommand)(candles)
app.command("backtest", cls=FastCommand)(backtest)
app.command("paper", cls=FastCommand)(paper)
app.command("budget", cls=FastCommand)(budget)
app.command("report", cls=FastCommand)(report)
app.command("quality", cls=FastCommand)(quality)
app.command("advise", cls=FastCommand)(advise)
app.command("dashboard", cls=FastCommand)(dashboard)
app.command("evaluate", cls=FastCommand)(evaluate)
app.command("models", cls=FastCommand)(models)
app.command("doctor", cls=FastCommand)(doctor)
app.add_typer(traces.app, name="traces")
decisions.app.command("derive", cls=FastCommand)(derive)
decisions.app.command("fills", cls=FastCommand)(fills)
app.add_typer(decisions.app, name="decisions")
app.add_typer(insight.app, name="insight")
prompts.app.command("try", cls=FastCommand)(try_version)
app.add_typer(prompts.app, name="prompts")
app.add_typer(alerts.app, name="alerts")
app.add_typer(langfuse.app, name="langfuse")


def run() -> int:
    """Run the command line and return its exit code; bad input ends with one line that says what to do, and code 2."""
    return running.run(app, _report)


def _report(error: Exception) -> int:
    """Print an expected error and return the exit code that fits it."""
    from src.observability.commands import failures
    from src.observability.commands.console import problem

    errors = sys.modules.get("src.models.errors")  # where it is not loaded, nothing has raised one of its errors
    if errors is None or not isinstance(error, errors.ModelError):
        return failures.report(error)
    problem(str(error))
    return 2 if isinstance(error, ValueError) else 1  # a ValueError is about what the user asked for

"""Assemble the `moondev` command from its subcommands."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from src.cli import decisions
from src.cli.backtest import backtest
from src.cli.budget import budget
from src.cli.candles import candles
from src.cli.doctor import doctor
from src.cli.models import models
from src.cli.paper import paper
from src.cli.risk import risk
from src.cli.trade import trade
from src.observability.commands import running, traces
from src.observability.commands.console import out
from src.observability.commands.fast_start import FastCommand, FastGroup

app = typer.Typer(
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
        from src.cli.version import installed_version

        out().print(f"moondev {installed_version()}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        context.get_help()  # prints it


app.command("trade", cls=FastCommand)(trade)
app.command("risk", cls=FastCommand)(risk)
app.command("candles", cls=FastCommand)(candles)
app.command("backtest", cls=FastCommand)(backtest)
app.command("paper", cls=FastCommand)(paper)
app.command("budget", cls=FastCommand)(budget)
app.command("models", cls=FastCommand)(models)
app.command("doctor", cls=FastCommand)(doctor)
app.add_typer(traces.app, name="traces")
app.add_typer(decisions.app, name="decisions")


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

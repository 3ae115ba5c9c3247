"""Assemble the `moondev` command from its subcommands."""

from __future__ import annotations

import logging
import sys

import typer

from src.cli.candles import candles
from src.cli.doctor import doctor
from src.cli.models import models
from src.cli.risk import risk
from src.cli.trade import trade
from src.observability.commands import traces
from src.observability.commands.fast_start import FastCommand, FastGroup

app = typer.Typer(
    cls=FastGroup,
    name="moondev",
    help="Traced trading decisions by language models. Paper decisions only: nothing here places an order.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("trade", cls=FastCommand)(trade)
app.command("risk", cls=FastCommand)(risk)
app.command("candles", cls=FastCommand)(candles)
app.command("models", cls=FastCommand)(models)
app.command("doctor", cls=FastCommand)(doctor)
app.add_typer(traces.app, name="traces")


def main() -> None:
    """Run the command line; bad input ends with one line that says what to do, and exit code 2."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    try:
        app()
    except Exception as error:  # noqa: BLE001 - what is not expected is raised again
        sys.exit(_report(error))


def _report(error: Exception) -> int:
    """Print an expected error and return the exit code that fits it."""
    from src.observability.commands import failures
    from src.observability.commands.console import problem

    errors = sys.modules.get("src.models.errors")  # where it is not loaded, nothing has raised one of its errors
    if errors is None or not isinstance(error, errors.ModelError):
        return failures.report(error)
    problem(str(error))
    return 2 if isinstance(error, ValueError) else 1  # a ValueError is about what the user asked for

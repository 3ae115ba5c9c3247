"""Run the `moondev` command: decide, judge risk, look at traces, check the set-up."""

from __future__ import annotations

import logging
import sqlite3
import sys

import typer

from src.cli import doctor, models, risk, trade
from src.observability.commands import traces
from src.observability.commands.console import problem
from src.observability.store.schema import SpoolError

app = typer.Typer(
    name="moondev",
    help="Traced trading decisions by language models. Paper decisions only: nothing here places an order.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("trade")(trade.trade)
app.command("risk")(risk.risk)
app.command("models")(models.models)
app.command("doctor")(doctor.doctor)
app.add_typer(traces.app, name="traces")


def main() -> None:
    """Run the command line; bad input ends with one line that says what to do, and exit code 2."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    from src.models.errors import ModelError

    try:
        app()
    except ModelError as error:
        problem(str(error))
        sys.exit(2 if isinstance(error, ValueError) else 1)  # a ValueError is about what was asked
    except (ValueError, OSError, SpoolError) as error:  # what our packages raise for bad input
        problem(str(error))
        sys.exit(2)
    except sqlite3.Error as error:
        problem(f"the trace store cannot be used: {error}.")
        sys.exit(1)

"""Look at traces, deliver them, check the set-up, wherever this package is installed: `python -m src.observability`."""

from __future__ import annotations

import logging
import sqlite3
import sys
from typing import Annotated

import typer

from src.observability.commands import finding, findings, traces
from src.observability.commands.console import problem
from src.observability.store.schema import SpoolError

app = typer.Typer(
    name="python -m src.observability",
    help="Look at what model calls were traced on this machine, deliver it, and check the set-up.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(traces.app, name="traces")
app.command("export")(traces.export)


@app.command("doctor")
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Ask no server.")] = False,
) -> None:
    """Check Langfuse and the trace store, with one test observation. Exit code 1 where something does not work."""
    finding.tell(findings.of_tracing(offline=offline), as_json=as_json)


def main() -> None:
    """Run the command line; bad input ends with one line that says what to do, and exit code 2."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    try:
        app()
    except (ValueError, OSError, SpoolError) as error:
        problem(str(error))
        sys.exit(2)
    except sqlite3.Error as error:
        problem(f"the trace store cannot be used: {error}.")
        sys.exit(1)


if __name__ == "__main__":
    main()

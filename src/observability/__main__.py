"""Run the commands of a checkout that has this package but not `src.cli`: `python -m src.observability`."""

from __future__ import annotations

from typing import Annotated

import typer

from src.observability.commands import running, terminal, traces
from src.observability.commands.fast_start import FastCommand, FastGroup, FastTyper

app = FastTyper(
    cls=FastGroup,
    name="python -m src.observability",
    epilog="Start with `python -m src.observability doctor`; `traces` lists what was asked.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def observability(context: typer.Context) -> None:
    """Look at what model calls were traced on this machine, deliver it, and check the set-up."""
    if context.invoked_subcommand is None:
        context.get_help()  # prints it


app.add_typer(traces.app, name="traces")
app.command("export", cls=FastCommand)(traces.export)


@app.command("doctor", cls=FastCommand)
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Ask no server.")] = False,
    timeout: Annotated[
        float,
        typer.Option(min=0.0, help="Seconds to wait for the delivery of the test observation, then to see it."),
    ] = 15.0,
) -> None:
    """Check Langfuse and the trace store, with one test observation. Exit code 1 where something does not work."""
    from src.observability.commands import finding, setup_checks

    finding.print_all(setup_checks.of_tracing(offline=offline, probe_s=timeout), as_json=as_json)


def main() -> None:
    """Run the command line; bad input ends with one line that says what to do, and exit code 2."""
    terminal.run(lambda: running.run(app, _report))


def _report(error: Exception) -> int:
    """Print an expected error and return the exit code that fits it."""
    from src.observability.commands import failures

    return failures.report(error)


if __name__ == "__main__":
    main()

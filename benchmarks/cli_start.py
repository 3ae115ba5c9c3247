"""Measure how long the command line takes to start, in CPU time of `python -c pass`.

The runs are interleaved and the median of each is taken, so that a noisy machine is noisy for all. An empty Typer
command stands beside them, as what the library itself takes.

Usage: python benchmarks/cli_start.py [--runs 9]
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
MOONDEV = "from src.cli import main; main()"
EMPTY = "import typer; app = typer.Typer(); app.command()(lambda: None); app()"
COMMANDS = {
    "python -c pass": ["pass"],
    "an empty Typer command": [EMPTY],
    "an empty Typer command --help": [EMPTY, "--help"],
    "moondev --help": [MOONDEV, "--help"],
    "moondev traces list": [MOONDEV, "traces", "list"],
}


def cpu_s(command: list[str], environment: dict[str, str]) -> float:
    """Return the user and system time of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", *command], cwd=ROOT, env=environment, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--runs", type=int, default=9)
    runs = arguments.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "MOONDEV_TRACE_DB": str(Path(folder) / "traces.db"), "MOONDEV_OFFLINE": "1"}
        traced = "from src.observability import observe_agent\nwith observe_agent('benchmark'): pass"
        cpu_s([traced], environment)  # makes a store with one trace
        times: dict[str, list[float]] = {name: [] for name in COMMANDS}
        for _ in range(runs):
            for name, command in COMMANDS.items():
                times[name].append(cpu_s(command, environment))
    baseline = statistics.median(times["python -c pass"])
    table = Table("command", "CPU", "times `python -c pass`", title=f"median of {runs} runs")
    for name, measured in times.items():
        median = statistics.median(measured)
        table.add_row(name, f"{median * 1000:.0f} ms", f"{median / baseline:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()

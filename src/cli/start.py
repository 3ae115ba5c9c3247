"""Start the `moondev` command: loading it can be stopped with Ctrl-C too."""

from __future__ import annotations

from src.observability.commands import terminal


def main() -> None:
    """Run the command line and exit."""
    terminal.run(_load_and_run)


def _load_and_run() -> int:
    from src.cli.app import run

    return run()

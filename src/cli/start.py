"""Start the `moondev` command: loading it can be stopped with Ctrl-C too."""

from __future__ import annotations

import gc
from typing import Final

from src.observability.commands import terminal

# Rows of a store are many objects and no cycles: looking for those after each 700 takes a quarter of a command's time.
_OBJECTS_BETWEEN_COLLECTIONS: Final = 50_000


def main() -> None:
    """Run the command line and exit."""
    terminal.run(_load_and_run)


def _load_and_run() -> int:
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *gc.get_threshold()[1:])

    from src.cli.app import run

    return run()

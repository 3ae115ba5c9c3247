"""Run a program under the guard: `python -m src.models.guard SCRIPT [ARGUMENT ...]`."""

from __future__ import annotations

import logging
import os
import runpy
import sys
from pathlib import Path

from src.models.guard.switch import install


def main() -> None:
    """Run the program that the command line names, with its arguments."""
    if len(sys.argv) < 2:
        sys.exit("usage: python -m src.models.guard SCRIPT [ARGUMENT ...]")
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    install(None if os.environ.get("MOONDEV_GUARD") else "warn")
    sys.argv = sys.argv[1:]
    sys.path.insert(0, str(Path(sys.argv[0]).resolve().parent))
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Move direct calls of language models to the factory, in an existing checkout. See docs/migration.md."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from src.observability.commands import terminal


def _load_and_run() -> int:
    from src.migration.rewrite.command import main

    return main()


if __name__ == "__main__":
    terminal.run(_load_and_run)

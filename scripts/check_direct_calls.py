#!/usr/bin/env python3
"""Find code that calls a language model's provider without the factory. See docs/check.md."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from src.migration.check.command import main

if __name__ == "__main__":
    try:
        from src.observability.commands import terminal
    except ImportError:  # a checkout may have the check alone
        sys.exit(main())
    terminal.run(main)

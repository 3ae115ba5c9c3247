"""The `moondev` command: decide, judge risk, show traces, check the set-up."""

from src.cli.start import main

__all__ = ["main"]

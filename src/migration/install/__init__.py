"""Put this package into an existing checkout, and take it out again."""

from src.migration.install.apply import Change, Refused
from src.migration.install.command import diff, plan_with_migration, print_summary, refusal, roll_back, write
from src.migration.install.plan import Installation

__all__ = [
    "Change",
    "Installation",
    "Refused",
    "diff",
    "plan_with_migration",
    "print_summary",
    "refusal",
    "roll_back",
    "write",
]

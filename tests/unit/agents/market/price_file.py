"""A price file of tests, with the right reading of its first and last bar."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

Bar = tuple[str, float, float, float, float, float | None]


@dataclass(frozen=True)
class PriceFile:
    """A file: its text, and what it says."""

    name: str
    dialect: str
    text: str
    first: Bar
    last: Bar
    rows: int = 3
    options: dict[str, str] = field(default_factory=dict)
    encoding: str = "utf-8"
    issues: frozenset[str] = frozenset()


def bar_of(bar: Bar) -> tuple[datetime, float, float, float, float, float | None]:
    return (datetime.fromisoformat(bar[0]).replace(tzinfo=UTC), *bar[1:])

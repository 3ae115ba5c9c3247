"""Stores with their raw rows beside the dashboard on them, and plain arithmetic over such rows."""

from __future__ import annotations

import csv
import io
import math
import sqlite3
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from hypothesis import strategies as st

from src.dashboard import Content, open_stores
from src.insight.facts.job import refresh
from src.observability.ledger import LedgerReader
from src.observability.store.reader import StoreReader
from tests.dashboard.conftest import opened
from tests.dashboard.sample import AGENTS, BEGAN_NS, MEMBERS, NS, SYMBOLS, fill
from tests.long import IS_LONG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest
    from starlette.testclient import TestClient

SEEDS = (11, 12) if IS_LONG else (11,)
MODELS = tuple(member.partition(":")[2] for member in MEMBERS)


def stamp(hours: int) -> str:
    """Return a time so many hours after the beginning, as addresses have it."""
    return datetime.fromtimestamp(BEGAN_NS // NS + hours * 3_600, UTC).strftime("%Y-%m-%dT%H:%M:%S")


TIMES = st.integers(24, 79)  # hours after the beginning, all before the first end
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "agent": st.sampled_from((*AGENTS, "nobody")),
        "model": st.sampled_from(MODELS),
        "symbol": st.sampled_from(SYMBOLS),
        "since": TIMES.map(stamp),
        "until": st.integers(80, 24 * 150).map(stamp),
    },
)
Row = dict[str, Any]


def _ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS


class Case:
    """One store, its raw rows, and the dashboard on it."""

    def __init__(self, path: Path, client: TestClient) -> None:
        self.path = path
        self.client = client
        with sqlite3.connect(path) as connection:
            connection.row_factory = sqlite3.Row
            self.rows = [dict(row) for row in connection.execute("SELECT * FROM observations")]
        self.entries = list(LedgerReader(StoreReader(path)).entries())

    def chosen(self, filters: dict[str, str], *, calls: bool = True) -> list[Row]:
        return [row for row in self.rows if fits(row, filters) and (row["type"] == "generation" or not calls)]

    def csv(self, address: str, filters: dict[str, str]) -> list[Row]:
        answer = self.client.get(f"{address}?{urlencode(filters)}" if filters else address)
        assert answer.status_code == 200, answer.text[-500:]
        return list(csv.DictReader(io.StringIO(answer.text)))

    def figures(self, page: str, filters: dict[str, str]) -> dict[str, str]:
        return {row["figure"]: row["value"] for row in self.csv(f"/{page}/figures.csv", filters)}


def fits(row: Row, filters: dict[str, str]) -> bool:
    if any(row[name] != filters[name] for name in ("agent", "model", "symbol") if name in filters):
        return False
    if "since" in filters and row["start_ns"] < _ns(filters["since"]):
        return False
    return "until" not in filters or row["start_ns"] < _ns(filters["until"])


def near(text: str, value: float | None) -> bool:
    if value is None or text == "":
        return text == "" and value is None
    return math.isclose(float(text), value, rel_tol=1e-9, abs_tol=1e-9)


def total_of(rows: list[Row], name: str) -> float:
    return math.fsum(row[name] for row in rows if row[name] is not None)


def cost_of(rows: list[Row]) -> float | None:
    """Return the known part of what observations cost; None where a price lacks and nothing above 0 is known."""
    known = math.fsum(row["cost_usd"] for row in rows if row["cost_usd"] is not None)
    return None if not known and any(row["cost_unknown"] for row in rows) else known


def bound(rows: list[Row]) -> tuple[float | None, str]:
    """Return the known part of what calls cost, None where nothing of it is known; and whether more is unknown."""
    is_unknown = any(row["cost_unknown"] for row in rows)
    return total_of(rows, "cost_usd") or (None if is_unknown else 0.0), str(is_unknown).lower()


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def made_cases(factory: pytest.TempPathFactory, runs: int = 50) -> Iterator[list[Case]]:
    """Give stores of some seeds, each with the dashboard on it."""
    with ExitStack() as stack:
        made = []
        for seed in SEEDS:
            path = fill(factory.mktemp("figures") / "traces.db", runs, seed=seed)
            refresh(path)
            content = Content(stores=open_stores([path]), seconds=120)
            made.append(Case(path, stack.enter_context(opened(content))))
        yield made


def decided(entry: Any, filters: dict[str, str]) -> bool:
    """Tell whether a decision is one that filters leave."""
    decision = entry.decision
    if "model" in filters and all(vote.model != filters["model"] for vote in entry.votes):
        return False
    row = {"agent": decision.agent, "symbol": decision.symbol, "start_ns": decision.as_of_ns}
    return fits({**row, "model": filters.get("model")}, filters)

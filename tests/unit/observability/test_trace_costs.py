"""What the store and the commands say of a trace's cost: whole, at least, unknown, or nothing."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from src.observability import attributes as names
from src.observability.commands import console, traces
from src.observability.spans.rows import span_record as row_of
from src.observability.store.reader import StoreReader
from src.observability.store.salvage import Salvage
from src.observability.store.schema import APPLICATION_ID, MIGRATIONS
from src.observability.store.spool import Spool
from tests.unit.observability.records import span_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def stored(path: Path, *costs: tuple[str, float | None, bool]) -> Spool:
    """Return a store with one trace, of an agent and of these: type, known cost, whether more is unknown."""
    store = Spool(path)
    store.append(span_record(7, span_id="root", type="agent", cost_usd=None, cost_unknown=False, span=b""))
    for number, (kind, cost, unknown) in enumerate(costs):
        fields: dict[str, Any] = {"span_id": str(number), "parent_span_id": "root", "type": kind, "span": b""}
        store.append(span_record(7, **fields, cost_usd=cost, cost_unknown=unknown))
    return store


# The observations of a trace, its cost and whether more is unknown, and what a person sees.
TRACES: list[tuple[list[tuple[str, float | None, bool]], float | None, bool, str]] = [
    ([("generation", 0.1, False), ("generation", 0.2, False)], 0.3, False, "$0.3000"),
    ([("generation", 0.1, False), ("generation", 0.2, True)], 0.3, True, ">= $0.3000"),
    ([("generation", 0.1, False), ("generation", None, True)], 0.1, True, ">= $0.1000"),
    ([("generation", 0.0, False)], 0.0, False, "$0"),
    ([("generation", 0.0, False), ("generation", None, True)], 0.0, True, "unknown"),
    ([("generation", None, True)], None, True, "unknown"),
    ([("tool", None, False)], 0.0, False, "$0"),
    ([], 0.0, False, "$0"),
]


@pytest.fixture
def plain_console() -> Iterator[None]:
    console.out.cache_clear()
    yield
    console.out.cache_clear()


@pytest.mark.usefixtures("plain_console")
@pytest.mark.parametrize(("rows", "cost", "unknown", "shown"), TRACES)
def test_a_trace_shows_what_it_cost_at_least(
    rows: list[tuple[str, float | None, bool]],
    cost: float | None,
    unknown: bool,
    shown: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = stored(tmp_path / "t.db", *rows)
    (summary,) = store.traces()
    assert (summary.cost_usd, summary.cost_unknown) == (cost, unknown)
    monkeypatch.setenv("MOONDEV_TRACE_DB", str(tmp_path / "t.db"))
    monkeypatch.setattr(console, "_at_least", lambda: ">=")
    printed = CliRunner().invoke(traces.app, ["list"])
    assert printed.stdout.rstrip().endswith(shown), printed
    document = json.loads(CliRunner().invoke(traces.app, ["list", "--json"]).stdout)
    listed = document[0] if isinstance(document, list) else document
    assert (listed["cost_usd"], listed["cost_unknown"]) == (cost, unknown)


def test_an_amount_that_is_not_all_has_a_sign_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert console.money(0.5) == "$0.5000"
    for encoding, sign in (("utf-8", "\u2265"), ("cp1252", ">="), ("ascii", ">="), ("no-such", ">=")):
        monkeypatch.setattr(console, "out", lambda encoding=encoding: type("Out", (), {"encoding": encoding}))
        assert console.money(0.5, at_least=True) == f"{sign} $0.5000"


@pytest.mark.parametrize(
    ("details", "metadata", "cost", "unknown"),
    [
        ({"total": 0.5, "input": 0.1}, {}, 0.5, False),
        ({"input": 0.1, "output": 0.2}, {}, 0.3, False),
        ({"input": 0.1, "total": 0.1}, {"cost_unknown": '["web_searches"]'}, 0.1, True),
        ({"input": 0.1, "unknown": 0}, {}, 0.1, True),  # as earlier versions wrote it
        ({"unknown": 0}, {}, None, True),
        ({"total": 0}, {}, 0.0, False),
        ({"total": 0}, {"usage_known": "false"}, None, True),
        (None, {}, None, True),
    ],
)
def test_a_row_knows_how_much_of_its_cost_is_known(
    details: dict[str, float] | None, metadata: dict[str, str], cost: float | None, unknown: bool
) -> None:
    attributes: dict[str, Any] = {names.TYPE: "generation"}
    if details is not None:
        attributes[names.COST_DETAILS] = json.dumps(details)
    attributes.update({names.METADATA + name: value for name, value in metadata.items()})
    row = row_of(trace_id=1, span_id=1, parent_span_id=None, name="n", start_ns=1, end_ns=2, status_code=0,
                 status_message="", attributes=attributes, envelope=b"", span=b"")  # fmt: skip
    assert (row.cost_usd, row.cost_unknown) == (cost, unknown)


def older_file(path: Path, *costs: float | None) -> None:
    """Write a file of the version before costs had unknown parts, with a trace of an agent and of generations."""
    version = next(at for at, script in enumerate(MIGRATIONS) if "cost_unknown" in script)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    for script in MIGRATIONS[:version]:
        connection.executescript(script)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("INSERT INTO envelopes VALUES (1, ?)", (b"\x0a\x00\x0a\x00",))
    for seq, cost in enumerate((None, *costs)):
        connection.execute(
            "INSERT INTO observations "
            "(seq, trace_id, span_id, name, type, start_ns, end_ns, level, cost_usd, envelope) "
            "VALUES (?, ?, ?, 'n', ?, 1, 2, 'DEFAULT', ?, 1)",
            (seq + 1, f"{7:032x}", f"{seq:016x}", "generation" if seq else "agent", cost),
        )
        connection.execute("INSERT INTO payloads VALUES (?, ?)", (seq + 1, b"span"))
    connection.close()


def test_rows_of_a_program_that_knew_no_unknown_parts_are_read_and_saved(tmp_path: Path) -> None:
    older_file(tmp_path / "t.db", None, 0.5)
    (summary,) = StoreReader(tmp_path / "t.db").traces()
    assert (summary.cost_usd, summary.cost_unknown) == (0.5, True)
    (batch,) = Salvage(tmp_path / "t.db").parts()
    assert [getattr(record, "cost_unknown", "") for record in batch] == [None, None, None]
    store = Spool(tmp_path / "t.db")
    assert [row.is_unpriced for row in store.trace("0")] == [False, True, False]
    assert store.traces() == [summary]

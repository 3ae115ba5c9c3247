"""Budgets whose file is locked, damaged or no store: hard ones refuse at the deadline and say why, soft ones warn."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from typing import TYPE_CHECKING

import pytest

from src.models.call import budget_gate
from src.models.errors import BudgetExceeded
from src.models.model_factory import ModelFactory
from src.observability.store import background
from src.observability.store.budgets import BudgetStore, Reservation, Window
from tests.servers import Server, eventually
from tests.unit.models.test_budgets import COST, answer, shown
from tests.unit.observability.records import span_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from src.models.base_model import BaseModel
    from src.observability.store.spool import Spool

pytestmark = pytest.mark.usefixtures("within_one_hour")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("OPENAI_KEY", "sk-test-0123456789abcdef")
    with Server(answer) as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.url + "/v1")
        yield running


def model() -> BaseModel:
    return ModelFactory.get_model("openai", "gpt-4o-mini")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_locked_file_refuses_at_the_deadline_and_the_row_follows(
    asynchronous: bool, server: Server, monkeypatch: pytest.MonkeyPatch, spool: Spool
) -> None:
    monkeypatch.setenv("MOONDEV_BUDGET_DAY_USD", "5")
    asked, why = model(), rf"{spool.path.name}, which .*`lsof`.*Nothing was sent"
    with locked(spool.path), pytest.raises(BudgetExceeded, match=why):
        asyncio.run(asked.agenerate_response(None, "go?", timeout=0.2)) if asynchronous else asked.generate_response(
            None, "go?", timeout=0.2
        )
    # A call that waits until its row is stored would have waited for the lock, and lost the row in the end.
    assert background.drain(20) == 0
    (row,) = spool.rows_after(0)
    assert (row.error_category, row.cost_usd) == ("budget", 0.0)
    assert server.received == []


def test_a_locked_file_holds_up_no_call_that_only_soft_budgets_count(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, spool: Spool
) -> None:
    file = tmp_path / "budgets.toml"
    file.write_text('[[budget]]\nwindow = "day"\nlimit_usd = 1\nkind = "soft"\n')
    monkeypatch.setenv("MOONDEV_BUDGETS", str(file))
    monkeypatch.setattr(budget_gate, "_SOFT_LOCK_S", 0.02)
    asked = model()
    with locked(spool.path), background.collecting(background.Rows()):
        assert asked.generate_response(None, "go?", timeout=20).content == "yes"
    assert "counted in no soft budget, since" in caplog.text
    assert background.drain(20) == 0


@pytest.mark.parametrize("text", ["time,open\n1,2\n" * 100, "x"])
def test_a_file_that_is_no_store_is_named_with_the_remedy(
    text: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "traces.db").write_text(text)
    monkeypatch.setenv("MOONDEV_BUDGET_DAY_USD", "5")
    with pytest.raises(BudgetExceeded, match=r"traces\.db is no trace store.*MOONDEV_TRACE_DB.*Nothing was sent"):
        model().generate_response(None, "go?")
    assert server.received == []
    assert (tmp_path / "traces.db").read_text() == text


@pytest.mark.parametrize("is_readable", [True, False])
def test_what_is_spent_moves_from_a_damaged_file_or_its_loss_is_said(
    is_readable: bool, spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    window, store = Window(key="day|hard", start_s=0, limit_usd=1.0), BudgetStore(spool.path)
    for usd, is_settled in ((0.25, True), (0.5, False)):
        reservation = store.reserve([window], usd, time.time() + 60)
        assert isinstance(reservation, Reservation)
        if is_settled:
            store.settle(reservation, usd)
        store.flush()
    spool.close()
    if not is_readable:
        with contextlib.closing(sqlite3.connect(spool.path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with spool.path.open("r+b") as file:
            file.seek(100)
            file.write(b"\xff" * 4_000)
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    assert spool.recover(error)
    spool.append(span_record(1))
    (balance,) = BudgetStore(spool.path).balances([window])
    assert balance.spent_usd == (0.75 if is_readable else 0.0)  # what was reserved may have been spent
    assert ("all budgets begin at 0" in caplog.text) == (not is_readable)


def test_budgets_that_meet_a_damaged_file_first_have_all_of_it_moved(
    server: Server, monkeypatch: pytest.MonkeyPatch, spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    spool.append(span_record(1))
    BudgetStore(spool.path).reserve([Window(key="day", start_s=0, limit_usd=1.0)], 0.1, time.time() + 60)
    spool.close()
    with contextlib.closing(sqlite3.connect(spool.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'budget_spent'").fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    with spool.path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * 200)
    monkeypatch.setenv("MOONDEV_BUDGET_DAY_USD", "5")
    assert model().generate_response(None, "go?").content == "yes"
    assert eventually(lambda: len(spool.rows_after(0)) == 2)
    assert "all budgets begin at 0" in caplog.text


def test_a_call_as_an_sdk_makes_it_is_settled_at_once(
    server: Server, monkeypatch: pytest.MonkeyPatch, spool: Spool
) -> None:
    monkeypatch.setenv("MOONDEV_BUDGET_DAY_USD", "5")
    url = f"{server.url}/v1"
    asked = ModelFactory.get_model("openai", "gpt-4o-mini", base_url=url, api_key="sk-test-0123", compat="openai")
    asked.generate_response(None, "go?", max_tokens=200)
    (row,) = shown()
    assert (row["spent_usd"], row["reserved_usd"]) == (pytest.approx(COST), 0.0)

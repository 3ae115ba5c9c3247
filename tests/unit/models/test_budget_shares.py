"""Budgets that many processes share, and what each reserves of them ahead."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from src.models.limits import budgets
from src.observability.store.budgets import BudgetStore, Refusal, Reservation, StoreIsLockedError, Window

if TYPE_CHECKING:
    from pathlib import Path


def _spend(path: str, limit_usd: float) -> None:
    """Spend 3 cents of 4 reserved, with eight threads, until nothing is left."""
    from pathlib import Path

    store = BudgetStore(Path(path))
    window = Window(key="day", start_s=0, limit_usd=limit_usd)

    def work() -> None:
        while True:
            try:
                result = store.reserve([window], 0.04, time.time() + 600)
            except StoreIsLockedError:
                continue
            if isinstance(result, Refusal):
                return
            store.settle(result, 0.03)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.flush()
    os._exit(0)


def test_eight_processes_with_eight_threads_spend_one_dollar_and_no_cent_more(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_spend, args=(str(path), 1.0)) for _ in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    (balance,) = BudgetStore(path).balances([Window(key="day", start_s=0, limit_usd=1.0)])
    assert balance.reserved_usd == 0
    assert 0.9 <= balance.spent_usd <= 1.0


def test_a_burst_far_below_the_limit_asks_the_file_a_few_times_and_gives_back_what_it_did_not_need(
    tmp_path: Path,
) -> None:
    store = BudgetStore(tmp_path / "t.db")
    window = Window(key="day", start_s=0, limit_usd=100.0)
    transactions: list[str] = []
    store._open().set_trace_callback(lambda text: transactions.append(text) if text.startswith("BEGIN") else None)
    for _ in range(200):
        reservation = store.reserve([window], 0.04, time.time() + 600)
        assert isinstance(reservation, Reservation)
        store.settle(reservation, 0.01)
    assert len(transactions) < 50
    store.flush()
    (balance,) = store.balances([window])
    assert balance.spent_usd == pytest.approx(2.0)
    assert balance.reserved_usd == 0.0


def test_what_a_killed_process_had_reserved_ahead_is_counted_as_spent_and_never_spent_by_another(
    tmp_path: Path,
) -> None:
    now = [1_000.0]
    window = Window(key="day", start_s=0, limit_usd=10.0)
    dead = BudgetStore(tmp_path / "t.db", clock=lambda: now[0])
    for _ in range(3):
        assert isinstance(dead.reserve([window], 0.04, until_s=1_100), Reservation)
    other = BudgetStore(tmp_path / "t.db", clock=lambda: now[0])
    (held,) = other.balances([window])
    assert 3 * 0.04 <= held.reserved_usd <= 3 * 0.04 + 10.0 / 16
    taken = 0
    while isinstance(other.reserve([window], 1.0, until_s=1_100), Reservation):
        taken += 1
    assert taken == int(10.0 - held.reserved_usd)
    now[0] = 1_200.0
    (after,) = BudgetStore(tmp_path / "t.db", clock=lambda: now[0]).balances([window])
    assert after.taken_usd == pytest.approx(held.reserved_usd + taken)


def test_a_smaller_limit_holds_at_once(tmp_path: Path) -> None:
    store = BudgetStore(tmp_path / "t.db")
    for _ in range(5):
        assert isinstance(
            store.reserve([Window(key="day", start_s=0, limit_usd=100.0)], 0.04, time.time() + 600), Reservation
        )
    refusal = store.reserve([Window(key="day", start_s=0, limit_usd=0.21)], 0.04, time.time() + 600)
    assert isinstance(refusal, Refusal)
    assert refusal.balance.reserved_usd == pytest.approx(0.2)


def test_a_reservation_of_a_process_that_died_is_counted_as_spent_once_it_expires(tmp_path: Path) -> None:
    now = [1_000.0]
    path = tmp_path / "t.db"
    window = Window(key="day", start_s=0, limit_usd=1.0)
    dead = BudgetStore(path, clock=lambda: now[0])
    assert isinstance(dead.reserve([window], 0.6, until_s=1_100), Reservation)
    other = BudgetStore(path, clock=lambda: now[0])
    assert isinstance(other.reserve([window], 0.6, until_s=1_100), Refusal)
    now[0] = 1_200.0
    later = BudgetStore(path, clock=lambda: now[0])
    assert isinstance(later.reserve([window], 0.6, until_s=1_300), Refusal)
    assert later.balances([window])[0].spent_usd == 0.6


def test_windows_begin_and_end_in_utc() -> None:
    at = datetime(2024, 2, 29, 23, 30, tzinfo=UTC).timestamp()
    assert budgets.end_of("hour", at) - budgets.start_of("hour", at) == 3600
    assert datetime.fromtimestamp(budgets.start_of("month", at), UTC) == datetime(2024, 2, 1, tzinfo=UTC)
    assert datetime.fromtimestamp(budgets.end_of("month", at), UTC) == datetime(2024, 3, 1, tzinfo=UTC)
    assert datetime.fromtimestamp(budgets.end_of("day", at), UTC) == datetime(2024, 3, 1, tzinfo=UTC)

"""Budgets: what they refuse is never sent, whoever spends, and what is set wrongly says so."""

from __future__ import annotations

import contextlib
import json
import logging
import multiprocessing
import os
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from src.cli.start import main
from src.models.call import budget_gate
from src.models.errors import BudgetExceeded, InvalidRequest
from src.models.limits import budgets
from src.models.model_factory import ModelFactory
from src.observability import observe_agent
from src.observability.store.budgets import BudgetStore, Reservation, StoreIsLockedError, Window
from tests.commands import run_app
from tests.long import rounds
from tests.servers import Received, Reply, Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from src.models.base_model import BaseModel
    from src.observability.store.spool import Spool

pytestmark = pytest.mark.usefixtures("within_one_hour")
COST = (1_000 * 0.15 + 100 * 0.6) / 1e6  # of each reply below, at gpt-4o-mini's prices
# Of each request below: a token a byte, rounded up, what a provider may add, and 200 out.
HIGHEST = ((256 + 1_024) * 0.15 + 200 * 0.6) / 1e6


def answer(request: Received) -> Reply:
    body = {
        "id": "c", "object": "chat.completion", "created": 1, "model": json.loads(request.body)["model"],
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "yes"}}],
        "usage": {"prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100},
    }  # fmt: skip
    return Reply(200, json.dumps(body).encode())


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("OPENAI_KEY", "sk-test-0123456789abcdef")
    with Server(answer) as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.url + "/v1")
        yield running


def model() -> BaseModel:
    return ModelFactory.get_model("openai", "gpt-4o-mini")


def ask(asked: BaseModel | None = None) -> str:
    return (asked or model()).generate_response(None, "go?", max_tokens=200).content


def shown() -> list[dict[str, Any]]:
    """Return what the command shows once the calls of this process are settled, which takes a moment."""
    for store in budget_gate._stores.values():
        store.flush()
    rows: list[dict[str, Any]] = json.loads(run_app(main, "budget", "--json").out)
    return rows


def test_a_hard_limit_refuses_before_anything_is_sent(
    server: Server, monkeypatch: pytest.MonkeyPatch, spool: Spool
) -> None:
    monkeypatch.setenv("MOONDEV_BUDGET_DAY_USD", f"{3 * COST + HIGHEST / 2:.9f}")
    asked = model()
    for _ in range(3):
        assert ask(asked) == "yes"
    with pytest.raises(BudgetExceeded, match="the day's budget of") as caught:
        ask(asked)
    assert len(server.received) == 3
    assert caught.value.category == "budget"
    assert "Nothing was sent. The next day begins at" in str(caught.value)
    assert (caught.value.cost_usd, caught.value.retryable) == (0.0, False)
    (row,) = shown()
    assert row["spent_usd"] == pytest.approx(3 * COST)
    assert (row["window"], row["match"], row["reserved_usd"]) == ("day", {}, 0.0)
    newest = spool.rows_after(0)[-1]
    assert (newest.error_category, newest.level, newest.cost_usd) == ("budget", "ERROR", 0.0)


def test_a_run_has_a_budget_of_its_own(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONDEV_BUDGET_RUN_USD", f"{COST + HIGHEST / 2:.9f}")
    for _ in range(2):
        with observe_agent("whale"):
            ask()
            with pytest.raises(BudgetExceeded, match="the run's budget"):
                ask()
    assert len(server.received) == 2


def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> Path:
    file = tmp_path / "budgets.toml"
    file.write_text(text)
    monkeypatch.setenv("MOONDEV_BUDGETS", str(file))
    return file


def test_budgets_match_agents_and_models(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        tmp_path, monkeypatch,
        '[[budget]]\nwindow = "hour"\nlimit_usd = 0\nagent = "whale"\n'
        '[[budget]]\nwindow = "month"\nlimit_usd = 0\nmodel = "gpt-4o"\n',
    )  # fmt: skip
    assert ask() == "yes"
    with observe_agent("whale"), pytest.raises(BudgetExceeded, match="agent whale"):
        ask()
    with observe_agent("funding"):
        ask()
        with pytest.raises(BudgetExceeded, match="model gpt-4o,"):
            ModelFactory.get_model("openai", "gpt-4o").generate_response(None, "go?", max_tokens=5)
    assert len(server.received) == 2


def test_a_soft_budget_warns_once_and_refuses_nothing(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, spool: Spool
) -> None:
    write(tmp_path, monkeypatch, f'[[budget]]\nwindow = "day"\nkind = "soft"\nlimit_usd = {COST * 1.5:.9f}\n')
    asked = model()
    with caplog.at_level(logging.WARNING, "moondev.models"):
        for _ in range(4):
            ask(asked)
    assert caplog.text.count("soft budget of") == 1
    assert [row.name for row in spool.rows_after(0)].count("budget") == 1
    assert shown()[0]["spent_usd"] == pytest.approx(4 * COST)


def test_what_fails_without_being_billed_is_given_back(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONDEV_BUDGET_DAY_USD", "1")
    with Server(lambda _: Reply(400, b'{"error": {"message": "no"}}')) as refusing, pytest.raises(InvalidRequest):
        ask(ModelFactory.get_model("openai", "gpt-4o-mini", base_url=refusing.url + "/v1"))
    (row,) = shown()
    assert (row["spent_usd"], row["reserved_usd"]) == (0.0, 0.0)


def test_a_price_that_nobody_knows_is_refused_unless_the_budget_states_one(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, monkeypatch, '[[budget]]\nwindow = "day"\nlimit_usd = 1\n')
    unknown = ModelFactory.get_model("openai", "gpt-of-nobody")
    with pytest.raises(BudgetExceeded, match="price of openai:gpt-of-nobody is not known"):
        ask(unknown)
    assert not server.received
    write(tmp_path, monkeypatch, '[[budget]]\nwindow = "day"\nlimit_usd = 1\nunknown_usd = 0.4\n# changed\n')
    ask(unknown)
    ask(unknown)
    with pytest.raises(BudgetExceeded):
        ask(unknown)


def test_a_model_that_costs_more_than_reserved_is_reserved_more_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def dear(_: Received) -> Reply:
        reply = json.loads(answer(Received("/", {}, b'{"model": "gpt-4o-mini"}', "POST")).body)
        reply["usage"] = {"prompt_tokens": 100_000, "completion_tokens": 100, "total_tokens": 100_100}
        return Reply(200, json.dumps(reply).encode())

    monkeypatch.setattr(budget_gate, "_underestimates", {})
    monkeypatch.setenv("OPENAI_KEY", "sk-test-0123456789abcdef")
    each = (100_000 * 0.15 + 100 * 0.6) / 1e6
    monkeypatch.setenv("MOONDEV_BUDGET_DAY_USD", f"{each * 3.5:.9f}")
    with Server(dear) as server:
        asked = ModelFactory.get_model("openai", "gpt-4o-mini", base_url=server.url + "/v1", api_key="sk-0123456789")
        for _ in range(3):
            ask(asked)
        with pytest.raises(BudgetExceeded):
            ask(asked)
        assert len(server.received) == 3


def test_streams_and_awaited_calls_count(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    monkeypatch.setenv("MOONDEV_BUDGET_DAY_USD", f"{COST + HIGHEST / 2:.9f}")
    asked = model()
    assert asyncio.run(asked.agenerate_response(None, "go?", max_tokens=200)).content == "yes"
    with pytest.raises(BudgetExceeded):
        asyncio.run(asked.agenerate_response(None, "go?", max_tokens=200))
    with pytest.raises(BudgetExceeded):
        list(asked.stream_response(None, "go?", max_tokens=200))
    assert len(server.received) == 1


def test_a_request_of_the_program_s_own_counts(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    import requests

    monkeypatch.setenv("MOONDEV_BUDGET_DAY_USD", "0.0000001")
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "go?"}], "max_tokens": 200}
    with pytest.raises(BudgetExceeded, match=r"budget of \$0\.0000001 .*: \$0 spent, .* may cost \$0\.0003"):
        ModelFactory.post(server.url + "/v1/chat/completions", json=body, via=requests.post)
    assert not server.received


def test_threads_never_spend_more_than_the_limit_together(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONDEV_BUDGET_DAY_USD", f"{10 * COST:.9f}")
    asked = model()

    def work(_: int) -> bool:
        try:
            ask(asked)
        except BudgetExceeded:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        answered = sum(pool.map(work, range(40)))
    assert answered == len(server.received)
    assert 0 < answered * COST <= 10 * COST + 1e-12


def _call_until_refused(url: str, path: str, limit_usd: float, threads: int) -> None:
    """Ask a model from several threads until the budget refuses."""
    os.environ.update(MOONDEV_TRACE_DB=path, MOONDEV_BUDGET_DAY_USD=f"{limit_usd:.9f}", OPENAI_BASE_URL=url)

    def work() -> None:
        asked = ModelFactory.get_model("openai", "gpt-4o-mini")
        with contextlib.suppress(BudgetExceeded):
            while True:
                ask(asked)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for store in budget_gate._stores.values():
        while True:
            with contextlib.suppress(StoreIsLockedError):
                store.flush()
                break
    os._exit(0)


def test_calls_of_many_processes_and_threads_spend_the_limit_and_no_call_more(server: Server, tmp_path: Path) -> None:
    """One dollar by eight processes with eight threads each in full; a hundredth of it by two with four otherwise."""
    processes, threads, limit_usd = rounds(2, 8), rounds(4, 8), rounds(1, 100) / 100
    context = multiprocessing.get_context("fork")
    arguments = (server.url + "/v1", os.environ["MOONDEV_TRACE_DB"], limit_usd, threads)
    ask()  # loads the SDK once, before the forks
    forks = [context.Process(target=_call_until_refused, args=arguments) for _ in range(processes)]
    for process in forks:
        process.start()
    for process in forks:
        process.join(rounds(60, 1800))
        assert process.exitcode == 0
    sent = len(server.received) - 1
    window = budgets.Budget(window="day", limit_usd=limit_usd).window_at(time.time(), None)
    (balance,) = BudgetStore(tmp_path / "traces.db").balances([window])
    assert balance.reserved_usd == 0
    assert balance.spent_usd == pytest.approx(sent * COST)
    assert limit_usd - 2 * HIGHEST <= sent * COST <= limit_usd + 1e-12


def test_two_budgets_of_one_window_count_a_call_once(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOONDEV_BUDGET_DAY_USD", "5")
    write(tmp_path, monkeypatch, '[[budget]]\nwindow = "day"\nlimit_usd = 3\n')
    for _ in range(3):
        ask()
    assert [row["spent_usd"] for row in shown()] == [pytest.approx(3 * COST)] * 2


def test_a_locked_store_is_waited_for_in_steps(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONDEV_BUDGET_DAY_USD", "1")
    ask()
    store = BudgetStore(tmp_path / "traces.db")
    window = Window(key="x", start_s=0, limit_usd=None)
    with sqlite3.connect(tmp_path / "traces.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreIsLockedError):
            store.reserve([window], 0.1, time.time() + 60)
        other.execute("ROLLBACK")
    assert isinstance(store.reserve([window], 0.1, time.time() + 60), Reservation)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = 1", "needs one or more tables"),
        ("[[budget]]\nwindow = 'week'\nlimit_usd = 1", "has window 'week': give one of run, hour, day, month"),
        ("[[budget]]\nwindow = 'day'\nlimit_usd = 'many'", "limit_usd is 'many': give US dollars"),
        ("[[budget]]\nwindow = 'day'", "limit_usd is None"),
        ("[[budget]]\nwindow = 'day'\nlimit_usd = -1", "limit_usd is -1"),
        ("[[budget]]\nwindow = 'day'\nlimit_usd = 1\nagents = 'x'", "has 'agents'"),
        ("[[budget]]\nwindow = 'day'\nlimit_usd = 1\nkind = 'firm'", "has kind 'firm': give hard or soft"),
        ("[[budget]]\nwindow = 'day'\nlimit_usd = 1\nagent = ''", "has agent '': give a name"),
        ("[[budget]]\nwindow = 'day'\nlimit_usd = 1\nmodel = 'gpt-*'", "model 'gpt-*': give one whole name"),
        ("[[budget]]\nwindow = 'day'\nlimit_usd = 1\nagent = 'all'", "leave agent out for all"),
        (
            "[[budget]]\nwindow = 'day'\nlimit_usd = 1\nagent = 'src/agents/whale_agent.py'",
            "without .py, 'whale_agent'",
        ),
        ("[[budget", "cannot be read"),
    ],
)
def test_what_is_set_wrongly_refuses_calls_and_says_why(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    write(tmp_path, monkeypatch, text)
    with pytest.raises(InvalidRequest) as caught:
        ask()
    assert reason in str(caught.value)
    assert "budgets.toml" in str(caught.value)
    assert not server.received


def test_the_command_without_budgets_says_how_to_set_one() -> None:
    assert shown() == []
    assert "MOONDEV_BUDGET_DAY_USD=5" in run_app(main, "budget").err


def test_a_file_of_budgets_in_json_has_each_limit_once(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "budgets.json"
    file.write_text('{"budget": [{"window": "day", "limit_usd": 0.000001, "limit_usd": 500}]}')
    monkeypatch.setenv("MOONDEV_BUDGETS", str(file))
    with pytest.raises(InvalidRequest, match=r"limit_usd.* occurs more than once"):
        ask()
    monkeypatch.setenv("MOONDEV_BUDGETS", "~nobody-of-this-name/budgets.toml")
    with pytest.raises(InvalidRequest, match="MOONDEV_BUDGETS"):
        ask()
    assert not server.received


def test_a_file_of_budgets_may_begin_with_a_byte_order_mark(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, monkeypatch, "\ufeff[[budget]]\nwindow = 'day'\nlimit_usd = 0\n")
    with pytest.raises(BudgetExceeded):
        ask()
    assert not server.received

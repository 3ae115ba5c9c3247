"""`moondev backtest` with models: it is killed, goes on, and pays for nothing twice."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from src.cli.start import main
from src.judging.backtest.run_lock import only_process
from src.observability.ledger import read_votes
from tests import warm
from tests.commands import Screen, run_app
from tests.long import rounds
from tests.servers import Received, Reply, Server

START = datetime(2024, 5, 1, tzinfo=UTC)
PROGRAM = [sys.executable, "-c", "from src.cli import main; raise SystemExit(main())"]
DECISION = '{"action": "BUY", "confidence": 80, "reasoning": "up"}'


def answer(text: str = DECISION) -> Reply:
    body = {
        "id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 300, "completion_tokens": 20, "total_tokens": 320},
    }  # fmt: skip
    return Reply(200, json.dumps(body).encode())


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    """Write ten days of hourly prices that rise."""
    file = tmp_path / "BTC.csv"
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["time", "open", "high", "low", "close", "volume"])
        for hour in range(240):
            price = 100 + hour
            stamp = f"{START + timedelta(hours=hour):%Y-%m-%d %H:%M:%S}"
            writer.writerow([stamp, price, price + 1, price, price + 1, 5])
    return file


def options(prices: Path, models: str = "openai:gpt-4o-mini", every: str = "12h") -> list[str]:
    return ["BTC-USD", "--csv", str(prices), "--models", models, "--every", every, "--json"]


def run(*words: str, **more: Any) -> Screen:
    return run_app(main, "backtest", *words, **more)


def served(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setenv("OPENAI_KEY", "sk-test-0123456789abcdef")
    monkeypatch.setenv("OPENAI_BASE_URL", server.url + "/v1")


def asked(server: Server) -> list[str]:
    """Return what was asked, by the time in each prompt."""
    return [json.loads(request.body)["messages"][-1]["content"] for request in server.received]


def test_each_time_is_asked_once_and_priced(prices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda _: answer()) as server:
        served(monkeypatch, server)
        result = json.loads(run(*options(prices), "--yes").out)
        assert len(server.received) == result["calls"] == result["decisions"] == 20
        assert result["cost_usd"] == pytest.approx(20 * (300 * 0.15 + 20 * 0.6) / 1e6)
        (row,) = result["by_decider"]
        assert (row["decider"], row["hit_rate"], row["n"]) == ("openai:gpt-4o-mini", 1.0, result["resolved"])
        assert row["verdict"] == "not enough"
        again = json.loads(run(*options(prices), "--yes").out)
        assert (again["calls"], again["decisions"], again["cost_usd"]) == (0, 20, result["cost_usd"])
        # The same requests in another run are answered from what was kept, and cost nothing there.
        other = json.loads(run(*options(prices, every="24h"), "--yes").out)
        assert (other["calls"], other["cost_usd"]) == (0, 0.0)
        assert len(server.received) == 20


def test_killed_it_ends_with_all_decisions_and_repeats_only_what_was_in_flight(
    prices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kills = rounds(1, 2)
    kill_at = [6, 13][:kills]
    process: list[subprocess.Popen[bytes]] = []

    def reply(_: Received) -> Reply:
        if kill_at and len(server.received) >= kill_at[0]:
            kill_at.pop(0)
            process[-1].send_signal(signal.SIGKILL)
            time.sleep(0.2)  # it dies with this request in flight
        return answer()

    with Server(reply) as server:
        served(monkeypatch, server)
        command = [*PROGRAM, "backtest", *options(prices), "--yes"]
        for last in (*[False] * kills, True):
            process.append(warm.Program(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=os.environ))
            out, _ = process[-1].communicate(timeout=120)
            assert (process[-1].returncode == 0) is last
        result = json.loads(out)
        assert result["decisions"] == 20
        questions = asked(server)
        assert len(set(questions)) == 20
        assert len(questions) == 20 + kills  # those that were in flight


def test_a_swarm_that_was_killed_between_two_votes_asks_only_for_the_other(
    prices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first model's vote is kept at once; the second one hangs until the process is gone."""
    process: list[subprocess.Popen[bytes]] = []
    models = "openai:gpt-4o-mini,openai:gpt-4o"

    def reply(request: Received) -> Reply:
        if json.loads(request.body)["model"] == "gpt-4o" and process[-1].poll() is None and len(process) == 1:
            _await_kept_vote(os.environ["MOONDEV_TRACE_DB"])
            process[-1].send_signal(signal.SIGKILL)
        return answer()

    with Server(reply) as server:
        served(monkeypatch, server)
        command = [*PROGRAM, "backtest", *options(prices, models, "240h"), "--swarm", "--yes"]
        for _ in range(2):
            process.append(warm.Program(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=os.environ))
            out, _ = process[-1].communicate(timeout=120)
        result = json.loads(out)
        counts = [json.loads(request.body)["model"] for request in server.received]
        assert result["decisions"] == 1
        assert counts.count("gpt-4o-mini") == 1
        assert counts.count("gpt-4o") == 2


def _await_kept_vote(store: str) -> None:
    for _ in range(6_000):
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(store)) as connection:
            if connection.execute("SELECT count(*) FROM replies").fetchone()[0]:
                return
        time.sleep(0.01)


def test_a_budget_stops_it_and_a_higher_one_goes_on(prices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda _: answer()) as server:
        served(monkeypatch, server)
        each = (300 * 0.15 + 20 * 0.6) / 1e6
        stopped = run(*options(prices), "--yes", "--budget", f"{5.5 * each:.7f}")
        assert stopped.code == 1
        assert json.loads(stopped.out)["decisions"] == 5
        assert "of the budget of" in stopped.err
        assert json.loads(run(*options(prices), "--yes", "--budget", "1").out)["decisions"] == 20
        assert len(server.received) == 20


def test_money_is_not_spent_without_being_asked(prices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda _: answer()) as server:
        served(monkeypatch, server)
        refused = run(*options(prices))
        assert refused.code == 1
        assert "asks paid models: say --yes" in refused.err
        dry = json.loads(run(*options(prices), "--dry-run").out)
        assert dry["calls"] == 20
        assert dry["cost_usd"] > 0
        assert not server.received


def test_failures_are_counted_apart(prices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda _: Reply(400, b'{"error": {"message": "no", "type": "invalid_request_error"}}')) as server:
        served(monkeypatch, server)
        result = json.loads(run(*options(prices, every="48h"), "--yes").out)
        assert (result["decisions"], result["failed"], result["resolved"]) == (5, 5, 0)
        assert len(server.received) == 5
    with Server(lambda _: answer()) as server:
        served(monkeypatch, server)
        again = json.loads(run(*options(prices, every="48h"), "--yes").out)
        assert (again["decisions"], again["failed"], len(server.received)) == (5, 0, 5)
        assert json.loads(run(*options(prices, every="48h"), "--yes").out)["calls"] == 0


def test_a_model_without_a_key_is_refused_before_anything_is_decided(prices: Path) -> None:
    refused = run(*options(prices), "--yes")
    assert refused.code == 2
    assert "openai:gpt-4o-mini cannot be asked: openai is not set up: set OPENAI_KEY" in refused.err


def test_rules_cost_nothing_and_need_no_answer(prices: Path, tmp_path: Path) -> None:
    screen = run(
        "BTC-USD", "--csv", str(prices), "--models", "rule:hold,rule:random#3", "--html", str(tmp_path / "r.html"),
        width=80,
    )  # fmt: skip
    assert screen.code == 0
    assert "buy and hold" in screen.out
    assert max(map(len, screen.out.splitlines())) <= 80
    page = (tmp_path / "r.html").read_text()
    assert "<svg" in page
    assert "rule:random#3" in page


def test_one_process_at_a_time_makes_a_run_of_models(prices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda _: answer()) as server:
        served(monkeypatch, server)
        run_id = json.loads(run(*options(prices), "--dry-run").out)["run_id"]
        with only_process(Path(os.environ["MOONDEV_TRACE_DB"]), run_id):
            refused = run(*options(prices), "--yes")
        assert refused.code == 2
        assert f"Another process is making run {run_id} now" in refused.err
        assert not server.received
        assert json.loads(run(*options(prices, every="48h"), "--yes").out)["decisions"] == 5
        assert not list(prices.parent.glob("*.lock"))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--fee-bps", "-5"], "fee_bps is -5.0"),
        (["--budget", "nan"], "--budget is nan: give US dollars"),
        (["--budget", "-1"], "--budget is -1.0"),
        (["--html", "nowhere/r.html"], "nowhere/r.html cannot be written"),
        (["--workers", "2", "--dask", "tcp://x:1"], "give one of them"),
        (["--from", "2024-05-09", "--to", "2024-05-02"], "--from 2024-05-09 00:00 is after --to 2024-05-02 00:00"),
        (["--from", "2030-01-01"], "is after the last bar, which closes at 2024-05-11 00:00 UTC"),
    ],
)
def test_what_would_fail_after_it_was_paid_for_is_refused_before(
    prices: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], reason: str
) -> None:
    with Server(lambda _: answer()) as server:
        served(monkeypatch, server)
        refused = run(*options(prices), "--yes", *words)
        assert refused.code == 2
        assert reason in refused.err
        assert not refused.out
        assert not server.received


def test_a_bar_that_was_open_when_the_file_was_written_is_left_out(prices: Path) -> None:
    written_at = (START + timedelta(hours=239, minutes=20)).timestamp()
    os.utime(prices, (written_at, written_at))
    screen = run("BTC-USD", "--csv", str(prices), "--models", "rule:hold", "--every", "1h", "--dry-run")
    assert screen.code == 0
    assert f"to {START + timedelta(hours=239):%Y-%m-%d %H:%M} UTC" in screen.out + screen.err  # not 240
    assert "1 open_candle" in screen.err


def test_outcomes_that_stay_open_are_counted_with_their_reason(prices: Path) -> None:
    words = ["BTC-USD", "--csv", str(prices), "--models", "rule:hold", "--every", "24h", "--horizon", "30d"]
    result = json.loads(run(*words, "--json").out)
    assert (result["resolved"], sum(result["open"].values())) == (0, result["decisions"])
    assert "outcomes stay open: " in run(*words).err


def test_a_model_that_may_know_the_time_gets_no_verdict(prices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda _: answer()) as server:
        served(monkeypatch, server)
        (row,) = json.loads(run(*options(prices, every="4h"), "--yes").out)["by_decider"]
        assert (row["n"] > 50, row["verdict"], row["stands_out"]) == (True, "inside training", False)
        assert row["inside"] == row["decisions"]


def test_two_members_of_one_model_have_a_vote_each_when_it_goes_on(
    prices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The replies are there, and the decision that was made of them is not, as after a kill in between."""
    replies = [answer(), answer(DECISION.replace("BUY", "SELL"))]
    with Server(lambda _: replies[len(server.received) % 2]) as server:
        served(monkeypatch, server)
        words = [*options(prices, "openai:gpt-4o-mini,openai:gpt-4o-mini", "240h"), "--swarm", "--yes"]
        assert json.loads(run(*words).out)["decisions"] == 1
        with contextlib.closing(sqlite3.connect(os.environ["MOONDEV_TRACE_DB"])) as store, store:
            (votes,) = store.execute("SELECT votes FROM decisions").fetchone()
            store.execute("DELETE FROM decisions")
        assert json.loads(run(*words).out)["calls"] == 0
        with contextlib.closing(sqlite3.connect(os.environ["MOONDEV_TRACE_DB"])) as store:
            (again,) = store.execute("SELECT votes FROM decisions").fetchone()
        assert [vote.action for vote in read_votes(again)] == [vote.action for vote in read_votes(votes)]
        assert {vote.action for vote in read_votes(again)} == {"BUY", "SELL"}
        assert len(server.received) == 2


@pytest.mark.parametrize(
    ("bars", "message"),
    [(3, "No time of --every 4h lies in the prices, which go from 2024-05-01 01:00 to 2024-05-01 03:00"),
     (18, "21 closed bars before, and at 2024-05-01 16:00, the last time of --every 4h, there are 16.")],
)  # fmt: skip
def test_too_few_bars_are_named_with_how_many_there_are(prices: Path, bars: int, message: str) -> None:
    prices.write_text("".join(prices.read_text().splitlines(keepends=True)[: bars + 1]))
    assert message in run(*options(prices, "rule:momentum", "4h")).err.replace("\n", " ")

"""`moondev backtest` by worker processes and by a Dask cluster: some are killed, and nothing is lost or paid twice."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import weakref
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil  # type: ignore[import-untyped] # it ships no type information
import pytest

from src.cli.start import main
from tests import periods, warm
from tests.commands import run_app
from tests.long import IS_LONG
from tests.servers import Received, Reply, Server, chat_reply, decision, eventually, ollama_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START = datetime(2024, 5, 1, tzinfo=UTC)
KEY = "sk-proj-1f8Zq0Vb7Kc3Jd9Xw2Lm5Np4Rt6Yh8Gs"
PROGRAM = [
    sys.executable, "-c",
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from src.cli import main; raise SystemExit(main())",
]  # fmt: skip
long = pytest.mark.skipif(not IS_LONG, reason="minutes of processes: MOONDEV_TEST_LONG=1")


def prices(file: Path, hours: int = 240, price: float = 100) -> Path:
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["time", "open", "high", "low", "close", "volume"])
        for hour in range(hours):
            low = price + hour
            writer.writerow([f"{START + timedelta(hours=hour):%Y-%m-%d %H:%M:%S}", low, low + 1, low, low + 1, 5])
    return file


def short_folder(owner: object) -> Path:
    """Return an empty folder with a short path, as sockets need, which goes with its owner."""
    folder = Path(tempfile.mkdtemp(prefix="w-"))
    weakref.finalize(owner, shutil.rmtree, folder, ignore_errors=True)
    return folder


class Backtest:
    """A back-test in a process of its own, with its own folder for temporary files."""

    def __init__(self, *words: str, **variables: str) -> None:
        self._temporary = short_folder(self)
        environment = {**os.environ, "TMPDIR": str(self._temporary), **variables}
        self.process = warm.Program(
            [*PROGRAM, "backtest", *words, "--json", "--yes"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, start_new_session=True, text=True,
        )  # fmt: skip
        self._group = os.getpgid(self.process.pid)

    def worker(self) -> psutil.Process:
        """Return one of the worker processes: they descend from the one that starts them."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return next(item for item in reversed(children) if item.ppid() != self.process.pid)

    def end(self, timeout_s: float = 280) -> tuple[str, str]:
        return self.process.communicate(timeout=timeout_s)

    def assert_nothing_is_left(self) -> None:
        def processes() -> list[psutil.Process]:
            group = []
            for item in psutil.process_iter():
                with contextlib.suppress(psutil.Error, ProcessLookupError):
                    if os.getpgid(item.pid) == self._group and item.status() != psutil.STATUS_ZOMBIE:
                        group.append(item)
            return group

        assert eventually(lambda: not processes(), 60), processes()
        assert eventually(lambda: not list(self._temporary.iterdir()), 60), list(self._temporary.iterdir())


def questions(server: Server) -> list[str]:
    return [json.loads(request.body)["messages"][-1]["content"] for request in server.received]


def test_a_worker_that_is_killed_is_replaced_and_no_decision_is_lost_or_asked_for_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running: list[Backtest] = []
    kill_at = [3]

    def answer(_: Received) -> Reply:
        if kill_at and len(server.received) >= kill_at[0]:
            kill_at.pop()
            running[0].worker().send_signal(signal.SIGKILL)
        return ollama_reply(decision("BUY", 80))

    with Server(answer) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        file = prices(tmp_path / "BTC.csv")
        words = ["BTC-USD", "--csv", str(file), "--models", "ollama:llama3.2,rule:hold", "--every", "24h"]
        running.append(Backtest(*words, "--workers", "2"))
        out, err = running[0].end()
        assert running[0].process.returncode == 0, err
        result = json.loads(out)
        assert (result["decisions"], result["failed"]) == (20, 0)
        asked = questions(server)
        assert len(set(asked)) == 10
        assert len(asked) <= 11  # the one that was in flight
        assert "has ended; others make its decisions" in err
        running[0].assert_nothing_is_left()
        with contextlib.closing(sqlite3.connect(os.environ["MOONDEV_TRACE_DB"])) as store:
            sessions = store.execute("SELECT DISTINCT session_id FROM observations").fetchall()
            decisions = store.execute("SELECT count(*), count(DISTINCT id) FROM decisions").fetchone()
        assert sessions == [(f"backtest-{result['run_id']}",)]
        assert decisions == (20, 20)
        again = json.loads(run_app(main, "backtest", *words, "--json").out)
        assert (again["calls"], again["decisions"], len(server.received)) == (0, 20, len(asked))


@long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_it_ends_nothing_is_left_and_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: signal.Signals
) -> None:
    running: list[Backtest] = []

    def answer(_: Received) -> Reply:
        if len(server.received) == 4:
            if ending == signal.SIGINT:
                os.killpg(running[0].process.pid, ending)  # as a terminal does
            else:
                running[0].process.send_signal(ending)
        time.sleep(0.2)
        return ollama_reply(decision("SELL", 60))

    with Server(answer) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        words = ["BTC-USD", "--csv", str(prices(tmp_path / "BTC.csv")), "--models", "ollama:llama3.2", "--every", "12h"]
        running.append(Backtest(*words, "--workers", "2"))
        _, err = running[0].end()
        assert "Traceback" not in err
        running[0].assert_nothing_is_left()
        running.append(Backtest(*words, "--workers", "2"))
        out, err = running[1].end()
        assert running[1].process.returncode == 0, err
        assert json.loads(out)["decisions"] == 20
        asked = questions(server)
        assert len(set(asked)) == 20
        assert len(asked) <= 22  # those that were in flight, one for each worker


class Fleet:
    """A scheduler and workers as on machines of their own: each worker has its own store and its own key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = ""
        self.workers: list[subprocess.Popen[bytes]] = []
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, workers: int, **variables: str) -> None:
        file = self.folder / "scheduler.json"
        self._start("scheduler", ["--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file)], {})
        assert eventually(lambda: file.exists() and file.read_text().rstrip().endswith("}"), 120)
        self.address = json.loads(file.read_text())["address"]
        self.workers = [
            self._start(
                f"worker-{number}", [self.address, "--nthreads", "2", "--no-nanny"],
                {**variables, "MOONDEV_TRACE_DB": str(self.folder / f"worker-{number}.db")},
            )
            for number in range(workers)
        ]  # fmt: skip

    def _start(self, name: str, words: list[str], variables: dict[str, str]) -> subprocess.Popen[bytes]:
        part = name.partition("-")[0]
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{part}", *words, "--no-dashboard"],
                stdout=log, stderr=log, env={**os.environ, "TMPDIR": str(short_folder(self)), **variables},
            )  # fmt: skip
        self._processes.append(process)
        return process

    def logs(self) -> str:
        return "".join(file.read_text() for file in self.folder.glob("*.log"))

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Callable[..., Fleet]]:
    fleets: list[Fleet] = []

    def start(workers: int, **variables: str) -> Fleet:
        folder = tmp_path / "fleet"
        folder.mkdir()
        fleets.append(Fleet(folder))
        fleets[-1].start(workers, **variables)
        return fleets[-1]

    yield start
    for item in fleets:
        item.close()


@long
@pytest.mark.timeout(900)
def test_a_fleet_s_results_come_together_and_its_keys_stay_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fleet: Callable[..., Fleet]
) -> None:
    """A swarm of two on two machines, of which one dies: the coordinator has no key, and alone has the ledger."""
    machines: list[Fleet] = []

    def answer(request: Received) -> Reply:
        if len(server.received) == 9:
            machines[0].workers[0].kill()
        assert request.headers["authorization"] == f"Bearer {KEY}"
        return chat_reply(
            decision("BUY", 70),
            model="gpt-4o-mini",
            usage={"prompt_tokens": 300, "completion_tokens": 20, "total_tokens": 320},
        )

    with Server(answer) as server:
        machines.append(fleet(2, OPENAI_KEY=KEY, OPENAI_BASE_URL=server.url + "/v1"))
        periods.wait_for_room(room_s=120)
        monkeypatch.setenv("MOONDEV_BUDGET_DAY_USD", "5")
        words = [
            "BTC-USD", "--csv", str(prices(tmp_path / "BTC.csv")), "--models", "openai:gpt-4o-mini,openai:gpt-4o-mini",
            "--swarm", "--every", "12h", "--dask", machines[0].address,
        ]  # fmt: skip
        result = Backtest(*words)
        out, err = result.end()
        assert result.process.returncode == 0, err
        data = json.loads(out)
        assert (data["decisions"], data["failed"], data["abstained"]) == (20, 0, 0)
        assert len(server.received) <= 40 + 4  # two decisions of two members were in flight
        each = (300 * 0.15 + 20 * 0.6) / 1e6
        (budget,) = json.loads(run_app(main, "budget", "--json").out)
        assert 40 * each - 1e-9 <= budget["spent_usd"] + budget["reserved_usd"]
        assert budget["spent_usd"] <= len(server.received) * each + 1e-9
        own = rows(os.environ["MOONDEV_TRACE_DB"])
        assert (own["decisions"], own["replies"]) == (20, 40)
        workers = [rows(str(machines[0].folder / f"worker-{number}.db")) for number in range(2)]
        assert all(item["decisions"] == 0 for item in workers)
        assert sum(item["generations"] for item in workers) >= 40 - 4  # the rows of decisions that were under way
        assert KEY not in machines[0].logs() + out + err


@long
@pytest.mark.timeout(900)
def test_a_fleet_spends_no_more_than_the_coordinator_s_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fleet: Callable[..., Fleet]
) -> None:
    usage = {"prompt_tokens": 300, "completion_tokens": 20, "total_tokens": 320}
    with Server(lambda _: chat_reply(decision("BUY", 70), model="gpt-4o-mini", usage=usage)) as server:
        machines = fleet(2, OPENAI_KEY=KEY, OPENAI_BASE_URL=server.url + "/v1")
        periods.wait_for_room(room_s=120)
        monkeypatch.setenv("MOONDEV_BUDGET_DAY_USD", "0.0105")  # a call may cost about a cent
        words = ["BTC-USD", "--csv", str(prices(tmp_path / "BTC.csv")), "--models", "openai:gpt-4o-mini"]
        run = Backtest(*words, "--every", "12h", "--dask", machines.address)
        out, err = run.end()
        data = json.loads(out)
        assert data["failed"] > 0, err
        each = (300 * 0.15 + 20 * 0.6) / 1e6
        (budget,) = json.loads(run_app(main, "budget", "--json").out)
        assert budget["spent_usd"] == pytest.approx(len(server.received) * each)
        assert budget["spent_usd"] <= 0.0105


def rows(store: str) -> dict[str, Any]:
    with contextlib.closing(sqlite3.connect(store)) as connection:
        counts = {
            name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608 - our own names
            for name in ("decisions", "replies")
        }
        generations = "SELECT count(*) FROM observations WHERE type = 'generation'"
        return {**counts, "generations": connection.execute(generations).fetchone()[0]}


def test_a_scheduler_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["BTC-USD", "--csv", str(prices(tmp_path / "BTC.csv")), "--dask", "not an address"]
    screen = run_app(main, "backtest", *words, "--json")
    assert screen.code == 2
    assert "No Dask scheduler answers at 'not an address'" in screen.err
    assert not screen.out


def test_without_dask_it_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    words = ["BTC-USD", "--csv", str(prices(tmp_path / "BTC.csv")), "--workers", "2"]
    screen = run_app(main, "backtest", *words)
    assert screen.code == 2
    assert "pip install 'distributed>=2026.8'" in screen.err

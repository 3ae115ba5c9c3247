"""What forked children record survives whatever their parent does with the store."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from src.observability import get_tracker, observe_agent
from src.observability.store import forks
from src.observability.store.connections import connect
from src.observability.store.spool import Spool
from tests import warm

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

BEGIN = """
import os, sys, threading, time
from src.observability import get_tracker, observe_agent
def trace(name, times=1):
    for _ in range(times):
        with observe_agent(name):
            pass
"""


def run(script: str, db: Path) -> str:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LANGFUSE")}
    variables = {"MOONDEV_TRACE_DB": str(db), "MOONDEV_DOTENV": "off", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", BEGIN + script]
    done = warm.run(command, env=inherited | variables, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def counts(db: Path) -> dict[str, int]:
    totals: dict[str, int] = {}
    for row in Spool(db).rows_after(0, 100_000):
        totals[row.name] = totals.get(row.name, 0) + 1
    return totals


@pytest.mark.parametrize("end", ["get_tracker().spool.close()", "get_tracker().shutdown()"])
def test_a_child_goes_on_after_its_parent_closed_the_store(end: str, tmp_path: Path) -> None:
    script = f"""
trace("parent")
ready, begun = os.pipe()
closed, told = os.pipe()
if os.fork() == 0:
    trace("child")
    os.write(begun, b"x")
    os.read(closed, 1)
    trace("child", 50)
    os._exit(0)
os.read(ready, 1)
{end}
os.write(told, b"x")
assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
"""
    run(script, tmp_path / "t.db")
    assert counts(tmp_path / "t.db") == {"parent.run": 1, "child.run": 51}


def test_a_child_outlives_its_parent(tmp_path: Path) -> None:
    script = """
trace("parent")
over, alive = os.pipe()
if os.fork() == 0:
    os.close(alive)
    trace("child")
    os.read(over, 1)  # ends with the parent
    trace("child", 50)
    print("done", flush=True)
    os._exit(0)
time.sleep(0.3)
"""
    assert run(script, tmp_path / "t.db") == "done\n"  # its output ends with its last process
    assert counts(tmp_path / "t.db") == {"parent.run": 1, "child.run": 51}


def test_forks_amid_busy_threads_lose_nothing_and_wait_for_nothing(tmp_path: Path) -> None:
    script = """
stop = threading.Event()
written = [0, 0]
def write(index):
    while not stop.is_set():
        trace("thread")
        written[index] += 1
def read():
    while not stop.is_set():
        get_tracker().spool.stats()
        get_tracker().spool.traces(5)
        get_tracker().retention.run_once(force=True)
trace("parent")
threads = [threading.Thread(target=write, args=(index,)) for index in (0, 1)]
threads.append(threading.Thread(target=read))
for thread in threads:
    thread.start()
children = []
for _ in range(20):
    time.sleep(0.02)
    pid = os.fork()
    if pid == 0:
        trace("child", 20)
        os._exit(1 if get_tracker().processor.losses else 0)
    children.append(pid)
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
stop.set()
for thread in threads:
    thread.join()
assert codes == [0] * 20, codes
assert get_tracker().processor.losses == 0
print(sum(written))
"""  # fmt: skip
    written = int(run(script, tmp_path / "t.db"))
    assert counts(tmp_path / "t.db") == {"parent.run": 1, "child.run": 400, "thread.run": written}


def test_a_second_store_in_a_process_takes_no_lock_from_the_first(tmp_path: Path) -> None:
    """Else another process that comes and goes takes itself for the last one, and deletes the log that we write."""
    script = """
import subprocess
from src.observability.store.spool import Spool
db = get_tracker().spool.path
trace("first")
Spool(db).stats()
visit = "import sys; from src.observability.store.spool import Spool; s = Spool(sys.argv[1]); s.stats(); s.close()"
subprocess.run([sys.executable, "-c", visit, str(db)], check=True)
trace("first", 20)
"""
    run(script + "os._exit(0)\n", tmp_path / "t.db")
    assert counts(tmp_path / "t.db") == {"first.run": 21}


def test_a_fork_waits_for_a_connection_that_is_in_use(spool: Spool) -> None:
    with observe_agent("a"):
        pass
    entered, leave, forked = threading.Event(), threading.Event(), threading.Event()

    def read() -> None:
        with connect(spool.path) as connection:
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM observations").fetchone()
            entered.set()
            leave.wait(30)

    def fork() -> None:
        pid = os.fork()
        if pid == 0:
            os._exit(0 if forks._gate.open == 0 and spool._writer.connection is None else 1)
        forked.set()
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

    reader, forker = threading.Thread(target=read), threading.Thread(target=fork)
    reader.start()
    assert entered.wait(30)
    forker.start()
    assert not forked.wait(0.2)
    leave.set()
    forker.join(30)
    reader.join(30)
    assert forked.is_set()
    with observe_agent("b"):
        pass
    assert spool.stats().observations == 2
    assert get_tracker().processor is not None

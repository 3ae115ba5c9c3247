"""What happens to observations when a real process gets a real signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from src.observability.store.spool import Spool
from tests import warm
from tests.servers import Langfuse, Reply, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of this kind are POSIX")

BEGIN = """
import asyncio, multiprocessing, os, signal, sys, threading, time
from src.observability import get_tracker, observe_agent
def trace(name="a"):
    with observe_agent(name):
        pass
def ready():
    print("ready", flush=True)
def wait():  # in short calls: a signal just before a call waits in Python for its end
    for _ in range(600):
        time.sleep(0.1)
"""
TRACE = BEGIN + "trace()\n"
# For tests of what arrives: on a machine with other work, two seconds may not be enough.
PATIENT = "from src.observability.delivery import process_exit\nprocess_exit._PATIENCE_S = 50.0\n"
WAIT = "ready()\nwait()\nsys.exit(77)\n"


class Child:
    start: type[subprocess.Popen[Any]] = warm.Program

    def __init__(self, script: str, db: Path, host: str, **environ: str) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LANGFUSE", "OTEL"))}
        keys = {"LANGFUSE_HOST": host, "LANGFUSE_PUBLIC_KEY": "pk-lf-1", "LANGFUSE_SECRET_KEY": "sk-lf-1"}
        variables = {"MOONDEV_TRACE_DB": str(db), "MOONDEV_DOTENV": "off", "PYTHONPATH": str(ROOT), **keys, **environ}
        self.db = db
        self.process = self.start(
            [sys.executable, "-c", script],
            env=inherited | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line == "ready\n", line + (self.process.stderr.read() if self.process.stderr else "")

    def end(self, number: int = signal.SIGTERM, times: int = 1) -> int:
        for _ in range(times):
            self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        self.out, self.err = self.process.communicate(timeout=55)  # less than a child sleeps
        return self.process.returncode


@pytest.fixture
def server() -> Iterator[Langfuse]:
    with Langfuse() as running:
        yield running


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "traces.db"


def names(server: Langfuse) -> list[str]:
    return sorted(span.name for span in server.spans)


def test_sigterm_delivers_and_then_kills(server: Langfuse, db: Path) -> None:
    child = Child(PATIENT + TRACE + "trace('b')\n" + WAIT, db, server.url)
    assert child.end() == -signal.SIGTERM
    assert names(server) == ["a.run", "b.run"]
    assert child.err == ""


@pytest.mark.parametrize(
    "block",
    [
        "lock = threading.Lock()\nlock.acquire()\nready()\nlock.acquire()\n",
        "spool = get_tracker().spool\nspool._writer.lock.acquire()\n" + WAIT,
        "import socket\na, b = socket.socketpair()\nready()\na.recv(1)\n",
        "ready()\nwhile True: pass\n",
        "async def main():\n    ready()\n    await asyncio.sleep(60)\nasyncio.run(main())\n",
        "t = threading.Thread(target=time.sleep, args=(60,))\nt.start()\nready()\nt.join()\n",
        "threading._active_limbo_lock.acquire()\n" + WAIT,
        "for d in get_tracker().exporter._workers: d._lock.acquire()\n" + WAIT,
    ],
)
def test_it_kills_whatever_the_main_thread_does(block: str, server: Langfuse, db: Path) -> None:
    assert Child(TRACE + block, db, server.url).end() == -signal.SIGTERM
    assert Spool(db).stats().observations == 1


@pytest.mark.parametrize("answer", [Reply(hang=True), Reply(503)])
def test_a_server_that_does_not_take_it_holds_nothing_up(answer: Reply, server: Langfuse, db: Path) -> None:
    server.answer = lambda _: answer
    assert Child(TRACE + WAIT, db, server.url).end() == -signal.SIGTERM
    assert sum(Spool(db).stats().undelivered.values()) == 1


def test_a_second_sigterm_kills_at_once(server: Langfuse, db: Path) -> None:
    server.answer = lambda _: Reply(hang=True)
    child = Child(
        TRACE
        + PATIENT
        + WAIT, db, server.url
    )  # fmt: skip
    child.process.send_signal(signal.SIGTERM)
    assert eventually(lambda: len(server.requests) > 0)
    assert child.end() == -signal.SIGTERM


# Python's note of a signal, without an interruption of the main thread: what a signal does just before a blocking call.
UNNOTICED = """
def note():
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
timer = threading.Timer(0.1, note)
timer.start()
"""


@pytest.mark.parametrize("block", ["time.sleep(60)", "sys.stdin.read()", "threading.Event().wait()"])
def test_a_signal_just_before_a_blocking_call_kills_as_any(block: str, server: Langfuse, db: Path) -> None:
    child = Child(PATIENT + TRACE + "ready()\n" + UNNOTICED + block + "\nsys.exit(77)\n", db, server.url)
    assert child.wait() == -signal.SIGTERM
    assert names(server) == ["a.run"]


def test_a_handler_of_the_programs_own_runs_when_it_would_have_run(server: Langfuse, db: Path) -> None:
    own = "calls = []\nsignal.signal(signal.SIGTERM, lambda *_: calls.append(1))\n"
    wait = "time.sleep(0.5)\ntimer.join()\nsys.exit(5 + len(calls))\n"
    assert Child(TRACE + own + "ready()\n" + UNNOTICED + wait, db, server.url).wait() == 6


def test_nothing_of_it_is_left_in_a_forked_child(server: Langfuse, db: Path) -> None:
    fork = """
pid = os.fork()
if pid == 0:
    handlers = [getattr(signal.getsignal(n), "__module__", "") for n in signal.valid_signals()]
    os._exit(3 if signal.set_wakeup_fd(-1) == -1 and "src." not in str(handlers) else 4)
ready()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    assert Child(TRACE + "assert signal.set_wakeup_fd(-1) != -1\n" + fork, db, server.url).wait() == 3


@pytest.mark.parametrize("owner", ["own", "trio"])
def test_a_wakeup_file_of_somebody_else_stays(owner: str, server: Langfuse, db: Path) -> None:
    """The program's own file; and trio's, which warns where one is set when it sets its own."""
    own = "read, write = os.pipe()\nos.set_blocking(write, False)\nsignal.set_wakeup_fd(write)\n"
    begin, expected = (own, "write") if owner == "own" else ("sys.modules['trio'] = sys\n", "-1")
    check = f"ready()\nsys.exit(3 if signal.set_wakeup_fd(-1) == {expected} else 4)\n"
    assert Child(BEGIN + begin + "trace()\n" + check, db, server.url).wait() == 3


def test_the_switch_leaves_the_signal_alone(server: Langfuse, db: Path) -> None:
    check = "assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL\n"
    assert Child(TRACE + check + WAIT, db, server.url, MOONDEV_SIGNALS="off").end() == -signal.SIGTERM
    assert Spool(db).stats().observations == 1


@pytest.mark.parametrize("order", ["before", "after"])
def test_the_programs_own_handler_stays_and_runs(order: str, server: Langfuse, db: Path) -> None:
    own = "signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b'mine\\n'), sys.exit(5)))\n"
    script = PATIENT + BEGIN + (own + "trace()\n" if order == "before" else "trace()\n" + own) + WAIT
    child = Child(script, db, server.url)
    assert child.end() == 5
    assert child.out == "mine\n"
    assert names(server) == ["a.run"]  # an exit of its own delivers as any exit does


def test_a_program_that_ignores_sigterm_goes_on_doing_so(server: Langfuse, db: Path) -> None:
    script = (
        BEGIN + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\ntrace()\nready()\nsys.stdin.readline()\nsys.exit(3)\n"
    )
    known = Child(script.replace("sys.stdin.readline()", "time.sleep(2)"), db, server.url)
    assert known.end(times=3) == 3


def test_asyncios_own_handlers_work(server: Langfuse, db: Path) -> None:
    main = """
async def main():
    trace()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    ready()
    await stop.wait()
    trace("b")
    sys.exit(6)
asyncio.run(main())
"""
    assert Child(PATIENT + BEGIN + main, db, server.url).end() == 6
    assert names(server) == ["a.run", "b.run"]


def test_a_server_that_raises_the_signal_again_after_its_own_end_is_heard(server: Langfuse, db: Path) -> None:
    """As uvicorn does: its handler for a while, then the old one back and the signal once more."""
    script = (
        PATIENT
        + TRACE
        + """
caught = []
old = signal.signal(signal.SIGTERM, lambda number, frame: caught.append(number))
ready()
while not caught:
    time.sleep(0.01)
trace("b")
signal.signal(signal.SIGTERM, old)
signal.raise_signal(caught[0])
sys.exit(77)
"""
    )
    assert Child(script, db, server.url).end() == -signal.SIGTERM
    assert names(server) == ["a.run", "b.run"]


def test_tracing_that_began_on_another_thread_leaves_the_signal_alone(server: Langfuse, db: Path) -> None:
    begin = "t = threading.Thread(target=trace)\nt.start()\nt.join()\n"
    check = "assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL\n"
    assert Child(BEGIN + begin + check + WAIT, db, server.url).end() == -signal.SIGTERM
    assert Spool(db).stats().observations == 1


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_end_as_they_would(method: str, server: Langfuse, db: Path, tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text(
        PATIENT
        + BEGIN
        + f"""
def work(pipe):
    trace("child")
    pipe.send("up")
    wait()

if __name__ == "__main__":
    trace()
    context = multiprocessing.get_context({method!r})
    here, there = context.Pipe()
    child = context.Process(target=work, args=(there,))
    child.start()
    assert here.recv() == "up"
    child.terminate()
    child.join(30)
    assert child.exitcode == -signal.SIGTERM, child.exitcode
    ready()
    wait()
"""
    )
    run = f"import runpy\nrunpy.run_path({str(script)!r}, run_name='__main__')\n"
    assert Child(run, db, server.url).end() == -signal.SIGTERM
    assert names(server) == ["a.run", "child.run"]


def test_a_forked_child_has_the_default_action_back(server: Langfuse, db: Path) -> None:
    script = (
        TRACE
        + """
if os.fork() == 0:
    os._exit(0 if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL else 1)
_, status = os.wait()
assert os.waitstatus_to_exitcode(status) == 0
assert signal.getsignal(signal.SIGTERM) not in (signal.SIG_DFL, None)
"""
    )
    assert Child(script + WAIT, db, server.url).end() == -signal.SIGTERM


@pytest.fixture
def sigint_as_at_a_terminal() -> Iterator[None]:
    """Let a child inherit the default action: a shell starts what it runs in the background with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("sigint_as_at_a_terminal")
def test_sigint_is_pythons_own(server: Langfuse, db: Path) -> None:
    # In short calls: Python's own handler does not run for a signal that comes just before a blocking call.
    wait = "ready()\nfor _ in range(600):\n    time.sleep(0.1)\n"
    check = "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler\n"
    child = Child(PATIENT + TRACE + check + wait, db, server.url)
    assert child.end(signal.SIGINT) in {1, -signal.SIGINT}  # 1: CPython forgets the signal where exec runs at exit
    assert "KeyboardInterrupt" in child.err
    assert names(server) == ["a.run"]


class Interpreter(Child):
    """A process whose interpreter ends in every way of its own."""

    start = subprocess.Popen


@pytest.mark.parametrize("begin", [Child, Interpreter])
def test_an_end_of_its_own_delivers(begin: type[Child], server: Langfuse, db: Path) -> None:
    assert begin(PATIENT + TRACE + "ready()\n", db, server.url).wait() == 0
    assert names(server) == ["a.run"]


def test_sigkill_loses_nothing_either(server: Langfuse, db: Path) -> None:
    assert Child(TRACE + WAIT, db, server.url).end(signal.SIGKILL) == -signal.SIGKILL
    assert Spool(db).stats().observations == 1

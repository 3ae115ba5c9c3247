"""Measure what is lost, and what comes twice, in outages, under kill -9, and where acknowledgements are lost.

Real calls of the openai SDK go to a model on a loopback server; what is traced goes to a server that does as Langfuse 4
does, where an observation that comes twice counts twice, or fails, as the trial needs.

Usage: python benchmarks/durability.py [outage] [kill] [acknowledgements] [many] [--calls 20000] [--rounds 100]
       [--many 100000]
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from src.observability.store.spool import Spool  # noqa: E402 - once it can be found
from tests.langfuse_server import DEFAULT_PROJECT, LangfuseServer  # noqa: E402 - as above
from tests.servers import Langfuse, Received, Reply, eventually  # noqa: E402 - as above
from tests.unit.observability.records import sendable_record  # noqa: E402 - as above

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = {"LANGFUSE_PUBLIC_KEY": "pk-lf-x", "LANGFUSE_SECRET_KEY": "sk-lf-x-0123456789"}
THREADS = 4
TRACES = "/api/public/otel/v1/traces"
EXPORT = [sys.executable, "-c", "from src.cli import main; main()", "traces", "export"]
KILLS = 12


def memory_mb(process: int | str = "self") -> float:
    """Return the memory that a process holds now, in MB."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def calls(count: int) -> None:
    """Make calls from several threads, in a process of this program; write each id to stdout as its call returns."""
    from src.models import ModelFactory

    model = ModelFactory.get_model("openai", "gpt-4o")
    prompt = "BTC-USD 15m close 42,137.55 RSI 61.3 MACD 20.1; " * 20

    def work(number: int) -> None:
        for _ in range(number):
            reply = model.generate_response("You trade.", prompt)
            os.write(1, f"{reply.observation_id}\n".encode())

    work(count % THREADS)
    threads = [threading.Thread(target=work, args=(count // THREADS,)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def environment(url: str, folder: str, **variables: str) -> dict[str, str]:
    """Return the environment of a process of this program."""
    environ = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environ |= {"PYTHONPATH": str(ROOT), "OPENAI_KEY": "sk-benchmark-0123456789abcdef", "OPENAI_BASE_URL": f"{url}/v1"}
    return environ | {"MOONDEV_TRACE_DB": f"{folder}/traces.db", "MOONDEV_DOTENV": "off"} | variables


def start(job: str, count: int, environ: dict[str, str]) -> subprocess.Popen[str]:
    """Start a process of this program."""
    command = [sys.executable, __file__, "--job", job, "--calls", str(count)]
    return subprocess.Popen(
        command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def langfuse(port: int = 0, *, shown_after_s: float = 0.0) -> LangfuseServer:
    """Return a Langfuse of version 4 that knows our keys."""
    server = LangfuseServer(port=port, shown_after_s=shown_after_s)
    server.accounts.projects[KEYS["LANGFUSE_PUBLIC_KEY"], KEYS["LANGFUSE_SECRET_KEY"]] = DEFAULT_PROJECT
    return server


def erratic(sink: LangfuseServer, rng: random.Random) -> None:
    """Make a sink slow at first; then let it fail, refuse, break off, or accept, at random."""
    seen = 0

    def answer(request: Received) -> Reply | None:
        nonlocal seen
        seen += 1
        if seen <= 10:
            time.sleep(0.5)
            return None
        luck = rng.random()
        if luck < 0.15:
            return Reply(500)
        if luck < 0.3:
            return Reply(429, headers={"retry-after": "0"})
        if luck < 0.4:
            return Reply(reset=True)
        if luck < 0.5:  # accepted, and the response is lost
            sink._route(request)
            return Reply(reset=True)
        return None

    sink.answer = answer


def outage(url: str, count: int) -> None:
    """Make calls while the server is down; then bring it back, slow and erratic."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        host = f"http://127.0.0.1:{port}"
        environ = environment(url, folder, LANGFUSE_HOST=host, MOONDEV_CONFIRM_AFTER_S="5", **KEYS)
        worker = start("outage", count, environ)
        assert worker.stdout is not None
        assert worker.stdin is not None
        ids, notes = set(), []
        for line in worker.stdout:
            if line.startswith("#"):
                notes.append(line[1:].strip())
                if line.startswith("#done"):
                    break
            else:
                ids.add(line.strip())
        down = time.monotonic() - began
        with langfuse(port) as sink:
            erratic(sink, random.Random(7))  # noqa: S311 - chance, not a secret
            back = time.monotonic()
            arrived = eventually(lambda: ids <= {span.span_id for span in list(sink.spans)}, 600)
            took = time.monotonic() - back
            memory = memory_mb(worker.pid)
            unique = {span.span_id for span in sink.spans}
            print(f"outage: {len(ids):,} calls in {down:.0f} s while the server was down; {'; '.join(notes[:-1])}")
            print(
                f"  server back, slow, then erratic: {len(ids & unique):,} of {len(ids):,} arrived in {took:.0f} s "
                f"({len(sink.spans) - len(unique):,} came twice); memory then {memory:.0f} MB"
            )
            worker.communicate("\n", timeout=60)
        if not arrived:
            sys.exit("some calls did not arrive")


def work_through_an_outage(count: int) -> None:
    """Make calls and print the memory after a tenth of them and at their end; then wait for a line on stdin."""
    calls(count // 10)
    print(f"#memory after a tenth {memory_mb():.0f} MB", flush=True)
    calls(count - count // 10)
    print(f"#at the end {memory_mb():.0f} MB\n#done", flush=True)
    sys.stdin.readline()


def kill(url: str, rounds: int) -> None:
    """Kill four writing processes on one store at random moments, again and again; then deliver."""
    rng = random.Random(11)  # noqa: S311 - as above
    returned: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(rounds):
            print(f"\rround {turn + 1} of {rounds}", end="", file=sys.stderr, flush=True)
            workers = [start("calls", 10**6, environment(url, folder)) for _ in range(4)]
            for worker in workers:
                assert worker.stdout is not None
                returned.add(worker.stdout.readline().strip())
            time.sleep(rng.uniform(0.0, 0.8))
            for worker in workers:
                worker.send_signal(signal.SIGKILL)
            for worker in workers:
                returned |= {line for line in worker.communicate()[0].split("\n") if len(line) == 16}
        print(file=sys.stderr)
        with langfuse() as sink:
            environ = environment(url, folder, LANGFUSE_HOST=sink.url, **KEYS)
            subprocess.run(EXPORT, env=environ, cwd=ROOT, check=True, capture_output=True)
            arrived = [span.span_id for span in sink.spans]
    lost = returned - set(arrived)
    print(
        f"kill -9: {rounds} rounds of four processes on one store; {len(returned):,} calls returned, {len(lost)} lost, "
        f"{len(arrived) - len(set(arrived))} arrived twice"
    )
    if lost:
        sys.exit("some calls were lost")


def acknowledgements(count: int) -> None:
    """Deliver to a server that loses requests and acknowledgements, by processes that are killed meanwhile."""
    rng = random.Random(13)  # noqa: S311 - as above
    with tempfile.TemporaryDirectory() as folder, langfuse(shown_after_s=0.5) as sink:
        store = Spool(Path(folder) / "traces.db")
        for number in range(count):
            store.append(sendable_record(number, spans_a_trace=4, size=1_000))
        sink.answer = lambda request: Reply(silent=True) if request.path == TRACES and rng.random() < 0.2 else None
        sink.lose_acknowledgement = lambda request: request.path == TRACES and rng.random() < 0.3
        environ = environment(
            "", folder, LANGFUSE_HOST=sink.url, LANGFUSE_FLUSH_AT="64", MOONDEV_CONFIRM_AFTER_S="2", **KEYS
        )
        began = time.monotonic()
        for _ in range(KILLS):
            with subprocess.Popen(
                EXPORT, env=environ, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as worker:
                time.sleep(rng.uniform(1.0, 3.0))
                worker.kill()
        exports = 1
        while subprocess.run(EXPORT, env=environ, cwd=ROOT, check=False, capture_output=True).returncode:
            exports += 1
        took = time.monotonic() - began
        arrived = [span.span_id for span in sink.spans]
    lost = count - len(set(arrived))
    repeats = len(arrived) - len(set(arrived))
    requests = sum(request.path == TRACES for request in sink.requests)
    print(
        f"acknowledgements lost: {count:,} observations in {requests:,} requests, of which one in five was lost on its "
        f"way and three in ten of the others got no answer; {KILLS} delivering processes killed; after {took:.0f} s: "
        f"{lost} lost, {repeats} came twice"
    )
    if lost or repeats:
        sys.exit("some observations were lost, or came twice")


def many(url: str, count: int) -> None:
    """Make very many calls in one process, delivering meanwhile; look at memory, threads and the store's queries."""
    with tempfile.TemporaryDirectory() as folder, Langfuse() as sink:
        sink._server.received = _Nothing()
        worker = start("many", count, environment(url, folder, LANGFUSE_HOST=sink.url, **KEYS))
        assert worker.stdout is not None
        for line in worker.stdout:
            if line.startswith("#"):
                print(line[1:], end="")
        worker.wait(60)


class _Nothing(list[Received]):
    """A list that stays empty."""

    def append(self, _: Received) -> None:
        """Drop the item."""


def work_through_many(count: int) -> None:
    """Make the calls in ten parts, and print the memory after each; then time queries of the store."""
    from src.observability import flush, get_tracker, shutdown

    sizes = []
    for _ in range(10):
        calls(count // 10)
        sizes.append(f"{memory_mb():.0f}")
    print(f"#{count:,} calls in one process; memory after each tenth: {', '.join(sizes)} MB")
    waiting = flush(120)
    store = get_tracker().spool
    assert store is not None
    queries = {
        "newest traces": lambda: store.traces(20), "one trace": lambda: store.trace(store.traces(1)[0].trace_id),
        "statistics": store.stats,
    }  # fmt: skip
    took = []
    for name, query in queries.items():
        began = time.perf_counter()
        query()
        took.append(f"{name} {time.perf_counter() - began:.3f} s")
    size = sum(file.stat().st_size for file in store.path.parent.glob(store.path.name + "*")) / 1e6
    print(f"#  undelivered {waiting}, losses {store.stats().losses}; store {size:.0f} MB; {'; '.join(took)}")
    shutdown(1)
    eventually(lambda: threading.active_count() == 1, 10)
    names = sorted(thread.name for thread in threading.enumerate() if thread is not threading.main_thread())
    print(f"#  threads after shutdown: {names or 'none'}", flush=True)


@contextmanager
def provider() -> Iterator[str]:
    """Serve the model in a process of its own; yield its URL."""
    command = [sys.executable, str(ROOT / "benchmarks" / "overhead.py"), "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.kill()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "trials",
        nargs="*",
        choices=["outage", "kill", "acknowledgements", "many", []],
        help="which; all where none is named",
    )
    parser.add_argument("--calls", type=int, default=20_000, help="calls during the outage, and observations")
    parser.add_argument("--rounds", type=int, default=100, help="rounds of killing")
    parser.add_argument("--many", type=int, default=100_000, help="calls in one process")
    parser.add_argument("--job", choices=["calls", "outage", "many"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        {"calls": calls, "outage": work_through_an_outage, "many": work_through_many}[options.job](options.calls)
        return
    trials = options.trials or ["outage", "kill", "acknowledgements", "many"]
    if "acknowledgements" in trials:
        acknowledgements(options.calls)
    with provider() as url:
        if "outage" in trials:
            outage(url, options.calls)
        if "kill" in trials:
            kill(url, options.rounds)
        if "many" in trials:
            many(url, options.many)


if __name__ == "__main__":
    main()

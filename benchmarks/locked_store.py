"""Measure decisions while another process holds the trace store's write lock, and count their rows afterwards.

Real calls of the openai SDK go to models on a loopback server, one of which replies with a long text full of escapes,
which takes long to redact. Each decision has a deadline; the store is locked and freed again at random moments.

Usage: python benchmarks/locked_store.py [--decisions 100] [--total 2.0]
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.servers import Received, Reply, Server, chat_reply, decision  # noqa: E402 - once it can be found

LOCK = (
    "import sqlite3, sys\n"
    "connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)\n"
    "for line in sys.stdin:\n"
    "    connection.execute(line.strip())\n"
    "    print('done', flush=True)\n"
)
MEMBERS = ["openai:a", "openai:b", "openai:long"]
ROWS = len(MEMBERS) + 1


class Locker:
    """Another process that takes and frees the store's write lock, until it is closed."""

    def __init__(self, path: Path, longest_s: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", LOCK, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._longest_s = longest_s
        self._closed = threading.Event()
        self.locked_s = 0.0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _say(self, statement: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(statement, file=self._process.stdin, flush=True)
        self._process.stdout.readline()

    def _run(self) -> None:
        rng = random.Random(7)  # noqa: S311 - moments, not secrets
        while not self._closed.is_set():
            self._say("BEGIN IMMEDIATE")
            began = time.monotonic()
            self._closed.wait(rng.uniform(self._longest_s / 2, self._longest_s))
            self._say("COMMIT")
            self.locked_s += time.monotonic() - began
            self._closed.wait(0.05)

    def close(self) -> None:
        """Free the store, and end the process."""
        self._closed.set()
        self._thread.join()
        self._process.communicate("")


def answer(request: Received) -> Reply:
    is_long = request.json["model"] == "long"
    return chat_reply(decision("BUY", 70, '%25\\u00e9\\"' * 100_000 if is_long else "because"))


def measure(decisions: int, total_s: float) -> None:
    from src.agents.trading_agent import TradingAgent
    from src.observability import get_tracker
    from src.observability.store import background
    from tests.integration.test_swarm import CANDLES

    agent = TradingAgent(MEMBERS, total_timeout_s=total_s, member_timeout_s=total_s)
    agent.decide("BTC-USD", CANDLES)
    spool = get_tracker().spool
    assert spool is not None
    locker, seconds, whole, traces = Locker(spool.path, longest_s=20.0), [], 0, []
    began = time.monotonic()
    for _ in range(decisions):
        started = time.monotonic()
        result = agent.decide("BTC-USD", CANDLES)
        seconds.append(time.monotonic() - started)
        whole += all(vote.action for vote in result.votes)
        traces.append(result.trace_id or "")
    took_s = time.monotonic() - began
    locker.close()
    left = background.drain(300)
    rows = [len(spool.trace(trace)) for trace in traces]
    in_time = sum(duration <= total_s for duration in seconds)
    print(f"{decisions} decisions in {took_s:.1f} s, the store locked for {locker.locked_s:.1f} s of it and after")
    print(f"within their deadline of {total_s:g} s: {in_time}; with the votes of all members: {whole}")
    print(f"median {statistics.median(seconds):.3f} s, longest {max(seconds):.3f} s")
    print(f"rows afterwards: {sum(rows)} of {ROWS * decisions}; waiting: {left}; lost: {spool.losses}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=100)
    parser.add_argument("--total", type=float, default=2.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Server(answer) as server:
        os.environ.update(
            MOONDEV_TRACE_DB=f"{folder}/traces.db", MOONDEV_DOTENV="off", OPENAI_BASE_URL=f"{server.url}/v1",
            OPENAI_KEY="sk-benchmark-0123456789abcdef",
        )  # fmt: skip
        measure(arguments.decisions, arguments.total)


if __name__ == "__main__":
    main()

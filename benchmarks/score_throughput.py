"""Measure how many scores a second are delivered to a Langfuse server on loopback that takes 40 ms for each request.

Usage: python benchmarks/score_throughput.py [--scores 10000] [--latency-ms 40]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from src.observability.delivery.destinations import langfuse_destination  # noqa: E402 - once it can be found
from src.observability.delivery.exporter import Exporter  # noqa: E402 - as above
from src.observability.store.records import ScoreRecord  # noqa: E402 - as above
from src.observability.store.spool import Spool  # noqa: E402 - as above
from tests.langfuse_server import LangfuseServer  # noqa: E402 - as above

if TYPE_CHECKING:
    from tests.servers import Received, Reply


def score(number: int) -> ScoreRecord:
    """Return one score of a decision."""
    return ScoreRecord(
        id=f"s{number}",
        trace_id=f"{number + 1:032x}",
        observation_id=None,
        session_id=None,
        name="pnl",
        value=number / 7,
        data_type="NUMERIC",
        comment="closed at the target",
        timestamp_ns=time.time_ns(),
        environment="default",
    )


def measure(version: str, count: int, latency_s: float) -> None:
    """Deliver scores to a server of one version, and print how that went."""

    def slowly(_: Received) -> Reply | None:
        time.sleep(latency_s)
        return None

    with tempfile.TemporaryDirectory() as folder, LangfuseServer(version=version) as server:
        spool = Spool(Path(folder) / "t.db")
        for number in range(count):
            spool.append_score(score(number))
        server.answer = slowly
        exporter = Exporter(spool, [langfuse_destination(server.url, "pk-lf-1", "sk-lf-1")])
        began, used = time.perf_counter(), time.process_time()
        waiting = exporter.flush(600)
        took, used = time.perf_counter() - began, time.process_time() - used
        exporter.shutdown(0)
        route, sizes = server.score_requests[0][0], [size for _, size in server.score_requests]
        print(
            f"server {version}: {count:,} scores in {took:.2f} s, {count / took:,.0f} a second, by {route}, "
            f"{len(sizes):,} requests of at most {max(sizes)}; {used / count * 1e6:.0f} us of CPU each, the server's "
            f"included; undelivered {waiting}, stored {len(server.scores):,}"
        )
        if waiting or len(server.scores) != count:
            sys.exit("some scores did not arrive")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--scores", type=int, default=10_000)
    parser.add_argument("--latency-ms", type=float, default=40.0)
    options = parser.parse_args()
    for version in ("4.16.0", "4.59.0"):
        measure(version, options.scores, options.latency_ms / 1000)


if __name__ == "__main__":
    main()

"""Measure what it costs to know whose call it is: the walk along the stack alone, and as a part of a stored call.

Generations are opened, filled as a call of 1 KB does, and stored, in rounds that take turns with and without the walk;
CPU times are those of this process, medians of the rounds.

Usage: python -m benchmarks.calling_agent [--rounds 15] [--calls 300]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from typing import TYPE_CHECKING
from unittest import mock

if TYPE_CHECKING:
    from collections.abc import Callable

DEPTHS = (3, 10, 30)
_WALKS = 20_000


def walk_ns(depth: int, walk: Callable[[], object]) -> float:
    """Return the CPU nanoseconds of a walk from this many calls deep."""
    if depth:
        return walk_ns(depth - 1, walk)
    walk()
    began = time.process_time_ns()
    for _ in range(_WALKS):
        walk()
    return (time.process_time_ns() - began) / _WALKS


def stored_us(calls: int) -> float:
    """Return the CPU microseconds of one stored generation."""
    from src.observability.tracing import observation

    prompt = "BTC-USD 15m close 42,000.10 RSI 61.2 " * 27
    began = time.process_time_ns()
    for number in range(calls):
        with observation.start("openai.generate", "generation").current() as generation:
            generation.set(MODEL="gpt-4o", PROVIDER="openai").update(input=f"{number} {prompt}", output="HOLD").end()
    return (time.process_time_ns() - began) / calls / 1000


def _nobody() -> None:
    """Name no agent."""


def main() -> None:
    """Print the cost of a walk by depth, and the ratio of a stored call with it to one without."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"MOONDEV_TRACE_DB": f"{folder}/traces.db", "MOONDEV_DOTENV": "off", "MOONDEV_OFFLINE": "1"}
        from src.observability.spans import calling_agent

        for depth in DEPTHS:
            print(f"a walk of {depth} calls: {walk_ns(depth, calling_agent.calling_agent) / 1000:.2f} us")
        stored_us(options.calls)
        with_walk, without = [], []
        for _ in range(options.rounds):
            with_walk.append(stored_us(options.calls))
            with mock.patch.object(calling_agent, "calling_agent", _nobody):
                without.append(stored_us(options.calls))
        known, unknown = statistics.median(with_walk), statistics.median(without)
        print(
            f"a stored generation: {known:.0f} us with its agent, {unknown:.0f} us without, ratio {known / unknown:.3f}"
        )


if __name__ == "__main__":
    main()

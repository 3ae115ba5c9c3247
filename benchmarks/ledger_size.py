"""Measure what a ledger of many decisions takes on disk, and how long `moondev decisions` works on it.

python -m benchmarks.ledger_size --decisions 1000000            # bytes, with votes of three members and an outcome
python -m benchmarks.ledger_size --decisions 300000 --commands  # and the CPU time of `list` and `report`
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from src.observability.ledger import MemberVote, write_votes
from src.observability.store.ledger_records import DecisionRecord, OutcomeRecord
from src.observability.store.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_STEP_NS = 900 * 1_000_000_000
_START_NS = 1_600_000_000 * 1_000_000_000
_BATCH = 5_000
_COSTS = json.dumps({"fee_bps": 10.0, "spread_bps": 0.0, "slippage_bps": 0.0})
_MODELS = ("openai:gpt-4o-2024-08-06", "claude:claude-sonnet-4-5", "deepseek:deepseek-chat")


def records(count: int, members: int) -> Iterator[DecisionRecord | OutcomeRecord]:
    """Yield decisions as a swarm of some members makes them, each with the outcome of a day."""
    chance = random.Random(1)  # noqa: S311 - made-up decisions
    price = 40_000.0
    session = str(uuid.UUID(int=chance.getrandbits(128)))
    for number in range(count):
        price *= 1 + chance.gauss(0, 0.002)
        action = chance.choice(("BUY", "SELL", "NOTHING"))
        made_ns, name = _START_NS + number * _STEP_NS, f"{chance.getrandbits(128):032x}"
        exit_price = price * (1 + chance.gauss(0, 0.02))
        direction = {"BUY": 1, "SELL": -1}.get(action, 0)
        gross = direction * (exit_price / price - 1)
        votes = [
            MemberVote(
                member=_MODELS[place % 3],
                action=action if chance.random() < 0.8 else "NOTHING",
                confidence=chance.randrange(50, 100),
                latency_ms=chance.uniform(500, 3000),
                cost_usd=round(chance.uniform(0.0001, 0.01), 6),
                observation_id=f"{chance.getrandbits(64):016x}",
                model=_MODELS[place % 3].partition(":")[2],
            )
            for place in range(members)
        ]
        yield DecisionRecord(
            id=name, time_ns=made_ns, as_of_ns=made_ns, symbol="BTC-USD", action=action,
            confidence=float(chance.randrange(50, 100)), price=price, timeframe="15m", agent="trading_agent",
            prompt_name="trading", prompt_hash=f"{chance.getrandbits(128):032x}", models=json.dumps(_MODELS[:members]),
            votes=write_votes(votes), snapshot_hash=f"{chance.getrandbits(128):032x}", environment="paper", book="live",
            trace_id=f"{chance.getrandbits(128):032x}", observation_id=f"{chance.getrandbits(64):016x}",
            session_id=session, cost_usd=0.0123,
        )  # fmt: skip
        yield OutcomeRecord(
            decision_id=name, horizon="24h", entry_ns=made_ns, entry=price, exit_ns=made_ns + 96 * _STEP_NS,
            exit=exit_price, exit_reason="horizon", gross=gross, net=gross - 0.002 * abs(direction),
            correct=gross > 0 if direction else None, brier=0.25 if direction else None, costs=_COSTS,
            source="BTC-USD-15m.csv", resolved_ns=made_ns + 97 * _STEP_NS,
        )  # fmt: skip


def fill(path: Path, count: int, members: int) -> int:
    """Write a ledger; return its bytes."""
    spool = Spool(path)
    batch: list[DecisionRecord | OutcomeRecord] = []
    for record in records(count, members):
        batch.append(record)
        if len(batch) >= _BATCH:
            spool.append_ledger_rows(batch)
            batch = []
    spool.append_ledger_rows(batch)
    spool.close()
    return sum(file.stat().st_size for file in path.parent.glob(path.name + "*"))


def _run(path: Path, *words: str) -> dict[str, object]:
    """Return the wall and CPU seconds of one command, and the most memory that any command took until now."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {**os.environ, "MOONDEV_TRACE_DB": str(path)}
    code = "from src.cli.start import main; main()"
    subprocess.run([sys.executable, "-c", code, *words], env=environment, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "command": " ".join(words),
        "cpu_s": round(cpu, 2),
        "wall_s": round(time.perf_counter() - began, 2),
        "peak_mb": after.ru_maxrss // 1024,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Fill a ledger in a temporary folder, and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decisions", type=int, default=1_000_000)
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None, help="where the file is written for the while")
    parser.add_argument("--commands", action="store_true", help="time `list` and `report` on it")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "traces.db"
        size = fill(path, options.decisions, options.members)
        result: dict[str, object] = {
            "decisions": options.decisions,
            "members": options.members,
            "bytes": size,
            "bytes_per_decision": round(size / options.decisions, 1),
        }
        if options.commands:
            result["commands"] = [
                _run(path, "decisions", "list"),
                _run(path, "decisions", "report"),
                _run(path, "decisions", "report", "--by", "model"),
            ]
        print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()

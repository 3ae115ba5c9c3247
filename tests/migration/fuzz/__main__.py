"""Run the fuzzer: `python -m tests.migration.fuzz --seed 1 --programs 20000 --jobs 2 --out FOLDER`.

Each program's record is appended to the folder as it is judged: started again with the same folder, the fuzzer goes on
with the programs that have none.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import queue
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.migration.behaviour.loopback import Loopback
from tests.migration.behaviour.running import Runner
from tests.migration.fuzz.diagnose import CAUSES, calmed, cause
from tests.migration.fuzz.grow import grow
from tests.migration.fuzz.judge import BROKEN, OTHER, UNREPORTED, Judge
from tests.migration.fuzz.minimize import minimized
from tests.migration.fuzz.records import UNJUDGED, Records

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from multiprocessing.queues import Queue

    from tests.migration.fuzz.draft import Program

_MINIMIZED_OF_A_KIND = 2
_SUMMARY_EVERY_S = 30


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz; return 0 where no program is broken or silently other, 1 where some are, 2 where not all were judged."""
    options = _parser().parse_args(arguments)
    seeds = options.seeds or range(options.seed, options.seed + options.programs)
    with Records(options.out) as records:
        remaining = [seed for seed in seeds if not records.is_judged(seed)]
        if remaining:
            _judge_all(remaining, records, options)
        summary = records.summary()
        missing = sum(not records.is_judged(seed) for seed in seeds)
    sys.stdout.write(json.dumps({name: value for name, value in summary.items() if name != "tags"}, indent=1) + "\n")
    if missing:
        sys.stderr.write(f"{missing} programs were not judged: see the records of the kind {UNJUDGED}\n")
        return 2
    return 1 if summary["faults"] else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.migration.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first program's number")
    parser.add_argument("--programs", type=int, default=200, help="how many programs")
    parser.add_argument("--seeds", type=int, nargs="*", help="these programs alone")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--whole", action="store_true", help="do not make programs with faults smaller")
    parser.add_argument("--calm", nargs="*", default=[], choices=sorted(CAUSES), help="leave these causes out")
    parser.add_argument("--out", type=Path, default=Path("fuzz-results"), help="the folder for records and faults")
    return parser


def _judge_all(seeds: Sequence[int], records: Records, options: argparse.Namespace) -> None:
    """Have processes judge programs, and keep each record as it comes."""
    results: Queue[dict[str, Any]] = multiprocessing.Queue()
    workers = [
        multiprocessing.Process(target=_work, args=(seeds[at :: options.jobs], results, options), daemon=True)
        for at in range(options.jobs)
    ]
    for worker in workers:
        worker.start()
    version, kinds = _version(), Counter[str]()
    start = written = time.monotonic()
    while True:
        try:
            record = results.get(timeout=1)
        except queue.Empty:
            if not any(worker.is_alive() for worker in workers):  # a process that ends has sent its records
                return
            continue
        records.add({**record, "version": version})
        kinds[record["kind"]] += 1
        if time.monotonic() - written > _SUMMARY_EVERY_S:
            written = time.monotonic()
            records.write_summary()
            rate = kinds.total() / (written - start)
            sys.stderr.write(f"{kinds.total():,} of {len(seeds):,}, {rate:.1f}/s: {dict(kinds)}\n")
            sys.stderr.flush()


def _version() -> str:
    """Return the commit that is judged, with a mark where the tree differs from it."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=10"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _work(seeds: Iterable[int], results: Queue[dict[str, Any]], options: argparse.Namespace) -> None:
    """Judge the programs of some numbers, and send one record for each."""
    folder = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a temporary folder is made in it
    counts: Counter[str] = Counter()
    parent = os.getppid()
    with tempfile.TemporaryDirectory(dir=folder) as name, Loopback(Path(name)) as loopback:
        runner, judge = _judge_in(Path(name), loopback)
        for seed in seeds:
            if os.getppid() != parent:
                break  # nobody keeps the records any more
            start = time.monotonic()
            try:
                program = calmed(grow(seed), options.calm)
                record = _record(program, judge, counts, makes_smaller=not options.whole)
            except Exception:  # noqa: BLE001 - it is recorded, and the next program judged
                record = {"seed": seed, "kind": UNJUDGED, "lines": [traceback.format_exc()]}
                runner.close()
                runner, judge = _judge_in(Path(name), loopback)  # the last one's answer may still come
            results.put({**record, "seconds": round(time.monotonic() - start, 3)})
            del loopback.received[:]
        runner.close()


def _judge_in(folder: Path, loopback: Loopback) -> tuple[Runner, Judge]:
    """Return a judge that works in a new folder below, and what runs its programs."""
    work = Path(tempfile.mkdtemp(dir=folder))
    runner = Runner(loopback, work)
    return runner, Judge(runner, work)


def _record(program: Program, judge: Judge, counts: Counter[str], *, makes_smaller: bool) -> dict[str, Any]:
    """Judge a program; where it has a fault, name its cause and make it smaller."""
    verdict = judge.judge(program)
    record: dict[str, Any] = {
        "seed": program.seed, "kind": verdict.kind, "calls": program.calls, "moved": min(verdict.moved, program.calls),
        "attempts_differ": verdict.attempts_differ, "left": verdict.left, "review": verdict.review,
        "tags": program.tags, "lines": verdict.lines,
        "reasons": [site["reason"] for site in verdict.sites if site["status"] != "migrated"],
    }  # fmt: skip
    if verdict.kind in (OTHER, BROKEN):
        record["category"] = f"{verdict.kind}: {cause(program, judge)}"
        counts[record["category"]] += 1
        makes_smaller &= verdict.lines[0] != UNREPORTED  # how many calls a smaller program has is not known
        if makes_smaller and counts[record["category"]] <= _MINIMIZED_OF_A_KIND:
            program = minimized(program, lambda smaller: _fault_of(smaller, judge))
            verdict = judge.judge(program)
        record |= {
            "files": program.files, "after": dict(verdict.after), "scripts": program.scripts, "lines": verdict.lines,
            "environment": program.environment, "sites": list(verdict.sites),
        }  # fmt: skip
    return record


def _fault_of(program: Program, judge: Judge) -> str | None:
    """Return the kind of a smaller program's fault; None where what it asks is no request of a model any more."""
    try:
        return judge.judge(program).fault
    except (LookupError, TypeError, AttributeError):  # the normal form reads messages that are not there
        return None


if __name__ == "__main__":
    sys.exit(main())

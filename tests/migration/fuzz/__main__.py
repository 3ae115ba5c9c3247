"""Run the fuzzer: `python -m tests.migration.fuzz --seed 1 --programs 20000 --jobs 2`."""

from __future__ import annotations

import argparse
import json
import multiprocessing
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
from tests.migration.fuzz.judge import BROKEN, OTHER, VOID, Judge
from tests.migration.fuzz.minimize import minimized

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.queues import Queue

    from tests.migration.fuzz.draft import Program

_MINIMIZED_OF_A_KIND = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz; return 0 where no program is broken or silently other, 1 where some are, 2 where not all were judged."""
    options = _parser().parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    seeds = options.seeds or range(options.seed, options.seed + options.programs)
    results: Queue[dict[str, Any] | None] = multiprocessing.Queue()
    workers = [
        multiprocessing.Process(target=_work, args=(list(seeds)[at :: options.jobs], results, options))
        for at in range(options.jobs)
    ]
    for worker in workers:
        worker.start()
    totals = _collect(results, len(workers), len(seeds), options.out)
    for worker in workers:
        worker.join()
    (options.out / "results.json").write_text(json.dumps(totals, indent=1) + "\n", "utf-8")
    sys.stdout.write(json.dumps({name: value for name, value in totals.items() if name != "tags"}, indent=1) + "\n")
    if totals["programs"] != len(seeds):
        sys.stderr.write(f"{len(seeds) - totals['programs']} programs were not judged: a process ended\n")
        return 2
    return 1 if totals["faults"] else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.migration.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first program's number")
    parser.add_argument("--programs", type=int, default=200, help="how many programs")
    parser.add_argument("--seeds", type=int, nargs="*", help="these programs alone")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--whole", action="store_true", help="do not make programs with faults smaller")
    parser.add_argument("--calm", nargs="*", default=[], choices=sorted(CAUSES), help="leave these causes out")
    parser.add_argument("--out", type=Path, default=Path("fuzz-results"), help="the folder for results and faults")
    return parser


def _work(seeds: Sequence[int], results: Queue[dict[str, Any] | None], options: argparse.Namespace) -> None:
    """Judge the programs of some numbers, and send one record for each."""
    folder = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a temporary folder is made in it
    counts: Counter[str] = Counter()
    try:
        with tempfile.TemporaryDirectory(dir=folder) as name, Loopback(Path(name)) as loopback:
            work = Path(name)
            runner = Runner(loopback, work)
            judge = Judge(runner, work)
            for seed in seeds:
                program = calmed(grow(seed), options.calm)
                results.put(_record(program, judge, counts, makes_smaller=not options.whole))
                del loopback.received[:]
            runner.close()
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        results.put(None)


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


def _collect(results: Queue[dict[str, Any] | None], workers: int, programs: int, out: Path) -> dict[str, Any]:
    """Collect the records, show the progress, and write each fault as it comes."""
    kinds: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    categories: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    tags: dict[str, Counter[str]] = {}
    faults: list[int] = []
    start = shown = time.monotonic()
    while workers:
        record = results.get()
        if record is None:
            workers -= 1
            continue
        kinds[record["kind"]] += 1
        if record["kind"] != VOID:
            sums.update({name: record[name] for name in ("calls", "moved", "review")})
            sums["attempts_differ"] += record["attempts_differ"]
            sums["unmoved"] += record["calls"] - record["moved"]
        if record["moved"] < record["calls"]:
            reasons[record["reasons"][0][:110] if record["reasons"] else "?"] += 1
        for tag in record["tags"]:
            tags.setdefault(tag, Counter()).update({record["kind"]: 1, "moved": record["moved"], "calls": 1})
        if record["kind"] in (OTHER, BROKEN):
            faults.append(record["seed"])
            categories[record["category"]] += 1
            _write_fault(record, out)
        if time.monotonic() - shown > 10:
            shown = time.monotonic()
            rate = sum(kinds.values()) / (shown - start)
            sys.stderr.write(f"{sum(kinds.values()):,} of {programs:,}, {rate:.1f}/s: {dict(kinds)}\n")
            sys.stderr.flush()
    return {
        "programs": sum(kinds.values()), "kinds": dict(kinds), **sums,
        "moved_share": round(sums["moved"] / max(sums["calls"], 1), 4), "seconds": round(time.monotonic() - start),
        "faults": sorted(faults), "categories": dict(categories.most_common()),
        "why_left": dict(reasons.most_common(40)), "tags": {name: dict(tags[name]) for name in sorted(tags)},
    }  # fmt: skip


def _write_fault(record: dict[str, Any], out: Path) -> None:
    """Write a program with its fault as a text to read."""
    head = {name: record[name] for name in ("seed", "category", "tags", "scripts", "environment", "sites")}
    parts = [json.dumps(head, indent=1), *record["lines"]]
    for name, text in record["files"].items():
        parts += [f"===== before: {name}", text, f"===== after: {name}", record["after"].get(name, "")]
    (out / f"fault-{record['seed']}.txt").write_text("\n".join(parts), "utf-8")


if __name__ == "__main__":
    sys.exit(main())

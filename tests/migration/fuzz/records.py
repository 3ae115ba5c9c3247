"""The records of a fuzzer's run: a line of JSON for each program, written as it is judged, and their summary."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, TypeAlias

from tests.migration.fuzz.judge import BROKEN, OTHER, VOID

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

Record: TypeAlias = "Mapping[str, Any]"

PROGRAMS, SUMMARY = "programs.jsonl", "results.json"
UNJUDGED = "unjudged"  # judging the program raised; a run that goes on judges it again


class Records:
    """The records of a folder: those of earlier runs are read, new ones appended at once.

    A line that a killed run left unfinished is cut off. The last record of a program counts.
    """

    def __init__(self, folder: Path) -> None:
        """Open a folder's records; the folder is made where it is not there."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._records: dict[int, Record] = {}
        path = folder / PROGRAMS
        path.touch()
        _cut_unfinished_line(path)
        for line in path.read_text("utf-8").splitlines():
            self._keep(json.loads(line))
        self._file = path.open("a", encoding="utf-8")

    def __enter__(self) -> Records:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.write_summary()
        self._file.close()

    def add(self, record: Record) -> None:
        """Append a program's record to the file, and write its fault as a text to read."""
        line = json.dumps(record)
        self._file.write(line + "\n")
        self._file.flush()
        if record["kind"] in (OTHER, BROKEN):
            _write_fault(record, self._folder)
        self._keep(json.loads(line))

    def is_judged(self, seed: int) -> bool:
        """Tell whether a program has a verdict."""
        record = self._records.get(seed)
        return record is not None and bool(record["kind"] != UNJUDGED)

    def write_summary(self) -> None:
        """Write the summary of all records in place of the last one, which stays whole until then."""
        fresh = self._folder / f"{SUMMARY}.new"
        fresh.write_text(json.dumps(self.summary(), indent=1) + "\n", "utf-8")
        fresh.replace(self._folder / SUMMARY)

    def summary(self) -> dict[str, Any]:
        """Return the counts of all records, by kind, reason and tag."""
        return summary_of(self._records.values())

    def _keep(self, record: dict[str, Any]) -> None:
        for name in ("files", "after", "scripts", "environment", "sites"):  # which only a fault's text shows
            record.pop(name, None)
        self._records[record["seed"]] = record


def summary_of(records: Iterable[Record]) -> dict[str, Any]:
    """Return the counts of some records; what was not judged counts in `kinds` alone."""
    kinds: Counter[str] = Counter()
    sums: Counter[str] = Counter(calls=0, moved=0, review=0, unmoved=0, attempts_differ=0)
    categories: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    versions: Counter[str] = Counter()
    tags: dict[str, Counter[str]] = {}
    faults: list[int] = []
    for record in records:
        kinds[record["kind"]] += 1
        if record["kind"] == UNJUDGED:
            continue
        versions[record["version"]] += 1
        if record["kind"] != VOID:
            sums.update({name: record[name] for name in ("calls", "moved", "review", "attempts_differ")})
            sums["unmoved"] += record["calls"] - record["moved"]
            if record["moved"] < record["calls"]:
                reasons[_why(record["reasons"])] += record["calls"] - record["moved"]
        for tag in record["tags"]:
            tags.setdefault(tag, Counter()).update(
                {record["kind"]: 1, "moved": record["moved"], "calls": record["calls"]}
            )
        if record["kind"] in (OTHER, BROKEN):
            faults.append(record["seed"])
            categories[record["category"]] += 1
    return {
        "programs": sum(kinds.values()) - kinds[UNJUDGED], "kinds": dict(kinds), **sums,
        "moved_share": round(sums["moved"] / max(sums["calls"], 1), 4), "versions": dict(versions),
        "faults": sorted(faults), "categories": dict(categories.most_common()),
        "why_left": dict(reasons.most_common(40)), "tags": {name: dict(tags[name]) for name in sorted(tags)},
    }  # fmt: skip


def _why(reasons: Sequence[str]) -> str:
    """Return why a call stayed, the same for like ones: of a call's own reason what tells it from others."""
    of_calls = [reason for reason in reasons if not reason.startswith(("what it sends is traced", "review: "))]
    text = (of_calls or list(reasons) or ["?"])[0].removeprefix("its client is traced, and stays: ")
    return re.sub(r"\bline \d+\b", "line N", text)[:110]


def _cut_unfinished_line(path: Path) -> None:
    """Cut off what follows the last line's end."""
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    if end != len(content):
        os.truncate(path, end)


def _write_fault(record: Record, folder: Path) -> None:
    """Write a program with its fault as a text to read."""
    head = {name: record[name] for name in ("seed", "version", "category", "tags", "scripts", "environment", "sites")}
    parts = [json.dumps(head, indent=1), *record["lines"]]
    for name, text in record["files"].items():
        parts += [f"===== before: {name}", text, f"===== after: {name}", record["after"].get(name, "")]
    (folder / f"fault-{record['seed']}.txt").write_text("\n".join(parts), "utf-8")

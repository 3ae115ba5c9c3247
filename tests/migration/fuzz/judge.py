"""Run a program before and after its migration, and judge whether it does the same."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from src.migration.rewrite import command
from tests.commands import run_main
from tests.migration.behaviour.running import Outcome, Runner, repr_of
from tests.migration.fuzz.handlers import WORDS
from tests.migration.fuzz.scripts import FAILURES, Script

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.migration.fuzz.draft import Program

SAME, REVIEWED, OTHER, BROKEN, VOID = "same", "reviewed", "other", "broken", "void"
_CRASHES = re.compile(
    r"^(NameError|SyntaxError|IndentationError|ImportError|ModuleNotFoundError|UnboundLocalError|AttributeError"
    r"|TypeError|KeyError|RuntimeError|RuntimeWarning)\b.*",
    re.MULTILINE,
)
_FAULTY = re.compile(
    r"^(NameError|SyntaxError|IndentationError|ImportError|ModuleNotFoundError|UnboundLocalError)\b", re.MULTILINE
)
_PATIENCE_S = 40
UNREPORTED = "a call is neither moved nor reported"
_AT_ONCE = frozenset(
    {"pool", "futures", "threads", "async tasks", "async gather", "async group", "async semaphore"}
)  # drivers, by their tags


@dataclass(frozen=True)
class Verdict:
    """What became of one program.

    Attributes:
        kind: SAME; REVIEWED, where it differs and the report says `review`; OTHER, where it differs without a word;
            BROKEN, where it fails afterwards with an error of Python's; VOID, where it does not work before.
        lines: How it differs.
        moved: How many calls moved.
        left: How many the report lists as left.
        review: How many of those that moved the report says to read again.
        after: The files after the migration.
        sites: The report's places.
        attempts_differ: Whether a request that failed was made another number of times, by the retry policy.
    """

    kind: str
    lines: tuple[str, ...]
    moved: int
    left: int
    review: int
    after: Mapping[str, str]
    sites: tuple[Mapping[str, Any], ...]
    attempts_differ: bool = False

    @property
    def fault(self) -> str | None:
        """Return the kind of the fault without its particulars, None where there is none."""
        if self.kind not in (OTHER, BROKEN):
            return None
        return f"{self.kind} {' '.join(self.lines[0].split()[:2])}"


@dataclass(frozen=True)
class Migration:
    """The files after a migration, its report's places and what went wrong."""

    files: dict[str, str]
    sites: tuple[dict[str, Any], ...]
    fault: str = ""


class Judge:
    """Judges programs, one at a time."""

    def __init__(self, runner: Runner, work: Path) -> None:
        self._runner, self._work = runner, work
        self._count = 0

    def judge(self, program: Program) -> Verdict:
        """Return what becomes of a program; a difference counts where it occurs twice."""
        verdict = self.judge_once(program)
        return self.judge_once(program) if verdict.kind in (OTHER, BROKEN) else verdict

    def judge_once(self, program: Program) -> Verdict:
        """Return what becomes of a program in one run before and one after."""
        self._count += 1
        folder = self._work / f"program{self._count}"
        try:
            return self.compare(program, migrate(program.files, folder / "after"), folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def compare(self, program: Program, migration: Migration, folder: Path) -> Verdict:
        """Return what becomes of a program by a migration; the folder is for its files."""
        counts = Counter(site["status"] for site in migration.sites)
        verdict = Verdict(
            kind=SAME, lines=(), moved=counts["migrated"] + counts["review"],
            left=counts["left"] + counts["traced"],
            review=counts["review"], after=migration.files, sites=migration.sites,
        )  # fmt: skip
        if migration.fault:
            return replace(verdict, kind=BROKEN, lines=(migration.fault,))
        if verdict.moved + verdict.left < program.calls:
            return replace(verdict, kind=OTHER, lines=(UNREPORTED,))
        before = self._run(program, program.files, folder / "before")
        if _FAULTY.search(before.err):
            return replace(verdict, kind=VOID, lines=(before.err[-300:],))
        if migration.files == program.files:
            return verdict
        after = self._run(program, migration.files, folder / "run")
        if _is_concurrent(program):
            before, after = (replace(outcome, out=in_any_order(program, outcome)) for outcome in (before, after))
        lines = differences(before, after)
        if lines and self._fails_alike(program, before, after, folder / "failed"):
            lines = []
        if not lines and program.traced and verdict.moved and before.requests and not after.traced and not verdict.left:
            lines = ["no call was recorded"]
        if not lines:
            return verdict
        if all(line.startswith("asked ") and " times, now " in line for line in lines) and _only_failures(
            program, lines
        ):
            return replace(verdict, attempts_differ=True)
        lines += [f"before: {before.err[-400:]}", f"after: {after.err[-400:]}"]
        kind = REVIEWED if verdict.review else BROKEN if is_broken(before, after) else OTHER
        return replace(verdict, kind=kind, lines=tuple(lines))

    def _run(self, program: Program, files: Mapping[str, str], folder: Path) -> Outcome:
        write(files, folder)
        environment = dict(program.environment)
        if not program.traced:
            environment["MOONDEV_TRACING"] = "off"
        script = Script(program.scripts)
        return self._runner.execute(folder / "main.py", script.answer, environment, "script", _PATIENCE_S)

    def _fails_alike(self, program: Program, before: Outcome, after: Outcome, folder: Path) -> bool:
        """Tell whether a program does what it did for a failure, where its provider replies with no reply at all.

        SDKs hand on an empty object, whose reading raises or not; the factory raises where the call stands.
        """
        events = {mark: tuple("500" if event in ("malformed", "html") else event for event in script)
                  for mark, script in program.scripts.items()}  # fmt: skip
        if events == program.scripts:
            return False
        failed = self._run(replace(program, scripts=events), program.files, folder)
        first, second = (replace(outcome, requests=[]) for outcome in (failed, after))
        return not differences(first, second) and set(map(repr_of, after.requests)) == set(
            map(repr_of, before.requests)
        )


def migrate(files: Mapping[str, str], folder: Path) -> Migration:
    """Migrate a program's files as the command does."""
    write(files, folder)
    report = folder.with_name("report.json")
    done = run_main(command.main, folder, "--write", "--allow-dirty", "--jobs", "1", "--report", report)
    if done.returncode not in (command.NOTHING, command.DONE, command.LEFT_OVER):
        return Migration(dict(files), (), f"the migration ended with {done.returncode}: {done.stderr[-2000:]}")
    after = {name: (folder / name).read_text(encoding="utf-8") for name in files}
    sites = json.loads(report.read_text(encoding="utf-8"))["sites"]
    for name, text in after.items():
        try:
            compile(text, name, "exec")
        except SyntaxError as error:
            return Migration(after, tuple(sites), f"{name} does not compile: {error}")
    return Migration(after, tuple(sites))


def write(files: Mapping[str, str], folder: Path) -> None:
    """Write a program's files into a new folder."""
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def shown(outcome: Outcome) -> str:
    """Return what a program printed, without the words of errors."""
    return re.sub(rf"^{WORDS}.*(?:\n(?=\s).*)*", WORDS, outcome.out, flags=re.MULTILINE)


def differences(before: Outcome, after: Outcome) -> list[str]:
    """Return how a migrated program's run differs from before; empty where it does not."""
    lines = []
    if shown(before) != shown(after):
        lines.append(f"printed {shown(before)!r}, now {shown(after)!r}")
    if before.code != after.code:
        lines.append(f"ended with {before.code}, now with {after.code}: {after.err[-600:]}")
    first, second = (Counter(map(repr_of, outcome.requests)) for outcome in (before, after))
    if set(first) != set(second):
        lines += [f"asked no more: {text}" for text in sorted(set(first) - set(second))]
        lines += [f"now asked: {text}" for text in sorted(set(second) - set(first))]
    elif first != second:
        lines += [
            f"asked {first[text]} times, now {second[text]}: {text}" for text in first if first[text] != second[text]
        ]
    return lines


def _is_concurrent(program: Program) -> bool:
    """Tell whether a program asks several questions at once, so that its output is in any order."""
    return any(tag.removeprefix("driver:") in _AT_ONCE for tag in program.tags)


def in_any_order(program: Program, outcome: Outcome) -> str:
    """Return the words that a program has printed, sorted; their signs where several streams are printed in pieces."""
    text = shown(outcome)
    is_in_pieces = any('end=""' in code for code in program.files.values())
    return " ".join(sorted("".join(text.split()) if is_in_pieces else text.split()))


def _only_failures(program: Program, lines: list[str]) -> bool:
    """Tell whether the requests that were made another number of times are those that failed."""
    marks = [re.findall(r"\bQ\d+\b", line)[-1:] for line in lines]
    return all(mark and FAILURES.intersection(program.scripts.get(mark[0], ())) for mark in marks)


def is_broken(before: Outcome, after: Outcome) -> bool:
    """Tell whether a program ends with an error of Python's that it did not end with before."""
    crash = _CRASHES.findall(after.err)
    return bool(crash) and after.code != before.code

"""Print the figures of docs/adopt.md, docs/migration.md and docs/check.md anew, from checkouts on this machine.

    .venv/bin/python scripts/adoption_figures.py FOLDER ...                 # each folder is one checkout
    .venv/bin/python scripts/adoption_figures.py --list FILE                # a line for each: a name, a tab, a folder
    .venv/bin/python scripts/adoption_figures.py --clean FOLDER ...         # they call no provider: the check alone

Nothing in the checkouts is run or changed: the migration works on copies in a temporary folder. For each checkout it
prints how many calls move, by style and status, whether every changed file compiles, keeps its definitions and uses no
undefined name that it did not use before, whether a second run changes nothing, and what the check takes, cold and from
its cache, in seconds of processor time.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import json
import resource
import shutil
import subprocess
import symtable
import sys
import tempfile
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATUSES = ("migrated", "review", "traced", "left", "non-chat")


@dataclass
class Figures:
    """What one checkout gave.

    Attributes:
        name: Of the checkout.
        files: Its Python files.
        kilobytes: Their size.
        calls: Sites by style and status.
        reasons: Reasons why sites are left.
        changed: Files that the migration changes.
        faults: What is wrong with them; empty where nothing is.
        findings: What the check finds before, by rule.
        cold_s: Processor time of the check without a cache.
        cached_s: Processor time of the check with one.
    """

    name: str
    files: int = 0
    kilobytes: int = 0
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    changed: int = 0
    faults: list[str] = field(default_factory=list)
    findings: Counter[str] = field(default_factory=Counter)
    cold_s: float = 0.0
    cached_s: float = 0.0


def main() -> int:
    """Print the tables; return 1 where a migrated file is faulty."""
    parser = argparse.ArgumentParser(description="Print the figures of the adoption's documents anew.")
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--list", type=Path, metavar="FILE", help="names and folders, with a tab between")
    parser.add_argument("--clean", action="store_true", help="run the check alone, and show what it finds")
    options = parser.parse_args()
    checkouts = [(folder.name, folder) for folder in options.folders]
    if options.list:
        rows = (line.split("\t") for line in options.list.read_text("utf-8").splitlines() if "\t" in line)
        checkouts += [(name, Path(folder)) for name, folder in rows]
    if not checkouts:
        parser.error("name a folder, or a list of them")
    if missing := [str(folder) for _, folder in checkouts if not folder.is_dir()]:
        parser.error(f"no such folder: {', '.join(missing)}")
    all_figures = []
    for name, folder in checkouts:
        figures = measure(name, folder, clean=options.clean)
        all_figures.append(figures)
        show(_row(figures))
    _show_totals(all_figures)
    return int(any(figures.faults for figures in all_figures))


def measure(name: str, folder: Path, *, clean: bool) -> Figures:
    """Return the figures of one checkout."""
    figures = Figures(name)
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place, "checkout")
        for file in sorted(folder.rglob("*.py")):
            if file.is_file() and not file.is_symlink():
                target = copy / file.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
                figures.files += 1
                figures.kilobytes += file.stat().st_size // 1000
        if figures.files:
            _check(figures, copy, Path(place, "cache"))
            if not clean:
                _migrate(figures, copy, Path(place))
    return figures


def _check(figures: Figures, copy: Path, cache: Path) -> None:
    command = [
        sys.executable,
        str(ROOT / "scripts" / "check_direct_calls.py"),
        "--format",
        "json",
        "--cache",
        str(cache),
    ]
    done, figures.cold_s = _timed([*command, str(copy)])
    _, figures.cached_s = _timed([*command, str(copy)])
    for finding in json.loads(done.stdout)["findings"]:
        figures.findings[finding["rule"]] += 1


def _timed(command: list[str]) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run a command; return what it printed and the processor time of it and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own scripts
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _migrate(figures: Figures, copy: Path, place: Path) -> None:
    """Migrate a copy twice, and look at each file that changed."""
    before = {file: file.read_bytes() for file in copy.rglob("*.py")}
    for report in (place / "first.json", place / "second.json"):
        command = [
            sys.executable,
            str(ROOT / "scripts" / "migrate_to_factory.py"),
            str(copy),
            "--write",
            "--report",
            str(report),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own scripts
        if done.returncode not in (0, 10, 20) or not report.exists():
            figures.faults.append(f"the migration ends with {done.returncode}: {done.stderr.strip()[-200:]}")
            return
        if report.name == "first.json":
            for site in json.loads(report.read_text("utf-8"))["sites"]:
                figures.calls[site["style"], site["status"]] += 1
                if site["status"] == "left":
                    figures.reasons[site["reason"].partition(":")[0][:80]] += 1
            after = {file: file.read_bytes() for file in copy.rglob("*.py")}
    for file, text in before.items():
        if after[file] != text:
            figures.changed += 1
            figures.faults += [f"{file.relative_to(copy)}: {fault}" for fault in faults_of(text, after[file])]
        if file.read_bytes() != after[file]:
            figures.faults.append(f"{file.relative_to(copy)}: a second run changes it")


def faults_of(before: bytes, after: bytes) -> list[str]:
    """Return what is wrong with a migrated file: it does not compile, lost a definition, or uses an undefined name."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(after, "after.py", "exec")
            names = [_names(text) for text in (before, after)]
    except (SyntaxError, ValueError) as error:
        return [f"does not compile: {error}"]
    lost = names[0][0] - names[1][0]
    undefined = names[1][1] - names[0][1]
    return [f"lost {name}" for name in sorted(lost)] + [f"uses the undefined {name}" for name in sorted(undefined)]


def _names(text: bytes) -> tuple[set[str], set[str]]:
    """Return the functions and classes that a file defines, and the names that it uses and never binds."""
    tree = ast.parse(text)
    defined = {
        node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    }
    table = symtable.symtable(text.decode("utf-8", "replace"), "file.py", "exec")
    bound = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    bound |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_namespace()} | set(dir(builtins))
    bound |= {"__file__", "__name__", "__doc__", "__path__", "__spec__", "__annotations__", "__class__"}
    used: set[str] = set()
    pending = [table]
    while pending:
        current = pending.pop()
        pending += current.get_children()
        for symbol in current.get_symbols():
            if symbol.is_declared_global() and symbol.is_assigned():
                bound.add(symbol.get_name())
            if symbol.is_referenced() and (symbol.is_global() or current is table):
                used.add(symbol.get_name())
    return defined, used - bound


def _row(figures: Figures) -> str:
    statuses: Counter[str] = Counter()
    for (_, status), count in figures.calls.items():
        statuses[status] += count
    counts = "  ".join(f"{status} {statuses[status]:>4}" for status in STATUSES)
    lines = [
        f"{figures.name[:44]:<44} {figures.files:>6,} files {figures.kilobytes:>8,} KB  {counts}"
        f"  changed {figures.changed:>4}  found {sum(figures.findings.values()):>5}"
        f"  cold {figures.cold_s:6.2f} s  cached {figures.cached_s:5.2f} s",
        *(f"    FAULT {fault}" for fault in figures.faults),
    ]
    return "\n".join(lines)


def _show_totals(all_figures: list[Figures]) -> None:
    """Print the calls by style, why sites are left, and the times of the check."""
    calls: Counter[tuple[str, str]] = sum((figures.calls for figures in all_figures), Counter())
    reasons: Counter[str] = sum((figures.reasons for figures in all_figures), Counter())
    files = sum(figures.files for figures in all_figures)
    show(f"\n| style | {' | '.join(STATUSES)} |\n|---|{'---|' * len(STATUSES)}")
    for style in sorted({style for style, _ in calls}):
        show(f"| {style} | {' | '.join(str(calls[style, status]) for status in STATUSES)} |")
    show("\nleft because:")
    for reason, count in reasons.most_common(25):
        show(f"{count:>5}  {reason}")
    cold, cached = (sum(times) for times in zip(*((row.cold_s, row.cached_s) for row in all_figures), strict=True))
    megabytes = sum(figures.kilobytes for figures in all_figures) / 1000
    changed, faults = sum(row.changed for row in all_figures), sum(len(row.faults) for row in all_figures)
    show(
        f"\n{len(all_figures)} checkouts, {files:,} files, {megabytes:.0f} MB: {changed:,} files changed,"
        f" {faults:,} faults\nThe check: {cold:.1f} s of processor time cold, {cached:.1f} s cached;"
        f" {cold / files * 10_000:.1f} s and {cached / files * 10_000:.1f} s for 10,000 files."
    )


def show(text: str) -> None:
    """Print a text at once."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""A migrated program asks the same and does the same with the reply, errors included; what is not safe is left."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from src.migration.rewrite import command
from tests.commands import run_main
from tests.long import IS_LONG
from tests.migration.behaviour.cases import CASES, Case
from tests.migration.behaviour.running import differences
from tests.sharing import made_once

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.migration.behaviour.conftest import Before, Run

ROOT = Path(__file__).resolve().parents[3]
MIGRATE = ROOT / "scripts" / "migrate_to_factory.py"
CHECK = ROOT / "scripts" / "check_direct_calls.py"
LEFT_OVER = 20
pytestmark = pytest.mark.timeout(1_800)  # the first test waits for the migration of all programs
DONE_WORDS = ("migrated", "review")  # of a site that was rewritten; the second tells what a person should read again


@dataclass(frozen=True)
class Migrated:
    """The tree of all programs after one run of the script, and its report."""

    tree: Path
    report: dict[str, Any]

    def sites(self, case: Case) -> list[dict[str, Any]]:
        """Return the sites that the report names in one program."""
        return [site for site in self.report["sites"] if case.name in Path(site["file"]).parts]

    def changed(self, case: Case) -> list[str]:
        """Return which files of a program are not what they were, byte for byte."""
        return [
            name for name, text in case.files.items() if (self.tree / case.name / name).read_bytes() != text.encode()
        ]


def run_script(script: Path, *arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(script), *(str(argument) for argument in arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=1_500, cwd=cwd)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Migrated:
    """Migrate all programs at once, as a checkout is; over 5 s, so that it is done once for all workers."""
    folder = made_once(tmp_path_factory, "migrated programs", migrate_all)
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return Migrated(tree=folder / "tree", report=report)


def migrate_all(folder: Path) -> None:
    """Write and migrate every program below the folder; of some, see first that a dry run tells the same."""
    tree, report, planned = folder / "tree", folder / "report.json", folder / "planned"
    for case in CASES.values():
        case.write(tree / case.name)
    for case in some_cases():
        case.write(planned / case.name)
    done = run_script(MIGRATE, tree, "--write", "--report", report)
    assert done.returncode == LEFT_OVER, done.stderr
    sites = json.loads(report.read_text(encoding="utf-8"))["sites"]
    dry_run = run_main(command.main, planned, "--jobs", "1", "--report", folder / "planned.json")
    assert dry_run.returncode == LEFT_OVER, dry_run.stderr
    planned_sites = json.loads((folder / "planned.json").read_text(encoding="utf-8"))["sites"]
    names = {case.name for case in some_cases()}
    assert planned_sites == [site for site in sites if names & set(Path(site["file"]).parts)]
    assert all((planned / case.name / name).read_text(encoding="utf-8") == text
               for case in some_cases() for name, text in case.files.items()), "a dry run wrote"  # fmt: skip


def some_cases() -> list[Case]:
    """Return the programs migrated a second time: one of each expectation and every eighth; all in a long run."""
    cases = list(CASES.values())
    first_of_each = {case.expect: case for case in reversed(cases)}.values()
    return cases if IS_LONG else [case for number, case in enumerate(cases) if number % 8 == 0 or case in first_of_each]


def with_status(sites: Iterable[dict[str, Any]], *statuses: str) -> list[dict[str, Any]]:
    return [site for site in sites if site["status"] in statuses]


def test_what_is_expected_of_the_migration_holds(case: Case, migrated: Migrated) -> None:
    sites, changed = migrated.sites(case), migrated.changed(case)
    done, left = with_status(sites, *DONE_WORDS), with_status(sites, "left")
    for site in sites:
        assert 1 <= site["line"] <= sum(text.count("\n") for text in case.files.values())
        assert site["style"]
        assert site["reason"] or site["status"] == "migrated"
        assert site["suggestion"] or site["status"] != "left"
    if case.expect == "left" or (case.expect == "either" and not done):
        assert left, "nothing is reported"
        assert changed == []
    elif case.expect == "traced":
        traced = with_status(sites, "traced")
        assert len(traced) + len(done) == case.sites, [(s["line"], s["status"], s["reason"]) for s in sites]
        assert traced
        assert left == []
        assert changed
    elif case.expect == "kept":
        assert done == []
        assert bool(changed) == bool(sites)
    else:
        assert len(done) == case.sites, [(site["line"], site["status"], site["reason"]) for site in sites]
        assert left == []
        assert changed
        assert case.expect != "review" or with_status(sites, "review")


def test_a_migrated_program_does_the_same(case: Case, migrated: Migrated, before: Before, run: Run) -> None:
    if not migrated.changed(case):
        return
    changes: dict[str, list[str]] = {}
    for scenario in case.scenarios:
        after = run(case, migrated.tree / case.name, scenario)
        lines = differences(before(case, scenario), after)
        if case.expect == "kept":
            lines = [line for line in lines if "traced" not in line]
        if lines:
            changes[scenario] = lines
    unforeseen = [line for scenario, lines in changes.items() for line in lines if scenario not in case.differs]
    assert not unforeseen, "\n".join(unforeseen)
    assert set(changes) >= set(case.differs), "a difference that is on purpose is no longer there"


def test_every_result_compiles_and_defines_what_it_uses(migrated: Migrated) -> None:
    for path in migrated.tree.rglob("*.py"):
        ast.parse(path.read_bytes(), str(path))
    ruff = [str(Path(sys.executable).parent / "ruff"), "check", "--isolated", "--no-cache", "--select", "F821,F823"]
    done = subprocess.run([*ruff, str(migrated.tree)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def is_migrated_whole(case: Case, migrated: Migrated) -> bool:
    sites = migrated.sites(case)
    return case.expect != "left" and bool(sites) and not with_status(sites, "left")


def test_the_command_of_the_check_passes_on_all_that_was_migrated(migrated: Migrated) -> None:
    folders = [migrated.tree / case.name for case in CASES.values() if is_migrated_whole(case, migrated)]
    assert len(folders) > len(CASES) // 2
    done = run_script(CHECK, "--no-cache", *folders, cwd=migrated.tree)
    assert done.returncode == 0, done.stdout


def test_a_second_run_changes_nothing(migrated: Migrated, tmp_path: Path) -> None:
    names = {case.name for case in some_cases()}
    for name in names:
        shutil.copytree(migrated.tree / name, tmp_path / "tree" / name)
    texts = {path: path.read_bytes() for path in (tmp_path / "tree").rglob("*.py")}
    report_file = tmp_path / "report.json"
    done = run_main(command.main, tmp_path / "tree", "--write", "--jobs", "1", "--report", report_file)
    assert {path: path.read_bytes() for path in (tmp_path / "tree").rglob("*.py")} == texts
    report = json.loads(report_file.read_text(encoding="utf-8"))
    assert with_status(report["sites"], *DONE_WORDS) == []
    first = [site for site in migrated.report["sites"] if names & set(Path(site["file"]).parts)]
    left = {(site["file"], site["reason"]) for site in with_status(first, "left")}
    assert {(site["file"], site["reason"]) for site in with_status(report["sites"], "left")} == left
    assert done.returncode == LEFT_OVER

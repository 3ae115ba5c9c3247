"""The command line of the migration."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from src.migration import install
from src.migration.check.interrupts import interrupts_held
from src.migration.rewrite import report
from src.migration.rewrite.file import FAILED, migrate
from src.migration.rewrite.leftovers import leftovers
from src.migration.rewrite.other_factory import other_factories
from src.migration.rewrite.project import neighbours
from src.migration.rewrite.project.error_links import files_to_revisit
from src.migration.rewrite.project.jobs import Job, jobs_of
from src.migration.rewrite.records import LEFT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from src.migration.rewrite.records import Outcome, ReportedSite

NOTHING, FAILURE, USAGE, DONE, LEFT_OVER = 0, 1, 2, 10, 20
_WORTH_A_POOL = 8


def main(arguments: Sequence[str] | None = None) -> int:
    """Migrate; return 0 nothing to do, 10 done, 20 something left over, 2 usage, 1 failure."""
    options = _parser().parse_args(arguments)
    _escape_undecodable_names()
    if error := _usage_error(options):
        return _fail(error)
    root = options.paths[0]
    if options.roll_back:
        error = install.roll_back(root)
        return _fail(error) if error else DONE
    jobs = jobs_of(options.paths)
    outcomes = _migrate_again(jobs, list(_migrate_all(jobs, options.jobs or os.cpu_count() or 1)))
    try:
        installation = (
            install.plan_with_migration(root, _changes(root, outcomes), resolves=not options.no_resolve)
            if options.install
            else None
        )
    except install.Refused as refusal:
        return _fail(str(refusal))
    failures = _write_changes(root, outcomes, installation) if options.write else []
    sites = [site for outcome in outcomes for site in (*outcome.sites, *outcome.leftovers)]
    report_error = _write_report(options.report, outcomes, sites)
    _report(options, outcomes, sites, failures, installation)
    if report_error:
        _fail(report_error)
        return FAILURE
    code = _exit_code(outcomes, sites, failures)
    if code == FAILURE:
        return code
    if installation is None:
        return LEFT_OVER if _name_other_factories(outcomes, written=options.write) else code
    return LEFT_OVER if installation.by_hand else max(code, DONE if installation.changes else NOTHING)


def _changes(root: Path, outcomes: Sequence[Outcome]) -> list[install.Change]:
    """Return the files that were migrated, by their paths below the checkout's root."""
    return [
        install.Change(
            path=outcome.path.resolve().relative_to(root.resolve()).as_posix(),
            before=outcome.before,
            after=outcome.after,
        )
        for outcome in outcomes
        if outcome.after is not None
    ]


def _usage_error(options: argparse.Namespace) -> str | None:
    """Return why the options cannot be carried out, or None."""
    if (options.install or options.roll_back) and (len(options.paths) != 1 or not options.paths[0].is_dir()):
        return "--install and --roll-back take one folder: the root of a checkout, which has src in it."
    if options.roll_back:
        return None
    if options.install and (refusal := install.refusal(options.paths[0])):
        return refusal
    if options.report and (options.report.is_dir() or not options.report.absolute().parent.is_dir()):
        return f"the report {options.report} cannot be written: that is a folder, or there is none to write it into"
    missing = [str(path) for path in options.paths if not path.exists()]
    if missing:
        return f"no such file or folder: {', '.join(missing)}"
    if options.write and not options.allow_dirty and (dirty := _first_dirty(options.paths)):
        return (
            f"{dirty} has changes that are not committed, so a roll-back would take them too. "
            "Commit or stash them, or say --allow-dirty."
        )
    return None


def _escape_undecodable_names() -> None:
    """Have stdout and stderr escape what they cannot encode, such as file names that are not valid text."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _report(
    options: argparse.Namespace,
    outcomes: Sequence[Outcome],
    sites: Sequence[ReportedSite],
    failures: Sequence[str],
    installation: install.Installation | None,
) -> None:
    """Print the patch where it is asked for, and the summary."""
    if options.diff:
        _print_patch([line for outcome in outcomes for line in report.diff(outcome)])
        _print_patch(list(install.diff(installation)) if installation else [])
    report.print_summary(outcomes, sites, failures, written=options.write, shown=options.diff)
    if installation is not None and not failures:
        install.print_summary(options.paths[0], installation, written=options.write, shown=options.diff)


def _name_other_factories(outcomes: Sequence[Outcome], *, written: bool) -> bool:
    """Say where the changed files import a factory that is not this project's, or not there; tell whether they do."""
    folders = other_factories(outcome.path for outcome in outcomes if outcome.after is not None)
    for folder in folders:
        fault = "is not this project's, and lacks what the changed files call" if folder.exists() else "does not exist"
        sys.stderr.write(
            f"{folder} {fault}: the changed files "
            f"{'fail' if written else 'would fail'} until --install puts this project's in its place (docs/adopt.md).\n"
        )
    return bool(folders)


def _print_patch(lines: Sequence[str]) -> None:
    """Print a patch; where it does not go to a terminal, byte for byte, so that it can be applied."""
    if sys.stdout.isatty():
        sys.stdout.writelines(lines)
        return
    sys.stdout.flush()
    sys.stdout.buffer.write("".join(lines).encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


def _write_report(file: Path | None, outcomes: Sequence[Outcome], sites: Sequence[ReportedSite]) -> str | None:
    """Write the JSON report where it is asked for; return what went wrong."""
    if file is None:
        return None
    try:
        report.write_json(file, outcomes, sites)
    except OSError as error:
        return f"the report {file} cannot be written: {error.strerror}"
    return None


def _write_changes(root: Path, outcomes: Sequence[Outcome], installation: install.Installation | None) -> list[str]:
    """Write the changed files, with an installation all or none of them; return what went wrong."""
    if installation is not None:
        error = install.write(root, installation)
        return [error] if error else []
    errors = [_replace_file(outcome) for outcome in outcomes if outcome.after is not None]
    return [error for error in errors if error]


def _exit_code(outcomes: Sequence[Outcome], sites: Sequence[ReportedSite], failures: Sequence[str]) -> int:
    if failures or any(outcome.status == FAILED for outcome in outcomes):
        return FAILURE
    if any(site.status == LEFT for site in sites):
        return LEFT_OVER
    return DONE if any(outcome.after is not None for outcome in outcomes) else NOTHING


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="migrate_to_factory",
        description="Move code that calls language models through provider SDKs to src.models.ModelFactory, and report "
        "what is left. Without --write nothing is changed.",
        epilog="Exit codes: 0 nothing to do, 10 done (or would be), 20 something is left over, 2 usage, 1 failure.",
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="files and folders, such as a checkout")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--diff", action="store_true", help="print what would change")
    mode.add_argument("--write", action="store_true", help="change the files")
    parser.add_argument(
        "--install", action="store_true",
        help="put src/models, src/observability and the check into the checkout too (docs/adopt.md)",
    )  # fmt: skip
    parser.add_argument(
        "--no-resolve", action="store_true",
        help="with --install: do not ask uv or pip whether the new requirements.txt can be installed",
    )  # fmt: skip
    parser.add_argument(
        "--roll-back", action="store_true", help="take the last --install --write back, byte for byte, and do no more"
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="write what was found and decided, as JSON")
    parser.add_argument("--allow-dirty", action="store_true", help="write although git shows uncommitted changes")
    parser.add_argument("--jobs", type=_process_count, metavar="N", help="processes (default: one per processor)")
    return parser


def _process_count(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= 256:
        raise argparse.ArgumentTypeError("must be between 1 and 256")
    return number


def _first_dirty(paths: Sequence[Path]) -> str | None:
    """Return the first path whose git tree has uncommitted changes to tracked files, or None."""
    for path in paths:
        folder = path if path.is_dir() else path.parent
        command = ["git", "-C", str(folder), "status", "--porcelain", "--untracked-files=no"]
        try:
            status = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - git, as it is
        except OSError:  # git is not installed
            return None
        if status.returncode == 0 and status.stdout.strip():
            return str(path)
    return None


def _migrate_all(jobs: Sequence[Job], processes: int) -> Iterator[Outcome]:
    if len(jobs) < _WORTH_A_POOL or processes == 1:
        yield from _with_progress((_migrate_and_check(job) for job in jobs), len(jobs))
        return
    pool = ProcessPoolExecutor(min(processes, len(jobs)), initializer=neighbours.share, initargs=(neighbours.shared(),))
    try:
        with interrupts_held():  # processes inherit that: Ctrl-C, which goes to all, is for the first one to deal with
            outcomes = pool.map(_migrate_and_check, jobs, chunksize=4)
        yield from _with_progress(outcomes, len(jobs))
    finally:
        pool.shutdown(cancel_futures=True)


def _migrate_again(jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Migrate once more the files that the migration of other files affects, such as handlers of their errors."""
    linked = {job.path: set(job.imports) for job in jobs}
    contexts = files_to_revisit(outcomes, linked, {job.path: job.project for job in jobs})
    names = {job.path: job.name for job in jobs}
    return [
        _migrate_and_check(Job(path=outcome.path, name=names[outcome.path], project=contexts[outcome.path]))
        if outcome.path in contexts
        else outcome
        for outcome in outcomes
    ]


def _migrate_and_check(job: Job) -> Outcome:
    """Migrate one file, and list its leftovers while the check's analysis of its text is still cached."""
    outcome = migrate(job.path, job.name, job.project)
    return replace(outcome, leftovers=tuple(leftovers(outcome)))


def _with_progress(outcomes: Iterator[Outcome], total: int) -> Iterator[Outcome]:
    """Yield the outcomes, and show how many there are so far where stderr is a terminal."""
    is_terminal = sys.stderr.isatty()
    for count, outcome in enumerate(outcomes, 1):
        if is_terminal:
            text = f"\r{count} of {total} files" + ("\n" if count == total else "")
            sys.stderr.flush()
            sys.stderr.buffer.write(text.encode())  # as bytes: in texts the script shows a carriage return as text
            sys.stderr.buffer.flush()
        yield outcome


def _replace_file(outcome: Outcome) -> str | None:
    """Replace a file by its new text, whole or not at all; return what went wrong."""
    path = outcome.path.resolve()
    try:
        if path.read_bytes() != outcome.before:
            return f"{outcome.name} was changed meanwhile; it stays as it is"
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(outcome.after or b"")
            Path(temporary).chmod(path.stat().st_mode & 0o7777)
            Path(temporary).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
            raise
    except OSError as error:
        return f"{outcome.name} cannot be written: {error.strerror}"
    return None


def _fail(error: str) -> int:
    print(f"migrate_to_factory: {error}", file=sys.stderr)  # noqa: T201 - a command talks to its terminal
    return USAGE

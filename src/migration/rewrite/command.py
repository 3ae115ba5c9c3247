"""Run the migration from a command line: look, show, or write, and report."""

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

from src.migration.install import command as install_command
from src.migration.install.apply import Change, Refused
from src.migration.rewrite.file import FAILED, migrate
from src.migration.rewrite.leftovers import leftovers
from src.migration.rewrite.project.error_links import again
from src.migration.rewrite.project.jobs import Job, jobs_of
from src.migration.rewrite.records import LEFT
from src.migration.rewrite.report import _diff, _report, _tell

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from src.migration.install.plan import Installation
    from src.migration.rewrite.records import Outcome, Reported

NOTHING, FAILURE, USAGE, DONE, LEFT_OVER = 0, 1, 2, 10, 20
_WORTH_A_POOL = 8


def main(arguments: Sequence[str] | None = None) -> int:
    """Migrate; return 0 nothing to do, 10 done, 20 something left over, 2 usage, 1 failure."""
    options = _parser().parse_args(arguments)
    _print_anything()
    if why := _unfit(options):
        return _refuse(why)
    if options.roll_back:
        why = install_command.roll_back(options.paths[0])
        return _refuse(why) if why else DONE
    jobs = jobs_of(options.paths)
    outcomes = _together(jobs, list(_run(jobs, options.jobs or os.cpu_count() or 1)))
    try:
        made = (
            install_command.plan_with_migration(options.paths[0], _changes(options.paths[0], outcomes))
            if options.install
            else None
        )
    except Refused as error:
        return _refuse(str(error))
    failures = _written(options, outcomes, made) if options.write else []
    sites = [site for outcome in outcomes for site in (*outcome.sites, *outcome.leftovers)]
    if options.diff:
        sys.stdout.writelines(line for outcome in outcomes for line in _diff(outcome))
        sys.stdout.writelines(install_command.diff(made) if made else ())
    if options.report:
        _report(options.report, outcomes, sites)
    _tell(outcomes, sites, failures, written=options.write, shown=options.diff)
    if made is not None and not failures:
        install_command.print_summary(options.paths[0], made, written=options.write, shown=options.diff)
    code = _code(outcomes, sites, failures)
    if made is None or code == FAILURE:
        return code
    return LEFT_OVER if made.by_hand else max(code, DONE if made.changes else NOTHING)


def _changes(root: Path, outcomes: Sequence[Outcome]) -> list[Change]:
    """Return the files that were migrated, by their paths below the checkout's root."""
    return [
        Change(outcome.path.resolve().relative_to(root.resolve()).as_posix(), outcome.before, outcome.after)
        for outcome in outcomes
        if outcome.after is not None
    ]


def _unfit(options: argparse.Namespace) -> str | None:
    """Return why the command cannot be carried out as it was given, or None."""
    if (options.install or options.roll_back) and (len(options.paths) != 1 or not options.paths[0].is_dir()):
        return "--install and --roll-back take one folder: the root of a checkout, which has src in it."
    if options.roll_back:
        return None
    missing = [str(path) for path in options.paths if not path.exists()]
    if missing:
        return f"no such file or folder: {', '.join(missing)}"
    if options.write and not options.allow_dirty and (dirty := _dirty(options.paths)):
        return (
            f"{dirty} has changes that are not committed, so a roll-back would take them too. "
            "Commit or stash them, or say --allow-dirty."
        )
    return None


def _print_anything() -> None:
    """Let names of files be printed that are no text."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _written(options: argparse.Namespace, outcomes: Sequence[Outcome], made: Installation | None) -> list[str]:
    """Write what changes, with an installation all or none of it; return what went wrong."""
    if made is not None:
        why = install_command.write(options.paths[0], made)
        return [why] if why else []
    written = [_write(outcome) for outcome in outcomes if outcome.after is not None]
    return [why for why in written if why]


def _code(outcomes: Sequence[Outcome], sites: Sequence[Reported], failures: Sequence[str]) -> int:
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
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--diff", action="store_true", help="print what would change")
    how.add_argument("--write", action="store_true", help="change the files")
    parser.add_argument(
        "--install", action="store_true",
        help="put src/models, src/observability and the check into the checkout too (docs/adopt.md)",
    )  # fmt: skip
    parser.add_argument(
        "--roll-back", action="store_true", help="take the last --install --write back, byte for byte, and do no more"
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="write what was found and decided, as JSON")
    parser.add_argument("--allow-dirty", action="store_true", help="write although git shows uncommitted changes")
    parser.add_argument("--jobs", type=_count, metavar="N", help="processes (default: one per processor)")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 256:
        raise argparse.ArgumentTypeError("must be between 1 and 256")
    return number


# Which files.


def _dirty(paths: Sequence[Path]) -> str | None:
    """Return the first path whose git tree has uncommitted changes to tracked files."""
    for path in paths:
        folder = path if path.is_dir() else path.parent
        command = ["git", "-C", str(folder), "status", "--porcelain", "--untracked-files=no"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - git, as it is
        except OSError:  # no git here
            return None
        if done.returncode == 0 and done.stdout.strip():
            return str(path)
    return None


# The work.


def _run(jobs: Sequence[Job], processes: int) -> Iterator[Outcome]:
    if len(jobs) < _WORTH_A_POOL or processes == 1:
        yield from _counted((_migrate_and_check(job) for job in jobs), len(jobs))
        return
    with ProcessPoolExecutor(min(processes, len(jobs))) as pool:
        yield from _counted(pool.map(_migrate_and_check, jobs, chunksize=4), len(jobs))


def _together(jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Look once more at files that handle the errors of calls which other files make."""
    told = again(outcomes, {job.path: set(job.imports) for job in jobs}, {job.path: job.around for job in jobs})
    names = {job.path: job.name for job in jobs}
    return [
        _migrate_and_check(Job(one.path, names[one.path], told[one.path])) if one.path in told else one
        for one in outcomes
    ]


def _migrate_and_check(job: Job) -> Outcome:
    """Migrate one file, and look for what is left while the check's analysis of its text is at hand."""
    outcome = migrate(job.path, job.name, job.around)
    return replace(outcome, leftovers=tuple(leftovers(outcome)))


def _counted(outcomes: Iterator[Outcome], total: int) -> Iterator[Outcome]:
    """Show how far it is, to a person at a terminal."""
    watched = sys.stderr.isatty()
    for done, outcome in enumerate(outcomes, 1):
        if watched:
            sys.stderr.write(f"\r{done} of {total} files" + ("\n" if done == total else ""))
            sys.stderr.flush()
        yield outcome


def _write(outcome: Outcome) -> str | None:
    """Put the new text in place of the old, whole or not at all; return what went wrong."""
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


# What is told.


def _refuse(why: str) -> int:
    print(f"migrate_to_factory: {why}", file=sys.stderr)  # noqa: T201 - a command talks to its terminal
    return USAGE

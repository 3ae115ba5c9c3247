"""The check's command line."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from src.migration.check.cache import Cache, default_folder
from src.migration.check.config import BadConfig, Config, find_config, read_config
from src.migration.check.judgement import judge
from src.migration.check.report.formats import as_github, as_json, as_text, statistics
from src.migration.check.report.sarif import as_sarif
from src.migration.check.scan import files_below, name_of, scan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from src.migration.check.records import Report

CLEAN, FINDINGS, USAGE = 0, 1, 2
FORMATS: dict[str, Callable[[Report], str]] = {
    "text": as_text,
    "json": as_json,
    "github": as_github,
    "sarif": as_sarif,
}


def check(paths: Sequence[Path], config: Config, cache: Path | None = None, jobs: int = 1) -> Report:
    """Return the report on some files and folders; `cache` is a folder, or None for no cache."""
    started = time.perf_counter()
    facts_cache = Cache(cache, config.vocabulary)
    outcomes = scan(files_below(list(paths), config), config, facts_cache, jobs)
    facts_cache.save()
    whole = [name_of(path, config.root) for path in paths if path.is_dir()]
    report = judge(outcomes, config, whole)
    report.seconds = time.perf_counter() - started
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    """Check and report; return 0 where nothing is found, 1 for findings, 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        config = _config(options.config, options.paths)
    except BadConfig as error:
        return _refuse(str(error))
    paths = options.paths or [config.root / path for path in config.paths]
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        return _refuse(f"no such file or folder: {', '.join(missing)}")
    folder = None if options.no_cache else options.cache or default_folder()
    if options.output and not options.output.absolute().parent.is_dir():
        return _refuse(f"the report cannot be written: there is no folder {options.output.absolute().parent}")
    report = check(paths, config, folder, options.jobs or _processors())
    try:
        _write(FORMATS[options.format](report), options.output, for_people=options.format == "text")
    except BrokenPipeError:
        _discard_output()
    except OSError as error:
        return _refuse(f"the report cannot be written: {error.strerror or error}")
    if options.stats:
        print(statistics(report), file=sys.stderr)  # noqa: T201 - a command talks to its terminal
    return FINDINGS if report.findings else CLEAN


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="check_direct_calls",
        description="Find code that calls a language model's provider without src.models.ModelFactory.",
        epilog="Exit codes: 0 clean, 1 found, 2 usage.",
    )
    parser.add_argument(
        "paths", nargs="*", type=Path, metavar="PATH", help="files and folders (default: as configured)"
    )
    parser.add_argument("--format", choices=sorted(FORMATS), default="text")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the report there instead of printing it")
    parser.add_argument("--stats", action="store_true", help="say on stderr what was read, found and allowed")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a TOML file with [tool.check_direct_calls]")
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="where to remember files (default: the user's cache folder)"
    )
    parser.add_argument("--no-cache", action="store_true", help="remember nothing")
    parser.add_argument("--jobs", type=_count, metavar="N", help="processes (default: one per processor)")
    return parser


def _count(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= 256:
        raise argparse.ArgumentTypeError("must be between 1 and 256")
    return number


def _config(file: Path | None, paths: Sequence[Path]) -> Config:
    if file is None:
        return find_config(paths[0] if paths else Path())
    config = read_config(file)
    if config is None:
        raise BadConfig(f"{file} has no [tool.check_direct_calls]")
    return config


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _write(text: str, file: Path | None, *, for_people: bool) -> None:
    if file:
        file.write_bytes((text + "\n").encode("utf-8", "replace"))
    elif for_people:  # in the signs that the terminal has
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write((text + "\n").encode(encoding, "replace").decode(encoding))
    elif text:
        sys.stdout.flush()
        sys.stdout.buffer.write((text + "\n").encode("utf-8", "replace"))
    sys.stdout.flush()


def _discard_output() -> None:
    """Discard what is still to be written: the reader, such as `head`, has closed the pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refuse(why: str) -> int:
    print(f"check_direct_calls: {why}", file=sys.stderr)  # noqa: T201 - a command talks to its terminal
    return USAGE

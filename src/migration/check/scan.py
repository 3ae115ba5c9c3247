"""Find the files to check, and analyse them in parallel through the cache."""

from __future__ import annotations

import gc
import multiprocessing
import os
import stat
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from src.migration.check import notebook
from src.migration.check.cache import Cache, digest
from src.migration.check.interrupts import interrupts_held
from src.migration.check.records import Facts
from src.migration.check.sites import facts_of, facts_of_notebook, unparseable
from src.migration.check.vocabulary.word_filter import Interest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.pool import Pool

    from src.migration.check.config import Config
    from src.migration.check.vocabulary.words import Vocabulary

SKIPPED = frozenset({".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".tox", ".nox",
                     ".mypy_cache",
                     ".ruff_cache", ".pytest_cache", "site-packages", ".eggs", ".moondev-backup"})  # fmt: skip
_BATCH = 64
_OBJECTS_BETWEEN_COLLECTIONS = 1_000_000  # a syntax tree is freed as soon as it is read: see `Module.release`
_WORTH_A_POOL = 256  # files; fewer are done before a second process has started


@dataclass(frozen=True, slots=True)
class Scanned:
    """The outcome of one file.

    Attributes:
        path: Its name in the configuration.
        key: The digest of its content; None where it was not read, or the cache has it.
        facts: What it holds.
        parsed: Whether it was parsed.
        cached: Whether the cache had its facts.
    """

    path: str
    key: str | None
    facts: Facts
    parsed: bool
    cached: bool


def files_below(paths: list[Path], config: Config) -> list[tuple[str, str]]:
    """Return the Python files at and below some paths, each once, with the name that the configuration uses."""
    files: dict[str, str] = {}
    for path in paths:
        files.update(_below(path, config) if path.is_dir() else ((name_of(path, config.root), str(path)),))
    return sorted((name, file) for name, file in files.items() if not config.exclude or not config.excludes(name))


def _below(folder: Path, config: Config) -> Iterator[tuple[str, str]]:
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        prefix = name_of(Path(here), config.root)
        for name in names:
            if name.endswith((".py", ".pyw", notebook.SUFFIX)):
                yield f"{prefix}/{name}".removeprefix("./"), os.path.join(here, name)  # noqa: PTH118 - many files


def name_of(file: Path, root: Path) -> str:
    """Return a file's path from the root, with / between its parts; files elsewhere keep their full path."""
    full = Path(os.path.abspath(file))  # noqa: PTH100 - a link keeps its own name
    try:
        return full.relative_to(root).as_posix()
    except ValueError:
        return full.as_posix()


class _Reader:
    """Reads batches of files; one per process."""

    def __init__(self, cache: Cache, vocabulary: Vocabulary) -> None:
        self.cache = cache
        self.words = vocabulary

    def batch(self, files: list[tuple[str, str]]) -> list[Scanned]:
        """Return the outcome of each file."""
        before = gc.get_threshold()
        gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *before[1:])  # syntax trees are many objects
        try:
            return [self._scan(name, file) for name, file in files]
        finally:
            gc.set_threshold(*before)

    def _scan(self, name: str, file: str) -> Scanned:
        """Read a file, look its content up in the cache, and only then look at its words and parse it."""
        try:
            source = _content(file)
        except OSError as error:
            facts = unparseable(1, 1, f"it cannot be read: {error.strerror}")
            return Scanned(path=name, key=None, facts=facts, parsed=False, cached=False)
        is_notebook = name.endswith(notebook.SUFFIX)
        key = digest(source + notebook.SUFFIX.encode() if is_notebook else source)
        known = self.cache.get(key)
        if known is not None:
            return Scanned(path=name, key=None, facts=known, parsed=False, cached=True)
        if self.cache.is_without_words(key):
            return Scanned(path=name, key=None, facts=Facts(), parsed=False, cached=False)
        if is_notebook:
            return Scanned(path=name, key=key, facts=facts_of_notebook(source, self.words), parsed=True, cached=False)
        interest = self.words.interest(source)
        if interest is Interest.NOTHING:
            return Scanned(path=name, key=key, facts=Facts(), parsed=False, cached=False)
        return Scanned(path=name, key=key, facts=facts_of(source, self.words, interest), parsed=True, cached=False)


def _content(file: str) -> bytes:
    """Read a file; pipes and devices are refused, since reading one might never end."""
    with open(file, "rb", opener=_open_at_once) as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(0, "it is no regular file")
        return stream.read()


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


_reader: _Reader | None = None


def _start(cache: Cache, vocabulary: Vocabulary) -> None:
    global _reader  # noqa: PLW0603 - a pool's process has no other place for what its batches share
    _reader = _Reader(cache, vocabulary)


def _work(files: list[tuple[str, str]]) -> list[Scanned]:
    return _reader.batch(files) if _reader else []


def scan(files: list[tuple[str, str]], config: Config, cache: Cache, jobs: int) -> list[Scanned]:
    """Return every file's outcome in the order of the files, and put what was parsed into the cache."""
    batches = [files[start : start + _BATCH] for start in range(0, len(files), _BATCH)]
    outcomes = [outcome for batch in _run(batches, config, cache, jobs) for outcome in batch]
    for outcome in outcomes:
        if outcome.key:
            cache.put(outcome.key, outcome.facts if outcome.parsed else None)
    return outcomes


def _mapped(pool: Pool, batches: list[list[tuple[str, str]]]) -> list[list[Scanned]]:
    try:
        return pool.map(_work, batches, chunksize=1)
    except KeyboardInterrupt:
        pool.terminate()
        raise


def _run(batches: list[list[tuple[str, str]]], config: Config, cache: Cache, jobs: int) -> list[list[Scanned]]:
    words = config.vocabulary
    if jobs > 1 and sum(map(len, batches)) >= _WORTH_A_POOL:
        try:
            with interrupts_held():
                pool = multiprocessing.Pool(jobs, _start, (cache, words))
            with closing(pool):
                return _mapped(pool, batches)
        except (OSError, ImportError, AssertionError):  # no processes or no semaphores here
            pass
    reader = _Reader(cache, words)
    return [reader.batch(batch) for batch in batches]

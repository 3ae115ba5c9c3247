"""The configuration `[tool.check_direct_calls]`, and the patterns of paths in it."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

from src.migration.check.vocabulary.words import Vocabulary

TABLE = "check_direct_calls"
_KEYS = {"allow", "exclude", "modules", "hosts", "paths"}


class BadConfig(Exception):
    """A configuration that is not valid; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class AllowedPath:
    """A configured allowance.

    Attributes:
        path: A pattern of paths.
        reason: Empty where it gives none.
        line: Its line in the configuration file, from 1.
        rules: The rules that it allows to be broken; all, where it names none.
    """

    path: str
    reason: str
    line: int = 1
    rules: tuple[str, ...] = ()

    def covers(self, path: str, rule: str) -> bool:
        """Tell whether it allows this rule to be broken in this file."""
        return matches(self.path, path) and (not self.rules or rule in self.rules)

    def start(self) -> str:
        """Return the folder that holds everything it can match."""
        return "/".join(re.split(r"[*?\[]", self.path)[0].split("/")[:-1])


@dataclass(frozen=True)
class Config:
    """The settings of one project.

    Attributes:
        root: The folder to which paths are relative.
        file: The configuration file's name; empty where there is none.
        allow: The configured allowances.
        exclude: Patterns of paths that are never read.
        modules: The project's own SDKs and gateways, beside those of the vocabulary.
        hosts: The project's own hosts, beside those of the vocabulary.
        paths: What is read when the command line names no path.
    """

    root: Path
    file: str = ""
    allow: tuple[AllowedPath, ...] = ()
    exclude: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] = field(default=(".",))

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The built-in names with the project's own."""
        return Vocabulary(self.modules, self.hosts)

    def excludes(self, path: str) -> bool:
        """Tell whether a file is left out."""
        return any(matches(pattern, path) for pattern in self.exclude)


def find_config(start: Path) -> Config:
    """Read the nearest pyproject.toml that has the table, at or above a path; without one, everything is checked.

    Raises:
        BadConfig: the table is not valid.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        if file.is_file():
            config = read_config(file)
            if config is not None:
                return config
    here = Path.cwd()
    return Config(here if start.is_relative_to(here) else start if start.is_dir() else start.parent)


def read_config(file: Path) -> Config | None:
    """Read one file's table; None where it has none.

    Raises:
        BadConfig: the file is not TOML, or the table is not valid.
    """
    try:
        text = file.read_text(encoding="utf-8")
        table = tomllib.loads(text).get("tool", {}).get(TABLE)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, AttributeError) as error:
        raise BadConfig(f"{file}: {error}") from error
    if table is None:
        return None
    if not isinstance(table, dict):
        raise BadConfig(f"{file}: tool.{TABLE} must be a table")
    if unknown := sorted(set(table) - _KEYS):
        raise BadConfig(f"{file}: tool.{TABLE} has no setting {', '.join(unknown)}; known: {', '.join(sorted(_KEYS))}")
    entries = table.get("allow", [])
    if not isinstance(entries, list):
        raise BadConfig(f"{file}: allow must be a list of {{path, reason}}")
    return Config(
        root=file.resolve().parent,
        file=file.name,
        allow=tuple(_allowed(entry, file, text) for entry in entries),
        **{key: _texts(table, key, file) for key in ("exclude", "modules", "hosts", "paths") if key in table},
    )


def _texts(table: dict[str, object], key: str, file: Path) -> tuple[str, ...]:
    value = table[key]
    if not isinstance(value, list) or not all(isinstance(text, str) and text for text in value):
        raise BadConfig(f"{file}: {key} must be a list of strings")
    return tuple(value)


def _allowed(entry: object, file: Path, text: str) -> AllowedPath:
    if (
        not isinstance(entry, dict)
        or not isinstance(entry.get("path"), str)
        or set(entry) - {"path", "reason", "rules"}
    ):
        raise BadConfig(
            f"{file}: an entry of allow is {{path, reason}}, with rules if you like; this is not: {entry!r}"
        )
    reason, rules = entry.get("reason", ""), entry.get("rules", [])
    if not isinstance(reason, str) or not isinstance(rules, list) or not all(isinstance(rule, str) for rule in rules):
        raise BadConfig(f"{file}: reason must be a string, and rules a list of strings: {entry!r}")
    path = entry["path"]
    lines = enumerate(text.splitlines(), 1)
    line = next((number for number, line in lines if f'"{path}"' in line or f"'{path}'" in line), 1)
    return AllowedPath(path=path, reason=reason.strip(), line=line, rules=tuple(rules))


def matches(pattern: str, path: str) -> bool:
    """Match a path with / between its parts: `*` stays in one folder, `**` goes below, a folder covers all in it."""
    return _compiled(pattern).fullmatch(path) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    pattern = pattern.removeprefix("./").rstrip("/")
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    expressions = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(expressions.get(piece, re.escape(piece)) for piece in pieces) + "(?:/.*)?")

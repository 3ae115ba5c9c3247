"""Hold what the check finds, as frozen records that survive a round trip through JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

RULES: dict[str, str] = {
    "sdk-import": "A provider's SDK, or a wrapper around one, is imported",
    "dynamic-import": "A provider's SDK is imported by name at run time",
    "sdk-call": "A provider's client is asked for text",
    "non-chat-call": "A provider's client is used for something other than text",
    "provider-url": "A provider's address is called without its SDK",
    "provider-command": "A provider's command line is started",
    "unparseable": "The file is not Python that can be read",
    "allow-without-reason": "An allowance gives no reason",
    "unused-allow": "An allowance allows nothing",
}

_Row = tuple[str, int, int, int, int, str, str, str]


@dataclass(frozen=True, slots=True)
class Site:
    """Describe one place in one file.

    Attributes:
        rule: A key of `RULES`.
        line: From 1.
        column: From 1, in characters.
        first: The first line of the statement, which an allow comment may stand on or above.
        last: The last line of the statement, or of its header where it has a body.
        provider: The factory's name for the provider, or the package's where the factory has none.
        what: What was found, in a few words.
        text: The offending line, without its indentation.
    """

    rule: str
    line: int
    column: int
    first: int
    last: int
    provider: str
    what: str
    text: str

    def row(self) -> _Row:
        """Return the fields in order."""
        return (self.rule, self.line, self.column, self.first, self.last, self.provider, self.what, self.text)


@dataclass(frozen=True, slots=True)
class Allow:
    """Describe one inline allow comment: where it is, which lines it may speak for, and why."""

    line: int
    column: int
    alone: bool
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Pending:
    """Describe a call whose argument is a constant of another module, to be judged when that module is known."""

    module: str
    name: str
    before: str  # the texts on both sides of the constant
    rest: str
    site: Site


@dataclass(frozen=True, slots=True)
class Facts:
    """Hold all that one file's text says, whatever its path and the configuration are."""

    sites: tuple[Site, ...] = ()
    allows: tuple[Allow, ...] = ()
    exports: tuple[tuple[str, str], ...] = ()
    pending: tuple[Pending, ...] = ()

    def to_json(self) -> list[object]:
        """Return lists, strings and numbers alone; an empty list where there is nothing to say."""
        if not (self.sites or self.allows or self.exports or self.pending):
            return []
        return [
            [list(site.row()) for site in self.sites],
            [[one.line, one.column, one.alone, one.reason, one.text] for one in self.allows],
            [list(pair) for pair in self.exports],
            [[one.module, one.name, one.before, one.rest, list(one.site.row())] for one in self.pending],
        ]


def from_json(value: object) -> Facts | None:
    """Read what `Facts.to_json` wrote; None for anything else."""
    if value == []:
        return Facts()
    try:
        sites, allows, exports, pending = _rows(value)
        return Facts(
            tuple(_site(row) for row in _rows(sites)),
            tuple(_allow(row) for row in _rows(allows)),
            tuple((_text(name), _text(constant)) for name, constant in map(_rows, _rows(exports))),
            tuple(
                Pending(_text(module), _text(name), _text(before), _text(rest), _site(row))
                for module, name, before, rest, row in map(_rows, _rows(pending))
            ),
        )
    except (TypeError, ValueError):
        return None


def _rows(value: object) -> Sequence[object]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError
    return value


def _site(value: object) -> Site:
    rule, line, column, first, last, provider, what, text = _rows(value)
    if rule not in RULES:
        raise ValueError
    where = (_number(line), _number(column), _number(first), _number(last))
    return Site(_text(rule), *where, _text(provider), _text(what), _text(text))


def _allow(value: object) -> Allow:
    line, column, alone, reason, text = _rows(value)
    return Allow(_number(line), _number(column), bool(alone), _text(reason), _text(text))


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Describe what is wrong at one place, with the edit that makes it right."""

    path: str
    line: int
    column: int
    rule: str
    provider: str = ""
    message: str = ""
    text: str = ""
    fix: str = ""


@dataclass(slots=True)
class Report:
    """Collect the outcome of one run; `findings` are sorted by place."""

    findings: list[Finding] = field(default_factory=list)
    allowed: list[tuple[Finding, str]] = field(default_factory=list)
    files: int = 0
    parsed: int = 0
    cached: int = 0
    seconds: float = 0.0

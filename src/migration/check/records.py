"""Records of what the check finds, which survive a round trip through JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

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


class Hit(NamedTuple):
    """A reason why a node is a direct call: the rule that it breaks, the provider, and what was found."""

    rule: str
    provider: str
    what: str


@dataclass(frozen=True, slots=True)
class Site:
    """A direct call in one file.

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
    """An inline allow comment.

    Attributes:
        line: From 1.
        column: From 1.
        alone: Whether its line has nothing else, so that it covers the statement below it.
        reason: Empty where it gives none.
        text: The line, without its indentation.
    """

    line: int
    column: int
    alone: bool
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Pending:
    """A call with a constant of another module in its argument, to be judged when that module is known.

    Attributes:
        module: The module's dotted name.
        name: The constant's name.
        before: The text before it in the argument.
        rest: The text after it.
        site: The call's location, without a provider.
    """

    module: str
    name: str
    before: str
    rest: str
    site: Site


@dataclass(frozen=True, slots=True)
class Facts:
    """All that one file's text says, whatever its path and the configuration are.

    Attributes:
        sites: The direct calls, in the order of the text.
        allows: The inline allow comments.
        exports: The module's constants that may decide a call elsewhere, as pairs of name and text.
        pending: The calls that constants of other modules decide.
    """

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
            [[allow.line, allow.column, allow.alone, allow.reason, allow.text] for allow in self.allows],
            [list(pair) for pair in self.exports],
            [[call.module, call.name, call.before, call.rest, list(call.site.row())] for call in self.pending],
        ]


def from_json(value: object) -> Facts | None:
    """Read what `Facts.to_json` wrote; None for anything else."""
    if value == []:
        return Facts()
    try:
        sites, allows, exports, pending = _rows(value)
        return Facts(
            sites=tuple(_site(row) for row in _rows(sites)),
            allows=tuple(_allow(row) for row in _rows(allows)),
            exports=tuple((_text(name), _text(constant)) for name, constant in map(_rows, _rows(exports))),
            pending=tuple(_pending(row) for row in _rows(pending)),
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
    return Site(
        rule=_text(rule),
        line=_number(line),
        column=_number(column),
        first=_number(first),
        last=_number(last),
        provider=_text(provider),
        what=_text(what),
        text=_text(text),
    )


def _pending(value: object) -> Pending:
    module, name, before, rest, site = _rows(value)
    return Pending(module=_text(module), name=_text(name), before=_text(before), rest=_text(rest), site=_site(site))


def _allow(value: object) -> Allow:
    line, column, alone, reason, text = _rows(value)
    return Allow(line=_number(line), column=_number(column), alone=bool(alone), reason=_text(reason), text=_text(text))


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A direct call, or a wrong allowance, as it is reported: where it is, what is wrong, and how to fix it."""

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
    """The outcome of one run.

    Attributes:
        findings: What is wrong, sorted by place.
        allowed: What is allowed, each with the reason.
        files: The number of files that were read.
        parsed: How many of them were parsed.
        cached: How many of them the cache had.
        seconds: How long the run took.
    """

    findings: list[Finding] = field(default_factory=list)
    allowed: list[tuple[Finding, str]] = field(default_factory=list)
    files: int = 0
    parsed: int = 0
    cached: int = 0
    seconds: float = 0.0

"""Hold what a migration finds and decides: places, their fates, and a file's new text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import libcst as cst

    from src.migration.rewrite.analysis.values import Values

MIGRATED, REVIEW, LEFT, NON_CHAT = "migrated", "review", "left", "non-chat"


class Unprovable(Exception):
    """A rewrite cannot be proven safe; the message says why, `suggestion` what a person could do."""

    def __init__(self, reason: str, suggestion: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.suggestion = suggestion


@dataclass(frozen=True, slots=True)
class Reported:
    """Hold one place of a report."""

    file: str
    line: int
    style: str
    status: str
    reason: str = ""
    suggestion: str = ""

    def as_dict(self) -> dict[str, object]:
        """Return the place as the report's JSON has it."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file.

    Attributes:
        path: The file.
        name: Its name in reports.
        status: What happened, in one word.
        sites: The places that were moved, marked or left.
        before: The file's text as it was read.
        after: Its new text; None where it does not change.
        leftovers: Direct calls that the check finds in the text as it ends, and that `sites` does not explain.
    """

    path: Path
    name: str
    status: str
    sites: tuple[Reported, ...] = ()
    before: bytes = b""
    after: bytes | None = None
    leftovers: tuple[Reported, ...] = ()


@dataclass(frozen=True, slots=True)
class Around:
    """Hold what one file is told about the others.

    Attributes:
        borrowed: The names that other files use its clients by.
        addresses: Constants of all files that hold addresses at which models answer, as pairs of name and text.
        moved: SDKs through which files that it imports asked, and no longer do.
        stays: SDKs that files which it imports go on using.
        settings: What other files set on SDK modules, such as `openai.api_key`, where the factory does not know it.
        needed: SDKs whose module other files ask through, and leave it to this one to set up.
    """

    borrowed: frozenset[str] = frozenset()
    addresses: tuple[tuple[str, str], ...] = ()
    moved: frozenset[str] = frozenset()
    stays: frozenset[str] = frozenset()
    settings: frozenset[str] = frozenset()
    needed: frozenset[str] = frozenset()


@dataclass(eq=False, slots=True)
class Site:
    """Hold one call that asks for text: the call, what it hangs on, and what kind of call it is."""

    call: cst.Call
    sdk: str
    kind: str
    base: cst.BaseExpression
    values: Values
    names: tuple[str, ...]
    line: int
    style: str
    asynchronous: bool = False
    blocked: Unprovable | None = None
    notes: list[str] = field(default_factory=list)
    review: list[str] = field(default_factory=list)

"""The records that the steps of a migration pass on to one another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from src.migration.check.notebook import CELL

if TYPE_CHECKING:
    from pathlib import Path

    import libcst as cst

    from src.migration.rewrite.analysis.values import Values

UNKNOWN_CLIENT = "where the client comes from is not known"
MIGRATED, REVIEW, TRACED, LEFT, NON_CHAT = "migrated", "review", "traced", "left", "non-chat"


class Unprovable(Exception):
    """A rewrite cannot be proven safe.

    Attributes:
        reason: Why it cannot, in the report's words.
        suggestion: What a person could write instead.
    """

    def __init__(self, reason: str, suggestion: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.suggestion = suggestion


@dataclass(frozen=True, slots=True)
class ReportedSite:
    """One place in the report.

    Attributes:
        file: The file's name in reports.
        line: The place's line, counted from 1; in a notebook with the number of its cell (`check.notebook.CELL`).
        style: The style of the call, such as `openai.chat`.
        status: MIGRATED, REVIEW, TRACED, LEFT or NON_CHAT.
        reason: Why it has this status.
        suggestion: What a person could write instead.
    """

    file: str
    line: int
    style: str
    status: str
    reason: str = ""
    suggestion: str = ""

    def as_dict(self) -> dict[str, object]:
        """Return the place as the report's JSON has it."""
        cell, line = divmod(self.line, CELL)
        return (
            {name: getattr(self, name) for name in self.__slots__} | {"line": line} | ({"cell": cell} if cell else {})
        )


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
    sites: tuple[ReportedSite, ...] = ()
    before: bytes = b""
    after: bytes | None = None
    leftovers: tuple[ReportedSite, ...] = ()


@dataclass(frozen=True, slots=True)
class ProjectContext:
    """What is known about the other files of a project while one file is migrated.

    Attributes:
        borrowed_names: The names by which other files use this file's clients.
        addresses: Constants of all files that hold addresses of models, as pairs of name and text.
        migrated_sdks: SDKs that the files it imports called before their migration, and no longer do.
        remaining_sdks: SDKs that the files it imports go on using.
        raises_old_errors: Whether the files it imports asked OpenAI through its SDK before version 1 alone.
        settings: What other files set on SDK modules and the factory does not read by itself, such as `openai.api_key`.
        required_setups: SDKs whose module this file sets up for other files.
        traced_sdks: SDKs whose clients all come from other files, where they are traced.
        served_paths: The paths that servers of the project serve.
    """

    borrowed_names: frozenset[str] = frozenset()
    addresses: tuple[tuple[str, str], ...] = ()
    migrated_sdks: frozenset[str] = frozenset()
    remaining_sdks: frozenset[str] = frozenset()
    raises_old_errors: bool = False
    settings: frozenset[str] = frozenset()
    required_setups: frozenset[str] = frozenset()
    traced_sdks: frozenset[str] = frozenset()
    served_paths: frozenset[str] = frozenset()


@dataclass(eq=False, slots=True)
class Site:
    """One call that asks a model for text.

    Attributes:
        call: The call.
        sdk: The SDK that it goes through.
        kind: Which of the SDK's methods it is, such as `chat` or `messages`.
        base: The expression that the chain of attributes starts from: a client, or the SDK's module.
        values: What the base can be.
        names: The attributes after the base.
        line: The call's line, counted from 1.
        style: The kind of call as reports name it.
        asynchronous: Whether the call is awaited.
        blocked: Why the call stays; None while it can move.
        notes: What the report adds to a call that moved.
        review: What a person must read again where the call moved.
    """

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

"""Find which conflicts a change of requirements makes, apart from what could not be installed before."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from src.migration.install import resolver
from src.migration.install.requirement_lines import REQUIREMENT, canonical, names_in
from src.migration.install.resolver import Status

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from src.migration.install.resolver import Resolution

LONGEST_S: Final = 60
_MOST_REASONS: Final = 5
_NAME: Final = re.compile(r"(?<![\w./-])[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is known of a change of requirements.

    Attributes:
        status: Whether the changed requirements can be installed together.
        reasons: The conflicts that the change makes, or why nothing is known.
        tool: Who was asked.
        left_out: The packages that were left out, since they could not be installed before.
    """

    status: Status
    reasons: tuple[str, ...]
    tool: str
    left_out: tuple[str, ...]


def judge(root: Path, before: Mapping[str, str], after: Mapping[str, str], ours: Collection[str]) -> Judgement:
    """Ask whether changed requirements can be installed together.

    What could not be installed before is left out of both, package by package, until the rest can.

    Args:
        root: The checkout.
        before: The texts of its requirement files, by their paths.
        after: The same with the changes.
        ours: The packages that the change is for. Their new versions are never left out.
    """
    search = _Search(root, frozenset(ours))
    outcome = search.settle(after)
    if outcome.status is Status.RESOLVED:
        return search.judgement(outcome)
    earlier = search.settle(before, leaves_out=True)
    if earlier.status is not Status.RESOLVED:
        return search.judgement(
            replace(earlier, status=Status.UNKNOWN, reason=f"nor could it be before: {earlier.reason}")
        )
    search.keep_left_out()
    reasons: list[str] = []
    outcome = search.settle(after)
    while outcome.status is Status.CONFLICT and len(reasons) < _MOST_REASONS:
        reasons.append(outcome.reason)
        if not search.leave_out(outcome, after):
            break
        outcome = search.settle(after)
    return search.judgement(outcome, tuple(reasons))


class _Search:
    """Asks again and again, with ever fewer packages, until the time is up."""

    def __init__(self, root: Path, ours: frozenset[str]) -> None:
        self._root = root
        self._ours = ours
        self._ends = time.monotonic() + LONGEST_S
        self._dropped: list[str] = []
        self._dropped_before: list[str] = []  # old versions of ours that no index has any more
        self._files: tuple[str, ...] = ()
        self._before: tuple[str, ...] | None = None

    def keep_left_out(self) -> None:
        """Count what is left out by now as what could not be installed before; what follows is the change's doing."""
        self._before = tuple(self._dropped)

    def settle(self, texts: Mapping[str, str], *, leaves_out: bool = False) -> Resolution:
        """Return what a resolver says; with `leaves_out`, once what it objects to is left out."""
        while True:
            dropped = {*self._dropped, *(self._dropped_before if leaves_out else ())}
            rest = {path: _without(text, dropped) for path, text in texts.items()}
            outcome = resolver.resolve(self._root, rest, timeout_s=max(self._ends - time.monotonic(), 1.0))
            self._files = outcome.left_out
            if outcome.status is Status.RESOLVED or not leaves_out or not self.leave_out(outcome, texts, old=True):
                return outcome

    def leave_out(self, outcome: Resolution, texts: Mapping[str, str], *, old: bool = False) -> bool:
        """Leave out the first package that a reason names; tell whether there is one.

        It is one of the checkout's own, or of the old texts one of ours, whose new version stays.
        """
        present = names_in(texts.values()) - {*self._dropped, *self._dropped_before}
        named = [name for word in _NAME.findall(outcome.reason) if (name := canonical(word)) in present]
        package = next((name for name in named if name not in self._ours), named[0] if named and old else None)
        if package is None or time.monotonic() > self._ends:
            return False
        (self._dropped_before if package in self._ours else self._dropped).append(package)
        return True

    def judgement(self, outcome: Resolution, conflicts: tuple[str, ...] = ()) -> Judgement:
        """Return what is known in the end."""
        files = [line.split("@")[0].strip() for line in self._files]
        return Judgement(
            status=Status.CONFLICT if conflicts else outcome.status,
            reasons=conflicts or ((outcome.reason,) if outcome.reason else ()),
            tool=outcome.tool,
            left_out=(*files, *(self._dropped if self._before is None else self._before)),
        )


def _without(text: str, packages: Collection[str]) -> str:
    """Return a requirements file without the lines of some packages."""
    return "".join(
        line
        for line in text.splitlines(keepends=True)
        if not ((match := REQUIREMENT.match(line.rstrip("\r\n"))) and canonical(match["name"]) in packages)
    )

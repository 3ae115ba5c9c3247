"""What a migration says that it changed, and the places of the two texts that belong together."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from src.migration.rewrite.judge import vocabulary as words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from src.migration.rewrite.judge.program import Program

_LINE_BREAK = re.compile(r"\r\n|\r|\n")
Span = tuple[int, int, int, int]  # the first line and column, and the last, lines counted from 1 and columns from 0
Point = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Claim:
    """One change of a call.

    Attributes:
        span: Where the call stood before.
        kind: `model`, a client that became a model; or for a call that asks for text where its model comes from:
            `place`, the client's place; `inline`, the call itself; `factory`, a model that was there.
    """

    span: Span
    kind: Literal["model", "place", "inline", "factory"]


class Misaligned(Exception):
    """The two texts do not differ as the claims say."""


def calls_before(text: str, program: Program, claims: Sequence[Claim]) -> dict[Claim, ast.Call]:
    """Return the call that each claim is about.

    Raises:
        Misaligned: there is none.
    """
    lines = _LINE_BREAK.split(text)
    by_span = {_span(node, lines): node for node in _calls(program)}
    try:
        return {claim: by_span[claim.span] for claim in claims}
    except KeyError:
        raise Misaligned("a call that changes is not where the plan has it") from None


def calls_after(
    before: Program, after: Program, claimed: dict[Claim, ast.Call], *, models: bool
) -> dict[Claim, ast.Call]:
    """Return the calls that stand for the claims in the new text: what gets the models, or what asks them.

    Both texts have them in the same order, among others that were there before.

    Args:
        before: The old text.
        after: The new text.
        claimed: The claims with their calls in the old text.
        models: Whether to return the calls of `get_model`, or those that ask for text.

    Raises:
        Misaligned: the texts have not the same number of them.
    """
    kinds = ("model", "inline") if models else ("place", "inline", "factory")
    by_node: dict[ast.AST, Claim] = {node: claim for claim, node in claimed.items() if claim.kind in kinds}
    every_claimed = set(claimed.values())
    is_one = _gets_model if models else _asks
    old = _sorted(node for node in _calls(before) if node in by_node or (is_one(node) and node not in every_claimed))
    new = _sorted(node for node in _calls(after) if is_one(node))
    if len(old) != len(new):
        raise Misaligned("the new text has calls that the plan does not name, or lacks some")
    pairs = zip(old, new, strict=True)
    return {by_node[first]: second for first, second in pairs if first in by_node}


def _calls(program: Program) -> Iterable[ast.Call]:
    return (node for node in ast.walk(program.tree) if isinstance(node, ast.Call))


def _sorted(calls: Iterable[ast.Call]) -> list[ast.Call]:
    by_end: Callable[[ast.Call], Point] = lambda node: (  # noqa: E731 - where its function's name ends
        node.func.end_lineno or 0,
        node.func.end_col_offset or 0,
    )
    return sorted(calls, key=by_end)


def _gets_model(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Attribute) and node.func.attr == "get_model"


def _asks(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Attribute) and node.func.attr in words.MODEL_METHODS


def _span(node: ast.Call, lines: Sequence[str]) -> Span:
    end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
    return (
        node.lineno,
        _characters(lines, node.lineno, node.col_offset),
        end_line,
        _characters(lines, end_line, end_column),
    )


def _characters(lines: Sequence[str], line: int, column: int) -> int:
    """Return a column in characters, which Python's tree counts in bytes."""
    if line > len(lines) or lines[line - 1].isascii():
        return column
    return len(lines[line - 1].encode()[:column].decode("utf-8", "replace"))

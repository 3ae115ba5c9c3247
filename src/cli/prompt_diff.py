"""Show how two versions of a prompt differ: by lines, and inside changed lines by words."""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from src.observability.commands.console import escape_lines, out

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.text import Text

    from src.prompts import Prompt

Sign = Literal[" ", "-", "+", "…"]
_CONTEXT: Final = 2  # lines around a change
_WORDS: Final = re.compile(r"\s+|\w+|[^\w\s]")
_SIMILAR: Final = 0.35  # lines less alike than this are shown whole, not by their words
_STYLES: Final = {"-": "red", "+": "green", " ": "dim", "…": "dim"}


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line: taken out (-), put in (+), or as it was; `changed` are the places of the words that differ."""

    sign: Sign
    text: str
    changed: tuple[tuple[int, int], ...] = ()


def document(prompt: Prompt) -> list[str]:
    """Return what a prompt says as lines: its texts with their roles, and its config."""
    lines = prompt.text.split("\n")
    return lines + [f"config.{key} = {json.dumps(value)}" for key, value in sorted(prompt.config.items())]


def diff_lines(old: Sequence[str], new: Sequence[str]) -> Iterator[DiffLine]:
    """Yield the lines of a diff, with some lines around each change; nothing where both are the same."""
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for index, group in enumerate(matcher.get_grouped_opcodes(_CONTEXT)):
        if index:
            yield DiffLine("…", "")
        for kind, start, end, new_start, new_end in group:
            if kind == "equal":
                yield from (DiffLine(" ", line) for line in old[start:end])
            else:
                yield from _changed(old[start:end], new[new_start:new_end])


def _changed(before: Sequence[str], after: Sequence[str]) -> Iterator[DiffLine]:
    marks = [_word_changes(*pair) for pair in zip(before, after, strict=False)]
    for sign, lines, side in (("-", before, 0), ("+", after, 1)):
        for index, line in enumerate(lines):
            yield DiffLine(sign, line, marks[index][side] if index < len(marks) else ())  # type: ignore[arg-type] # a sign


def _word_changes(before: str, after: str) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
    """Return where the words of two lines differ, in characters."""
    words = [_WORDS.findall(line) for line in (before, after)]
    matcher = difflib.SequenceMatcher(None, words[0], words[1], autojunk=False)
    if matcher.ratio() < _SIMILAR:
        return (), ()
    spans: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    for kind, *bounds in matcher.get_opcodes():
        for side in (0, 1) if kind != "equal" else ():
            start, end = bounds[2 * side : 2 * side + 2]
            if start < end:
                first = sum(map(len, words[side][:start]))
                spans[side].append((first, first + sum(map(len, words[side][start:end]))))
    return tuple(spans[0]), tuple(spans[1])


def show_diff(lines: Sequence[DiffLine]) -> None:
    """Print a diff: a line that is broken keeps its sign at its beginning, and its text beside it."""
    from rich.table import Table

    table = Table.grid(padding=(0, 1))
    table.add_column(width=1)
    table.add_column(overflow="fold")
    for line in lines:
        table.add_row(line.sign, _text(line), style=_STYLES[line.sign])
    out().print(table)


def _text(line: DiffLine) -> Text:
    from rich.text import Text

    if not line.changed:
        return Text.from_markup(escape_lines(line.text))
    text = Text()
    at = 0
    for start, end in line.changed:
        text.append_text(Text.from_markup(escape_lines(line.text[at:start])))
        text.append_text(Text.from_markup(escape_lines(line.text[start:end]), style="bold underline"))
        at = end
    return text.append_text(Text.from_markup(escape_lines(line.text[at:])))

"""Read a text as a shell does: its commands, and the words of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src.migration.check.evaluate.texts import END, START

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENDS = frozenset("|;&\n()")
_ESCAPED = frozenset(" \t\n\\'\"`$;|&()<>*?#~")  # before anything else, a backslash is part of a path of Windows
_MOST_INNER = 4  # commands inside commands


def shell_commands(text: str, depth: int = 0) -> Iterator[list[str]]:
    """Yield the words of each command of a text, those of `$(...)` and of backquotes included, quotes removed.

    What separates commands outside of quotes is part of a word inside them. A quote that nothing closes ends with the
    text.
    """
    inner_commands: list[str] = []
    words: list[str] = []
    word: str | None = None
    at = 0
    while at < len(text):
        character = text[at]
        if character in _ENDS or character.isspace():
            words += [word] if word is not None else []
            word, at = None, at + 1
            if character in _ENDS and words:
                yield words
                words = []
        elif character == "#" and word is None:  # a remark, to the end of its line
            at = len(text) if (end := text.find("\n", at)) < 0 else end
        else:
            part, at = _part(text, at, inner_commands)
            word = (word or "") + part
    words += [word] if word is not None else []
    yield from [words] if words else []
    for command in inner_commands if depth < _MOST_INNER else ():
        yield from shell_commands(command, depth + 1)


def _part(text: str, at: int, inner_commands: list[str]) -> tuple[str, int]:
    """Return the part of a word that begins at a position, and the position after it; collect the commands in it."""
    inner, end = _substituted(text, at)
    if inner is not None:
        inner_commands.append(inner)
        return text[at:end], end
    if text[at] == "'":
        end = _closing(text, at)
        return text[at + 1 : end], end + 1
    if text[at] == '"':
        return _double_quoted(text, at + 1, inner_commands)
    if text[at] == START:  # a part that is not constant
        end = text.find(END, at) + 1 or len(text)
        return text[at:end], end
    if text[at] == "\\" and text[at + 1 : at + 2] in _ESCAPED:
        return text[at + 1].replace("\n", ""), at + 2
    return text[at], at + 1


def _closing(text: str, at: int) -> int:
    """Return the position where the quote that opens at a position is closed, or the end of the text."""
    end = text.find(text[at], at + 1)
    return end if end >= 0 else len(text)


def _double_quoted(text: str, at: int, inner_commands: list[str]) -> tuple[str, int]:
    """Return the text in double quotes that begins at a position, and the position after it."""
    parts: list[str] = []
    while at < len(text) and text[at] != '"':
        if text[at] == "'":
            part, at = "'", at + 1
        elif text[at] == "\\" and text[at + 1 : at + 2] not in {'"', "\\", "$", "`"}:
            part, at = "\\", at + 1
        else:
            part, at = _part(text, at, inner_commands)
        parts.append(part)
    return "".join(parts), at + 1


def _substituted(text: str, at: int) -> tuple[str | None, int]:
    """Return the substituted command at a position, and the position after it; None where there is none."""
    if text[at] == "`":
        end = _closing(text, at)
        return text[at + 1 : end], end + 1
    if not text.startswith("$(", at):
        return None, at
    depth, quote = 0, ""
    for end in range(at + 1, len(text)):
        character = text[end]
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        else:
            depth += {"(": 1, ")": -1}.get(character, 0)
            if depth == 0:
                return text[at + 2 : end], end + 1
    return text[at + 2 :], len(text)

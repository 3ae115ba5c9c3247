"""Match regular expressions in linear time, over many texts at once.

RE2 does it, which pyarrow brings: no pattern and no text can make it hang, for a back-reference or a look-around, which
would need more, is no part of it. Patterns and texts are bounded in length all the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LONGEST_PATTERN: Final = 2_000  # characters
LONGEST_TEXT: Final = 200_000  # characters; about 0.2 s for the slowest pattern of that length
_MOST_MATCHES: Final = 50  # in one text; more are as good as a contradiction
_WHOLE: Final = "whole_"
_REST: Final = "rest_"
_GROUP: Final = re.compile(r"\(\?P?<([A-Za-z_][A-Za-z0-9_]*)>")
_UNNAMED: Final = "unnamed groups"


class PatternError(ValueError):
    """A pattern cannot be used; the message says why, and what to write instead."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression of RE2 with named groups.

    Raises:
        PatternError: it is none, or too long.
    """

    text: str

    def __post_init__(self) -> None:
        """Refuse what RE2 cannot compile."""
        if not self.text:
            raise PatternError("it is empty")
        if len(self.text) > LONGEST_PATTERN:
            raise PatternError(f"it has {len(self.text):,} characters: at most {LONGEST_PATTERN:,} are allowed")
        names = _GROUP.findall(self.text)
        for name in names:
            if names.count(name) > 1:
                raise PatternError(f"it has two groups named {name}: write (?P<{name}>A|B)")
        if any(name.endswith("_") for name in names):
            raise PatternError("a group's name ends in _: give it another name")
        for expression in (self._whole, self._search):
            _check(expression)

    @property
    def groups(self) -> frozenset[str]:
        """Return the names of its groups."""
        return frozenset(_GROUP.findall(self.text))

    @property
    def _whole(self) -> str:
        return rf"\A(?P<{_WHOLE}>{self.text})\z"

    @property
    def _search(self) -> str:
        return rf"(?P<{_WHOLE}>{self.text})(?P<{_REST}>(?s:.*))\z"

    def whole(self, texts: Sequence[str]) -> list[Mapping[str, str] | None]:
        """Return the groups of each text that it matches from its beginning to its end, None for the others."""
        return [None if groups is None else _own(groups) for groups in _extract(texts, self._whole)]

    def search(self, texts: Sequence[str]) -> list[Mapping[str, frozenset[str]] | None]:
        """Return what each group is in any of the matches in a text, None for texts without a match."""
        results: list[dict[str, set[str]] | None] = [None] * len(texts)
        waiting = list(enumerate(texts))
        for _ in range(_MOST_MATCHES):
            extracted = _extract([text for _, text in waiting], self._search)
            following = []
            for (index, _), groups in zip(waiting, extracted, strict=True):
                if groups is None:
                    continue
                values = results[index] = results[index] or {name: set() for name in self.groups}
                for name, value in _own(groups).items():
                    values[name].add(value)
                if groups[_WHOLE] and groups[_REST]:
                    following.append((index, groups[_REST]))
            waiting = following
            if not waiting:
                break
        return [
            None if values is None else {name: frozenset(texts - {""}) for name, texts in values.items()}
            for values in results
        ]


def _own(groups: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in groups.items() if not name.endswith("_")}


def _check(expression: str) -> None:
    try:
        _extract([""], expression)
    except ValueError as error:  # pyarrow's ArrowInvalid is one
        reason = str(error).partition("Invalid regular expression: ")[2] or str(error)
        if _UNNAMED in str(error):
            reason = "it has a group without a name: write (?:...) or (?P<name>...)"
        elif "perl operator" in reason or "escape sequence" in reason:
            reason += ". Patterns are RE2's: they have no look-around and no back-references"
        raise PatternError(reason.strip()) from error


def _extract(texts: Sequence[str], expression: str) -> list[Any]:
    import pyarrow
    from pyarrow import compute

    cells = pyarrow.array([_encodable(text) for text in texts], type=pyarrow.large_string())
    return list(compute.extract_regex(cells, pattern=expression).to_pylist())


def _encodable(text: str) -> str:
    """Return a text that can be encoded: lone surrogates, which models' texts may hold, are replaced."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()

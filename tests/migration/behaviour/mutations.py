"""Move lines and words of programs about, and dress them in the ways in which files are written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from tests.migration.behaviour.cases import CASES

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCES = [text for case in CASES.values() for text in case.files.values()]
TOKENS = sorted({token for text in SOURCES for token in re.findall(r"\w+|[^\w\s]|\"[^\"\n]*\"", text)})


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Return a program, or several, with lines and words moved about."""
    lines = "".join(draw(st.lists(st.sampled_from(SOURCES), min_size=1, max_size=3))).splitlines(keepends=True)
    for _ in range(draw(st.integers(0, 5))):
        at, other = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines) - 1))
        change = draw(st.sampled_from(["drop", "double", "swap", "indent", "outdent", "word"]))
        if change == "drop" and len(lines) > 1:
            del lines[at]
        elif change == "double":
            lines.insert(other, lines[at])
        elif change == "swap":
            lines[at], lines[other] = lines[other], lines[at]
        elif change == "indent":
            lines[at] = "    " + lines[at]
        elif change == "outdent":
            lines[at] = lines[at].removeprefix("    ")
        else:
            words = re.split(r"(\w+)", lines[at])
            words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(TOKENS))
            lines[at] = "".join(words)
    text = "".join(lines)
    return text[: draw(st.integers(0, len(text)))] if draw(st.booleans()) and draw(st.booleans()) else text


@st.composite
def dressed(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> bytes:
    """Return a text in one of the ways in which files are written."""
    text = draw(texts)
    for change in draw(st.sets(st.sampled_from(sorted(DRESSES)), max_size=3)):
        text = DRESSES[change](text)
    return text.encode("latin-1" if text.startswith("# -*- coding: latin-1") else "utf-8", "replace")


DRESSES: dict[str, Callable[[str], str]] = {
    "mark": lambda text: "\ufeff" + text,
    "latin-1": lambda text: "# -*- coding: latin-1 -*-\nNOTE = 'caf\xe9'\n" + text,
    "crlf": lambda text: text.replace("\n", "\r\n"),
    "cr": lambda text: text.replace("\n", "\r"),
    "tabs": lambda text: text.replace("    ", "\t"),
    "form feeds": lambda text: text.replace("\n\n", "\n\f\n"),
    "no end": lambda text: text.rstrip("\n"),
    "inside if": lambda text: "if True:\n" + "".join(f"    {line}\n" for line in text.splitlines()),
    "inside def": lambda text: "def outer():\n" + "".join(f"    {line}\n" for line in text.splitlines()) + "outer()\n",
    "backslashes": lambda text: text.replace(" = ", " = \\\n    ", 1),
    "semicolons": lambda text: text.replace(")\n", "); pass\n"),
    "emoji": lambda text: text.replace('"', '"\U0001f680 ', 1),
    "shebang": lambda text: "#!/usr/bin/env python3\n" + text,
    "docstring": lambda text: '"""What it does."""\nfrom __future__ import annotations\n' + text,
}

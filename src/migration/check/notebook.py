"""Read a notebook's code cells as one Python module, and find each line of it again in its cell.

Lines that only IPython understands are replaced by placeholders: `%magic`, `!command`, `help?`. A cell of another
language is left out (`%%bash`), one that does not parse is named. The notebook's JSON is scanned and not decoded as a
whole, so that a cell can be replaced while everything else stays what it is, byte for byte.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.migration.check.records import Allow, Facts, Pending, Site

SUFFIX: Final = ".ipynb"
CELL: Final = 1_000_000  # a line of a notebook is its cell's number times this, plus its line in the cell
_PYTHON_MAGICS: Final = frozenset({"time", "timeit", "capture", "prun", "python", "python3"})
_MAGIC: Final = re.compile(
    r"(?P<indent>[ \t]*)(?P<assigned>[\w.\[\]\"', ]+=[ \t]*)?(?P<magic>[%!?].*|[^#=]*\?\??[ \t]*)"
)
_SPACE: Final = re.compile(r"\s*")
_DECODER: Final = json.JSONDecoder()


class NotANotebook(ValueError):
    """A file is no notebook that can be read."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One code cell.

    Attributes:
        number: Its place among all cells, from 1.
        start: Where the JSON of its source begins in the notebook's text.
        end: Where that JSON ends.
        source: Its text.
        python: Its text as Python; None where it is of another language, or does not parse.
        magics: The placeholders of lines that only IPython understands, and those lines.
        first_line: The line of the module at which it begins; 0 where it is not in it.
        fault: Why it does not parse; empty where it does.
    """

    number: int
    start: int
    end: int
    source: str
    python: str | None
    magics: dict[str, str] = field(default_factory=dict)
    first_line: int = 0
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Notebook:
    """A notebook as text, its code cells, and the module that they make together."""

    text: str
    cells: tuple[Cell, ...]
    module: str

    def place(self, line: int) -> tuple[int, int]:
        """Return the number of the cell that a line of the module belongs to, and the line in that cell."""
        cells = [cell for cell in self.cells if cell.python is not None]
        index = bisect_right([cell.first_line for cell in cells], line) - 1
        if index < 0:
            return (cells[0].number if cells else 1), 1
        return cells[index].number, line - cells[index].first_line + 1

    def encoded_line(self, line: int) -> int:
        """Return a line of the module as its cell's number times `CELL`, plus its line there."""
        cell, inner = self.place(line)
        return cell * CELL + inner


def read(source: bytes) -> Notebook:
    """Return a notebook; one of another language has no cells.

    Raises:
        NotANotebook: it is no JSON, or of a format older than version 4.
    """
    try:
        text = source.decode("utf-8")
        members = dict(_members(text, _skip(text, 1 if text.startswith("\ufeff") else 0)))
        if "worksheets" in members:
            raise NotANotebook("it is a notebook of an older format than version 4")
        metadata = _value(text, members["metadata"]) if "metadata" in members else {}
        spans = list(_code_cells(text, members["cells"])) if "cells" in members and _is_python(metadata) else []
    except (ValueError, RecursionError, KeyError, TypeError, IndexError) as error:
        raise error if isinstance(error, NotANotebook) else NotANotebook(f"it is no notebook: {error}") from error
    return _joined(text, spans)


def python_of(name: str, source: bytes) -> bytes:
    """Return a file's text as Python: of a notebook its module, which is empty where it cannot be read."""
    if not name.endswith(SUFFIX):
        return source
    try:
        return read(source).module.encode("utf-8", "replace")
    except NotANotebook:
        return b""


def marker(number: int) -> str:
    """Return the line that begins a cell in the module."""
    return f'"__notebook_cell_{number}__"'


def encoded(facts: Facts, notebook: Notebook) -> Facts:
    """Return what the module of a notebook holds, each line as its cell's number and its line there."""
    line = notebook.encoded_line

    def moved(site: Site) -> Site:
        return replace(site, line=line(site.line), first=line(site.first), last=line(site.last))

    return replace(
        facts,
        sites=tuple(moved(site) for site in facts.sites),
        allows=tuple(_moved_allow(allow, line(allow.line)) for allow in facts.allows),
        pending=tuple(_moved_pending(call, moved(call.site)) for call in facts.pending),
    )


def address(path: str, line: int) -> str:
    """Return a place for people: `file.py:3`, or `file.ipynb:cell 2:3`."""
    cell, inner = divmod(line, CELL)
    return f"{path}:cell {cell}:{inner}" if cell else f"{path}:{line}"


def in_cell(line: int) -> str:
    """Return the beginning of a message that says which cell of a notebook it is about; empty for other files."""
    return f"cell {line // CELL}: " if line >= CELL else ""


def _moved_allow(allow: Allow, line: int) -> Allow:
    return replace(allow, line=line)


def _moved_pending(call: Pending, site: Site) -> Pending:
    return replace(call, site=site)


# The JSON


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _value(text: str, span: tuple[int, int]) -> object:
    return _DECODER.raw_decode(text, span[0])[0]


def _end(text: str, position: int) -> int:
    return _DECODER.raw_decode(text, position)[1]


def _members(text: str, position: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the names and the spans of the values of the JSON object that begins at a position."""
    if text[position] != "{":
        raise NotANotebook("it is no JSON object")
    position = _skip(text, position + 1)
    while text[position] != "}":
        name, position = _DECODER.raw_decode(text, position)
        start = _skip(text, _skip(text, position) + 1)  # past the colon
        end = _end(text, start)
        yield name, (start, end)
        position = _skip(text, end)
        if text[position] == ",":
            position = _skip(text, position + 1)


def _items(text: str, position: int) -> Iterator[tuple[int, int]]:
    if text[position] != "[":
        raise NotANotebook("its cells are no list")
    position = _skip(text, position + 1)
    while text[position] != "]":
        end = _end(text, position)
        yield position, end
        position = _skip(text, end)
        if text[position] == ",":
            position = _skip(text, position + 1)


def _is_python(metadata: object) -> bool:
    if not isinstance(metadata, dict):
        return True
    kernel, language = metadata.get("kernelspec"), metadata.get("language_info")
    name = (language.get("name") if isinstance(language, dict) else None) or (
        kernel.get("language") if isinstance(kernel, dict) else None
    )
    return not isinstance(name, str) or name.lower() in ("python", "ipython")


def _code_cells(text: str, span: tuple[int, int]) -> Iterator[tuple[int, tuple[int, int], str]]:
    for number, (start, _) in enumerate(_items(text, span[0]), 1):
        members = dict(_members(text, start))
        if "source" not in members or _value(text, members["cell_type"]) != "code":
            continue
        source = _value(text, members["source"])
        lines: list[object] = source if isinstance(source, list) else [source]
        if not all(isinstance(line, str) for line in lines):
            raise NotANotebook(f"the source of cell {number} is no text")
        yield number, members["source"], "".join(map(str, lines))


# The module


def _joined(text: str, spans: list[tuple[int, tuple[int, int], str]]) -> Notebook:
    cells: list[Cell] = []
    lines: list[str] = []
    for number, (start, end), source in spans:
        cell = _cell(number, start, end, source)
        if cell.python is not None:
            lines.append(marker(number))
            cell = replace(cell, first_line=len(lines) + 1)
            lines += (cell.python or "").split("\n")
        cells.append(cell)
    return Notebook(text=text, cells=tuple(cells), module="\n".join([*lines, ""]) if lines else "")


def _cell(number: int, start: int, end: int, source: str) -> Cell:
    first = next((line for line in source.split("\n") if line.strip()), "")
    is_other = first.startswith("%%") and first[2:].split(" ")[0].strip() not in _PYTHON_MAGICS
    cell = Cell(number=number, start=start, end=end, source=source, python=None)
    if is_other:
        return cell
    if not first.startswith("%%") and _syntax_fault(source) is None:
        return replace(cell, python=source)
    magics: dict[str, str] = {}
    python = "\n".join(_without_magic(line, number, magics) for line in source.split("\n"))
    fault = _syntax_fault(python)
    if fault is not None:
        return replace(cell, fault=fault)
    return replace(cell, python=python, magics=magics)


def _without_magic(line: str, number: int, magics: dict[str, str]) -> str:
    match = _MAGIC.fullmatch(line)
    if match is None:
        return line
    name = f'"__notebook_magic_{number}_{len(magics)}__"'
    magics[name] = line
    return f"{match['indent']}{match['assigned'] or ''}{name}"


def _syntax_fault(source: str) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return str(error) or type(error).__name__
    return None

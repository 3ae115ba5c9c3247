"""Write a migrated module back into the cells of the notebook that it was made of."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from src.migration.check.notebook import marker
from src.migration.rewrite.records import LEFT, MIGRATED, REVIEW, Outcome, ReportedSite, Unprovable

if TYPE_CHECKING:
    from src.migration.check.notebook import Cell, Notebook

_OWN_FOLDER: Final = re.compile(r"_Path\(__file__\)\.resolve\(\)\.parents\[\d+\]")
# A notebook has no `__file__`, and runs in its own folder or in the checkout's root.
_FOLDER_WITH_SOURCES: Final = (
    'next(folder for folder in (_Path.cwd(), *_Path.cwd().parents) if (folder / "src" / "models").is_dir())'
)
_ASSIGNED: Final = re.compile(r"\s*(\w+)(?:\s*:[^=]*)?\s*=[^=]")
_LINES: Final = re.compile(r"[^\n]*\n|[^\n]+")
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')


def outcome_of(outcome: Outcome, book: Notebook, source: bytes) -> Outcome:
    """Return what becomes of a notebook, by what becomes of its module.

    Args:
        outcome: Of the module.
        book: The notebook.
        source: The notebook's file.
    """
    shown = _shown(book)
    sites = tuple(_in_cell(_reviewed(site, book, shown), book) for site in outcome.sites)
    after = None
    if outcome.after is not None:
        try:
            after = _with_sources(book, _sources(book, outcome.after.decode("utf-8"))).encode("utf-8")
        except Unprovable as error:
            sites = tuple(
                replace(site, status=LEFT, reason=f"the notebook stays as it was: {error.reason}") for site in sites
            )
    return replace(outcome, sites=sites, before=source, after=after)


def _shown(book: Notebook) -> set[str]:
    """Return the names, and the functions with their bracket, that cells end with: the notebook shows their values."""
    shown = set()
    for cell in book.cells:
        body = ast.parse(cell.python).body if cell.python is not None else []
        value = body[-1].value if body and isinstance(body[-1], ast.Expr) else None
        value = value.value if isinstance(value, ast.Await) else value
        if isinstance(value, ast.Name):
            shown.add(value.id)
        elif isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
            shown.add(f"{ast.unparse(value.func)}(")
    return {text for text in shown if text.count("(") < 2}


def _reviewed(site: ReportedSite, book: Notebook, shown: set[str]) -> ReportedSite:
    """Return a site whose reply itself is shown as `review`: it is another object now."""
    if site.status != MIGRATED:
        return site
    line = book.module.split("\n")[site.line - 1]
    name = _ASSIGNED.match(line)
    is_shown = (
        name[1] in shown
        if name
        else any(line.strip().removeprefix("await ").startswith(text) for text in shown if "(" in text)
    )
    if not is_shown:
        return site
    reason = "behaviour may change: a cell shows the reply itself, which is the factory's now"
    return replace(site, status=REVIEW, reason=reason, suggestion="let the cell end with reply.content")


def _in_cell(site: ReportedSite, book: Notebook) -> ReportedSite:
    return replace(site, line=book.encoded_line(site.line))


def _sources(book: Notebook, module: str) -> dict[int, str]:
    """Return the new texts of the cells by their numbers.

    Raises:
        Unprovable: a cell, or a line that only IPython understands, would not be what it was.
    """
    module = _OWN_FOLDER.sub(_FOLDER_WITH_SOURCES, module)
    cells = [cell for cell in book.cells if cell.python is not None]
    sources: dict[int, str] = {}
    for cell, following in zip(cells, [*cells[1:], None], strict=True):
        before, is_there, rest = module.partition(f"{marker(cell.number)}\n")
        end = len(rest) if following is None else rest.find(f"{marker(following.number)}\n")
        if before or not is_there or end < 0:
            raise Unprovable("its cells could not be told apart any more")
        sources[cell.number] = _with_magics(cell, rest[:end].removesuffix("\n"))
        module = rest[end:]
    return sources


def _with_magics(cell: Cell, python: str) -> str:
    lines = python.split("\n")
    for name, magic in cell.magics.items():
        places = [position for position, line in enumerate(lines) if name in line]
        stood = next(line for line in (cell.python or "").split("\n") if name in line)
        if len(places) != 1 or lines[places[0]] != stood:
            raise Unprovable(f"{magic.strip()} in cell {cell.number} would not stay as it is")
        lines[places[0]] = magic
    first, previous = (next((line for line in text if line.strip()), "") for text in (lines, cell.source.split("\n")))
    if previous.startswith("%%") and first != previous:
        raise Unprovable(f"{previous.strip()} would not stay the first line of cell {cell.number}")
    return "\n".join(lines)


def _with_sources(book: Notebook, sources: dict[int, str]) -> str:
    """Return the notebook with other texts in its cells, and everything else byte for byte as it is."""
    parts, position = [], 0
    for cell in book.cells:
        source = sources.get(cell.number, cell.source)
        if source != cell.source:
            parts += [book.text[position : cell.start], _as_json(source, book.text[cell.start : cell.end])]
            position = cell.end
    return "".join([*parts, book.text[position:]])


def _as_json(source: str, before: str) -> str:
    """Return a cell's text as JSON in the form that it had: one text, or a list of lines with its indentation."""
    is_ascii = "\\u" in before
    if before.startswith('"'):
        return json.dumps(source, ensure_ascii=is_ascii)
    strings = list(_STRING.finditer(before))
    written = {json.loads(match[0]): match[0] for match in strings}
    lines = [written.get(line) or json.dumps(line, ensure_ascii=is_ascii) for line in _LINES.findall(source)]
    if not lines or not strings:
        return f"[{', '.join(lines)}]"
    opening, closing = before[: strings[0].start()], before[strings[-1].end() :]
    between = before[strings[0].end() : strings[1].start()] if len(strings) > 1 else f",{opening[1:]}"
    return f"{opening}{between.join(lines)}{closing}"

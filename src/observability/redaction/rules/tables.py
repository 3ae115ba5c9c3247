"""Find the values of a table's columns that are named like secrets: CSV, with commas, semicolons or tabs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from src.observability.redaction.judging import names
from src.observability.redaction.judging.names import Rule
from src.observability.redaction.rules import nearby_names

if TYPE_CHECKING:
    from src.observability.redaction.judging.names import Verdict
    from src.observability.redaction.judging.scan import Scan

_LONGEST_LINE = 4_096
_BREAK = re.compile(r"\r?\n|(?:\\{1,16}r)?\\{1,16}n")
_COLUMN = re.compile(r"[\w .\-]{1,48}\Z")
_CELL = {
    delimiter: re.compile(rf"(?:\\{{0,16}}\"[^\"\n\\]{{0,4096}}\\{{0,16}}\"|[^{delimiter}\n\r\\\"]{{0,4096}})")
    for delimiter in "\t;,"
}
_DELIMITERS = frozenset(_CELL)
_EDGES = " \t\"'\\"


def find(scan: Scan, end: int) -> None:
    """Find the values under a header; the beginning of one of its names, or the first cell of a row, ends at `end`."""
    text = scan.text
    if end <= scan.table_end:
        return
    is_row = text[end - 1] in _CELL
    before = [*_BREAK.finditer(text, max(0, end - _LONGEST_LINE), end)]
    header_break = (before.pop() if before else None) if is_row else _BREAK.search(text, end - 1, end + _LONGEST_LINE)
    if not header_break:
        return
    header_start = before[-1].end() if before else max(0, end - _LONGEST_LINE)
    header = _within_string(text[header_start : header_break.start()], header_break[0])
    delimiter = next((char for char in _CELL if char in header), "")
    columns = [column.strip(_EDGES) for column in header.split(delimiter)] if delimiter else []
    if len(columns) < 2 or not all(map(_COLUMN.match, columns)):
        return
    verdicts = {place: verdict for place, column in enumerate(columns) if (verdict := names.judge(column))}
    start: int | None = header_break.end()
    while verdicts and start is not None:
        scan.table_end = start
        start = _read_row(scan, start, len(columns), verdicts, _CELL[delimiter])


def _within_string(line: str, line_break: str) -> str:
    """Return the part of a line that belongs to the same JSON string as its break, if this is an escape."""
    level = len(line_break.rpartition("r")[2]) - 1 if line_break[0] == "\\" else 0
    opened = [*re.finditer(rf"(?<!\\)\\{{{level - 1}}}\"", line)] if level else []
    return line[opened[-1].end() :] if opened else line


def _read_row(scan: Scan, start: int, columns: int, verdicts: dict[int, Verdict], cell: re.Pattern[str]) -> int | None:
    """Record the secrets of a row and return the start of the next; None where it is not a row of the table."""
    text, position = scan.text, start
    spans: list[tuple[int, int]] = []
    for place in range(columns):
        match = cell.match(text, position)
        if not match or (place < columns - 1 and text[match.end() : match.end() + 1] not in _DELIMITERS):
            return None
        spans.append(match.span())
        position = match.end() + 1
    line_end = spans[-1][1]
    closing = _BREAK.match(text, line_end)
    if not closing and line_end < len(text) and text[line_end] not in "\"'`\\":
        return None
    for place, verdict in verdicts.items():
        _judge(scan, *spans[place], verdict)
    return closing.end() if closing else None


def _judge(scan: Scan, start: int, end: int, verdict: Verdict) -> None:
    raw = scan.text[start:end]
    value = raw.strip(_EDGES)
    if verdict.rule is not Rule.URL and nearby_names.is_secret(verdict, value):
        first = start + raw.index(value)
        scan.add(first, first + len(value), verdict.kind, general=True)

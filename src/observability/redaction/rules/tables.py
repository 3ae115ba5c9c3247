"""Find the values of a table's columns that are named like secrets: CSV, with commas, semicolons or tabs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from src.observability.redaction.judging import names
from src.observability.redaction.judging.names import Rule
from src.observability.redaction.judging.scan import PART
from src.observability.redaction.rules import nearby_names

if TYPE_CHECKING:
    from src.observability.redaction.judging.names import Verdict
    from src.observability.redaction.judging.scan import Scan

_LONGEST_LINE = 1_024
_LONGEST_BREAK = 36
_MARKS = ("\n", "\\n")
_BREAK = re.compile(r"\r?\n|(?:\\{1,16}r)?\\{1,16}n")
_BREAK_AT_END = re.compile(rf"(?:{_BREAK.pattern})\Z")
_COLUMN = re.compile(r"[\w .\-]{1,48}\Z")
_CELL = {
    delimiter: re.compile(rf"(?:\\{{0,16}}\"[^\"\n\\]{{0,4096}}\\{{0,16}}\"|[^{delimiter}\n\r\\\"\x7f]{{0,4096}})")
    for delimiter in "\t;,"
}
_AFTER_TABLE = frozenset("\"'`\\\x7f")
_DELIMITERS = frozenset(_CELL)
_EDGES = " \t\"'\\"


def find(scan: Scan, end: int) -> None:
    """Find the values under a header; the beginning of one of its names, or the first cell of a row, ends at `end`."""
    text = scan.text
    if end <= scan.table_end:
        return
    header_break = _break_before(text, end) if text[end - 1] in _CELL else _break_after(text, end - 1)
    if not header_break:
        return
    previous = _break_before(text, header_break.start())
    header_start = previous.end() if previous else max(0, header_break.start() - _LONGEST_LINE)
    if text.startswith(PART, header_start - len(PART)):  # the name of an attribute, of several that are read in one go
        header_start = text.find(": ", header_start, end) + 2
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


def _break_before(text: str, end: int) -> re.Match[str] | None:
    """Return the last line break before a position, not further away than a line can be long."""
    first = max(0, end - _LONGEST_LINE)
    ends = [at + len(mark) for mark in _MARKS if (at := text.rfind(mark, first, end)) >= 0]
    return _BREAK_AT_END.search(text, max(0, max(ends) - _LONGEST_BREAK), max(ends)) if ends else None


def _break_after(text: str, start: int) -> re.Match[str] | None:
    """Return the first line break after a position, not further away than a line can be long."""
    last = start + _LONGEST_LINE
    ends = [at + len(mark) for mark in _MARKS if (at := text.find(mark, start, last)) >= 0]
    return _BREAK_AT_END.search(text, max(start, min(ends) - _LONGEST_BREAK), min(ends)) if ends else None


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
    if not closing and line_end < len(text) and text[line_end] not in _AFTER_TABLE:
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

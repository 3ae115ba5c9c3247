"""Find the values of columns that are named like secrets: tables in Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from src.observability.redaction.judging import checks, names
from src.observability.redaction.judging.names import Rule
from src.observability.redaction.judging.plain_values import PLACEHOLDER

if TYPE_CHECKING:
    from src.observability.redaction.judging.names import Verdict
    from src.observability.redaction.judging.scan import Scan

# | service | api key |: up to the bar behind a name; the names are those of `gates`
MARKDOWN_END: Final = r"[\w.\-]{0,24}[*`]{0,2} {0,24}\|"

_LONGEST_LINE: Final = 1_024
_SHORTEST: Final = 6
_BREAK: Final = r"(?:\r?\n|\\{1,16}n)"
_LINE: Final = re.compile(rf"(?:(?!{_BREAK})[^\x7f]){{1,{_LONGEST_LINE}}}")
_RULER: Final = re.compile(rf"{_BREAK}[ >]{{0,8}}\|?(?:\s?:?-{{2,64}}:?\s?[|+]){{1,40}}(?:\s?:?-{{2,64}}:?\s?)?\|?")
_NEXT: Final = re.compile(rf"[ \t]{{0,8}}{_BREAK}(?=[ >]{{0,8}}\|)")
_CELL: Final = re.compile(r"[^|]+")
_EDGES: Final = " \t`*\"'\\"


def find_in_markdown(scan: Scan, end: int) -> None:
    """Find the values below a column's name in Markdown; the bar behind the name ends at `end`."""
    text = scan.text
    if end <= scan.table_end:
        return
    start = 1 + max(text.rfind(sign, max(0, end - _LONGEST_LINE), end) for sign in "\n\x7f")
    header = _LINE.match(text, start)
    ruler = _RULER.match(text, header.end()) if header else None
    if not header or not ruler:
        return
    lead = text.find("|", start, header.end())
    columns = [cell[0].strip(_EDGES) for cell in _CELL.finditer(text, lead, header.end())]
    verdicts = {place: verdict for place, name in enumerate(columns) if (verdict := names.judge(name))}
    scan.table_end = header.end()
    row = _NEXT.match(text, ruler.end())
    while row and verdicts:
        line = _LINE.match(text, row.end())
        if not line:
            break
        cells = [*_CELL.finditer(text, text.find("|", row.end()), line.end())]
        for place, verdict in verdicts.items():
            if place < len(cells):
                _judge(scan, cells[place], verdict)
        scan.table_end = line.end()  # so that each row is read once
        row = _NEXT.match(text, line.end())


def _judge(scan: Scan, cell: re.Match[str], verdict: Verdict) -> None:
    """Record a cell of a column that is named like a secret, if it can be one."""
    value = cell[0].strip(_EDGES)
    if len(value) < _SHORTEST or verdict.rule is Rule.URL or PLACEHOLDER.match(value) or " " in value:
        return
    is_password = verdict.kind == "password" and not value.isalpha() and not checks.is_number(value)
    if is_password or checks.looks_random(value, 12) or checks.is_uuid(value):
        start = cell.start() + cell[0].index(value)
        scan.add(start, start + len(value), verdict.kind, general=True)

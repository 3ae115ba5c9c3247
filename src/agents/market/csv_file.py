"""Read a CSV file into columns of text: its delimiter, its header, and its rows with their lines."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from src.agents.market.candles import MarketDataError
from src.agents.market.header import Header, find_header, header_in_remark
from src.agents.market.sheet import Sheet
from src.agents.market.text_source import open_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from src.agents.market.candles import Issues
    from src.agents.market.sheet import CellSink
    from src.agents.market.text_source import TextSource

_DELIMITERS: Final = (",", ";", "\t", "|")
_SAMPLE_LINES: Final = 60


@dataclass(frozen=True, slots=True)
class _Plan:
    """How to read the rows below the header: `width` cells each, `first_line` is the number of the first."""

    delimiter: str
    width: int
    names: int
    first_line: int
    sample: tuple[tuple[str, ...], ...]
    needed: int = 0


def open_csv(path: Path) -> Sheet:
    """Return a CSV file as a sheet.

    Raises:
        MarketDataError: it cannot be read, is empty, or has no header and no rows of prices.
    """
    source = open_text(path)
    lines = source.head.split("\n")
    if not any(line.strip() for line in lines):
        raise MarketDataError(f"{path} is empty: give a file with time, open, high, low and close.")
    if len(lines) > _SAMPLE_LINES:
        lines = lines[:_SAMPLE_LINES]
    delimiter, header = _header(lines, path)
    sample = tuple(tuple(cells) for _, cells in header.rows)
    plan = _Plan(
        delimiter=delimiter,
        width=_width(header, path),
        names=len(header.names or ()),
        first_line=header.first_line,
        sample=sample,
    )
    return Sheet(
        source=path.name,
        names=header.names,
        sample=sample,
        read=lambda sinks, issues, needed: _read(source, replace(plan, needed=needed), sinks, issues),
        is_exact=delimiter == ",",
        delimiter=delimiter,
        encoding=source.encoding,
        written_at=datetime.fromtimestamp(path.stat().st_mtime, UTC),
        first_line=header.first_line,
        hints=header.hints,
    )


def _header(lines: list[str], path: Path) -> tuple[str, Header]:
    """Return the delimiter under which the lines make sense, with the header that shows."""
    stated = re.fullmatch(r"\ufeff?sep=(.)\s*", lines[0])
    candidates = (stated[1],) if stated else _DELIMITERS
    failures: list[MarketDataError] = []
    headers: list[tuple[int, str, Header]] = []
    for delimiter in candidates:
        rows = [(number, cells) for number, cells in _rows(lines, delimiter) if not (stated and number == 1)]
        try:
            header = find_header(rows)
        except MarketDataError as error:
            failures.append(error)
            continue
        if header is not None:
            remark = next((line for line in reversed(lines[: header.first_line - 1]) if line.strip()), "")
            header = header_in_remark(remark, header, delimiter) if remark.startswith("#") else header
            headers.append((len(header.names or header.rows[0][1]), delimiter, header))
    if headers:
        _, delimiter, header = max(headers, key=lambda item: item[0])
        return delimiter, header
    if failures:
        raise failures[0]
    first = next(line for line in lines if line.strip())
    raise MarketDataError(
        f"{path} has no header with time, open, high, low and close; it begins with {first[:80]!r}. "
        "Give the columns those names."
    )


def _rows(lines: list[str], delimiter: str) -> list[tuple[int, list[str]]]:
    return [
        (number, cells_of(text, delimiter)) for number, text in _records("\n".join(lines), 1) if not _is_skipped(text)
    ]


def cells_of(text: str, delimiter: str) -> list[str]:
    """Return the cells of one record."""
    return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=False), [])


def _is_skipped(text: str) -> bool:
    """Tell whether a record is blank or a comment."""
    plain = text.strip()
    return not plain or plain.startswith("#") or not plain.strip(",;\t| ")


def _records(text: str, first_line: int) -> Iterable[tuple[int, str]]:
    """Yield the records of a text with their lines; a quotation mark carries one over a line's end."""
    start, is_open = first_line, False
    parts: list[str] = []
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, start=first_line):
        if not parts:
            start = number
        parts.append(line)
        is_open ^= line.count('"') % 2 == 1
        if not is_open:
            yield start, "\n".join(parts)
            parts = []
    if parts:
        yield start, "\n".join(parts)


def _width(header: Header, path: Path) -> int:
    counts = [len(cells) for _, cells in header.rows]
    names = len(header.names or ())
    if not counts:
        return max(names, 2)
    width = max(set(counts), key=lambda count: (counts.count(count), count))
    extra = [cells for _, cells in header.rows if len(cells) == width and any(cell.strip() for cell in cells[names:])]
    if header.names is not None and width > names and extra:
        raise MarketDataError(
            f"{path}: rows have {width} cells where the header names {names}: {' '.join(extra[0])[:80]!r}. Quote "
            "numbers that hold the delimiter, or name every column."
        )
    return width


def _read(source: TextSource, plan: _Plan, sinks: Mapping[int, CellSink], issues: Issues) -> Any:
    """Hand all cells to the sinks and return the rows' lines."""
    import numpy

    lines: list[Any] = []
    line = 1
    skipped = plan.first_line - 1
    for block in source.blocks():
        following = line + block.count("\n")
        text = block
        while skipped and text:
            _, _, text = text.partition("\n")
            skipped -= 1
            line += 1
        if text:
            lines.append(_read_block(text, line, plan, sinks, issues))
        line = following
    return numpy.concatenate(lines) if lines else numpy.zeros(0, dtype="int64")


def _read_block(text: str, first_line: int, plan: _Plan, sinks: Mapping[int, CellSink], issues: Issues) -> Any:
    import numpy

    count = text.count("\n") + (not text.endswith("\n"))
    table = None
    if text.endswith("\n") and not _needs_a_closer_look(text, plan.delimiter):
        table = _parsed(text, plan, sinks)
    if table is not None and table.num_rows == count:
        lines = numpy.arange(first_line, first_line + count, dtype="int64")
    else:
        records = list(_whole_records(text, first_line, plan, issues))
        lines = numpy.array([line for line, _ in records], dtype="int64")
        table = _parsed("\n".join(record for _, record in records) + "\n", plan, sinks) if records else None
        if table is not None and table.num_rows != len(records):
            raise MarketDataError(
                f"Lines {first_line} to {first_line + count} cannot be told apart: check their quotes."
            )
    if table is None:
        return lines
    for index, sink in sinks.items():
        chunks = table.column(str(index)).chunks
        for chunk in chunks:
            sink.add_text(chunk)
    return lines


def _needs_a_closer_look(text: str, delimiter: str) -> bool:
    """Tell whether a block has comments, or quotes that begin after a space: one character is searched for fast."""
    has_comments = "#" in text and (text.startswith("#") or "\n#" in text)
    return has_comments or ('"' in text and " " in text and f'{delimiter} "' in text)


def _parsed(text: str, plan: _Plan, sinks: Mapping[int, CellSink]) -> Any:
    """Return the columns that are asked for; None where a row has another number of cells."""
    import pyarrow
    import pyarrow.csv

    data = text.encode()
    names = [str(index) for index in range(plan.width)]
    wanted = [str(index) for index in sinks]
    try:
        return pyarrow.csv.read_csv(
            pyarrow.py_buffer(data),
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False, column_names=names, block_size=min(len(data) + 1, 2**31 - 1)
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=plan.delimiter, newlines_in_values='"' in text, ignore_empty_lines=False
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(wanted, pyarrow.string()),
                include_columns=wanted,
                strings_can_be_null=False,
                check_utf8=False,
            ),
        )
    except pyarrow.ArrowInvalid:
        return None


def _whole_records(text: str, first_line: int, plan: _Plan, issues: Issues) -> Iterable[tuple[int, str]]:
    """Yield the records with as many cells as the others; blank ones and comments are left out, others reported."""
    is_cut_possible = not text.endswith("\n")
    records = list(_records(text, first_line))
    for place, (line, record) in enumerate(records):
        if _is_skipped(record):
            continue
        cells = cells_of(record, plan.delimiter)
        is_last = is_cut_possible and place == len(records) - 1
        if len(cells) > plan.width and any(cell.strip() for cell in cells[plan.width :]):
            issues.add("long_row", f"{len(cells)} cells where {plan.width} are usual", "dropped", line)
        elif is_last and _is_cut(cells, plan):
            issues.add("cut_line", "the last line is cut off", "dropped", line)
        elif len(cells) < plan.needed:
            issues.add("short_row", f"{len(cells)} cells where {plan.needed} are needed", "dropped", line)
        else:
            yield line, _written(cells[: plan.width] + [""] * (plan.width - len(cells)), plan.delimiter)


def _is_cut(cells: list[str], plan: _Plan) -> bool:
    """Tell whether a last line without a line end is cut off: fewer cells, or fewer decimals than all rows have."""
    if len(cells) < max(min((len(row) for row in plan.sample[:-1]), default=0), plan.needed):
        return True
    last = len(cells) - 1
    decimals = {_decimals(row[last]) for row in plan.sample[:-1] if last < len(row)}
    return len(plan.sample) > 3 and len(decimals) == 1 and _decimals(cells[last]) < decimals.pop()


def _decimals(cell: str) -> int:
    return len(re.sub(r"^.*?[.,]|\D*$", "", cell.strip())) if re.search(r"[.,]", cell) else 0


def _written(cells: list[str], delimiter: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="").writerow([cell.replace("\n", " ") for cell in cells])
    return text.getvalue()

"""Find the header of a table, below whatever stands before it, or its first row of prices where it has none."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Final

from src.agents.market.names import PRICES, columns_of, price_sets, roles
from src.agents.market.sheet import Hints
from src.agents.market.times import looks_like_time

_SEARCHED: Final = 20
_NUMBER: Final = re.compile(r"[-+$€£]?\s*[\d][\d.,'\u2019\u00a0\u202f\u2009 ]*([eE][+-]?\d+)?[kKmMbB]?|[.,]\d+")
FIELD_WORDS: Final = frozenset((*PRICES, "volume", "adjclose", "dividends", "stocksplits", "capitalgains", "repaired"))


@dataclass(frozen=True, slots=True)
class Header:
    """The names, None without a header, and the rows below with their lines; `first_line` is the first of these."""

    names: tuple[str, ...] | None
    rows: list[tuple[int, list[str]]]
    first_line: int
    hints: Hints = field(default_factory=Hints)


def find_header(rows: list[tuple[int, list[str]]]) -> Header | None:
    """Return where a table begins; None where it is not recognised.

    A row that names at least two prices and not all that is needed counts as a header too: what it lacks is said later.
    """
    candidate: Header | None = None
    for place, (line, cells) in enumerate(rows[:_SEARCHED]):
        below = rows[place + 1 :]
        levels = _two_levels(cells, below)
        if levels is not None:
            return levels
        if _is_data(cells):
            if candidate is None and place and _are_names(rows[place - 1][1], len(cells)):
                return _header(rows[place - 1][1], rows[place:], line)  # whose names are not known: that is said later
            return candidate or Header(names=None, rows=rows[place:], first_line=line)
        known = _known(tuple(cells))
        if known == len(PRICES) + 1:
            return _header(cells, below, line)
        if known >= 3 and candidate is None:
            candidate = _header(cells, below, line)
    return candidate


def header_in_remark(remark: str, header: Header, delimiter: str) -> Header:
    """Return a header whose names stand in a remark above the rows, as numpy writes them; else the same one."""
    cells = [cell.strip() for cell in remark.lstrip("# ").split(delimiter)]
    width = len(header.rows[0][1]) if header.rows else 0
    if header.names is not None or len(cells) != width or _known(tuple(cells)) <= len(PRICES):
        return header
    return replace(header, names=tuple(cells))


def _are_names(cells: list[str], width: int) -> bool:
    """Tell whether a row above the first one of prices names its columns, in whatever words."""
    texts = [cell.strip() for cell in cells if cell.strip()]
    is_named = len(cells) == width and len(texts) >= max(len(PRICES) + 1, width - 1)
    return is_named and not any(_NUMBER.fullmatch(text) or looks_like_time(text) for text in texts)


def _header(cells: list[str], below: list[tuple[int, list[str]]], line: int) -> Header:
    return Header(names=tuple(cells), rows=below, first_line=below[0][0] if below else line + 1)


def _known(names: tuple[str, ...]) -> int:
    """Return how many of time, open, high, low and close a row names."""
    parts = roles(names)
    has_time = parts.time is not None and (bool(parts.time.key) or len(names) > 1)
    if has_time and price_sets(columns_of(names)):
        return len(PRICES) + 1
    return int(has_time) + sum(bool(columns) for columns in parts.prices.values())


def _is_data(cells: list[str]) -> bool:
    """Tell whether a row is a time and at least four numbers."""
    if len(cells) < 5 or not looks_like_time(cells[0].strip()):
        return False
    numbers = sum(bool(_NUMBER.fullmatch(cell.strip())) for cell in cells[1:6])
    has_clock = bool(re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", cells[1].strip()))
    return numbers >= 4 or (has_clock and len(cells) >= 6 and numbers >= 3)


def _two_levels(cells: list[str], below: list[tuple[int, list[str]]]) -> Header | None:
    """Return the header of two-level columns, as yfinance has them: fields, tickers, then the index's name."""
    if not below:
        return None
    second = below[0][1]
    for fields, tickers in ((cells, second), (second, cells)):
        words = [re.sub(r"\W+", "", cell).casefold() for cell in fields]
        if len(fields) != len(tickers) or len(fields) < 5 or not FIELD_WORDS.issuperset(words[1:]):
            continue
        if not all(tickers[1:]) or any(_NUMBER.fullmatch(cell) for cell in tickers[1:]):
            continue
        rest = below[1:]
        time_name = "Date"
        if rest and rest[0][1] and not any(cell.strip() for cell in rest[0][1][1:]):
            time_name, rest = rest[0][1][0] or time_name, rest[1:]
        names = [f"{name} ({ticker})" for name, ticker in zip(fields[1:], tickers[1:], strict=True)]
        symbols = set(tickers[1:])
        return Header(
            names=(time_name, *names),
            rows=rest,
            first_line=rest[0][0] if rest else below[-1][0] + 1,
            hints=Hints(dialect="yfinance", symbol=symbols.pop() if len(symbols) == 1 else None),
        )
    return None

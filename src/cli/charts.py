"""Draw values over time in the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from src.observability.commands.console import escape, out

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEIGHT: Final = 10
_WIDEST: Final = 100
# Signs of lines, the most important one first, with those for terminals that lack them.
_SIGNS: Final = ("●", "·", "○", "+", "x", "◦")
_PLAIN_SIGNS: Final = ("*", ".", "o", "+", "x", "-")
_STYLES: Final = ("bold cyan", "dim", "magenta", "yellow", "green", "blue")


@dataclass(frozen=True, slots=True)
class Line:
    """A named value over time; times are nanoseconds since 1970."""

    name: str
    times_ns: Sequence[int]
    values: Sequence[float]


def print_chart(lines: Sequence[Line], *, form: str = ",.0f") -> None:
    """Print lines in one chart as wide as the terminal; nothing where there are fewer than two times.

    Args:
        lines: The lines; where two meet, the first one is seen.
        form: How values are written beside the chart.
    """
    lines = [line for line in lines if len(line.times_ns)][: len(_SIGNS)]
    if not lines or len({time_ns for line in lines for time_ns in (line.times_ns[0], line.times_ns[-1])}) < 2:
        return
    console = out()
    low, high = (pick(value for line in lines for value in line.values) for pick in (min, max))
    if high == low:
        low, high = low - abs(low) * 0.01 - 0.01, high + abs(high) * 0.01 + 0.01
    margin = max(len(format(value, form)) for value in (low, high)) + 1
    width = max(min(console.width, _WIDEST) - margin - 2, 10)
    first, last = min(line.times_ns[0] for line in lines), max(line.times_ns[-1] for line in lines)
    cells = [[" "] * width for _ in range(_HEIGHT)]
    for index in reversed(range(len(lines))):
        _draw(cells, lines[index], index, (first, last), (low, high))
    for row, texts in enumerate(cells):
        value = high - (high - low) * row / (_HEIGHT - 1)
        label = format(value, form) if row in (0, _HEIGHT // 2, _HEIGHT - 1) else ""
        console.print(f"[dim]{label:>{margin}}[/] {''.join(texts)}")
    begin, end = (f"{datetime.fromtimestamp(time_ns / 1e9, UTC):%Y-%m-%d %H:%M}" for time_ns in (first, last))
    console.print(f"[dim]{'':>{margin}} {begin}{end:>{max(width - len(begin), len(end) + 1)}}[/]")
    _print_legend(lines, margin + 1, width)


def _print_legend(lines: Sequence[Line], margin: int, width: int) -> None:
    """Print what each sign means, in as many rows as that takes."""
    rows: list[list[str]] = [[]]
    used = 0
    for index, line in enumerate(lines):
        name = escape(line.name)
        if rows[-1] and used + len(name) + 5 > width:
            rows.append([])
            used = 0
        rows[-1].append(f"[{_STYLES[index]}]{_signs()[index]}[/] {name}")
        used += len(name) + 5
    for row in rows:
        out().print(f"{'':>{margin}}{'   '.join(row)}")


def _draw(cells: list[list[str]], line: Line, index: int, times: tuple[int, int], values: tuple[float, float]) -> None:
    """Draw one line: in each column its last value until then."""
    import numpy

    (first, last), (low, high) = times, values
    width, sign = len(cells[0]), f"[{_STYLES[index]}]{_signs()[index]}[/]"
    moments = [first + (last - first) * column // width for column in range(1, width + 1)]
    reached = numpy.searchsorted(numpy.asarray(line.times_ns, dtype="int64"), moments, side="right") - 1
    for column, at in enumerate(reached.tolist()):
        if at >= 0:
            row = round((high - line.values[at]) / (high - low) * (_HEIGHT - 1))
            cells[row][column] = sign


def _signs() -> Sequence[str]:
    try:
        "".join(_SIGNS).encode(out().encoding)
    except (UnicodeError, LookupError):
        return _PLAIN_SIGNS
    return _SIGNS

"""Read columns of numbers; the decimal sign is decided by all cells of a file, and refused where they leave two."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from src.agents.market.candles import MarketDataError
from src.agents.market.cells import (
    all_end_alike,
    cast,
    chosen,
    holds,
    mask_of,
    text_array,
    to_numpy,
    trimmed,
    with_point,
    without,
)
from src.agents.market.groups_of_digits import are_grouped

MISSING: Final = ("", "-", "--", ".", "null", "none", "nan", "n/a", "na", "#n/a", "nil", "undefined")
# What a cell proves: that the point is the decimal sign, that the comma is, or neither («42.150» may be 42150).
_POINT_ONLY: Final = (
    r"^(?:0\d*\.\d*|\d{4,}\.\d*|\.\d+|\d{1,3}\.(?:\d{0,2}|\d{4,})|\d+\.\d*[eE][+-]?\d+|\d+\.(?:\d{0,2}|\d{4,})[kKmMbBtT]"
    r"|\d{1,3}(?:,\d{2,3})+\.\d*|\d{1,3}(?:,\d{2,3})*,\d{2,3},\d{3}|\d{1,3}(?:['\x{2019} ]\d{3})+\.\d*)$"
)
_COMMA_ONLY: Final = (
    r"^(?:0\d*,\d*|\d{4,},\d*|,\d+|\d{1,3},(?:\d{0,2}|\d{4,})|\d+,\d*[eE][+-]?\d+|\d+,(?:\d{0,2}|\d{4,})[kKmMbBtT]"
    r"|\d{1,3}(?:\.\d{3})+,\d*|\d{1,3}(?:\.\d{3})*\.\d{3}\.\d{3}|\d{1,3}(?:['\x{2019} ]\d{3})+,\d*)$"
)
_EITHER: Final = r"^[1-9]\d{0,2}[.,]\d{3}$"
_READABLE: Final = {
    ".": r"^[+-]?(?:\d+|\d{1,3}(?:,\d{3})+|\d{1,2}(?:,\d{2})+,\d{3}|\d{1,3}(?:['\x{2019} ]\d{3})+)?(?:\.\d*)?"
    r"(?:[eE][+-]?\d+|[kKmMbBtT])?$",
    ",": r"^[+-]?(?:\d+|\d{1,3}(?:\.\d{3})+|\d{1,3}(?:['\x{2019} ]\d{3})+)?(?:,\d*)?(?:[eE][+-]?\d+|[kKmMbBtT])?$",
}
_SUFFIXES: Final = (("[kK]$", "e3"), ("[mM]$", "e6"), ("[bB]$", "e9"), ("[tT]$", "e12"))
_CURRENCIES: Final = r"^([+-]?)(?:[$€£¥₹₽]|USDT?|EUR|GBP)\s*|\s*(?:[$€£¥₹₽]|USDT?|EUR|GBP)$"
_MONEY: Final = (r"\$|USDT?", "\u20ac|EUR", "\xa3|GBP", "\xa5", "\u20b9", "\u20bd")  # of one currency each


@dataclass(slots=True)
class Notation:
    """What the number cells of a file have proved about the decimal sign: the first example of each, with its column.

    `is_settled` is set where the source itself settles it, so that plain numbers need no second look.
    """

    is_settled: bool = False
    examples: dict[str, tuple[str, str]] = field(default_factory=dict)

    def look(self, name: str, cells: Any) -> None:
        """Note what cells prove, until one has proved which sign is the decimal one."""
        if self.is_settled or "point" in self.examples or "comma" in self.examples:
            return
        unsigned = _unsigned(cells)
        for kind, pattern in (("point", _POINT_ONLY), ("comma", _COMMA_ONLY), ("either", _EITHER)):
            if kind not in self.examples:
                example = first_match(unsigned, pattern)
                if example is not None:
                    self.examples[kind] = (name, example)

    def proves_point(self, name: str, cells: Any) -> bool:
        """Tell whether plain numbers, of which some may have a point, mean what they mean in a program."""
        if self.is_settled or "point" in self.examples:
            return True
        self.look(name, cells)
        return "point" in self.examples or not holds(cells, ".")


def _unsigned(cells: Any) -> Any:
    from pyarrow import compute

    return compute.utf8_ltrim(cells, characters="+-$€£¥")


def first_match(cells: Any, pattern: str) -> str | None:
    """Return the first cell that fits a pattern."""
    from pyarrow import compute

    matches = cells.filter(compute.match_substring_regex(cells, pattern))
    return str(matches[0].as_py()) if len(matches) else None


def decimal_sign(notation: Notation, source: str, *, is_exact: bool, stated: str | None = None) -> str:
    """Return the decimal sign of a file.

    `is_exact` says that «42.150» alone means 42.15 there; `stated` is the sign that the caller or the platform states.

    Raises:
        MarketDataError: its cells contradict one another, or leave two readings.
    """
    point, comma, either = (notation.examples.get(kind) for kind in ("point", "comma", "either"))
    if point and comma:
        raise MarketDataError(
            f"{source} writes numbers in two ways: {point[0]} has {point[1]} with a decimal point, {comma[0]} has "
            f"{comma[1]} with a decimal comma. Write them in one way."
        )
    contrary = comma if stated == "." else point if stated == "," else None
    if stated and contrary:
        raise MarketDataError(
            f"{source}: {contrary[0]} has {contrary[1]}, which is no number with {stated!r} as its decimal sign. "
            "State the other sign, or write the numbers in one way."
        )
    if stated:
        return stated
    if point or comma:
        return "." if point else ","
    if either is None or (is_exact and "." in either[1]):
        return "."
    whole = re.sub(r"\D", "", either[1])
    fraction = either[1].replace(",", ".")
    raise MarketDataError(
        f"{source}: {either[0]} has {either[1]}, which may be {float(fraction):g} or {whole}, and no other number of "
        f"the file tells. Say which sign is the decimal one: --decimal point or --decimal comma (decimal='.' or ',')."
    )


class NumberColumn:
    """The cells of one column, converted piece by piece where they are plain numbers, and kept as text elsewhere."""

    def __init__(self, name: str, notation: Notation) -> None:
        self.name = name
        self.notation = notation
        self.pieces: list[Any] = []

    def add_text(self, cells: Any) -> None:
        """Take cells as a pyarrow array of strings."""
        import pyarrow

        text, values = cells, cast(cells, pyarrow.float64())
        if values is None:
            text = trimmed(cells)
            values = cast(text, pyarrow.float64())
        if values is None:
            self.notation.look(self.name, text)
            self.pieces.append(text)
            return
        is_plain = self.notation.proves_point(self.name, text)
        self.pieces.append(to_numpy(values) if is_plain else text)

    def add_values(self, values: Any) -> None:
        """Take numbers as a numpy array."""
        self.pieces.append(values.astype("float64"))

    def add_times(self, time_us: Any, *, zone: str | None) -> None:  # noqa: ARG002 - as every sink takes them
        """Refuse times where a number is needed."""
        raise MarketDataError(f"{self.name} holds times where numbers are needed: give the columns other names.")

    def texts(self) -> list[Any]:
        """Return the pieces that are text."""
        import numpy

        return [piece for piece in self.pieces if not isinstance(piece, numpy.ndarray)]

    def values(self, sign: str, unreadable: Unreadable) -> Any:
        """Return all cells as float64; what is missing or no number is NaN."""
        import numpy

        parts: list[Any] = []
        start = 0
        for piece in self.pieces:
            count = len(piece)
            parts.append(piece if isinstance(piece, numpy.ndarray) else self._converted(piece, sign, start, unreadable))
            start += count
        self.pieces = []
        if len(parts) == 1:
            return parts[0]
        return numpy.concatenate(parts) if parts else numpy.zeros(0)

    def _converted(self, cells: Any, sign: str, start: int, unreadable: Unreadable) -> Any:
        import pyarrow

        mark = "," if sign == "." else "."
        has_groups = holds(cells, mark)
        if has_groups:
            self._refuse_mixed_groups(cells, sign)
        if not has_groups or are_grouped(cells, mark, sign):
            plain = without(cells, mark) if has_groups else cells
            if sign == ",":
                plain = with_point(plain)
            values = cast(plain, pyarrow.float64())
            if values is not None:
                return to_numpy(values)
        return self._cleaned(cells, sign, start, unreadable)

    def _cleaned(self, cells: Any, sign: str, start: int, unreadable: Unreadable) -> Any:
        """Return numbers with signs of money, letters for thousands and spaces in them; the rest is NaN."""
        import numpy
        import pyarrow
        from pyarrow import compute

        self._refuse_two_currencies(cells)
        plain = compute.replace_substring_regex(cells, _CURRENCIES, r"\1")
        is_readable = compute.and_(
            compute.match_substring_regex(plain, _READABLE[sign]), compute.match_substring_regex(plain, r"\d")
        )
        is_missing = compute.is_in(compute.utf8_lower(cells), text_array(MISSING))
        for mark in ("'", "\u2019", " ", "," if sign == "." else "."):
            plain = compute.replace_substring(plain, mark, "")
        plain = compute.replace_substring(plain, ",", ".") if sign == "," else plain
        for suffix, exponent in _SUFFIXES:
            plain = compute.replace_substring_regex(plain, suffix, exponent)
        good = mask_of(is_readable)
        values = numpy.full(len(cells), numpy.nan)
        values[good] = to_numpy(chosen(plain, good).cast(pyarrow.float64()))
        rows = numpy.flatnonzero(~(good | mask_of(is_missing)))
        if len(rows):
            contrary = first_match(_unsigned(chosen(cells, rows)), _COMMA_ONLY if sign == "." else _POINT_ONLY)
            if contrary is not None:
                raise MarketDataError(
                    f"{self.name} has {contrary}, and other numbers have {sign!r} as their decimal sign. Write all "
                    "numbers in one way."
                )
        unreadable.note(self.name, rows + start, cells, rows)
        return values

    def _refuse_two_currencies(self, cells: Any) -> None:
        """Refuse a column of prices of which some are in dollars, others in euros."""
        stated = [text for money in _MONEY if (text := first_match(cells, money)) is not None]
        if len(stated) > 1:
            raise MarketDataError(
                f"{self.name} has {stated[0]} and {stated[1]}: prices in two currencies cannot be compared. Give those "
                "in one."
            )

    def _refuse_mixed_groups(self, cells: Any, sign: str) -> None:
        """Refuse a price column with both `1.4` and `1,500`: the second may be 1.5 as well as 1500."""
        from pyarrow import compute

        if self.name.lower().startswith("vol") or all_end_alike(cells, sign):
            return
        if compute.all(compute.match_substring(cells, sign)).as_py():
            return
        mark, other = (",", ".") if sign == "." else (".", ",")
        grouped = first_match(cells, rf"^[+-]?[1-9]\d{{0,2}}{re.escape(mark)}\d{{3}}$")
        if (
            grouped is None
            or first_match(cells, rf"^[+-]?\d{{1,3}}({re.escape(mark)}\d{{3}})+{re.escape(other)}\d") is not None
        ):
            return
        single = first_match(cells, rf"^[+-]?\d+{re.escape(other)}\d+$")
        if single is not None:
            raise MarketDataError(
                f"{self.name} has {single} and {grouped}: the second may be {grouped.replace(',', '.')} or "
                f"{re.sub(r'[^0-9]', '', grouped)}. Write all numbers in one way."
            )


class Unreadable:
    """The cells that are no number: which rows, and the first hundred texts."""

    def __init__(self) -> None:
        self.texts: dict[int, tuple[str, str]] = {}
        self.rows: list[Any] = []

    def note(self, name: str, rows: Any, cells: Any, places: Any) -> None:
        """Note rows, whose texts stand in `cells` at `places`."""
        self.rows.append(rows)
        for row, place in zip(rows[:100].tolist(), places[:100].tolist(), strict=True):
            self.texts.setdefault(row, (name, str(cells[place].as_py())))

"""Tell by their bytes whether numbers have their digits in groups of three."""

from __future__ import annotations

from typing import Any, Final

from src.agents.market.cells import bytes_of

_STEP: Final = 4  # three digits and a mark
_ZERO, _NINE, _PLUS, _MINUS = b"09+-"


def are_grouped(cells: Any, mark: str, point: str) -> bool:
    """Tell whether each cell is a number of at most three digits, or of such groups with a mark between them.

    A sign may stand before it, and the decimal sign with any digits behind it.

    Args:
        cells: A pyarrow array of strings without nulls.
        mark: Stands between groups.
        point: The decimal sign.
    """
    import numpy

    data, offsets = bytes_of(cells)
    first, last = offsets[:-1], offsets[1:]
    if not len(data) or (first == last).any():
        return False
    is_signed = (data[first] == _PLUS) | (data[first] == _MINUS)
    marks, points = (int(numpy.count_nonzero(data == ord(sign))) for sign in (mark, point))
    others = numpy.count_nonzero(data - numpy.uint8(_ZERO) > _NINE - _ZERO)  # what is below 0 becomes large
    ends = _ends_of_whole_numbers(data, offsets, point, points)
    if ends is None or others - marks - points != numpy.count_nonzero(is_signed):
        return False
    widths = ends - first - is_signed
    if not (widths % _STEP).all() or ((widths - 1) // _STEP).sum() != marks:  # the first group has one to three digits
        return False
    for distance in range(_STEP, int(widths.max()), _STEP):
        if (data[ends[widths > distance] - distance] != ord(mark)).any():
            return False
    return True


def _ends_of_whole_numbers(data: Any, offsets: Any, point: str, points: int) -> Any:
    """Return where the decimal sign of each cell stands, or where the cell ends; None where a cell has two."""
    import numpy

    first, last = offsets[:-1], offsets[1:]
    distance = int(last[0]) - data[: last[0]].tobytes().rfind(point.encode())
    has_others = points != len(first) or distance > int((last - first).min())
    if not has_others and (data[last - distance] == ord(point)).all():  # as many decimals everywhere
        return last - distance
    counts = numpy.add.reduceat(data == ord(point), first, dtype="int32")
    if (counts > 1).any():
        return None
    ends = last.copy()
    ends[counts == 1] = numpy.flatnonzero(data == ord(point))
    return ends

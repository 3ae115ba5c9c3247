"""Tell by their bytes whether numbers have their digits in groups of three."""

from __future__ import annotations

from typing import Any, Final

from src.agents.market.cells import bytes_of

_GROUP: Final = 3
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
    is_mark, is_point = data == ord(mark), data == ord(point)
    others = int((((data < _ZERO) | (data > _NINE)) & ~is_mark & ~is_point).sum())
    if others != int(is_signed.sum()):
        return False
    begins = first + is_signed
    counts = numpy.add.reduceat(is_point, first, dtype="int32")
    if (counts > 1).any():
        return False
    ends = last.copy()  # of the whole numbers before the decimal signs
    ends[counts == 1] = numpy.flatnonzero(is_point)
    marks = numpy.flatnonzero(is_mark)
    owners = numpy.repeat(numpy.arange(len(first)), numpy.add.reduceat(is_mark, first, dtype="int32"))
    following = numpy.append(marks, 0)[1:]  # the next mark, or the end of the whole number
    is_last = numpy.append(numpy.diff(owners) != 0, True)[: len(marks)]
    following[is_last] = ends[owners[is_last]]
    if (following - marks != _GROUP + 1).any():
        return False
    ends[owners[::-1]] = marks[::-1]  # the first mark of each cell
    widths = ends - begins
    return bool(((widths >= 1) & (widths <= _GROUP)).all())

"""Handle columns of text with pyarrow and numpy: trim them, view their bytes, group cells of one shape.

Arrays are made from buffers: `pyarrow.array` and `pyarrow.scalar` would import pandas, wherever that is installed,
which takes a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ZERO, _NINE, _COMMA, _POINT = b"09,."
_TRIMMED = " \t\"'"
_DIGITS_OF_INT32 = 9
_LONGEST = 64
_TRIED = 32
_MOST_SHAPES = 400
# Spaces that are no space, and the mark of a byte order.
_SPACES = "[\u00a0\u2007\u2009\u202f\u3000\ufeff]"


@dataclass(frozen=True, slots=True)
class ShapeGroup:
    """The cells of one shape, which is their text with 0 for each digit; `matrix` has a row of bytes for each."""

    shape: str
    rows: Any
    matrix: Any

    def number(self, start: int, end: int) -> Any:
        """Return the digits of a span as int64."""
        import numpy

        kind = "int32" if end - start <= _DIGITS_OF_INT32 else "int64"  # half the memory to go through
        value = numpy.zeros(len(self.matrix), dtype=kind)
        for place in range(start, end):
            value *= 10
            value += self.matrix[:, place]
            value -= _ZERO
        return value.astype("int64")


def text_array(values: Iterable[Any]) -> Any:
    """Return texts as one pyarrow array of strings; None is an empty one."""
    import numpy
    import pyarrow

    texts = [("" if value is None else str(value)).encode("utf-8", "replace") for value in values]
    offsets = numpy.zeros(len(texts) + 1, dtype="int32")
    numpy.cumsum([len(text) for text in texts], out=offsets[1:])
    return pyarrow.StringArray.from_buffers(len(texts), pyarrow.py_buffer(offsets), pyarrow.py_buffer(b"".join(texts)))


def repeated(text: str, count: int) -> Any:
    """Return an array of strings that are all the same."""
    import numpy
    import pyarrow

    data = text.encode()
    offsets = numpy.arange(count + 1, dtype="int32") * len(data)
    return pyarrow.StringArray.from_buffers(count, pyarrow.py_buffer(offsets), pyarrow.py_buffer(data * count))


def whole_numbers(values: Any) -> Any:
    """Return a numpy array of int64 as a pyarrow array."""
    import numpy
    import pyarrow

    contiguous = numpy.ascontiguousarray(values, dtype="int64")
    return pyarrow.Array.from_buffers(pyarrow.int64(), len(values), [None, pyarrow.py_buffer(contiguous)])


def chosen(cells: Any, rows: Any) -> Any:
    """Return the cells of some rows, by a numpy mask or by numbers."""
    import numpy

    return cells.take(whole_numbers(numpy.flatnonzero(rows) if rows.dtype == bool else rows))


def mask_of(array: Any) -> Any:
    """Return a pyarrow array of booleans without nulls as numpy."""
    import numpy

    bits = numpy.unpackbits(numpy.frombuffer(array.buffers()[1], dtype="uint8"), bitorder="little")
    return bits[array.offset : array.offset + len(array)].astype(bool)


def joined(pieces: list[Any]) -> Any:
    """Return arrays of strings as one."""
    import pyarrow

    if len(pieces) == 1:
        return pieces[0]
    return pyarrow.concat_arrays(pieces) if pieces else text_array([])


def bytes_of(cells: Any) -> tuple[Any, Any]:
    """Return the bytes of an array of strings, joined, and where each of its cells begins, with the end of the last."""
    import numpy

    offsets = numpy.frombuffer(cells.buffers()[1], dtype="int32")[cells.offset : cells.offset + len(cells) + 1]
    buffer = cells.buffers()[2]
    if not len(cells) or buffer is None or not buffer.size:
        return numpy.zeros(0, "uint8"), offsets - offsets[:1]
    return numpy.frombuffer(buffer, dtype="uint8")[offsets[0] : offsets[-1]], offsets - offsets[0]


def holds(cells: Any, characters: str) -> bool:
    """Tell whether any cell of an array holds one of these ASCII characters: a search for a byte is fast."""
    data = memoryview(bytes_of(cells)[0]).tobytes()
    return any(character in data for character in characters.encode())


def with_bytes(cells: Any, data: Any, offsets: Any) -> Any:
    """Return an array of strings without nulls, of these bytes."""
    import pyarrow

    return pyarrow.StringArray.from_buffers(len(cells), pyarrow.py_buffer(offsets), pyarrow.py_buffer(data))


def with_point(cells: Any) -> Any:
    """Return cells with a point for each comma."""
    import numpy

    data, offsets = bytes_of(cells)
    return with_bytes(cells, numpy.where(data == _COMMA, numpy.uint8(_POINT), data), offsets)


def without(cells: Any, character: str) -> Any:
    """Return cells without an ASCII character."""
    import numpy

    data, offsets = bytes_of(cells)
    is_other = data != ord(character)
    places = numpy.zeros(len(data) + 1, dtype="int32")
    numpy.cumsum(is_other, out=places[1:])
    return with_bytes(cells, data[is_other], places[offsets])


def trimmed(cells: Any) -> Any:
    """Return cells without spaces and quotation marks around them; all other kinds of space become plain ones."""
    from pyarrow import compute

    if not memoryview(bytes_of(cells)[0]).tobytes().isascii():
        cells = compute.replace_substring_regex(cells, _SPACES, " ")
    is_needed = holds(cells, _TRIMMED) and _begins_or_ends_with(cells, _TRIMMED)
    return compute.utf8_trim(cells, characters=_TRIMMED) if is_needed else cells


def _begins_or_ends_with(cells: Any, characters: str) -> bool:
    """Tell whether any cell begins or ends with one of these ASCII characters."""
    import numpy

    data, offsets = bytes_of(cells)
    is_wanted = numpy.zeros(256, dtype=bool)
    is_wanted[list(characters.encode())] = True
    has_text = offsets[1:] > offsets[:-1]
    edges = data[offsets[:-1][has_text]], data[offsets[1:][has_text] - 1]
    return any(bool(is_wanted[edge].any()) for edge in edges)


def all_end_alike(cells: Any, sign: str) -> bool:
    """Tell whether a sign stands in all cells as far from the end as in the first one: a cheap look at numbers."""
    data, offsets = bytes_of(cells)
    if not len(data):
        return False
    distance = int(offsets[1]) - data[: offsets[1]].tobytes().rfind(sign.encode())
    shortest = int((offsets[1:] - offsets[:-1]).min())
    return distance <= shortest and bool((data[offsets[1:] - distance] == ord(sign)).all())


def cast(cells: Any, target: Any) -> Any:
    """Return all cells as another type, None where one of them is none; a failure late in a long column is slow."""
    import pyarrow

    try:
        if len(cells) > _TRIED:
            cells[:_TRIED].cast(target)
        return cells.cast(target)
    except pyarrow.ArrowInvalid:
        return None


def to_numpy(array: Any) -> Any:
    """Return an array without nulls as numpy; pyarrow's own way would import pandas, where that is installed."""
    import numpy

    dtype = {"double": "float64", "int64": "int64", "timestamp[us]": "int64", "timestamp[us, tz=UTC]": "int64"}[
        str(array.type)
    ]
    values = numpy.frombuffer(array.buffers()[1], dtype=dtype) if len(array) else numpy.zeros(0, dtype=dtype)
    return values[array.offset : array.offset + len(array)]


def shape_groups(cells: Any) -> Iterator[ShapeGroup]:
    """Yield the cells by shape; what is too long, not ASCII, or of one shape too many is left out."""
    import numpy

    data, offsets = bytes_of(cells)
    lengths = numpy.diff(offsets)
    shapes = 0
    for length in numpy.unique(lengths).tolist():
        if not 0 < length <= _LONGEST:
            continue
        rows = numpy.flatnonzero(lengths == length)
        if len(rows) == len(lengths):
            matrix = data.reshape(len(rows), length)
        else:
            matrix = data[offsets[rows][:, None] + numpy.arange(length)]
        for group in _by_shape(rows, matrix):
            yield group
            shapes += 1
            if shapes > _MOST_SHAPES:
                return


def _by_shape(rows: Any, matrix: Any) -> Iterator[ShapeGroup]:
    import numpy

    is_digit = (matrix >= _ZERO) & (matrix <= _NINE)
    outline = numpy.where(is_digit, numpy.uint8(_ZERO), matrix)
    while len(rows):
        is_same = (outline == outline[0]).all(axis=1)
        shape = outline[0].tobytes().decode("latin-1")
        if is_same.all():
            yield ShapeGroup(shape=shape, rows=rows, matrix=matrix)
            return
        if shape.isascii():
            yield ShapeGroup(shape=shape, rows=rows[is_same], matrix=matrix[is_same])
        rows, matrix, outline = rows[~is_same], matrix[~is_same], outline[~is_same]

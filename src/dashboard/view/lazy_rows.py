"""Make the rows of a long table as they are read: a page shows its first ones, CSV has all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, overload

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

FIRST: Final = 100  # rows that a page shows
_STEP: Final = 1_000
Row = tuple[Any, ...]


class Limits(Protocol):
    """When an answer must be there, as `data.limits.Limits` says it."""

    def check(self) -> None:
        """Raise where the question must end."""

    def each(self, items: Iterable[Row], every: int = 256) -> Iterator[Row]:
        """Yield items, and raise between them where the question must end."""


class LazyRows(Sequence[Row]):
    """The rows of a table, of which the first are here.

    Args:
        places: What each row is made of, in their order: an array.
        make: Makes the rows of some of these, within limits.
        limits: When the first rows must be there.
    """

    def __init__(self, places: Any, make: Callable[[Any, Any], list[Row]], limits: Limits) -> None:
        self._places = places
        self._make = make
        self._first = make(places[:FIRST], limits)

    @override
    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...

    @override
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        """Return one of the first rows, or some; IndexError for one that only `each` makes."""
        return self._first[index]

    def each(self, limits: Limits) -> Iterator[Row]:
        """Yield all rows, and raise between them where the question must end."""
        for start in range(0, len(self), _STEP):
            limits.check()
            yield from self._make(self._places[start : start + _STEP], limits)


def each_row(rows: Sequence[Row], limits: Limits) -> Iterator[Row]:
    """Yield the rows of a table, and raise between them where the question must end."""
    return rows.each(limits) if isinstance(rows, LazyRows) else limits.each(rows)

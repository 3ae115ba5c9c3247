"""Keep the sums that one reader was asked for: those by day and model say those by model, and those of all, too."""

from __future__ import annotations

from dataclasses import replace
from operator import add
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from src.insight.facts.filters import Filter

    Cells: TypeAlias = dict[tuple[int, ...], list[int]]

# More cells than these are not kept: they take half a kilobyte each, and are added up no faster than they are read.
_MOST_CELLS: Final = 40_000
_MOST: Final = 8


class Question(NamedTuple):
    """What was summed up.

    Attributes:
        filter: Which observations.
        columns: What they are grouped by, in the order of the cells' keys.
        step: `day`, `hour` or None.
        is_daily: Whether daily totals answer, and single facts for parts of days alone.
    """

    filter: Filter
    columns: tuple[str, ...]
    step: str | None
    is_daily: bool


class SumsOfFilters:
    """The newest answers of one state of a facts file."""

    def __init__(self) -> None:
        self._version = 0
        self._answers: list[tuple[Question, Cells]] = []

    def keep(self, version: int, question: Question, cells: Cells) -> None:
        """Keep an answer, where it is small.

        Args:
            version: SQLite's `data_version`, which another one's commit changes; read before the answer.
            question: What the cells are the sums of.
            cells: Sums by the moment and the numbers of groups' names.
        """
        self._set(version)
        if len(cells) <= _MOST_CELLS:
            self._answers = [*self._answers[1 - _MOST :], (question, cells)]

    def coarser(self, version: int, question: Question) -> Cells | None:
        """Return what the answers that are here say of a question; None where none does."""
        self._set(version)
        fitting = [answer for answer in self._answers if _says(answer[0], question)]
        if not fitting:
            return None
        finer, cells = min(fitting, key=lambda answer: len(answer[1]))
        return _added(finer, cells, question)

    def _set(self, version: int) -> None:
        if version != self._version:
            self._version, self._answers = version, []


def _says(finer: Question, question: Question) -> bool:
    """Tell whether the sums of one question say those of another one.

    Daily totals know observations that the store has deleted, and single facts do not: neither speaks for the other.
    """
    if not set(question.columns) <= set(finer.columns) or question.step not in (finer.step, None):
        return False
    if question.is_daily != finer.is_daily:
        return False
    return finer.filter == question.filter or (
        "error" in finer.columns and finer.filter == replace(question.filter, status=None)
    )


def _added(finer: Question, finer_cells: Cells, question: Question) -> Cells:
    places = [finer.columns.index(name) + 1 for name in question.columns]
    error = None if finer.filter == question.filter else int(question.filter.status == "error")
    error_place = 0 if error is None else finer.columns.index("error") + 1
    cells: Cells = {}
    for key, sums in finer_cells.items():
        if error is None or key[error_place] == error:
            own = (0 if question.step is None else key[0], *(key[place] for place in places))
            cells[own] = list(map(add, cells[own], sums)) if own in cells else sums
    return cells

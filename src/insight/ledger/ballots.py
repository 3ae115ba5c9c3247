"""Count the votes of decisions by several members again, over arrays: with equal weights, and without each member.

Decisions have few different sets of votes, so each set is counted once, by the code that counts a swarm's own votes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy

from src.insight.ledger.columns import ACTIONS, NO_VOTE
from src.judging.grouping import counted
from src.judging.judged_columns import DECIDED

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.insight.ledger.chosen import Chosen
    from src.insight.ledger.columns import Votes

_NAMES: Final = {code: name for name, code in ACTIONS.items()}
_MOST: Final = 2**62


class Ballots:
    """The decisions of several members among some, in the order in which they were written.

    Args:
        decisions: Decisions; those of a single member are left out.

    Attributes:
        places: Their places in the ledger.
        move: The price's change as a fraction; not a number while it is open, and where a target or a stop ended it:
            that says nothing of other actions.
        round_trip: The costs of a round trip, as a fraction.
        consensus: What was decided, as codes of actions; NO_VOTE where nothing was.
        members: The members, in the order in which they first voted.
        has_three: Whether a decision has more than two members, so that one can be left out.
        patterns: A number of each decision that those with the same votes share.
        examples: The first decision of each pattern.
    """

    def __init__(self, decisions: Chosen) -> None:
        columns = decisions.columns
        self._columns = columns
        self.places = decisions.places[columns.votes_per_decision()[decisions.places] > 1]
        outcomes = decisions.outcomes.take(self.places)
        self.move = numpy.where(outcomes.is_whole, outcomes.exit / outcomes.entry - 1, numpy.nan)
        self.round_trip = outcomes.round_trip
        status, action = columns.decisions.status[self.places], columns.decisions.action[self.places]
        self.consensus = numpy.where(status == DECIDED, action, NO_VOTE).astype("int64")
        self._read_votes()

    def __len__(self) -> int:
        """Return how many decisions there are."""
        return len(self.places)

    def _read_votes(self) -> None:
        line = numpy.full(len(self._columns), -1, dtype="int64")
        line[self.places] = numpy.arange(len(self))
        here = numpy.flatnonzero(line[self._columns.votes.decision] >= 0)
        self._votes = self._columns.votes.take(here)
        self._lines = line[self._votes.decision]
        self._starts = numpy.searchsorted(self._lines, numpy.arange(len(self) + 1))
        numbers, first, member = numpy.unique(self._votes.member, return_index=True, return_inverse=True)
        names = [self._columns.text(int(number)) or "" for number in numbers]
        self._numbers = {names[place]: int(numbers[place]) for place in numpy.argsort(first)}
        self.members: list[str] = list(self._numbers)
        asked = numpy.unique(self._lines * max(len(numbers), 1) + member) // max(len(numbers), 1)
        self.has_three = numpy.bincount(asked, minlength=len(self)) > 2
        self.patterns, self.examples = self._vote_patterns(member)

    def _vote_patterns(self, member: Any) -> tuple[Any, Any]:
        """Return a number of each decision that those with the same votes share, and the first decision of each."""
        _, weights = numpy.unique(self._votes.weight, return_inverse=True)
        code = _Codes(len(self._votes))
        for part in (member, self._votes.action.astype("int64"), weights):
            code.add(part - part.min(initial=0))
        _, vote = numpy.unique(code.values, return_inverse=True)
        counts = numpy.diff(self._starts)
        pattern = _Codes(len(self))
        for number in range(int(counts.max(initial=0))):
            has = counts > number
            part = numpy.zeros(len(self), dtype="int64")
            part[has] = vote[self._starts[:-1][has] + number] + 1
            pattern.add(part)
        _, examples, patterns = numpy.unique(pattern.values, return_index=True, return_inverse=True)
        return patterns, examples

    def cast(self, line: int, without: str | None = None) -> list[tuple[float, str | None]]:
        """Return the votes of one decision as weights and actions, but for those of a member."""
        left_out = None if without is None else self._numbers[without]
        part = slice(int(self._starts[line]), int(self._starts[line + 1]))
        rows = zip(self._votes.member[part], self._votes.weight[part], self._votes.action[part], strict=True)
        return [(float(weight), _NAMES.get(int(action))) for member, weight, action in rows if member != left_out]

    def plain(self) -> Any:
        """Return what equal weights would have decided."""
        return self._of_patterns(lambda line: tuple((1.0, action) for _, action in self.cast(line)))

    def alone(self, member: str) -> Any:
        """Return what a member voted."""
        votes, lines = self.votes_of(member)
        codes = numpy.full(len(self), NO_VOTE, dtype="int64")
        codes[lines] = votes.action
        return codes

    def without(self, member: str) -> Any:
        """Return what the others would have decided.

        Raises:
            ValueError: a stored weight makes no sense.
        """
        return self._of_patterns(lambda line: tuple(self.cast(line, member)))

    def votes_of(self, member: str) -> tuple[Votes, Any]:
        """Return a member's first vote in each decision, and the places of these decisions here."""
        own = numpy.flatnonzero(self._votes.member == self._numbers[member])
        lines, first = numpy.unique(self._lines[own], return_index=True)
        return self._votes.take(own[first]), lines

    def _of_patterns(self, cast: Callable[[int], tuple[tuple[float, str | None], ...]]) -> Any:
        """Return what votes come to, counted once for all decisions that have the same ones."""
        actions = [counted(cast(int(line))) for line in self.examples]
        codes = numpy.array([NO_VOTE if action is None else ACTIONS[action] for action in actions], dtype="int64")
        return codes[self.patterns] if len(self) else codes


class _Codes:
    """One number for several small ones, the same only where all of them are.

    Args:
        count: How many such numbers.
    """

    def __init__(self, count: int) -> None:
        self.values = numpy.zeros(count, dtype="int64")
        self._size = 1

    def add(self, part: Any) -> None:
        """Tell the numbers apart by another part too, which is 0 or above."""
        size = int(part.max(initial=0)) + 1
        if self._size * size > _MOST:
            known, self.values = numpy.unique(self.values, return_inverse=True)
            self._size = len(known)
        self.values = self.values * size + part
        self._size *= size

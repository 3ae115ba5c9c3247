"""Define the ledger's columns: decisions, their members' votes and their outcomes as NumPy arrays.

Texts that repeat are numbers of one list; -1 stands for none. Amounts that are not known are not a number.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

import numpy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_T = TypeVar("_T", bound="Table")
NO_TEXT: Final = -1
# Codes of actions: what a BUY, a SELL and NOTHING do to a position; NO_VOTE is an abstention or a failure.
ACTIONS: Final = {"BUY": 1, "SELL": -1, "NOTHING": 0}
NO_VOTE: Final = 9


@dataclass(frozen=True, slots=True)
class Table:
    """Arrays of one length, one for each field."""

    TYPES: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def made_of(cls: type[_T], rows: Iterable[Sequence[Any]]) -> _T:
        """Return rows, in the order of the fields, as columns; None is not a number, or -1."""
        values = list(zip(*rows, strict=True)) or [()] * len(cls.TYPES)
        return cls.of_columns(dict(zip(cls.TYPES, values, strict=True)))

    @classmethod
    def of_columns(cls: type[_T], values: Mapping[str, Sequence[Any]]) -> _T:
        """Return sequences of values, by the names of the fields, as columns; None is not a number, or -1."""
        return cls(**{name: _array(values[name], kind) for name, kind in cls.TYPES.items()})

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(getattr(self, fields(self)[0].name))

    def take(self: _T, places: Any) -> _T:
        """Return the rows at some places, or where a mask holds."""
        return type(self)(*(getattr(self, item.name)[places] for item in fields(self)))

    @classmethod
    def joined(cls: type[_T], parts: Sequence[_T]) -> _T:
        """Return the rows of several tables, one after the other."""
        return cls(*(numpy.concatenate([getattr(part, name) for part in parts]) for name in cls.TYPES))


def _array(values: Sequence[Any], kind: str) -> Any:
    if kind.startswith("float"):
        return numpy.array(values, dtype=kind)  # None becomes not a number
    if None in values:
        values = [NO_TEXT if value is None else value for value in values]
    return numpy.array(values, dtype=kind)


@dataclass(frozen=True, slots=True)
class Decisions(Table):
    """Decisions in the order of their numbers in the store.

    `symbol`, `agent`, `environment`, `session`, `book`, `prompt` (its name, version and digits in one text), `models`
    (a JSON list) and `horizons` are numbers of texts; `status` has the codes of `judging.judged_columns`.
    """

    TYPES: ClassVar[Mapping[str, str]] = {
        "seq": "int64", "time_ns": "int64", "as_of_ns": "int64", "symbol": "int32", "action": "int8",
        "status": "int8", "confidence": "float64", "price": "float64", "agent": "int32", "environment": "int32",
        "session": "int32", "book": "int32", "prompt": "int32", "models": "int32", "horizons": "int32",
        "cost_usd": "float64", "cost_unknown": "bool", "is_costed_by_trace": "bool",
    }  # fmt: skip
    seq: Any
    time_ns: Any
    as_of_ns: Any
    symbol: Any
    action: Any
    status: Any
    confidence: Any
    price: Any
    agent: Any
    environment: Any
    session: Any
    book: Any
    prompt: Any
    models: Any
    horizons: Any
    cost_usd: Any
    cost_unknown: Any
    is_costed_by_trace: Any


@dataclass(frozen=True, slots=True)
class Votes(Table):
    """Members' votes in the order of their decisions: `decision` is its place, `member` and `model` numbers of texts.

    `action` is NO_VOTE for an abstention and a failure.
    """

    TYPES: ClassVar[Mapping[str, str]] = {
        "decision": "int64", "member": "int32", "model": "int32", "action": "int8", "has_failed": "bool",
        "confidence": "float64", "weight": "float64", "latency_ms": "float64", "cost_usd": "float64",
    }  # fmt: skip
    decision: Any
    member: Any
    model: Any
    action: Any
    has_failed: Any
    confidence: Any
    weight: Any
    latency_ms: Any
    cost_usd: Any


@dataclass(frozen=True, slots=True)
class Outcomes(Table):
    """What came of each decision by one horizon; `entry` is not a number where nothing has come of it yet.

    `correct` is 1, 0, or -1 for NOTHING; `is_whole` is False where a target or a stop ended it.
    """

    TYPES: ClassVar[Mapping[str, str]] = {
        "entry_ns": "int64", "entry": "float64", "exit_ns": "int64", "exit": "float64", "is_whole": "bool",
        "net": "float64", "correct": "int8", "round_trip": "float64",
    }  # fmt: skip
    entry_ns: Any
    entry: Any
    exit_ns: Any
    exit: Any
    is_whole: Any
    net: Any
    correct: Any
    round_trip: Any

    @classmethod
    def of_none(cls, count: int) -> Outcomes:
        """Return the outcomes of decisions of which nothing has come yet."""
        empty = {"float64": numpy.nan, "int64": 0, "int8": -1, "bool": False}
        values = {name: numpy.full(count, empty[kind], dtype=kind) for name, kind in cls.TYPES.items()}
        values["round_trip"] = numpy.zeros(count)
        return cls(**values)

    def with_rows(self, places: Any, rows: Outcomes) -> Outcomes:
        """Return these with other rows at some places."""
        columns = {}
        for item in fields(self):
            column = getattr(self, item.name).copy()
            column[places] = getattr(rows, item.name)
            columns[item.name] = column
        return Outcomes(**columns)


@dataclass(frozen=True, slots=True)
class LedgerColumns:
    """The ledger of a store, as far as it was read.

    Attributes:
        texts: What numbers of texts stand for.
        decisions: The decisions.
        votes: Their members' votes.
        outcomes: What came of them, by horizon.
        outcomes_upto: The number of the last outcome that was read.
        outcomes_n: How many the store had then.
        total: How many decisions the store has: more than these, where the time was over.
        outcomes_newest: The number of the store's last outcome.
        costed_ns: When traces were last asked what they cost, in nanoseconds since 1970.
    """

    texts: tuple[str, ...] = ()
    decisions: Decisions = field(default_factory=lambda: Decisions.made_of(()))
    votes: Votes = field(default_factory=lambda: Votes.made_of(()))
    outcomes: Mapping[str, Outcomes] = field(default_factory=dict)
    outcomes_upto: int = 0
    outcomes_n: int = 0
    total: int = 0
    outcomes_newest: int = 0
    costed_ns: int = 0

    def __len__(self) -> int:
        """Return how many decisions were read."""
        return len(self.decisions)

    @property
    def upto(self) -> int:
        """Return the number of the last decision that was read."""
        return int(self.decisions.seq[-1]) if len(self) else 0

    @property
    def is_behind(self) -> bool:
        """Tell whether the store has decisions or outcomes that are not among these yet."""
        return len(self) < self.total or self.outcomes_upto < self.outcomes_newest

    @property
    def version(self) -> tuple[object, ...]:
        """Return what changes whenever figures of these do."""
        return len(self), self.upto, self.outcomes_n, self.outcomes_upto, float(numpy.nansum(self.decisions.cost_usd))

    def text(self, number: int) -> str | None:
        """Return what a number stands for."""
        return None if number < 0 else self.texts[number]

    def number(self, text: str) -> int:
        """Return the number of a text; one that no row has where the text is unknown."""
        try:
            return self.texts.index(text)
        except ValueError:
            return -2

    def outcome(self, horizon: str | None) -> Outcomes:
        """Return what came of each decision by a horizon, or by its main one."""
        if horizon is not None:
            rows = self.outcomes.get(horizon)
            return rows if rows is not None else Outcomes.of_none(len(self))
        result = Outcomes.of_none(len(self))
        main = self.main_horizons()
        for name, rows in self.outcomes.items():
            places = numpy.flatnonzero(main == self.number(name))
            result = result.with_rows(places, rows.take(places))
        return result

    def main_horizons(self) -> Any:
        """Return the number of each decision's main horizon."""
        numbers = {text: number for number, text in enumerate(self.texts)}
        by_horizons = numpy.full(len(self.texts) + 1, -1, dtype="int64")
        for number in numpy.unique(self.decisions.horizons):
            if number >= 0:
                by_horizons[number] = numbers.get(self.texts[number].split(",")[0], -1)
        return by_horizons[self.decisions.horizons]

    def with_costs(self, places: Any, known: Any, unknown: Any) -> LedgerColumns:
        """Return these with other costs of some decisions."""
        cost, flag = self.decisions.cost_usd.copy(), self.decisions.cost_unknown.copy()
        cost[places], flag[places] = known, unknown
        return replace(self, decisions=replace(self.decisions, cost_usd=cost, cost_unknown=flag))

    def votes_per_decision(self) -> Any:
        """Return how many members were asked for each decision."""
        return numpy.bincount(self.votes.decision, minlength=len(self))

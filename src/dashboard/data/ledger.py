"""Keep the ledger's columns in memory, bring them up to date, and choose decisions by the filters of an address."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy

from src.insight.ledger.chosen import asked_models
from src.insight.ledger.columns import ACTIONS, LedgerColumns
from src.insight.ledger.keeping import is_worth_keeping, keep, load
from src.insight.ledger.reading import brought_up
from src.judging.grouping import hash_of_prompt, outcome_of
from src.judging.judged_columns import DECIDED
from src.observability.ledger import read_numbered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.dashboard.data.limits import Limits
    from src.dashboard.data.stores import Store
    from src.dashboard.view.filters import Filters
    from src.insight.ledger.columns import Outcomes
    from src.observability.ledger import Entry

_PATIENCE_S: Final = 2.0  # for which a page reads on; where that is not enough, it says that more is to come
# Codes of what came of a decision.
WRONG, RIGHT, OPEN, NO_RESULT = 0, 1, 2, 3
_RESULTS: Final = {"wrong": WRONG, "right": RIGHT, "open": OPEN}
RESULT_NAMES: Final = ("wrong", "right", "open", "none")


@dataclass(slots=True)
class _Held:
    lock: threading.Lock = field(default_factory=threading.Lock)
    mark: object = None
    columns: LedgerColumns | None = None
    persisted: LedgerColumns = field(default_factory=LedgerColumns)


class Ledger:
    """The ledgers of stores, each read once, and then what is new."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}

    def of(self, store: Store, limits: Limits, *, is_whole: bool = False) -> LedgerColumns:
        """Return a store's ledger, as far as it can be read in a page's time, or to its end."""
        with self._lock:
            held = self._held.setdefault(store.name, _Held())
        with held.lock:
            mark = store.mark()
            if held.columns is None or held.mark != mark:  # another file may have come to this path
                held.columns = held.persisted = load(store.path)
                held.mark = mark
            ask = partial(_ask, store, limits)
            before, seconds = held.columns, None if is_whole else _PATIENCE_S
            held.columns = brought_up(before, ask, seconds=seconds)
            return held.columns

    def bring_up(self, store: Store, limits: Limits) -> bool:
        """Read what is new in a store, and keep it beside the store; tell whether nothing is left."""
        columns = self.of(store, limits)
        held = self._held[store.name]
        if is_worth_keeping(columns, held.persisted) and keep(store.path, columns):
            held.persisted = columns
        return not columns.is_behind


def _ask(store: Store, limits: Limits, question: Any, nothing: Any) -> Any:
    return store.ask(question, nothing, limits)


def entries_at(store: Store, seqs: Sequence[int], limits: Limits) -> dict[int, Entry]:
    """Return the decisions of some numbers whole, by their numbers."""
    return store.ask(partial(read_numbered, numbers=seqs), {}, limits)


def chosen(columns: LedgerColumns, filters: Filters, now_ns: int) -> Any:
    """Return the places of the decisions that the filters leave; times are those of the newest data that each saw."""
    rows = columns.decisions
    mask = numpy.ones(len(rows), dtype=bool)
    since, until = filters.times(now_ns)
    if since is not None:
        mask &= rows.as_of_ns >= since
    if until is not None:
        mask &= rows.as_of_ns < until
    for name in ("agent", "symbol", "environment", "session", "book", "prompt"):
        wanted = getattr(filters, name)
        if wanted is not None:
            mask &= getattr(rows, name) == columns.number(wanted)
    if filters.action is not None:
        mask &= rows.action == ACTIONS[filters.action]
    if filters.model is not None:
        mask &= _asked_model(columns, filters.model)
    if filters.member is not None:
        mask &= _has_vote(columns, columns.votes.member == columns.number(filters.member))
    if filters.outcome is not None:
        mask &= results(columns, columns.outcome(filters.horizon)) == _RESULTS[filters.outcome]
    return numpy.flatnonzero(mask)


def _has_vote(columns: LedgerColumns, votes: Any) -> Any:
    mask = numpy.zeros(len(columns), dtype=bool)
    mask[columns.votes.decision[votes]] = True
    return mask


def _asked_model(columns: LedgerColumns, model: str) -> Any:
    """Tell of each decision whether a model voted in it, or was asked where there are no votes."""
    voted = _has_vote(columns, columns.votes.model == columns.number(model))
    lists = [number for number, models in asked_models(columns).items() if model in models]
    return voted | (numpy.isin(columns.decisions.models, lists) & (columns.votes_per_decision() == 0))


def results(columns: LedgerColumns, outcomes: Outcomes) -> Any:
    """Return WRONG, RIGHT, OPEN or NO_RESULT for each decision; NOTHING that is judged has no result."""
    codes = numpy.select([numpy.isnan(outcomes.entry), outcomes.correct == 1, outcomes.correct == 0],
                         [OPEN, RIGHT, WRONG], NO_RESULT)  # fmt: skip
    return numpy.where(columns.decisions.status == DECIDED, codes, NO_RESULT)


def result_of(entry: Entry, horizon: str | None) -> str | None:
    """Return right or wrong for a BUY or SELL that is judged, open for what is not; None for NOTHING."""
    outcome = outcome_of(entry, horizon)
    if entry.decision.status != "decided":
        return None
    if outcome is None:
        return "open"
    return None if outcome.correct is None else "right" if outcome.correct else "wrong"


def prompt_of(entry: Entry) -> str:
    """Return the name and version of a decision's prompt, or the digits of its text; empty where none is known."""
    decision = entry.decision
    return " ".join(filter(None, (decision.prompt_name, decision.prompt_version, hash_of_prompt(decision))))

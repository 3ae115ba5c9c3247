"""Hold the recorded past that advice is derived from and checked on, and go through it once for all kinds, by days."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from src.insight.advice.today import Today
from src.insight.facts.call_columns import CALL_COLUMNS, RUN_COLUMNS
from src.insight.facts.filters import BILLED, EVALUATION, Filter
from src.insight.facts.schema import DAY_NS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from src.insight.advice.finding import Results
    from src.insight.facts.call_columns import Calls
    from src.insight.facts.extremes import Mark
    from src.insight.facts.reader import FactsReader
    from src.observability.ledger import Entry, MemberVote
    from src.observability.store.reader import StoreReader

    Each = Callable[[Iterable[Any], str], Iterable[Any]]

BACKTEST: Final = "backtest"


@dataclass(frozen=True, slots=True)
class Period:
    """A range of time in nanoseconds since 1970."""

    since_ns: int
    until_ns: int

    @property
    def days(self) -> range:
        """Return the days that it touches, counted from 1970 in UTC."""
        return range(self.since_ns // DAY_NS, -(-self.until_ns // DAY_NS))

    def coverage(self, day: int) -> float:
        """Return how much of a day it covers, 0 to 1."""
        begin, end = max(day * DAY_NS, self.since_ns), min((day + 1) * DAY_NS, self.until_ns)
        return max(end - begin, 0) / DAY_NS

    def has(self, time_ns: int) -> bool:
        """Tell whether a time is in it."""
        return self.since_ns <= time_ns < self.until_ns


@dataclass(frozen=True)
class Past:
    """What was recorded in a period that is divided in two at a midnight.

    Attributes:
        reader: The facts.
        store: The store, which has the texts.
        filter: Which calls.
        period: From the filter's beginning, or the first call that was recorded, until the filter's end or now.
        middle_ns: The midnight that divides it.
        now_ns: The present, whose prices hold.
        most_texts: Of how many calls each kind may read the texts.
    """

    reader: FactsReader
    store: StoreReader
    filter: Filter
    period: Period
    middle_ns: int
    now_ns: int
    most_texts: int

    @cached_property
    def first(self) -> Period:
        """Return the part that findings are derived from."""
        return Period(self.period.since_ns, self.middle_ns)

    @cached_property
    def second(self) -> Period:
        """Return the part that they are checked on."""
        return Period(self.middle_ns, self.period.until_ns)

    @cached_property
    def today(self) -> Today:
        """Return the prices of the present."""
        return Today(self.now_ns)

    def traces(self, marks: Iterable[Mark]) -> list[str]:
        """Return the traces of some calls, in their order; those of calls that are gone lack."""
        return [place.trace_id for place in self.reader.located(marks)]

    def is_counted(self, environment: str | None) -> bool:
        """Tell whether calls of an environment count: those of back-tests, which no month repeats, where asked for."""
        if self.filter.environment is not None:
            return True
        # As reports do, calls of judges and of trials of prompts are left out, unless an agent is named.
        return environment != BACKTEST and (environment != EVALUATION or self.filter.agent is not None)

    def wants(self, vote: MemberVote) -> bool:
        """Tell whether the filter's model and provider leave a vote."""
        if self.filter.model is None and self.filter.provider is None:
            return True
        provider, _, label = vote.member.partition("#")[0].partition(":")
        model = vote.model or label or provider
        return _is_chosen(self.filter.model, model) and _is_chosen(self.filter.provider, provider)


def _is_chosen(choice: str | tuple[str, ...] | None, value: str) -> bool:
    return choice is None or (value == choice if isinstance(choice, str) else value in choice)


class Search:
    """Looks for findings of one kind: is shown each decision, then runs and calls, day by day in the order of time."""

    def __init__(self, past: Past) -> None:
        self.past = past

    def decision(self, entry: Entry) -> None:
        """Take note of a decision that was acted on."""

    def beside(self, entry: Entry) -> None:
        """Take note of a decision of a back-test, which says what models would answer, but not what a month costs."""

    def runs(self, runs: Calls) -> None:
        """Take note of agents' runs, whose columns are `RUN_COLUMNS`."""

    def calls(self, calls: Calls) -> None:
        """Take note of the calls of models of one day, or of a part of it; no hour is divided."""

    def results(self) -> Results:
        """Return what there is to say, once all was shown."""
        raise NotImplementedError


def open_past(reader: FactsReader, store: StoreReader, filter_: Filter, *, now_ns: int, most_texts: int) -> Past | None:
    """Return the past of a filter; None where nothing is recorded in it.

    The middle is the midnight next to half of its time; a past of a single day has none inside, and nothing in it can
    be checked.
    """
    calls = replace(filter_, type=BILLED)
    oldest = reader.rows(Filter(), "start", 1, ascending=True)
    if not reader.rows(calls, "start", 1):
        return None
    # Days without such calls count from when anything was recorded, whatever the filter's names.
    since_ns = max(filter_.since_ns or 0, oldest[0].start_ns)
    until_ns = max(min(filter_.until_ns or now_ns, now_ns), since_ns + 1)
    middle_ns = round((since_ns + until_ns) / 2 / DAY_NS) * DAY_NS
    return Past(
        reader=reader,
        store=store,
        filter=replace(calls, since_ns=since_ns, until_ns=until_ns),
        period=Period(since_ns, until_ns),
        middle_ns=min(max(middle_ns, since_ns), until_ns),
        now_ns=now_ns,
        most_texts=most_texts,
    )


def show_all(
    past: Past,
    searches: Sequence[Search],
    entries: Iterable[Entry],
    each: Callable[[Iterable[Any], str], Iterable[Any]],
) -> int:
    """Show the past to all searches; return how many calls there were, those left out not counted.

    Args:
        past: The past.
        searches: The searches.
        entries: The ledger.
        each: Yields what it is given, which is called what the text says, and may raise in between where the work must
            end.
    """
    _show_decisions(past, searches, each(entries, "decisions"))
    shows_runs = [search for search in searches if type(search).runs is not Search.runs]
    of_runs, days = replace(past.filter, type="agent", model=None, provider=None), f"{len(past.period.days):,}"
    if shows_runs:
        for runs in each(_days(past, of_runs, RUN_COLUMNS), f"of {days} days of runs"):
            for search in shows_runs:
                search.runs(runs)
    shows = [search for search in searches if type(search).calls is not Search.calls]
    count = 0
    for calls in _counted(past, each(_days(past, past.filter, CALL_COLUMNS), f"of {days} days of calls")):
        count += len(calls)
        for search in shows:
            search.calls(calls)
    return count


def _counted(past: Past, days: Iterable[Calls]) -> Iterator[Calls]:
    """Yield those calls of days that count."""
    import numpy

    for calls in days:
        environments = [int(number) for number in numpy.unique(calls["environment"])]
        counted = [number for number in environments if past.is_counted(calls.text(number))]
        if counted:
            is_whole = len(counted) == len(environments)
            yield calls if is_whole else calls.take(numpy.isin(calls["environment"], counted))


def _show_decisions(past: Past, searches: Sequence[Search], entries: Iterable[Entry]) -> None:
    for entry in entries:
        is_beside = entry.decision.environment == BACKTEST and past.filter.environment != BACKTEST
        if _is_of(entry, past, is_beside=is_beside):
            for search in searches:
                if is_beside:
                    search.beside(entry)
                else:
                    search.decision(entry)


def _days(past: Past, filter_: Filter, columns: Sequence[str]) -> Iterator[Calls]:
    """Yield columns of facts in the order of time, a day at a time, so that few are in memory."""
    for day in past.period.days:
        since = max(day * DAY_NS, past.period.since_ns)
        until = min((day + 1) * DAY_NS, past.period.until_ns)
        within = replace(filter_, since_ns=since, until_ns=until)
        yield past.reader.calls(within, columns)


def _is_of(entry: Entry, past: Past, *, is_beside: bool) -> bool:
    """Tell whether a decision belongs to the past, by those filters that decisions know.

    What a back-test decided on the same question counts, whatever agent and session it is of.
    """
    decision, filter_ = entry.decision, past.filter
    if not past.period.has(decision.time_ns) or not _is_chosen(filter_.symbol, decision.symbol):
        return False
    return is_beside or (
        _is_chosen(filter_.agent, decision.agent or "")
        and _is_chosen(filter_.session, decision.session_id or "")
        and _is_chosen(filter_.environment, decision.environment)
    )

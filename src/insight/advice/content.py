"""Gather what there is to change: the findings of all kinds, and what was withheld, missing, or left out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from src.insight.advice.past import BACKTEST, open_past, show_all
from src.insight.advice.registry import KINDS
from src.insight.facts.filters import EVALUATION
from src.observability.commands.counting import counted
from src.observability.search.records import moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from src.insight.advice.finding import Finding, Results, Withheld
    from src.insight.advice.past import Each, Past, Period
    from src.insight.facts.filters import Filter
    from src.insight.facts.reader import FactsReader
    from src.observability.ledger import Entry
    from src.observability.store.reader import StoreReader

MOST_TEXTS: Final = 5_000
# The filters of calls by which traces can be chosen too.
_SHARED: Final = ("agent", "model", "provider", "symbol", "session", "user", "environment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What there is to change.

    Attributes:
        period: What was looked at; None where nothing is recorded.
        middle_ns: Where it is divided: what the first part tells is checked on the second.
        calls: How many calls were looked at.
        kinds: The kinds that were looked for.
        findings: What to change, the largest certain saving first.
        withheld: What was considered and is not advised.
        missing: What would be needed to say more, by kind.
        remarks: What a reader must know of how it was looked.
    """

    period: Period | None
    middle_ns: int | None
    calls: int
    kinds: tuple[str, ...]
    findings: Sequence[Finding]
    withheld: Sequence[Withheld]
    missing: Sequence[tuple[str, str]]
    remarks: Sequence[str]


def check_kinds(kinds: Iterable[str]) -> tuple[str, ...]:
    """Return the names of kinds in the usual order, all where none is named.

    Raises:
        ValueError: one of them is no kind.
    """
    named = set(kinds)
    for name in sorted(named - set(KINDS)):
        raise ValueError(f"--kind is {name!r:.40}: give one of {', '.join(KINDS)}.")
    return tuple(name for name in KINDS if not named or name in named)


def make_advice(
    reader: FactsReader,
    store: StoreReader,
    entries: Iterable[Entry],
    filter_: Filter,
    *,
    now_ns: int,
    kinds: Iterable[str] = (),
    most_texts: int = MOST_TEXTS,
    each: Each = lambda items, _: items,
) -> Advice:
    """Return the advice on a filter's past.

    Args:
        reader: The facts.
        store: The store, which has the texts.
        entries: The ledger.
        filter_: Which calls and decisions.
        now_ns: The present, in nanoseconds since 1970.
        kinds: The kinds to look for; all where none is named.
        most_texts: Of how many calls each kind may read the texts.
        each: Yields what it is given, which is called what the text says, and may raise in between where the work must
            end.

    Raises:
        ValueError: there is no such kind.
    """
    names = check_kinds(kinds)
    past = open_past(reader, store, filter_, now_ns=now_ns, most_texts=most_texts)
    if past is None:
        return Advice(
            period=None, middle_ns=None, calls=0, kinds=names, findings=(), withheld=(), missing=(), remarks=()
        )
    searches = {name: KINDS[name].open(past) for name in names}
    calls = show_all(past, list(searches.values()), entries, each)
    results = {name: search.results() for name, search in searches.items()}
    remarks = _remarks(reader, filter_, [text for result in results.values() for text in result.remarks])
    return _gathered(past, calls, results, remarks)


def _gathered(past: Past, calls: int, results: Mapping[str, Results], remarks: Sequence[str]) -> Advice:
    findings = [item for result in results.values() for item in result.findings]
    missing = [(name, text) for name, result in results.items() for text in result.missing]
    if past.filter.user is not None:
        missing += [(name, "Decisions do not know their user: leave --user out.") for name in results
                    if KINDS[name].is_of_decisions]  # fmt: skip
        findings = [item for item in findings if not KINDS[item.kind].is_of_decisions]
    return Advice(
        period=past.period,
        middle_ns=past.middle_ns,
        calls=calls,
        kinds=tuple(results),
        findings=sorted((_placed(item, past) for item in findings), key=lambda item: item.worth, reverse=True),
        withheld=[item for result in results.values() for item in result.withheld],
        missing=missing,
        remarks=remarks,
    )


def _placed(item: Finding, past: Past) -> Finding:
    """Return a finding whose evidence is of the filter and the period that were looked at."""
    chosen = {name: getattr(past.filter, name) for name in _SHARED}
    filters = {name: value for name, value in chosen.items() if isinstance(value, str) and value}
    filters |= item.evidence.filters
    filters["since"] = _time(past.period.since_ns)
    if past.period.until_ns < past.now_ns:
        filters["until"] = _time(past.period.until_ns)
    return replace(item, evidence=replace(item.evidence, filters=filters))


def _time(ns: int) -> str:
    """Return a time up to its second, which the commands and the dashboard take; a midnight as its day."""
    return moment(ns)[:19].removesuffix("T00:00:00")


def _remarks(reader: FactsReader, filter_: Filter, own: list[str]) -> list[str]:
    remarks = [*own, *reader.freshness().remarks]
    if filter_.environment is None and BACKTEST in reader.values("environment"):
        remarks.append("Calls of back-tests are left out: they are paid once, not each month.")
    if filter_.environment is None and filter_.agent is None and EVALUATION in reader.values("environment"):
        remarks.append("Calls of judges and of trials of prompts are left out: --environment evaluation has them.")
    expired = reader.expired_in(filter_)
    if expired:
        remarks.append(
            f"{counted(expired, 'observations')} of the period {'is' if expired == 1 else 'are'} deleted from "
            "the store: not looked at."
        )
    return remarks

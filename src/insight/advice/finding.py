"""Define what advice is made of: findings with their worth, evidence and back-check, and what was withheld and why."""

from __future__ import annotations

import shlex
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlencode

from src.insight.facts.extremes import Mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from src.insight.facts.call_columns import Calls
    from src.judging.statistics import Interval

# What a finding is worth: US dollars in 30 days; a difference of hit rates, 0.01 being a point; a share of decisions.
Unit = Literal["usd_per_30_days", "hit_rate", "share_of_decisions"]
MOST_TRACES: Final = 5


@dataclass(frozen=True, slots=True)
class Evidence:
    """The recorded calls behind a finding.

    Attributes:
        filters: Filters that choose them, by names that `moondev traces list` and the dashboard's page of traces share.
        trace_ids: Some of their traces.
    """

    filters: Mapping[str, str]
    trace_ids: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """Return the path and query of the dashboard's page with these calls."""
        return f"/traces?{urlencode(self.filters)}"

    @property
    def command(self) -> str:
        """Return the command that lists these calls."""
        options = " ".join(f"--{name} {shlex.quote(value)}" for name, value in self.filters.items())
        return f"moondev traces list {options}".rstrip()


def newest_traces() -> deque[str]:
    """Return what keeps the last few of the traces that are added to it."""
    return deque(maxlen=MOST_TRACES)


class NewestCalls:
    """The last few of the calls that are added."""

    def __init__(self) -> None:
        self.marks: deque[Mark] = deque(maxlen=MOST_TRACES)

    def add(self, calls: Calls, rows: Any) -> None:
        """Add the calls at some places, in their order."""
        last = rows[-MOST_TRACES:]
        self.marks.extend(map(Mark, calls["start_ns"][last].tolist(), calls["span"][last].tolist()))


def evidence(filters: Mapping[str, str | None], trace_ids: Iterable[str] = ()) -> Evidence:
    """Return evidence by those filters that are set, with the last few of the traces, the newest first."""
    traces = tuple(dict.fromkeys(reversed([*trace_ids])))[:MOST_TRACES]
    return Evidence({name: value for name, value in filters.items() if value}, traces)


@dataclass(frozen=True, slots=True)
class BackCheck:
    """How a finding that is derived from the first part of the past fared in the second.

    Attributes:
        middle_ns: Where the past is divided, in nanoseconds since 1970.
        n_first: How many calls or decisions the first part has.
        n_second: How many the second part has.
        text: What was predicted, and what came.
    """

    middle_ns: int
    n_first: int
    n_second: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One change that the recorded past speaks for.

    Attributes:
        kind: The name of its kind.
        title: What to change, in one line.
        scope: What it is about, such as agent, model, member.
        n: How many calls or decisions it rests on.
        of: What n counts.
        estimate: What the change is worth, with its 95% interval.
        unit: What the estimate is counted in.
        evidence: The recorded calls behind it.
        how: What to do, step by step.
        check: How it fared on the past.
        details: What else a reader must know.
    """

    kind: str
    title: str
    scope: Mapping[str, str]
    n: int
    of: str
    estimate: Interval
    unit: Unit
    evidence: Evidence
    how: tuple[str, ...]
    check: BackCheck
    details: tuple[str, ...] = ()

    @property
    def worth(self) -> tuple[int, float]:
        """Return by what findings are sorted: money first, by its lower bound, then the others."""
        return (int(self.unit == "usd_per_30_days"), self.estimate.low or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """A change that was considered and is not advised.

    Attributes:
        kind: The name of its kind.
        title: The change.
        scope: What it is about.
        n: How many calls or decisions there were.
        of: What n counts.
        reason: Why it is not advised.
    """

    kind: str
    title: str
    scope: Mapping[str, str]
    n: int
    of: str
    reason: str


@dataclass(frozen=True, slots=True)
class Results:
    """What one kind has to say.

    Attributes:
        findings: The changes that it advises.
        withheld: Those that it considered and does not advise.
        missing: What it would need to say more.
        remarks: What a reader must know of how it looked.
    """

    findings: tuple[Finding, ...] = ()
    withheld: tuple[Withheld, ...] = ()
    missing: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def results_of(
    items: Iterable[Finding | Withheld | None], *, missing: Iterable[str] = (), remarks: Iterable[str] = ()
) -> Results:
    """Return results with findings and withheld changes sorted out; None is nothing to say."""
    judged = [item for item in items if item is not None]
    return Results(
        findings=tuple(item for item in judged if isinstance(item, Finding)),
        withheld=tuple(item for item in judged if isinstance(item, Withheld)),
        missing=tuple(missing),
        remarks=tuple(remarks),
    )

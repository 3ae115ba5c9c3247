"""Write advice as texts, tables and plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from src.insight.advice.amounts import money
from src.insight.advice.registry import KINDS
from src.insight.report.texts import Table
from src.observability.commands.counting import counted
from src.observability.search.records import moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.insight.advice.content import Advice
    from src.insight.advice.finding import Finding, Withheld


def worth(finding: Finding) -> str:
    """Return what a change is worth, with its 95% interval."""
    estimate = finding.estimate
    if finding.unit == "usd_per_30_days":
        return f"{money(estimate)} in 30 days"
    scale, what = (100, "points of hit rate") if finding.unit == "hit_rate" else (100, "% of decisions are too late")
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "unknown"
    figures = f"{estimate.value * scale:.1f} ({estimate.low * scale:.1f} to {estimate.high * scale:.1f})"
    return f"{figures} {what}"


def period(advice: Advice) -> str:
    """Return the period as text."""
    if advice.period is None or advice.middle_ns is None:
        return "nothing is recorded"
    return (
        f"{_day(advice.period.since_ns)} to {_day(advice.period.until_ns)} UTC, n = "
        f"{counted(advice.calls, 'calls')}; derived "
        f"before {_day(advice.middle_ns)}, checked after it"
    )


def nothing(advice: Advice) -> str:
    """Say why there is no finding, and what would make one."""
    if advice.period is None:
        return "No calls are recorded in this period: advice needs at least six days with calls."
    days = len(advice.period.days)
    if days < 6:
        return (
            f"The recorded past is of {counted(days, 'days')}: six with calls are needed to say what 30 cost, "
            "and to check it."
        )
    return f"Nothing to change stands up to the recorded past ({len(advice.withheld):,} considered)."


def notes(advice: Advice, *, shows_withheld: bool) -> list[str]:
    """Return what a reader must know beside the findings."""
    lines = []
    if advice.withheld and not shows_withheld:
        failed = sum("back-check" in item.reason for item in advice.withheld)
        lines.append(
            f"Considered and not advised: {counted(len(advice.withheld), 'other changes')} ({failed:,} failed the "
            "back-check): --all shows why."
        )
    lines += [f"{name}: {text}" for name, text in advice.missing]
    lines += advice.remarks
    if any(item.unit == "usd_per_30_days" for item in advice.findings):
        lines.append("Findings overlap: what one saves, another cannot save again. Do one, and ask again.")
    return lines


def tables(advice: Advice, *, shows_withheld: bool) -> Iterator[Table]:
    """Yield the advice as tables: all findings, then each with its evidence and what to do."""
    if advice.findings:
        rows = [
            [str(place), item.title, worth(item), counted(item.n, item.of)]
            for place, item in enumerate(advice.findings, 1)
        ]
        yield Table("What to change", ("", "change", "worth (95%)", "n"), rows)
    for place, item in enumerate(advice.findings, 1):
        yield Table(f"{place}. {item.title}", ("", item.kind), [list(row) for row in facts_of(item)])
    if shows_withheld and advice.withheld:
        yield Table(
            "Considered and not advised",
            ("kind", "change", "n", "why not"),
            [[item.kind, item.title, counted(item.n, item.of), item.reason] for item in advice.withheld],
        )


def facts_of(finding: Finding) -> Iterator[tuple[str, str]]:
    """Yield all that is known of a finding, as names and texts."""
    yield "worth", worth(finding)
    yield "n", counted(finding.n, finding.of)
    for line in finding.details:
        yield "why", line
    check = finding.check
    for text in check.text.split("; "):
        yield "checked", text
    yield "checked", f"n = {check.n_first:,} before {_day(check.middle_ns)}, {check.n_second:,} after it"
    for line in finding.how:
        yield "how", line
    yield "evidence", finding.evidence.command
    for trace_id in finding.evidence.trace_ids[:2]:
        yield "", f"moondev traces show {trace_id}"


def advice_data(advice: Advice, *, shows_withheld: bool) -> dict[str, Any]:
    """Return the advice as plain data."""
    data: dict[str, Any] = {
        "since": None if advice.period is None else moment(advice.period.since_ns),
        "until": None if advice.period is None else moment(advice.period.until_ns),
        "middle": None if advice.middle_ns is None else moment(advice.middle_ns),
        "calls": advice.calls,
        "kinds": {name: KINDS[name].title for name in advice.kinds},
        "findings": [_finding_data(item) for item in advice.findings],
        "withheld_count": len(advice.withheld),
        "missing": [{"kind": name, "text": text} for name, text in advice.missing],
        "remarks": list(advice.remarks),
    }
    if shows_withheld:
        data["withheld"] = [_withheld_data(item) for item in advice.withheld]
    return data


def _finding_data(item: Finding) -> dict[str, Any]:
    return {
        "kind": item.kind,
        "title": item.title,
        "scope": dict(item.scope),
        "n": item.n,
        "of": item.of,
        "estimate": item.estimate.value,
        "estimate_low": item.estimate.low,
        "estimate_high": item.estimate.high,
        "unit": item.unit,
        "details": list(item.details),
        "how": list(item.how),
        "back_check": {
            "middle": moment(item.check.middle_ns),
            "n_first": item.check.n_first,
            "n_second": item.check.n_second,
            "text": item.check.text,
        },
        "evidence": {
            "filters": dict(item.evidence.filters),
            "command": item.evidence.command,
            "address": item.evidence.address,
            "trace_ids": list(item.evidence.trace_ids),
        },
    }


def _withheld_data(item: Withheld) -> dict[str, Any]:
    return {
        "kind": item.kind,
        "title": item.title,
        "scope": dict(item.scope),
        "n": item.n,
        "of": item.of,
        "reason": item.reason,
    }


def _day(ns: int) -> str:
    return moment(ns)[:10]

"""Write a report's figures as texts, for the terminal, Markdown and HTML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from src.observability.commands.counting import counted
from src.observability.search.records import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from src.insight.figures.groups import Group
    from src.insight.figures.noise import Change
    from src.insight.report.content import Comparison, Failures, Report
    from src.judging.statistics import Interval

NO_KEY: Final = "(none)"
HEADINGS: Final = (
    "calls", "errors", "tokens in", "out", "from cache", "cost", "p50", "p95", "p99", "first token", "retried",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a report, as texts; the first column names the rows."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables(report: Report) -> Iterator[Table]:
    """Yield the tables of a report."""
    yield Table("All calls", ("", *HEADINGS), [cells(report.total, "all")])
    if report.groups:
        yield Table(f"By {report.by}", (report.by or "", *HEADINGS), [cells(row) for row in report.groups])
    if report.errors:
        yield Table("Errors", ("category", "calls", "of all calls"), failure_rows(report.errors, report.total.totals.n))
    if report.retries:
        yield Table(
            "Attempts tried again", ("category", "attempts"), [row[:2] for row in failure_rows(report.retries, 0)]
        )
    if report.comparison is not None:
        yield from comparison_tables(report.comparison)


def cells(row: Group, key: str | None = None) -> list[str]:
    """Return the cells of one group, its key first."""
    totals = row.totals
    return [
        key or key_of(row.key),
        f"{totals.n:,}",
        f"{totals.errors:,} ({percent(row.error_share.value)})" if totals.errors else "0",
        tokens(totals.input_tokens, totals.unmeasured),
        tokens(totals.output_tokens, totals.unmeasured),
        percent(row.cache_share),
        cost(row),
        milliseconds(row.latency.p50_ms),
        milliseconds(row.latency.p95_ms),
        milliseconds(row.latency.p99_ms),
        milliseconds(row.first_token.p50_ms),
        f"{totals.retried:,}",
    ]


def key_of(key: str | None) -> str:
    """Return a group's key as text."""
    return NO_KEY if key is None else key


def cost(row: Group) -> str:
    """Return what a group cost: at least so much where part of it is unknown."""
    if row.cost_usd is None:
        return "unknown"
    return f"{'≥ ' if row.totals.unpriced else ''}{dollars(row.cost_usd)}"


_LEAST_USD: Final = 1e-5  # below it six places would round money away


def dollars(usd: float) -> str:
    """Return an amount of US dollars in as many digits as it needs."""
    if usd == 0:
        return "$0"
    if abs(usd) < _LEAST_USD:
        return f"${usd:.1e}"
    return f"${usd:.6f}" if abs(usd) < 0.01 else f"${usd:,.4f}" if abs(usd) < 100 else f"${usd:,.2f}"


def tokens(count: int, unmeasured: int) -> str:
    """Return a number of tokens: at least so many where some calls' are unknown."""
    if unmeasured and not count:
        return "unknown"
    return f"{'≥ ' if unmeasured else ''}{count:,}"


def percent(share: float | None, digits: int = 1) -> str:
    """Return a share in percent; a dash where it is unknown."""
    return "-" if share is None else f"{share * 100:.{digits}f}%"


def milliseconds(ms: float | None) -> str:
    """Return a time; a dash where it is unknown."""
    if ms is None:
        return "-"
    return f"{ms:,.0f} ms" if ms < 1000 else f"{ms / 1000:,.1f} s"


def failure_rows(failures: Sequence[Failures], calls: int) -> list[list[str]]:
    """Return counts by category as cells."""
    return [[item.category or "unknown", f"{item.n:,}", percent(item.n / calls) if calls else "-"] for item in failures]


CHANGE_HEADINGS: Final = ("before", "now", "change", "verdict")


def comparison_tables(comparison: Comparison) -> Iterator[Table]:
    """Yield what changed: of all calls every figure, of groups those that are no noise."""
    title = f"Against the period before ({day(comparison.since_ns)} to {day(comparison.until_ns)})"
    if comparison.total:
        yield Table(
            title, ("figure", *CHANGE_HEADINGS), [[item.measure, *change_cells(item)] for item in comparison.total]
        )
    clear = [
        [f"{key_of(key)}: {item.measure}", *change_cells(item)]
        for key, items in comparison.groups
        for item in items
        if item.verdict in ("up", "down")
    ]
    if clear:
        yield Table("Groups that changed beyond noise", ("figure", *CHANGE_HEADINGS), clear)


def change_cells(item: Change) -> list[str]:
    """Return the cells of one change."""
    relative = "-" if item.relative is None else f"{item.relative * 100:+.0f}%"
    return [figure(item.before, item.unit), figure(item.now, item.unit), relative, item.verdict]


def figure(interval: Interval, unit: str) -> str:
    """Return a figure in its unit, with how far its interval reaches."""
    if interval.value is None:
        return "-"
    texts: dict[str, Callable[[float], str]] = {"usd": dollars, "share": percent, "ms": milliseconds}
    text = texts.get(unit, _number)
    if interval.low is None or interval.high is None:
        return text(interval.value)
    return f"{text(interval.value)} ±{text(max(interval.high - interval.value, interval.value - interval.low))}"


def _number(value: float) -> str:
    return f"{value:,.1f}"


def day(ns: int) -> str:
    """Return a moment by its day and minute, in UTC."""
    return moment(ns)[:16].replace("T", " ")


def period(report: Report) -> str:
    """Return which period a report is about."""
    if report.since_ns is None and report.until_ns is None:
        return "all that is stored"
    since = "the beginning" if report.since_ns is None else day(report.since_ns)
    return f"from {since} to {'now' if report.until_ns is None else day(report.until_ns)} (UTC)"


def notes(report: Report) -> list[str]:
    """Return what a reader must know beside the figures."""
    totals, lines = report.total.totals, []
    if totals.unpriced:
        lines.append(
            f"The cost of {totals.unpriced:,} of {counted(totals.n, 'calls')} is not known, or not in whole: ≥ says so."
        )
    if totals.unmeasured:
        lines.append(f"The tokens of {totals.unmeasured:,} of {counted(totals.n, 'calls')} are not known.")
    if totals.n and not report.total.latency.is_exact:
        lines.append("Quantiles come from histograms and are off by a twentieth at most.")
    if report.left_out is not None and report.left_out.n:
        cost_usd, environment = report.left_out.cost_usd, report.filter.without_environment
        lines.append(
            f"Not counted: {counted(report.left_out.n, 'calls')} of the environment {environment} "
            f"(judges and trials of "
            f"prompts), {dollars(cost_usd)} as far as known. --environment {environment} shows them."
        )
    lines += _about_comparison(report)
    freshness = report.freshness
    if freshness.behind:
        lines.append(
            counted(
                freshness.behind,
                "stored observations are not counted yet: run the report again.",
                "stored observation is not counted yet: run the report again.",
            )
        )
    if gaps := sum(gap.n for gap in freshness.gaps):
        lines.append(
            counted(
                gaps,
                "rows had left the store before they were counted.",
                "row had left the store before it was counted.",
            )
        )
    return lines


def _about_comparison(report: Report) -> list[str]:
    comparison = report.comparison
    if comparison is None:
        is_asked = report.since_ns is not None and report.total.totals.n
        return ["Nothing was recorded before this period, so it is compared with nothing."] if is_asked else []
    verdicts = [item.verdict for _, items in comparison.groups for item in items]
    lines = [
        f"`up` and `down` hold at a false-discovery rate of 5% over all figures here, with {comparison.block}s as what "
        f"may differ by chance; the rest is noise. Under 50 calls or six {comparison.block}s there is not enough."
    ]
    if verdicts:
        lines.append(
            f"Of {len(verdicts)} figures of groups {verdicts.count('up') + verdicts.count('down')} changed, "
            f"{verdicts.count('noise')} are noise, {verdicts.count('not enough')} have not enough calls."
        )
    for words, keys in (("only now", comparison.new), ("only before", comparison.gone)):
        if keys:
            shown = ", ".join(key_of(key) for key in keys[:5])
            lines.append(f"{len(keys):,} with calls {words}: {shown}{', ...' if len(keys) > 5 else ''}.")
    return lines

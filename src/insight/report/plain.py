"""Turn a report into plain data, for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from src.observability.search.records import moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.insight.figures.groups import Group, Latency
    from src.insight.figures.noise import Change
    from src.insight.report.content import Comparison, Failures, Report


def report_data(report: Report) -> dict[str, Any]:
    """Return a report as plain data: the names of the contract, and those beside them."""
    freshness = report.freshness
    return {
        "since": None if report.since_ns is None else moment(report.since_ns),
        "until": None if report.until_ns is None else moment(report.until_ns),
        "by": report.by,
        "total": group_data(report.total),
        "rows": [group_data(row) for row in report.groups],
        "errors": failures_data(report.errors),
        "retries": failures_data(report.retries),
        "comparison": None if report.comparison is None else comparison_data(report.comparison),
        "left_out": None
        if report.left_out is None
        else {
            "environment": report.filter.without_environment,
            "calls": report.left_out.n,
            "cost_usd": report.left_out.cost_usd,
            "unpriced": report.left_out.unpriced,
        },
        "facts": {
            "behind": freshness.behind,
            "deleted_but_counted": freshness.expired,
            "never_counted": sum(gap.n for gap in freshness.gaps),
        },
    }


def group_data(row: Group) -> dict[str, Any]:
    """Return one group as plain data. `cost_usd` is the known part, null where no part is known."""
    totals = row.totals
    return {
        "key": row.key,
        "calls": totals.n,
        "errors": totals.errors,
        "error_share": row.error_share.value,
        "error_share_low": row.error_share.low,
        "error_share_high": row.error_share.high,
        "input_tokens": totals.input_tokens,
        "output_tokens": totals.output_tokens,
        "cached_tokens": totals.cached_tokens,
        "written_tokens": totals.written_tokens,
        "reasoning_tokens": totals.reasoning_tokens,
        "unmeasured": totals.unmeasured,
        "cache_share": row.cache_share,
        "cost_usd": row.cost_usd,
        "unpriced": totals.unpriced,
        **latency_data(row.latency, ""),
        "exact": row.latency.is_exact,
        "streamed": totals.first_tokens,
        **latency_data(row.first_token, "first_token_"),
        "attempts": totals.attempts,
        "retried": totals.retried,
        "repaired": totals.repaired,
        "cut": totals.cut,
    }


def latency_data(latency: Latency, prefix: str) -> dict[str, float | None]:
    """Return quantiles as plain data."""
    return {
        f"{prefix}p50_ms": latency.p50_ms,
        f"{prefix}p95_ms": latency.p95_ms,
        f"{prefix}p99_ms": latency.p99_ms,
    }


def failures_data(failures: Sequence[Failures]) -> list[dict[str, Any]]:
    """Return counts by category as plain data."""
    return [{"category": item.category, "n": item.n} for item in failures]


def comparison_data(comparison: Comparison) -> dict[str, Any]:
    """Return what changed as plain data."""
    return {
        "since": moment(comparison.since_ns),
        "until": moment(comparison.until_ns),
        "block": comparison.block,
        "total": changes_data(comparison.total),
        "rows": [{"key": key, "changes": changes_data(items)} for key, items in comparison.groups],
        "new": list(comparison.new),
        "gone": list(comparison.gone),
    }


def changes_data(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """Return changes as plain data."""
    return [
        {
            "measure": item.measure,
            "unit": item.unit,
            "before": item.before.value,
            "before_low": item.before.low,
            "before_high": item.before.high,
            "now": item.now.value,
            "now_low": item.now.low,
            "now_high": item.now.high,
            "relative": item.relative,
            "verdict": item.verdict,
        }
        for item in changes
    ]

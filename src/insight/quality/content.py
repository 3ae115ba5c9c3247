"""Gather what the report on replies says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from src.insight.facts.filters import EVALUATION
from src.insight.quality.drift import drifts
from src.insight.quality.forms import FORMS, all_of, forms
from src.insight.quality.replies import agreements, grounded, judged_replies
from src.insight.report.texts import Table, day, key_of, percent
from src.observability.commands.counting import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from src.insight.facts.filters import Filter
    from src.insight.facts.reader import FactsReader
    from src.insight.quality.drift import Drift
    from src.insight.quality.forms import Forms
    from src.insight.quality.replies import Agreement, Grounded, JudgedReply
    from src.judging.statistics import Interval
    from src.observability.store.reader import StoreReader


@dataclass(frozen=True, slots=True)
class Quality:
    """What the report on replies says.

    Attributes:
        since_ns: From when on; None where open.
        until_ns: Until when.
        total: How all replies came out.
        groups: How they came out by prompt and model, or as was asked for.
        grounded: Whether numbers in the reasoning stand in the prompt, of the sampled replies.
        agreements: Whether repeated requests got the same answers, of the sampled replies.
        drifts: Whether the mix of actions changed against the period before.
        replies: The sampled replies, newest first.
        left_out: How many calls of an environment that the filter leaves out there were besides.
    """

    since_ns: int | None
    until_ns: int | None
    total: Forms
    groups: Sequence[Forms]
    grounded: Sequence[Grounded]
    agreements: Sequence[Agreement]
    drifts: Sequence[Drift]
    replies: Sequence[JudgedReply]
    left_out: int = 0


def make_quality(
    reader: FactsReader, store: StoreReader, filter_: Filter, by: str | None, *, sample: int, now_ns: int
) -> Quality:
    """Return the report on replies.

    Args:
        reader: The facts.
        store: The store, which has the texts.
        filter_: Which calls.
        by: By what forms and drift are grouped: one of `groups.DIMENSIONS`.
        sample: Of how many calls, the newest, the texts are read.
        now_ns: The present.

    Raises:
        ValueError: `by` is none of them.
    """
    groups = forms(reader, filter_, by)
    replies = list(judged_replies(reader, store, filter_, sample))
    since_ns, until_ns = reader.effective_range(filter_)
    besides = filter_.of_the_environment_left_out()
    return Quality(
        since_ns=since_ns,
        until_ns=until_ns,
        total=all_of(groups),
        groups=groups,
        grounded=grounded(replies),
        agreements=agreements(replies),
        drifts=drifts(reader, filter_, by, now_ns=now_ns),
        replies=replies,
        left_out=0 if besides is None else reader.totals(besides).n,
    )


def quality_data(quality: Quality) -> dict[str, Any]:
    """Return the report as plain data."""
    return {
        "total": forms_data(quality.total),
        "rows": [forms_data(item) for item in quality.groups],
        "sampled": len(quality.replies),
        "left_out": quality.left_out,
        "grounding": [
            {
                "key": item.key,
                "replies": item.replies,
                "numbers": item.numbers,
                "stated": item.stated,
                "derived": item.derived,
                "absent": item.absent,
                **_interval_data("with_absent", item.with_absent),
                "examples": [
                    {"trace_id": trace_id, "observation_id": observation_id, "numbers": list(numbers)}
                    for trace_id, observation_id, numbers in item.examples
                ],
            }
            for item in quality.grounded
        ],
        "agreement": [
            {
                "key": item.key,
                "requests": item.requests,
                "answers": item.answers,
                "agreement": item.agreement,
                **_interval_data("unanimous", item.unanimous),
            }
            for item in quality.agreements
        ],
        "drift": [
            {
                "key": item.key,
                "before": dict(item.before),
                "now": dict(item.now),
                "days_before": item.days_before,
                "days_now": item.days_now,
                "p_value": item.p_value,
                "verdict": item.verdict,
            }
            for item in quality.drifts
        ],
    }


def forms_data(item: Forms) -> dict[str, Any]:
    """Return how a group's replies came out as plain data."""
    data: dict[str, Any] = {"key": item.key, "n": item.n} | dict(item.counts)
    for form in FORMS:
        data |= _interval_data(f"{form}_share", item.shares[form])
    return data


def _interval_data(name: str, interval: Interval) -> dict[str, float | None]:
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def quality_tables(quality: Quality) -> Iterator[Table]:
    """Yield the tables of the report."""
    rows = [forms_cells("all", quality.total), *(forms_cells(key_of(item.key), item) for item in quality.groups)]
    yield Table("How replies came out", ("prompt and model", "n", "valid at once", *FORMS[1:]), rows)
    if quality.grounded:
        yield Table(
            "Numbers in the reasoning, of the sampled replies",
            ("prompt and model", "replies", "numbers", "in prompt", "derived", "absent", "replies with absent ones"),
            [
                [key_of(item.key), f"{item.replies:,}", f"{item.numbers:,}", f"{item.stated:,}", f"{item.derived:,}",
                 f"{item.absent:,}", _interval(item.with_absent)]
                for item in quality.grounded
            ],
        )  # fmt: skip
    if quality.agreements:
        yield Table(
            "Answers to the same request, of the sampled replies",
            ("prompt and model", "requests", "answers", "two agree", "all the same"),
            [
                [
                    key_of(item.key),
                    f"{item.requests:,}",
                    f"{item.answers:,}",
                    percent(item.agreement),
                    _interval(item.unanimous),
                ]
                for item in quality.agreements
            ],
        )
    if quality.drifts:
        yield Table(
            "The mix of actions (BUY / SELL / NOTHING / ABSTAIN) against the period before",
            ("", "votes", "before", "now", "p", "verdict"),
            [_drift_cells(item) for item in quality.drifts],
        )


def forms_cells(key: str, item: Forms) -> list[str]:
    """Return the cells of one group."""
    return [
        key,
        f"{item.n:,}",
        _interval(item.shares["valid"]),
        *(
            f"{item.counts[form]:,} ({percent(item.shares[form].value)})" if item.counts[form] else "0"
            for form in FORMS[1:]
        ),
    ]


def _interval(interval: Interval) -> str:
    if interval.value is None or interval.low is None or interval.high is None:
        return "-"
    return f"{percent(interval.value)} ({percent(interval.low, 0)} to {percent(interval.high, 0)})"


def _drift_cells(item: Drift) -> list[str]:
    before, now = sum(item.before.values()), sum(item.now.values())
    return [
        key_of(item.key),
        f"{before:,}, {now:,}",
        _mix(item.before),
        _mix(item.now),
        "-" if item.p_value is None else f"{item.p_value:.3f}",
        item.verdict,
    ]


def _mix(counts: Any) -> str:
    total = sum(counts.values())
    return " / ".join(percent(count / total, 0) for count in counts.values()) if total else "-"


def quality_notes(quality: Quality) -> list[str]:
    """Return what a reader must know beside the figures."""
    lines = [
        "`valid at once` fits what was asked for without a repair; refused, cut and empty are as the provider says: a "
        "refusal in plain words counts as a reply.",
    ]
    if quality.left_out:
        lines.append(
            f"Not counted: {counted(quality.left_out, 'calls')} of judges and of trials of prompts; "
            f"--environment {EVALUATION} shows them."
        )
    if quality.replies:
        lines.append(
            f"Texts are those of the newest "
            f"{counted(len(quality.replies), 'calls')}, since {day(quality.replies[-1].end_ns)}."
        )
    if quality.grounded:
        lines.append(
            "An absent number does not stand in the prompt, rounded or not, and is no difference or percentage of two "
            "numbers there; targets, stops and probabilities are not judged. It may still be right."
        )
        for item in quality.grounded[:3]:
            for trace_id, _, numbers in item.examples[:1]:
                lines.append(f"Such as {', '.join(numbers[:4])} in trace {trace_id[:12]} ({key_of(item.key)}).")
    if quality.drifts:
        lines.append(
            "Whether the mix changed is judged by shuffling days, since the votes of one day follow one market."
        )
    return lines

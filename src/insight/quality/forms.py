"""Count how replies came out: valid at once, repaired, malformed, refused, cut, empty, or failed otherwise."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from src.insight.facts.schema import CUT
from src.insight.figures.groups import DIMENSIONS, key_text
from src.judging.statistics import wilson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from src.insight.facts.filters import Dimension, Filter
    from src.insight.facts.reader import FactsReader
    from src.insight.facts.records import Totals
    from src.judging.statistics import Interval

Key = tuple[str | None, ...]
Form = Literal["valid", "repaired", "malformed", "refused", "cut", "empty", "failed"]
FORMS: Final[tuple[Form, ...]] = ("valid", "repaired", "malformed", "refused", "cut", "empty", "failed")
# Finish reasons by which a provider says that it, or the model, refuses.
REFUSALS: Final = frozenset(
    {"content_filter", "refusal", "safety", "recitation", "blocklist", "prohibited_content", "spii", "content_blocked"}
)
_CATEGORIES: Final[Mapping[str, Form]] = {
    "content_blocked": "refused",
    "empty_response": "empty",
    "malformed_response": "malformed",
}
BY_PROMPT: Final[tuple[Dimension, ...]] = ("prompt_name", "prompt_version", "model")


@dataclass(frozen=True, slots=True)
class Forms:
    """How the replies of one group came out.

    Attributes:
        key: What they have in common.
        counts: How many came out in each form; each reply counts in one.
        shares: The share of each form among all, with Wilson's interval.
    """

    key: str | None
    counts: Mapping[Form, int]
    shares: Mapping[Form, Interval]

    @property
    def n(self) -> int:
        """Return how many calls there are."""
        return sum(self.counts.values())


def form_of(*, category: str | None, has_failed: bool, finish_reason: str | None, is_repaired: bool) -> Form:
    """Return how one reply came out. What the provider says counts: a refusal in plain words is a reply like any other.

    Args:
        category: The category of its error.
        has_failed: Whether the call ended in an error.
        finish_reason: Why the reply ended.
        is_repaired: Whether it did not fit at first and was repaired.
    """
    if has_failed:
        return _CATEGORIES.get(category or "", "failed")
    reason = (finish_reason or "").lower()
    if reason in REFUSALS:
        return "refused"
    if reason in CUT:
        return "cut"
    return "repaired" if is_repaired else "valid"


def forms(reader: FactsReader, filter_: Filter, by: str | None = None) -> list[Forms]:
    """Return how replies came out, for each group; the largest first.

    Args:
        reader: The facts.
        filter_: Which calls.
        by: One of `groups.DIMENSIONS`; by prompt, its version and model where not given.

    Raises:
        ValueError: `by` is none of them.
    """
    if by is not None and by not in DIMENSIONS:
        raise ValueError(f"--by is {by!r:.40}: give one of {', '.join(DIMENSIONS)}.")
    dimensions = BY_PROMPT if by is None else DIMENSIONS[by]
    groups = [forms_of(key_text(key), numbers) for key, numbers in counts_by_form(reader, filter_, dimensions).items()]
    return sorted(groups, key=lambda group: (-group.n, str(group.key)))


def counts_by_form(reader: FactsReader, filter_: Filter, dimensions: Sequence[Dimension]) -> dict[Key, dict[Form, int]]:
    """Return how many replies of each group came out in each form.

    Finish reasons are known of single facts alone. Where all are there, only those of replies that were cut or refused
    are looked at; daily totals have the rest.
    """
    counts: defaultdict[Key, dict[Form, int]] = defaultdict(lambda: dict.fromkeys(FORMS, 0))
    if reader.expired_in(filter_):
        for row in reader.grouped(filter_, (*dimensions, "status", "category", "finish_reason")):
            *key, status, category, reason = row.key
            _count(counts[tuple(key)], row.totals, category=category, has_failed=status == "error", reason=reason)
        return dict(counts)
    for row in reader.grouped(filter_, (*dimensions, "status", "category")):
        *key, status, category = row.key
        _count(counts[tuple(key)], row.totals, category=category, has_failed=status == "error", reason=None)
    reasons = reader.spellings((*CUT, *REFUSALS))
    if reasons and filter_.status != "error":
        marked = replace(filter_, status="ok", finish_reason=reasons)
        for row in reader.grouped(marked, (*dimensions, "finish_reason")):
            *key, reason = row.key
            group = counts[tuple(key)]
            _count(group, row.totals, category=None, has_failed=False, reason=None, sign=-1)
            _count(group, row.totals, category=None, has_failed=False, reason=reason)
    return dict(counts)


def _count(
    group: dict[Form, int], totals: Totals, *, category: str | None, has_failed: bool, reason: str | None, sign: int = 1
) -> None:
    for number, is_repaired in ((totals.repaired, True), (totals.n - totals.repaired, False)):
        form = form_of(category=category, has_failed=has_failed, finish_reason=reason, is_repaired=is_repaired)
        group[form] += sign * number


def forms_of(key: str | None, counts: Mapping[Form, int]) -> Forms:
    """Return a group with its shares."""
    total = sum(counts.values())
    return Forms(key=key, counts=counts, shares={form: wilson(count, total) for form, count in counts.items()})


def all_of(groups: list[Forms]) -> Forms:
    """Return all groups as one."""
    return forms_of(None, {form: sum(group.counts[form] for group in groups) for form in FORMS})

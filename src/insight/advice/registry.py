"""List the kinds of advice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from src.insight.advice.kinds import identical, members, models, paid_failures, prices, slow, uncached

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.insight.advice.past import Past, Search


@dataclass(frozen=True, slots=True)
class AdviceKind:
    """One kind of advice.

    Attributes:
        name: Its name, as `--kind` takes it.
        title: What it looks for.
        open: Makes its search of a past.
        is_of_decisions: Whether it looks at decisions, which know neither user nor provider.
    """

    name: str
    title: str
    open: Callable[[Past], Search]
    is_of_decisions: bool = False


KINDS: Final[dict[str, AdviceKind]] = {
    kind.name: kind
    for kind in (
        AdviceKind(paid_failures.NAME, "failed, cut, repaired and retried calls that were paid for",
                   paid_failures.PaidFailures),
        AdviceKind(uncached.NAME, "prompts whose long equal beginning is not cached", uncached.Uncached),
        AdviceKind(identical.NAME, "identical requests within an hour", identical.Identical),
        AdviceKind(members.NAME, "members that never change an outcome", members.Members, is_of_decisions=True),
        AdviceKind(models.NAME, "models that alone decide as right for less, or righter", models.Models,
                   is_of_decisions=True),
        AdviceKind(prices.NAME, "the same tokens on other recorded models, by price alone", prices.Prices),
        AdviceKind(slow.NAME, "agents slower than the bars they decide on", slow.Slow, is_of_decisions=True),
    )
}  # fmt: skip

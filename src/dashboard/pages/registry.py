"""The pages in the order of the menu."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from src.dashboard.pages import (
    accuracy,
    alerts,
    budget,
    costs,
    decisions,
    errors,
    latency,
    models,
    overview,
    prompts,
    quality,
    swarm,
    traces,
)

if TYPE_CHECKING:
    from src.dashboard.pages.kinds import PageKind

# Groups of the menu, with their pages.
MENU: Final[tuple[tuple[str, tuple[PageKind, ...]], ...]] = (
    ("", (overview.KIND,)),
    ("Decisions", (decisions.KIND, accuracy.KIND, models.KIND, swarm.KIND)),
    ("Calls", (latency.KIND, costs.KIND, errors.KIND, quality.KIND, prompts.KIND, budget.KIND, alerts.KIND)),
    ("Traces", (traces.KIND, traces.SESSIONS, traces.LIVE)),
)
KINDS: Final = {kind.slug: kind for _, kinds in MENU for kind in kinds}

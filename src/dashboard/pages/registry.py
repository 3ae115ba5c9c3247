"""The pages in the order of the menu."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from src.dashboard.pages import accuracy, budget, decisions, models, swarm, traces

if TYPE_CHECKING:
    from src.dashboard.pages.kinds import PageKind

# Groups of the menu, with their pages.
MENU: Final[tuple[tuple[str, tuple[PageKind, ...]], ...]] = (
    ("Decisions", (decisions.KIND, accuracy.KIND, models.KIND, swarm.KIND)),
    ("Calls", (traces.KIND, traces.SESSIONS, traces.LIVE)),
    ("Money", (budget.KIND,)),
)
KINDS: Final = {kind.slug: kind for _, kinds in MENU for kind in kinds}

"""Compare what a project has with what it is to have, and create what is missing; nothing is changed or deleted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from src.insight.langfuse_setup.score_table import SCORES
from src.insight.langfuse_setup.server import NoSuchRoute, Refused
from src.insight.langfuse_setup.widgets import DASHBOARD, WIDGETS, dashboard_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.insight.langfuse_setup.score_table import ScoreKind
    from src.insight.langfuse_setup.server import LangfuseApi

    Progress = Callable[[str], object]

# `missing` is what a dry run would create; `archived` what somebody has put away; `unavailable` what the server has no
# route for.
State = Literal["there", "created", "missing", "differs", "archived", "failed", "unavailable"]
CONFIGS: Final = "/api/public/score-configs"
WIDGET_ROUTE: Final = "/api/public/unstable/dashboard-widgets"
DASHBOARD_ROUTE: Final = "/api/public/unstable/dashboards"


@dataclass(frozen=True, slots=True)
class Item:
    """One object, and what became of it.

    Attributes:
        kind: What it is: score config, widget, dashboard, dataset, dataset items.
        name: Its name.
        state: What became of it.
        detail: What else is to be said.
        count: How many it stands for.
    """

    kind: str
    name: str
    state: State
    detail: str = ""
    count: int = 1


@dataclass(slots=True)
class Creator:
    """Creates objects on a server, or says in a dry run which it would.

    Attributes:
        api: The server.
        is_dry: Whether nothing is created.
        progress: Is told of each object.
        items: What became of each.
    """

    api: LangfuseApi
    is_dry: bool = False
    progress: Progress = lambda _: None
    items: list[Item] = field(default_factory=list)

    def add(self, item: Item) -> Item:
        """Note what became of an object."""
        self.items.append(item)
        self.progress(f"{item.kind} {item.name}: {item.state}")
        return item

    def listed(self, kind: str, path: str, **parameters: str) -> list[dict[str, Any]] | None:
        """Return all objects of a list; None where the server does not show it, which is noted."""
        try:
            return list(self.api.items(path, **parameters))
        except NoSuchRoute:
            self.add(Item(kind, "all", "unavailable", "this server has no route for it: it is too old, or has it off"))
        except Refused as error:
            self.add(Item(kind, "all", "failed", str(error)))
        return None

    def create(self, kind: str, name: str, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Create one object; return it as the server has it, None where it was not created, which is noted."""
        if self.is_dry:
            self.add(Item(kind, name, "missing"))
            return None
        try:
            made = self.api.create(path, body)
        except NoSuchRoute:
            self.add(Item(kind, name, "unavailable", "this server has no route for it"))
        except Refused as error:
            self.add(Item(kind, name, "failed", str(error)))
        else:
            self.add(Item(kind, name, "created"))
            return made
        return None


def set_up_score_configs(creator: Creator) -> None:
    """Create the score configs that a project lacks. One that differs is left: a config can only be archived."""
    configs = creator.listed("score config", CONFIGS)
    if configs is None:
        return
    for score in SCORES:
        same_name = [item for item in configs if item.get("name") == score.name]
        if not same_name:
            creator.create("score config", score.name, CONFIGS, score.body())
        else:
            creator.add(_compared(score, same_name))


def _compared(score: ScoreKind, configs: list[dict[str, Any]]) -> Item:
    """Return how the configs of a score's name stand; a project may have several of one name."""
    in_use = [item for item in configs if not item.get("isArchived")]
    if not in_use:
        return Item("score config", score.name, "archived", "it was put away in Langfuse, and stays so")
    differences = [score.differences(item) for item in in_use]
    best = min(differences, key=len)
    if not best:
        return Item("score config", score.name, "there")
    return Item("score config", score.name, "differs", "; ".join(best))


def set_up_dashboard(creator: Creator) -> None:
    """Create the dashboard with its widgets, where the project has none of its name; one that is there stays."""
    dashboards = creator.listed("dashboard", DASHBOARD_ROUTE)
    if dashboards is None:
        return
    if any(item.get("name") == DASHBOARD for item in dashboards):
        creator.add(Item("dashboard", DASHBOARD, "there"))
        return
    widgets = creator.listed("widget", WIDGET_ROUTE)
    if widgets is None:
        return
    ids = {str(item.get("name")): str(item.get("id")) for item in widgets}
    placed = []
    for widget in WIDGETS:
        if widget.name in ids:
            creator.add(Item("widget", widget.name, "there"))
            placed.append(ids[widget.name])
            continue
        made = creator.create("widget", widget.name, WIDGET_ROUTE, widget.body())
        if made is not None and made.get("id"):
            placed.append(str(made["id"]))
    if placed or creator.is_dry:
        creator.create("dashboard", DASHBOARD, DASHBOARD_ROUTE, dashboard_body(placed))

"""Compare what a project has with what it is to have, create what is missing, and change what differs on request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote

from src.insight.langfuse_setup.score_table import SCORES
from src.insight.langfuse_setup.server import NoSuchRoute, Refused
from src.insight.langfuse_setup.widgets import DASHBOARD, WIDGETS, dashboard_body, extended

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.insight.langfuse_setup.score_table import ScoreKind
    from src.insight.langfuse_setup.server import LangfuseApi
    from src.insight.langfuse_setup.widgets import Widget

    Progress = Callable[[str], object]

# `missing` is what a dry run would create; `archived` what somebody has put away; `unavailable` what the server has no
# route for.
State = Literal["there", "created", "updated", "missing", "differs", "archived", "failed", "unavailable"]
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
        is_update: Whether what differs is changed.
        progress: Is told of each object.
        items: What became of each.
    """

    api: LangfuseApi
    is_dry: bool = False
    is_update: bool = False
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

    def update(self, kind: str, name: str, path: str, body: dict[str, Any], detail: str) -> None:
        """Change one object that differs, where that is wanted and a request can; say what became of it."""
        if self.is_dry or not self.is_update or not body:
            self.add(Item(kind, name, "differs", detail if body else f"{detail}; it can be changed in Langfuse alone"))
            return
        try:
            self.api.update(path, body)
        except NoSuchRoute:
            self.add(Item(kind, name, "differs", f"{detail}; this server cannot change it"))
        except Refused as error:
            self.add(Item(kind, name, "failed", str(error)))
        else:
            self.add(Item(kind, name, "updated", detail))


def set_up_score_configs(creator: Creator) -> None:
    """Create the score configs that a project lacks, and change those that differ where that is wanted."""
    configs = creator.listed("score config", CONFIGS)
    if configs is None:
        return
    for score in SCORES:
        same_name = [item for item in configs if item.get("name") == score.name]
        if not same_name:
            creator.create("score config", score.name, CONFIGS, score.body())
        else:
            _compare_config(creator, score, same_name)


def _compare_config(creator: Creator, score: ScoreKind, configs: list[dict[str, Any]]) -> None:
    """Say how the configs of a score's name stand; a project may have several of one name."""
    in_use = [item for item in configs if not item.get("isArchived")]
    if not in_use:
        creator.add(Item("score config", score.name, "archived", "it was put away in Langfuse, and stays so"))
        return
    best = min(in_use, key=lambda item: len(score.differences(item)))
    if differences := score.differences(best):
        path = f"{CONFIGS}/{quote(str(best.get('id')), safe='')}"
        creator.update("score config", score.name, path, score.changes(best), "; ".join(differences))
    else:
        creator.add(Item("score config", score.name, "there"))


def set_up_dashboard(creator: Creator) -> None:
    """Create the dashboard with its widgets; change one that is there, and its widgets, where that is wanted."""
    dashboards = creator.listed("dashboard", DASHBOARD_ROUTE)
    if dashboards is None:
        return
    widgets = creator.listed("widget", WIDGET_ROUTE)
    if widgets is None:
        return
    dashboard = next((item for item in dashboards if item.get("name") == DASHBOARD), None)
    there = {str(item.get("name")): item for item in widgets}
    placed, made = [], []
    for widget in WIDGETS:
        if widget.name in there:
            _compare_widget(creator, widget, there[widget.name])
            placed.append(str(there[widget.name].get("id")))
        elif dashboard is not None and not creator.is_update:
            detail = "it is not in the project: deleted there, or new in this version"
            creator.add(Item("widget", widget.name, "differs", detail))
        else:
            new = creator.create("widget", widget.name, WIDGET_ROUTE, widget.body())
            made += [str(new["id"])] if new is not None and new.get("id") else []
    if dashboard is None:
        if placed or made or creator.is_dry:
            creator.create("dashboard", DASHBOARD, DASHBOARD_ROUTE, dashboard_body([*placed, *made]))
    elif made:
        path = f"{DASHBOARD_ROUTE}/{quote(str(dashboard.get('id')), safe='')}"
        detail = f"{len(made)} of its widgets were not there"
        creator.update("dashboard", DASHBOARD, path, extended(dashboard, made), detail)
    else:
        creator.add(Item("dashboard", DASHBOARD, "there"))


def _compare_widget(creator: Creator, widget: Widget, there: dict[str, Any]) -> None:
    if differences := widget.differences(there):
        body = {key: value for key, value in widget.body().items() if key != "name"}
        path = f"{WIDGET_ROUTE}/{quote(str(there.get('id')), safe='')}"
        creator.update("widget", widget.name, path, body, f"{', '.join(differences)} differ")
    else:
        creator.add(Item("widget", widget.name, "there"))

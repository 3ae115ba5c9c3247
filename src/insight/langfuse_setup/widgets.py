"""Describe the dashboard that is created: its widgets, and where they stand on its grid of 12 columns.

Views, dimensions, measures and filters are those of Langfuse's query model (in its repository,
packages/shared/src/features/query/dataModel.ts).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DASHBOARD: Final = "Moon Dev trading agents"
_PREFIX: Final = "Moon Dev: "
_ABOUT: Final = (
    "Decisions and model calls of the trading agents. Made by `moondev langfuse setup`, which changes it with "
    "--update alone. A trace has the same id in the local store: moondev traces show ID."
)
_WIDTH: Final = 6
_HEIGHT: Final = 6


def _is(column: str, value: str) -> dict[str, Any]:
    return {"column": column, "type": "stringOptions", "operator": "any of", "value": [value]}


_CALLS: Final = _is("type", "GENERATION")
_FAILED: Final = _is("level", "ERROR")


@dataclass(frozen=True, slots=True)
class Widget:
    """One widget, by the words of Langfuse's query model."""

    title: str
    view: str
    chart: str
    metric: tuple[str, str]
    dimensions: tuple[str, ...] = ()
    filters: tuple[Mapping[str, Any], ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return its name in the project, by which it is found again."""
        return _PREFIX + self.title

    def body(self) -> dict[str, Any]:
        """Return the request that creates it."""
        measure, aggregation = self.metric
        return {
            "name": self.name,
            "view": self.view,
            "dimensions": [{"field": name} for name in self.dimensions],
            "metrics": [{"measure": measure, "agg": aggregation}],
            "filters": [dict(item) for item in self.filters],
            "chartType": self.chart,
            **({"chartConfig": dict(self.config)} if self.config else {}),
        }

    def differences(self, widget: Mapping[str, Any]) -> list[str]:
        """Return in what a widget on the server differs, for people; its look and its text may be anybody's."""
        own = self.body()
        return [label for key, label in _COMPARED.items() if _plain(widget.get(key)) != _plain(own[key])]


# The parts of a widget that say what it shows, and how people know them.
_COMPARED: Final = {
    "view": "its view", "dimensions": "its dimensions", "metrics": "its metric", "filters": "its filters",
    "chartType": "its chart",
}  # fmt: skip
_READ: Final = ("field", "measure", "agg", "column", "operator", "value")


def _plain(part: Any) -> Any:
    """Return a part of a widget without what a server may add to it."""
    if isinstance(part, list):
        return [_plain(item) for item in part]
    return {key: part[key] for key in _READ if key in part} if isinstance(part, dict) else part


_CALLS_VIEW: Final = "observations"
_NUMBERS_VIEW: Final = "scores-numeric"
_BY_MODEL: Final = ("providedModelName",)
_LINE: Final = "LINE_TIME_SERIES"
_BARS: Final = "BAR_TIME_SERIES"
_MEAN: Final = ("value", "avg")

WIDGETS: Final = (
    Widget("cost by model", _CALLS_VIEW, _BARS, ("totalCost", "sum"), _BY_MODEL, (_CALLS,)),
    Widget("calls that failed", _CALLS_VIEW, _BARS, ("count", "count"), ("name",), (_CALLS, _FAILED)),
    Widget("p95 latency by model", _CALLS_VIEW, _LINE, ("latency", "p95"), _BY_MODEL, (_CALLS,)),
    Widget("tokens by model", _CALLS_VIEW, "AREA_TIME_SERIES", ("totalTokens", "sum"), _BY_MODEL, (_CALLS,)),
    Widget("decisions", "scores-categorical", "PIE", ("count", "count"), ("stringValue",), (_is("name", "decision"),)),
    Widget(
        "confidence", _NUMBERS_VIEW, "HISTOGRAM", ("value", "histogram"), (), (_is("name", "confidence"),), {"bins": 10}
    ),
    Widget("agreement", _NUMBERS_VIEW, _LINE, _MEAN, (), (_is("name", "agreement"),)),
    Widget("return after costs", _NUMBERS_VIEW, _LINE, _MEAN, (), (_is("name", "outcome.return_net"),)),
)


def dashboard_body(widget_ids: Sequence[str]) -> dict[str, Any]:
    """Return the request that creates the dashboard with widgets, two in a row."""
    return {"name": DASHBOARD, "description": _ABOUT, "definition": {"widgets": _tiles(widget_ids)}}


def extended(dashboard: Mapping[str, Any], widget_ids: Sequence[str]) -> dict[str, Any]:
    """Return the request that puts further widgets below what a dashboard has."""
    definition = dashboard.get("definition")
    tiles = definition.get("widgets", []) if isinstance(definition, dict) else []
    bottom = max((int(tile.get("y") or 0) + int(tile.get("height") or 0) for tile in tiles), default=0)
    return {"definition": {"widgets": [*tiles, *_tiles(widget_ids, bottom)]}}


def _tiles(widget_ids: Sequence[str], top: int = 0) -> list[dict[str, Any]]:
    return [
        {
            "type": "widget",
            "id": f"moondev-{top}-{number}",
            "widgetId": widget_id,
            "x": number % 2 * _WIDTH,
            "y": top + number // 2 * _HEIGHT,
            "width": _WIDTH,
            "height": _HEIGHT,
        }
        for number, widget_id in enumerate(widget_ids)
    ]

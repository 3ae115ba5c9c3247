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
    "Decisions and model calls of the trading agents. Made by `moondev langfuse setup`, which leaves it alone once it "
    "is there. A trace has the same id in the local store: moondev traces show ID."
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
    tiles = [
        {
            "type": "widget",
            "id": f"moondev-{number}",
            "widgetId": widget_id,
            "x": number % 2 * _WIDTH,
            "y": number // 2 * _HEIGHT,
            "width": _WIDTH,
            "height": _HEIGHT,
        }
        for number, widget_id in enumerate(widget_ids)
    ]
    return {"name": DASHBOARD, "description": _ABOUT, "definition": {"widgets": tiles}}

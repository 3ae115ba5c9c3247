"""List the scores that this project writes, with types, ranges and categories, as Langfuse's score configs have them.

A score config describes a name: people who annotate choose from it, and its text explains the score. Scores that are
sent name no config, so that none is dropped for leaving a range.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from src.agents.decisions import Action
from src.agents.risk_rules import RiskAction
from src.insight.quality.forms import FORMS
from src.insight.quality.judging import HIGHEST, LOWEST

if TYPE_CHECKING:
    from collections.abc import Mapping

DataType = Literal["NUMERIC", "CATEGORICAL", "BOOLEAN"]
_HERE: Final = "A trace has the same id in the local store: moondev traces show ID."
_ACTIONS: Final = tuple(str(action) for action in Action)


@dataclass(frozen=True, slots=True)
class ScoreKind:
    """One score that this project writes.

    Attributes:
        name: Its name; at most 35 characters, as Langfuse's server wants it.
        data_type: Its type.
        meaning: What it says, and of what.
        lowest: The least value of a number; None without a bound.
        highest: The greatest value of a number; None without a bound.
        labels: The values of a category.
    """

    name: str
    data_type: DataType
    meaning: str
    lowest: float | None = None
    highest: float | None = None
    labels: tuple[str, ...] = ()

    def body(self) -> dict[str, Any]:
        """Return the request that creates its config; what does not apply is left out, since the server wants that."""
        body: dict[str, Any] = {"name": self.name, "dataType": self.data_type, "description": self.description}
        if self.labels:
            body["categories"] = [{"label": label, "value": value} for value, label in enumerate(self.labels)]
        bounds = {"minValue": self.lowest, "maxValue": self.highest}
        return body | {name: value for name, value in bounds.items() if value is not None}

    @property
    def description(self) -> str:
        """Return the text that Langfuse shows beside it."""
        return f"{self.meaning} {_HERE}"

    def differences(self, config: Mapping[str, Any]) -> list[str]:
        """Return in what a config on the server differs, for people; its description may be anybody's."""
        own = self.body()
        differing = []
        if config.get("dataType") != self.data_type:
            return [f"its type is {config.get('dataType')}, here {self.data_type}"]
        for key, label in (("minValue", "least value"), ("maxValue", "greatest value")):
            if config.get(key) != own.get(key):
                differing.append(f"its {label} is {_bound(config.get(key))}, here {_bound(own.get(key))}")
        if self.data_type == "CATEGORICAL":
            labels = [item.get("label") for item in config.get("categories") or [] if isinstance(item, dict)]
            missing = [label for label in self.labels if label not in labels]
            if missing:
                differing.append(f"it has no category {', '.join(missing)}")
        return differing

    def changes(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the request that brings a config to this; empty where no request can. Its own categories stay."""
        own = self.body()
        if config.get("dataType") != self.data_type:
            return {}
        body = {key: own[key] for key in ("minValue", "maxValue") if key in own and own[key] != config.get(key)}
        categories = [item for item in config.get("categories") or [] if isinstance(item, dict)]
        labels, values = ({item.get(name) for item in categories} for name in ("label", "value"))
        free = (value for value in range(len(labels) + len(self.labels) + len(values)) if value not in values)
        lacking = [{"label": label, "value": next(free)} for label in self.labels if label not in labels]
        return body | ({"categories": [*categories, *lacking]} if lacking else {})


def _bound(value: Any) -> str:
    return "not set" if value is None else f"{value:g}" if isinstance(value, int | float) else str(value)


SCORES: Final = (
    ScoreKind("decision", "CATEGORICAL", "What an agent decided, on its run.", labels=_ACTIONS),
    ScoreKind("confidence", "NUMERIC", "How sure the decision was, in percent.", 0, 100),
    ScoreKind("agreement", "NUMERIC", "The share of the votes' weight that the decision had.", 0, 1),
    ScoreKind("vote", "CATEGORICAL", "What one member of a swarm voted, on its generation.", labels=_ACTIONS),
    ScoreKind(
        "risk_verdict", "CATEGORICAL", "What the risk rules demand.", labels=tuple(str(item) for item in RiskAction)
    ),
    ScoreKind("outcome.return_net", "NUMERIC", "The decision's return after costs, as a fraction."),
    ScoreKind("outcome.correct", "BOOLEAN", "Whether a BUY or SELL went its way before costs."),
    ScoreKind("outcome.brier", "NUMERIC", "The squared error of the confidence; 0 is best.", 0, 1),
    ScoreKind("outcome.pnl_usd", "NUMERIC", "What the account really earned by the decision, in US dollars."),
    ScoreKind("reply_form", "CATEGORICAL", "How a reply came out, on its generation.", labels=tuple(FORMS)),
    ScoreKind("valid_at_once", "BOOLEAN", "Whether a reply was valid without a repair."),
    ScoreKind("numbers_grounded", "NUMERIC", "The share of a reply's numbers that its prompt has.", 0, 1),
    ScoreKind("judge", "NUMERIC", "A judge's mark by a rubric; 5 is best.", LOWEST, HIGHEST),
)
